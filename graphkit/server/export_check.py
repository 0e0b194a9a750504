"""A fresh process tries an app: nothing of the notebook is there when it answers the recorded cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphkit.cases.case import Case
from graphkit.cases.check import check_case
from graphkit.cases.file import CaseFile
from graphkit.core.errors import ExportError, GraphError
from graphkit.export.app import CASES, Check
from graphkit.export.packages import OWN_DISTRIBUTION, canonical, needed_by, requirements_of
from graphkit.export.recorded import Replayed, replayed, without_cases
from graphkit.runtime.records import Runs
from graphkit.server.graph_server import GraphServer

#: How long a fresh process may take to load the app and to answer its cases.
TIMEOUT_S = 600.0
_RESULT = "result.json"
_ADVICE = "server.runs.clear() before the export forgets the runs, verify=False does not try them"


def check_app(folder: Path, server: GraphServer) -> Check:
    """Let a fresh process load an app and answer its recorded cases.

    A case that the server itself answers by now as the fresh process does was recorded before the graph changed: it is
    left out. What remains is a difference between here and there.

    Parameters
    ----------
    folder
        The app's folder.
    server
        The server that was exported.

    Raises
    ------
    ExportError
        If it cannot load the app, or answers otherwise than was recorded; the message shows where.
    """
    with tempfile.TemporaryDirectory(prefix="graphkit-check-") as elsewhere:
        found = _tried(folder, Path(elsewhere))
        if found["problems"]:
            raise ExportError(problems=found["problems"])
        now = {case.name: case for case in _found_cases(Path(elsewhere))}
    outdated = _outdated(server, now)
    problems = [f"a fresh process answers {text}" for name, text in found["differences"] if name not in outdated]
    if problems:
        raise ExportError(
            problems=[
                *problems,
                "if the graph answers by chance or by what it was asked before, begin anew: " + _ADVICE,
            ]
        )
    modules = tuple(found["modules"])
    if not outdated:
        return Check(cases=found["cases"], modules=modules)
    note = f"runs that an earlier version of the graph answered are left out: {len(outdated)}"
    return Check(cases=without_cases(folder / CASES, outdated), modules=modules, notes=(note,))


def _tried(folder: Path, elsewhere: Path) -> Any:
    """Return what came of trying an app; files about it lie ``elsewhere``."""
    started = elsewhere / "empty"
    started.mkdir()
    command = [sys.executable, "-m", "graphkit.server.export_check", str(folder), str(elsewhere)]
    try:
        done = subprocess.run(  # noqa: S603  # this very Python
            command, cwd=started, env=_environment(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"the exported app did not answer its cases within {TIMEOUT_S:.0f} s") from None
    try:
        return json.loads((elsewhere / _RESULT).read_text("utf-8"))
    except (OSError, ValueError):
        tail = done.stderr.decode(errors="replace").strip()[-2000:]
        raise ExportError(f"the exported app ended with code {done.returncode} when it was tried: {tail}") from None


def _found_cases(elsewhere: Path) -> Iterable[Case]:
    file = elsewhere / CASES
    return CaseFile.load(file).cases if file.exists() else ()


def _outdated(server: GraphServer, now: Mapping[str, Case]) -> set[str]:
    """Return the cases that the server itself answers by now as the fresh process does."""
    if not now:
        return set()
    runs, server.runs = server.runs, Runs()  # these are no runs of the user's
    try:
        return {name for name, case in now.items() if check_case(server, case).passed}
    finally:
        server.runs = runs


def _environment() -> dict[str, str]:
    """Return an environment in which only what is installed can be imported, and graphkit."""
    own = Path(__file__).resolve().parents[2]
    found = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSTARTUP")}
    if found.get("MPLBACKEND", "").startswith("module://"):
        del found["MPLBACKEND"]  # the notebook's own
    if not any(part in ("site-packages", "dist-packages") for part in own.parts):
        found["PYTHONPATH"] = str(own)
    return {**found, "PYTHONDONTWRITEBYTECODE": "1"}


def try_app(folder: Path, elsewhere: Path) -> dict[str, Any]:
    """Load an app, answer its recorded cases, and return what came of it; odd answers are written ``elsewhere``."""
    from graphkit.server.app import load_app

    unpickled: set[str] = set()
    sys.addaudithook(lambda event, args: unpickled.add(args[0]) if event == "pickle.find_class" else None)
    problems: list[str] = []
    differing: list[Replayed] = []
    cases = 0
    try:
        server = load_app(folder)
        server.init()
        differing, cases = replayed(folder / CASES, server)
        server.wait_for_completion()
    except Exception as exc:
        own = exc.problems if isinstance(exc, GraphError) else [f"{type(exc).__name__}: {exc}"]
        problems = [f"the exported app cannot run: {problem}" for problem in own]
    found = tuple(each.found for each in differing if each.found is not None)
    if found:
        CaseFile(cases=found).save(elsewhere / CASES)
    return {
        "problems": problems,
        "differences": [(each.case.name, each.text) for each in differing],
        "cases": cases,
        "modules": sorted(name for name in unpickled if isinstance(name, str)),
    }


def further_requirements(modules: Sequence[str], requirements: Mapping[str, str]) -> dict[str, str]:
    """Return the packages that an app needs though its code does not import them: those of its pickled models.

    Parameters
    ----------
    modules
        The modules that unpickling asked for.
    requirements
        The packages that are known to be needed.
    """
    found, _ = requirements_of(modules)
    known = needed_by([*requirements, OWN_DISTRIBUTION])
    new = {name: version for name, version in found.items() if canonical(name) not in known}
    return {
        name: version
        for name, version in new.items()
        if not any(canonical(name) in needed_by([other]) for other in new if other != name)
    }


def main(arguments: Iterable[str]) -> None:
    """Try an app's folder, and write what came of it into another one."""
    folder, elsewhere = map(Path, arguments)
    (elsewhere / _RESULT).write_text(json.dumps(try_app(folder, elsewhere)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
