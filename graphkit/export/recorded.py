"""The cases of an app: recorded runs and files of cases become one file, which a fresh process must answer."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from graphkit.cases.case import Case
from graphkit.cases.check import Answers, CaseResult, check_case
from graphkit.cases.compare import differences
from graphkit.cases.file import CaseFile
from graphkit.cases.recording import case_of
from graphkit.core.errors import CaseError

#: Where a case comes from that no file holds.
RUNS = "runs"
_ALIKE = ("path", "method", "content_type", "headers", "event_id", "status")


class Origin(msgspec.Struct, frozen=True):
    """Where a case of an app comes from.

    Attributes
    ----------
    name
        Name of its file; :data:`RUNS` of a recorded run.
    label
        What it was called there.
    is_named
        Whether somebody has said that it is this graph's: its file names the graph, or was named itself.
    """

    name: str = RUNS
    label: str = ""
    is_named: bool = False


class Found(msgspec.Struct, frozen=True):
    """A file of cases that goes along with an app."""

    name: str
    cases: tuple[Case, ...]
    is_named: bool = False


class AppCases(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of an app.

    Attributes
    ----------
    cases
        All of them; their names are unique.
    origins
        Where each comes from, by its name.
    notes
        What was left out, and why.
    """

    cases: tuple[Case, ...] = ()
    origins: dict[str, Origin] = {}
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    def to_yaml(self) -> str:
        """Return the text of the app's file of cases."""
        return CaseFile(cases=self.cases, graph=".").to_yaml()

    def counts(self) -> dict[str, int]:
        """Return how many come from where, the recorded runs first."""
        found = Counter(self.origins[case.name].name for case in self.cases)
        return {name: found[name] for name in sorted(found, key=lambda name: name != RUNS)}

    def without(self, names: Collection[str]) -> AppCases:
        """Return the cases but for some."""
        kept = tuple(case for case in self.cases if case.name not in names)
        return msgspec.structs.replace(self, cases=kept)


def app_cases(runs: Iterable[Any], files: Iterable[Found] = (), notes: Iterable[str] = ()) -> AppCases:
    """Return recorded runs and files of cases as the cases of an app.

    A run that a case of a file describes is that case: it keeps the case's name, tolerances and ignored places, and the
    run's place, since some graphs remember what they were asked before. The other cases follow.

    Parameters
    ----------
    runs
        Run records, oldest first.
    files
        Files of cases.
    notes
        What to tell beside what is found here.
    """
    found, own_notes = run_cases(runs)
    named = _named(files)
    origins = {case.name: origin for case, origin in named}
    cases: list[Case] = []
    used: set[str] = set()
    numbers = itertools.count(1)
    for run in found:
        same = next((case for case, _ in named if describes(case, run)), None)
        if same is None:
            name = next(name for name in (f"run {each}: {run.name}" for each in numbers) if name not in origins)
            origins[name] = Origin()
            cases.append(msgspec.structs.replace(run, name=name))
        elif same.name not in used:
            used.add(same.name)
            cases.append(same)
    cases += [case for case, _ in named if case.name not in used]
    return AppCases(cases=tuple(cases), origins=origins, notes=(*notes, *own_notes))


def _named(files: Iterable[Found]) -> list[tuple[Case, Origin]]:
    """Return the cases of all files under names that are unique, each once."""
    found: dict[str, tuple[Case, Origin]] = {}
    for file in files:
        for case in file.cases:
            name = case.name
            while name in found:
                if msgspec.structs.replace(found[name][0], name=case.name).to_dict() == case.to_dict():
                    break
                name = f"{name} ({file.name})"
            else:
                origin = Origin(file.name, case.name, file.is_named)
                found[name] = msgspec.structs.replace(case, name=name), origin
    return list(found.values())


def run_cases(runs: Iterable[Any]) -> tuple[list[Case], list[str]]:
    """Return run records as cases, and notes on those that cannot be written down."""
    cases: list[Case] = []
    notes: list[str] = []
    for run in runs:
        try:
            case = case_of(run, f"{run.method} {run.path}")
            case.to_dict()
        except CaseError as exc:
            notes.append(f"a run of {run.path!r} is no case: {exc.message}")
        else:
            cases.append(case)
    return cases, notes


def describes(case: Case, run: Case) -> bool:
    """Return whether a case is the request of a run, and its answer is what the case expects."""
    if any(getattr(case, field) != getattr(run, field) for field in _ALIKE):
        return False
    if case.answer is msgspec.UNSET or differences(case.body, run.body):
        return False
    return not differences(case.answer, run.answer, case.rtol, case.atol, (*case.ignore, *run.ignore))


class Replayed(msgspec.Struct, frozen=True):
    """A case that was answered otherwise.

    Attributes
    ----------
    case
        The case as it was recorded.
    found
        The same request with the answer that was found; ``None`` if that cannot be written down.
    text
        Where they differ.
    """

    case: Case
    found: Case | None
    text: str


def replayed(file: Path, server: Answers) -> tuple[list[Replayed], int]:
    """Replay the cases of a file on a server; returns those that differ, and how many cases there were.

    Parameters
    ----------
    file
        The file; one that is not there holds no cases.
    server
        What answers.
    """
    if not file.exists():
        return [], 0
    cases = CaseFile.load(file)
    results = [check_case(server, case) for case in cases]
    return [_difference(result) for result in results if not result.passed], len(cases)


def _difference(result: CaseResult) -> Replayed:
    case = result.case
    request = f"{case.method} {case.path}" + (f" with {_shown(case.body)}" if case.body is not None else "")
    places = "; ".join(map(str, result.differences[:5]))
    found: Case | None = msgspec.structs.replace(case, status=result.status, answer=result.answer)
    try:
        assert found is not None
        found.to_dict()
    except CaseError:
        found = None  # the difference itself is told all the same
    return Replayed(case, found, f"{request}: {places}")


def _shown(body: Any) -> str:
    try:
        text = json.dumps(body)
    except (TypeError, ValueError):
        text = repr(body)
    return text if len(text) <= 200 else text[:200] + "..."
