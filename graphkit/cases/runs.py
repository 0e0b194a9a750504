"""Two runs side by side, step by step: what is the same, and where it first differs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from graphkit.cases.compare import Difference, Nothing, differences
from graphkit.runtime.records import RunRecord, StepRecord
from graphkit.view.preview import preview

_SHOWN = 60
#: Two runs are the same where numbers differ by no more than this, relative to their size.
RTOL, ATOL = 1e-6, 1e-9
_SLACK = dt.timedelta(milliseconds=5)  # clocks that are read one after the other


class StepComparison(msgspec.Struct, frozen=True):
    """One step of two runs.

    Attributes
    ----------
    name, kind
        Path and kind of the step.
    status
        ``"same"``; ``"changed"``: another output, or a failure that is gone; ``"failed"``: it fails now, or in another
        way; ``"added"`` and ``"removed"``: it ran in one of the runs only.
    first
        The first difference, such as ``"outputs[0].label: 1 -> 2"``.
    count
        How many places differ; at most 200 are counted.
    input_changed
        Whether it got something else.
    duration_us, duration_us_before
        How long it took in the second and in the first run, in microseconds; ``None`` where it did not run.
    replayed
        Whether the second run took its record over from another run.
    """

    name: str
    kind: str
    status: str
    first: str = ""
    count: int = 0
    input_changed: bool = False
    duration_us: float | None = None
    duration_us_before: float | None = None
    replayed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as a dict."""
        return {field: getattr(self, field) for field in self.__struct_fields__}


class RunComparison(msgspec.Struct, frozen=True):
    """Two runs, compared step by step; see :func:`compare`.

    Attributes
    ----------
    before, after
        Ids of the runs.
    steps
        One for each time that a step ran in either of them, in the order of the second run.
    status_before, status
        HTTP statuses of the answers.
    answer
        The first difference of the answers; empty where they are the same.
    duration_us_before, duration_us
        How long the runs took, in microseconds.
    """

    before: str
    after: str
    steps: tuple[StepComparison, ...]
    status_before: int
    status: int
    answer: str
    duration_us_before: float
    duration_us: float

    @property
    def same(self) -> bool:
        """Whether both came to the same in every step; times do not count."""
        return not self.answer and self.status == self.status_before and self.first is None

    @property
    def first(self) -> StepComparison | None:
        """The first step that is not the same."""
        return next((step for step in self.steps if step.status != "same"), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as a dict."""
        told = {field: getattr(self, field) for field in self.__struct_fields__ if field != "steps"}
        return {**told, "same": self.same, "steps": [step.to_dict() for step in self.steps]}

    def to_frame(self) -> Any:
        """Return the steps as a pandas DataFrame, one row each; needs pandas."""
        from graphkit.core.extras import load

        pandas = load("pandas", "RunComparison.to_frame", "notebook")
        frame = pandas.DataFrame([step.to_dict() for step in self.steps], columns=StepComparison.__struct_fields__)
        return frame.astype({"duration_us": float, "duration_us_before": float})

    def __repr__(self) -> str:
        from graphkit.view.comparison_table import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from graphkit.view.comparison_table import comparison_html

        return comparison_html(self)


def compare(
    before: RunRecord, after: RunRecord, *, rtol: float = RTOL, atol: float = ATOL, ignore: Iterable[str] = ()
) -> RunComparison:
    """Compare two recorded runs step by step.

    Steps are paired by their path, and where one ran several times, by their order. Each run's own id, and times at
    which it happened, count as the same wherever they stand.

    Parameters
    ----------
    before, after
        The records, such as ``server.runs[-2]`` and ``server.last_run``.
    rtol, atol
        Relative and absolute tolerance of numbers that are no integers.
    ignore
        Places that are not compared: ``"seed"``, ``"models.*.cost"``, ``"outputs[0]"``, ``"**.host"``.

    Raises
    ------
    TypeError
        If something else than records is given.

    Examples
    --------
    >>> from graphkit import new_flow
    >>> graph = new_flow()
    >>> step = graph.to(name="double", handler="({'x': event * 2})")
    >>> server = graph.to_mock_server()
    >>> _ = server.test(body=2)
    >>> step.handler = "({'x': event * 3})"
    >>> compare(server.last_run, server.replay()).first.first
    'x: 4 -> 6'
    """
    for run in (before, after):
        if not isinstance(run, RunRecord):
            raise TypeError(
                f"compare takes two run records, such as server.runs[-2] and server.last_run; found a value of type "
                f"{type(run).__name__}"
            )
    pair = _Pair(before, after, rtol, atol, tuple(ignore))
    answer = pair.differences(before.answer, after.answer)
    return RunComparison(
        before.id,
        after.id,
        tuple(pair.steps()),
        before.status,
        after.status,
        _worded(answer[0]) if answer else "",
        before.duration_us,
        after.duration_us,
    )


class _Pair:
    """Two runs that are being compared."""

    def __init__(self, before: RunRecord, after: RunRecord, rtol: float, atol: float, ignore: tuple[str, ...]) -> None:
        self._runs = before, after
        self._tolerance = rtol, atol
        self._ignore = ignore
        self._spans = tuple(
            (run.started - _SLACK, run.started + dt.timedelta(microseconds=run.duration_us) + _SLACK)
            for run in self._runs
        )

    def steps(self) -> Iterable[StepComparison]:
        """Yield the comparisons in the order of the second run; what only the first has stands where it stood."""
        old, new = (_numbered(run.steps) for run in self._runs)
        waiting = list(old)
        for key, record in new.items():
            if key in old:
                while waiting and waiting[0] != key and waiting[0] not in new:
                    yield self._only(old[waiting.pop(0)], "removed")
                if key in waiting:
                    waiting.remove(key)
                yield self._both(old[key], record)
            else:
                yield self._only(record, "added")
        for key in waiting:
            yield self._only(old[key], "removed")

    def _only(self, step: StepRecord, status: str) -> StepComparison:
        now, before = (step.duration_us, None) if status == "added" else (None, step.duration_us)
        return StepComparison(step.name, step.kind, status, step.error or "", 0, False, now, before, step.replayed)

    def _both(self, old: StepRecord, new: StepRecord) -> StepComparison:
        changed_input = bool(self.differences(old.input, new.input))
        status, first, count = "same", "", 0
        if old.error != new.error:
            status = "failed" if new.error else "changed"
            first, count = f"error: {_short(old.error)} -> {_short(new.error)}", 1
        elif not new.error:
            found = self.differences(old.output, new.output)
            if found:
                status, first, count = "changed", _worded(found[0], old.output, new.output), len(found)
        times = new.duration_us, old.duration_us
        return StepComparison(new.name, new.kind, status, first, count, changed_input, *times, new.replayed)

    def differences(self, old: Any, new: Any) -> list[Difference]:
        """Return where two values differ, leaving out what differs in any two runs."""
        if old is new:
            return []
        found = differences(old, new, *self._tolerance, self._ignore)
        return [each for each in found if not self._is_of_the_run(each)]

    def _is_of_the_run(self, found: Difference) -> bool:
        values = found.expected, found.found
        if all(value == run.id for value, run in zip(values, self._runs, strict=True) if type(value) is str) and all(
            type(value) is str for value in values
        ):
            return True
        moments = [_moment(value) for value in values]
        return all(
            moment is not None and since <= moment <= until
            for moment, (since, until) in zip(moments, self._spans, strict=True)
        )


def _numbered(steps: Iterable[StepRecord]) -> dict[tuple[str, int], StepRecord]:
    counts: dict[str, int] = {}
    found = {}
    for step in steps:
        number = counts[step.name] = counts.get(step.name, 0) + 1
        found[step.name, number] = step
    return found


def _moment(value: Any) -> dt.datetime | None:
    if type(value) is str and 19 <= len(value) <= 40:
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.timezone.utc)


def _worded(found: Difference, old: Any = None, new: Any = None) -> str:
    path = f"{found.path}: " if found.path else ""
    for side, there, other in (("before", found.expected, found.found), ("after", found.found, found.expected)):
        if isinstance(other, Nothing):
            return f"{path}only {side}, {_kind(there)}"
    if _is_large(found.expected) or _is_large(found.found):
        return f"{path}{_kind(found.expected)} -> {_kind(found.found)}"
    text = f"{path}{_short(found.expected)} -> {_short(found.found)}"
    return f"{text} in {_kind(new)}" if _is_large(old) and _is_large(new) else text


def _is_large(value: Any) -> bool:
    return (hasattr(value, "dtype") and bool(getattr(value, "shape", ()))) or hasattr(value, "dtypes")


def _kind(value: Any) -> str:
    if not _is_large(value):
        return _short(value)
    shape = " x ".join(f"{size:,}" for size in value.shape)
    dtype = f" of {value.dtype}" if hasattr(value, "dtype") else ""
    return f"{type(value).__name__}({shape}){dtype}"


def _short(value: Any) -> str:
    return preview(value, _SHOWN)
