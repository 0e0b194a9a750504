"""One virtual environment outside the checkout, shared by the scripts beside this file.

Needs only Python 3.10 or newer and pip.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 10)


def ready(extras: str) -> Path:
    """Return the Python of an environment that holds this checkout with ``extras``; make it if it is not there.

    It lies in the user's cache folder under a name that changes with ``pyproject.toml`` and the Python version, so
    that a second start takes seconds, and changed dependencies get an environment of their own.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"graphkit needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer; this is {sys.version.split()[0]}")
    folder = _cache() / f"venv-{_fingerprint(extras)}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done, pointer = folder / "installed", folder / "checkout"
    if not done.exists() or not python.exists():
        print(f"Setting up {folder} (once; a minute or two)", flush=True)
        install = _make(folder, python)
        _call([*install, "-e", f"{CHECKOUT}[{extras}]"])
        done.touch()
    elif pointer.read_text(encoding="utf-8") != str(CHECKOUT):
        # The same dependencies, another clone: only the package itself has to point there.
        _call([*_pip(python), "--no-deps", "-e", str(CHECKOUT)])
    pointer.write_text(str(CHECKOUT), encoding="utf-8")
    return python


def run(python: Path, *arguments: str) -> int:
    """Run a module or script of the environment inside the checkout; return its exit status."""
    # PYTHONPATH: this checkout's code counts, even if another clone took over the environment meanwhile.
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    # PATH: what notebooks start by name (jupyter, graphviz-pure) is the environment's own.
    programs = os.pathsep.join(filter(None, [str(python.parent), os.environ.get("PATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PATH": programs}
    try:
        return subprocess.run([str(python), *arguments], cwd=CHECKOUT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130


def _cache() -> Path:
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base or Path.home() / "AppData/Local") / "graphkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphkit"


def _fingerprint(extras: str) -> str:
    project = (CHECKOUT / "pyproject.toml").read_bytes()
    seed = f"{sys.version} {sys.prefix} {extras}".encode() + project
    return hashlib.sha256(seed).hexdigest()[:12]


def _make(folder: Path, python: Path) -> list[str]:
    """Make the environment; return the command that installs into it."""
    with contextlib.suppress(subprocess.CalledProcessError):
        venv.create(folder, with_pip=True, clear=True)
        return _pip(python)
    # Some systems ship Python without ensurepip. The pip that is there can install into another environment.
    venv.create(folder, with_pip=False, clear=True)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    probe = subprocess.run([*install[:-2], "--version"], capture_output=True, check=False)
    if probe.returncode:
        sys.exit(
            "No virtual environment could be made: this Python has no ensurepip, and no pip of version 22.3 or newer.\n"
            "Install the venv package of your system (python3-venv on Debian and Ubuntu), or upgrade pip."
        )
    return install


def _pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _call(command: list[str]) -> None:
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(f"failed with status {status}: {' '.join(command)}")
