"""Recorded runs as an app's cases, and cases replayed: what a fresh process must answer as before."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from graphkit.cases.case import Case
from graphkit.cases.check import Answers, CaseResult, check_case
from graphkit.cases.file import CaseFile
from graphkit.core.errors import CaseError

_ABSENT = object()


def recorded_cases(runs: Iterable[Any]) -> tuple[str, int, list[str]]:
    """Return the text of a file of cases for some run records, how many it holds, and notes on those left out.

    Parameters
    ----------
    runs
        Run records, oldest first.
    """
    cases: list[Case] = []
    notes: list[str] = []
    for run in runs:
        body = getattr(run, "body", _ABSENT)
        if body is _ABSENT:
            continue
        case = Case(
            name=f"run {len(cases) + 1}: {run.method} {run.path}",
            path=run.path,
            method=run.method,
            body=body,
            status=run.status,
            answer=run.answer,
            ignore=tuple(dict.fromkeys(_made_anew(run.answer, run.id, ""))),
        )
        try:
            case.to_dict()
        except CaseError as exc:
            notes.append(f"a run of {run.path!r} is no case: {exc.message}")
        else:
            cases.append(case)
    file = CaseFile(cases=tuple(cases), graph=".")
    return (file.to_yaml() if cases else ""), len(cases), notes


def _made_anew(value: Any, run_id: str, place: str) -> Iterator[str]:
    """Return the places in an answer that hold the id of its run, or when it was given."""
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{place}.{key}" if place else key
            if not isinstance(key, str) or not key.isidentifier():
                continue  # a place cannot name it
            # an array or a table compares item by item
            if (isinstance(item, str) and item == run_id) or (key == "timestamp" and "model_name" in value):
                yield below
            else:
                yield from _made_anew(item, run_id, below)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value[:1000]):
            yield from _made_anew(item, run_id, f"{place}[{index}]")


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


def without_cases(file: Path, names: Collection[str]) -> int:
    """Take cases out of a file, which goes when none is left; returns how many are left."""
    before = CaseFile.load(file)
    kept = msgspec.structs.replace(before, cases=tuple(case for case in before if case.name not in names))
    if kept.cases:
        kept.save(file)
    else:
        file.unlink()
    return len(kept)


def _shown(body: Any) -> str:
    try:
        text = json.dumps(body)
    except (TypeError, ValueError):
        text = repr(body)
    return text if len(text) <= 200 else text[:200] + "..."
