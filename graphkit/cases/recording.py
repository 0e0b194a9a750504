"""From a recorded run to a case."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from graphkit.cases.case import ATOL, RTOL, Case
from graphkit.cases.places import Place, written
from graphkit.core import jsonlike
from graphkit.core.errors import CaseError
from graphkit.runtime.records import RunRecord

# What an event may carry that a case has no field for.
_NO_FIELD = ("trigger", "offset", "time", "key", "extra")


def case_of(
    run: RunRecord, name: str, rtol: float = RTOL, atol: float = ATOL, ignore: Iterable[str] | None = None
) -> Case:
    """Return a recorded run as a case: its event, and its answer as the expected one.

    What is another one in each run is not compared: the time stamps of models' answers, and the event's id wherever it
    stands in the answer, unless the caller had given it.

    Parameters
    ----------
    run
        The record.
    name
        Name of the case.
    rtol, atol
        Tolerance of numbers.
    ignore
        More places that are not compared, such as ``"outputs[*].seconds"``.

    Raises
    ------
    CaseError
        If the record does not hold all that the case needs.
    """
    carried = run.event
    if carried is None:
        raise CaseError(f"case {name!r}: the record of run {run.id!r} does not say what the event was")
    for field in _NO_FIELD:
        if _is_set(getattr(carried, field), field):
            raise CaseError(f"case {name!r}: the event had {_NAMES.get(field, field)}, which a case cannot hold")
    headers = carried.headers or {}
    if not all(type(key) is str and type(value) is str for key, value in headers.items()):
        raise CaseError(f"case {name!r}: the headers are not all texts, or hold a secret, which a case cannot hold")
    answer = _answer(run)
    places = [written(place) for place in _volatile(answer, run, {carried.id, *headers.values()})]
    return Case(
        name=name,
        path=carried.path,
        method=carried.method or "",
        body=run.body,
        content_type=carried.content_type,
        headers=dict(headers),
        event_id=carried.id,
        status=run.status,
        answer=answer,
        rtol=rtol,
        atol=atol,
        ignore=tuple(dict.fromkeys([*places, *(ignore or ())])),
    )


_NAMES = {"extra": "attributes of its own", "time": "a time of its own", "key": "a key"}


def _is_set(value: Any, field: str) -> bool:
    if field == "trigger":
        return bool(getattr(value, "kind", "") or getattr(value, "name", ""))
    return bool(value)


def _answer(run: RunRecord) -> Any:
    """Return the answer as an object, also where the caller had asked for it as text (``get_body=False``)."""
    answer = run.answer
    if type(answer) not in (str, bytes) or run.status >= 300:
        return answer
    if any(type(step.output) is type(answer) and step.output == answer for step in run.steps):
        return answer  # a step returned this text
    try:
        return jsonlike.decode(answer)
    except ValueError:
        return answer


def _volatile(answer: Any, run: RunRecord, given: Collection[str | None], place: Place = ()) -> Iterator[Place]:
    if isinstance(answer, Mapping):
        for key, item in answer.items():
            if key == "timestamp" and "model_name" in answer:
                yield (*place, key)
            else:
                yield from _volatile(item, run, given, (*place, key))
    elif isinstance(answer, (list, tuple)):
        for index, item in enumerate(answer):
            yield from _volatile(item, run, given, (*place, index))
    elif type(answer) is str and answer == run.id and run.id not in given and not _says(run.body, run.id):
        yield place


def _says(value: Any, text: str) -> bool:
    """Return whether a text stands somewhere in a body."""
    if isinstance(value, Mapping):
        return any(_says(item, text) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_says(item, text) for item in value)
    if isinstance(value, bytes):
        return text.encode() in value
    return isinstance(value, str) and text in value
