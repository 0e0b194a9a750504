"""Virtual environments outside the checkout, for the scripts beside this file. Needs only Python 3.10 and pip."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 10)


def ready(extras: str) -> Path:
    """Return the Python of an environment that holds this checkout with ``extras``; make it if it is not there.

    It lies in the user's cache folder under a name that changes with the dependencies and the Python version, so that
    a second start takes seconds, and changed dependencies get an environment of their own.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"graphkit needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer; this is {sys.version.split()[0]}"
        )
    # Python 3.10 cannot parse TOML; what comes before the first tool's settings describes the package.
    package, _, _ = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8").partition("\n[tool.")
    folder = _folder("graphkit", sys.executable, [extras, package])
    pointer = folder / "checkout"
    if not _complete(folder):
        _fill(folder, sys.executable, ["-e", f"{CHECKOUT}[{extras}]"])
    elif not pointer.exists() or pointer.read_text(encoding="utf-8") != str(CHECKOUT):
        # The same dependencies, another clone: only the package itself has to point there.
        _call([*_installer(folder, sys.executable), "--no-deps", "-e", str(CHECKOUT)])
    pointer.write_text(str(CHECKOUT), encoding="utf-8")
    return _python_of(folder)


def with_packages(name: str, requirements: Iterable[str], interpreter: str) -> Path:
    """Return the Python of an environment with these packages, made by ``interpreter`` if it is not there."""
    wanted = list(requirements)
    folder = _folder(name, interpreter, wanted)
    if not _complete(folder):
        _fill(folder, interpreter, wanted)
    return _python_of(folder)


def run(python: Path, *arguments: str) -> int:
    """Run a module or script of the environment inside the checkout; return its exit status."""
    # PYTHONPATH: this checkout's code counts, even if another clone took over the environment meanwhile.
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    # PATH: what is started by name is the environment's own.
    programs = os.pathsep.join(filter(None, [str(python.parent), os.environ.get("PATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PATH": programs}
    try:
        return subprocess.run([str(python), *arguments], cwd=CHECKOUT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


def _folder(name: str, interpreter: str, parts: list[str]) -> Path:
    script = "import sys; print(sys.version, sys.prefix)"
    version = subprocess.run([interpreter, "-c", script], capture_output=True, text=True, check=True).stdout
    fingerprint = hashlib.sha256("\0".join([version, *parts]).encode()).hexdigest()[:12]
    return _cache() / f"{name}-{fingerprint}"


def _cache() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "graphkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphkit"


def _complete(folder: Path) -> bool:
    # The mark is written last, so that an interrupted installation is done again.
    return (folder / "complete").exists() and _python_of(folder).exists()


def _fill(folder: Path, interpreter: str, wanted: list[str]) -> None:
    print(f"Setting up {folder} (once; a minute or two)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    if subprocess.run([interpreter, "-m", "venv", str(folder)], capture_output=True, check=False).returncode:
        # Some systems ship Python without ensurepip.
        _call([interpreter, "-m", "venv", "--clear", "--without-pip", str(folder)])
    _call([*_installer(folder, interpreter), *wanted])
    (folder / "complete").touch()


def _installer(folder: Path, interpreter: str) -> list[str]:
    """Return the command that installs into the environment: its own pip, else the interpreter's."""
    python = str(_python_of(folder))
    quiet = ["install", "-qq", "--disable-pip-version-check"]
    for pip in ([python, "-m", "pip"], [interpreter, "-m", "pip", "--python", python]):
        if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode == 0:
            return [*pip, *quiet]
    sys.exit(
        "No virtual environment can be filled: this Python has no ensurepip, and no pip of version 22.3 or newer.\n"
        "Install your system's venv package (python3-venv on Debian and Ubuntu), or upgrade pip."
    )


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _call(command: list[str]) -> None:
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command)}")
