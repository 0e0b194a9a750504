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

import msgspec

from graphkit.cases.case import Case
from graphkit.cases.check import check_case
from graphkit.cases.file import CaseFile
from graphkit.core.errors import ExportError, GraphError
from graphkit.export.app import CASES, Check
from graphkit.export.packages import OWN_DISTRIBUTION, canonical, needed_by, requirements_of
from graphkit.export.recorded import RUNS, AppCases, Replayed, describes, replayed, run_cases
from graphkit.runtime.records import Runs
from graphkit.server.export_cases import WITHOUT
from graphkit.server.graph_server import GraphServer

#: How long a fresh process may take to load the app and to answer its cases.
TIMEOUT_S = 600.0
_RESULT = "result.json"
_OF_RUNS = (
    "if the graph answers by chance or by what it was asked before, begin anew: server.runs.clear() before the export "
    "forgets the runs, verify=False does not try them"
)
_OF_FILES = (
    "if a case is outdated, server.record(its name) after a test writes it anew; if it is another graph's, let its "
    f"file name that one (graph: ...); {WITHOUT}"
)


def check_app(folder: Path, server: GraphServer, cases: AppCases, others: Sequence[GraphServer] = ()) -> Check:
    """Let a fresh process load an app and answer its recorded cases.

    What does not go along: runs that the server itself answers by now as the fresh process does, since they were
    recorded before the graph changed; and of files that do not say which graph they are for, the cases that are not
    this graph's. What remains is a difference.

    Parameters
    ----------
    folder
        The app's folder.
    server
        The server that was exported.
    cases
        The cases of the app, and where each comes from.
    others
        Servers of other graphs beside it.

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
    sorted_out = _sorted_out(found["differences"], cases, now, _answered_alike(server, now), others)
    if sorted_out.problems:
        raise ExportError(problems=[*sorted_out.problems, *sorted(sorted_out.advice)])
    notes = []
    if sorted_out.outdated:
        notes.append(f"runs that an earlier version of the graph answered are left out: {len(sorted_out.outdated)}")
    if sorted_out.foreign:
        told = [
            f"{origin.label!r} of {origin.name!r}" for origin in map(cases.origins.get, sorted_out.foreign) if origin
        ]
        notes.append(f"cases that are not this graph's are left out: {', '.join(told)}")
    left_out = frozenset([*sorted_out.outdated, *sorted_out.foreign])
    return Check(left_out=left_out, modules=tuple(found["modules"]), notes=tuple(notes))


class _SortedOut(msgspec.Struct):
    """What the differences come to."""

    outdated: list[str] = []
    foreign: list[str] = []
    problems: list[str] = []
    advice: set[str] = set()


def _sorted_out(
    different: Iterable[tuple[str, str]],
    cases: AppCases,
    now: Mapping[str, Case],
    here: set[str],
    others: Sequence[GraphServer],
) -> _SortedOut:
    """Tell apart what a fresh process answers otherwise than recorded.

    Parameters
    ----------
    different
        Names of cases, and where they differ.
    cases
        All cases.
    now
        The cases with the answers that were found.
    here
        Those that the server answers by now as the fresh process does.
    others
        Servers of other graphs.
    """
    found = _SortedOut()
    recorded = {case.name: case for case in cases.cases}
    for name, text in different:
        origin = cases.origins[name]
        if origin.name == RUNS and name in here:
            found.outdated.append(name)
        elif origin.name == RUNS:
            found.problems.append(f"a fresh process answers {text}")
            found.advice.add(_OF_RUNS)
        elif not origin.is_named and name in here and _is_of_another(recorded[name], now[name], others):
            found.foreign.append(name)
        else:
            who = "the graph as it is now, here and in a fresh process," if name in here else "a fresh process"
            found.problems.append(f"case {origin.label!r} of {origin.name!r}: {who} answers {text}")
            found.advice.add(_OF_FILES)
    return found


def _is_of_another(case: Case, found: Case, others: Iterable[GraphServer]) -> bool:
    """Return whether a case asks for what this graph does not have, or another one was seen to answer it so."""
    if found.status == 404 != case.status:
        return True
    return any(describes(case, run) for other in others for run in run_cases(other.runs)[0])


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


def _answered_alike(server: GraphServer, now: Mapping[str, Case]) -> set[str]:
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
