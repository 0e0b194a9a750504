"""Run records: what every step received and returned, as it was at that moment. Data, bounded, and off by default."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Iterator
from time import perf_counter_ns
from typing import Any

import msgspec

from graphkit.core.emit import Emit
from graphkit.core.errors import told
from graphkit.runtime.carried import Carried, carried_by
from graphkit.runtime.sent import bodies_of, sent_text
from graphkit.runtime.snapshot import SCALARS, Snapshots

MOST_RUNS = 50
MOST_BYTES = 32 * 2**20
MOST_STEPS = 10_000
#: The type of a preview that stands for nothing at all: a step dropped its event, or holds it back.
NOTHING_SENT = "nothing"
_SAME: Any = object()


class StepRecord(msgspec.Struct, frozen=True):
    """What one step did with one event.

    Attributes
    ----------
    name
        Path of the step.
    kind
        Kind of step.
    input, output
        What it received and returned; large values as previews.
    duration_us
        How long it took, in microseconds.
    error
        How it failed, else ``None``.
    traceback
        Where it failed, cut to the user's code, else ``None``.
    body
        The event's body when it reached the step: what ``input_path`` selected the input from.
    event
        What else the event carried then.
    source
        Path of the step that the event came from, where that is known: not for routes, nor at a flow's start.
    replayed
        Whether the step did not run in this run: its record was taken over from the run that was replayed.
    """

    name: str
    kind: str
    input: Any
    output: Any
    duration_us: float
    error: str | None = None
    traceback: str | None = None
    body: Any = None
    event: Carried | None = None
    source: str | None = None
    replayed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a dict."""
        return {
            "name": self.name,
            "kind": self.kind,
            "input": self.input,
            "output": self.output,
            "duration_us": self.duration_us,
            "error": self.error,
        }


class RunRecord(msgspec.Struct, frozen=True):
    """One event through the graph, step by step.

    Attributes
    ----------
    id, path, method
        Of the event.
    status
        HTTP status of the answer.
    started
        When the run began (UTC).
    duration_us
        How long it took, in microseconds, from the first step on: models that were loaded for it had been loaded then.
    answer
        What the caller got.
    steps
        One record for each time that a step ran, in the order in which they began.
    dropped
        How many further steps ran but were not recorded, since there were too many.
    body
        The event's body as the caller gave it.
    event
        What else the event carried; its ``id`` is ``None`` where the caller gave none.
    replay_of
        The id of the run that this one repeats, if it does.
    start
        The step from which on it was repeated; ``None`` for all of it.
    note
        What a reader should know of the answer: why it is no more than an id.
    topology
        The graph that the event went through, as it was then; no part of :meth:`to_dict`.
    """

    id: str
    path: str
    method: str
    status: int
    started: dt.datetime
    duration_us: float
    answer: Any
    steps: tuple[StepRecord, ...]
    dropped: int = 0
    body: Any = None
    event: Carried | None = None
    replay_of: str | None = None
    start: str | None = None
    note: str = ""
    topology: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a dict; of a replay it says of what, and ``start``, from where on."""
        told = {
            "id": self.id,
            "path": self.path,
            "method": self.method,
            "status": self.status,
            "started": self.started,
            "duration_us": self.duration_us,
            "answer": self.answer,
            "steps": [step.to_dict() for step in self.steps],
        }
        return told if self.replay_of is None else {**told, "replay_of": self.replay_of, "start": self.start}

    def to_frame(self) -> Any:
        """Return the steps as a pandas DataFrame, one row each; needs pandas."""
        from graphkit.core.extras import load

        pandas = load("pandas", "RunRecord.to_frame", "notebook")
        rows = [step.to_dict() for step in self.steps]
        columns = ["name", "kind", "input", "output", "duration_us", "error"]
        # as objects, since a column of numbers and None would become floats and NaN
        return pandas.DataFrame(rows, columns=columns, dtype=object).astype({"duration_us": float})

    def __repr__(self) -> str:
        from graphkit.view.run_table import run_text

        return run_text(self)

    def _repr_html_(self) -> str:
        from graphkit.view.run_table import run_html

        return run_html(self)


class Entry(msgspec.Struct):
    """A step that is running, or has run. A struct, since one is made for every step.

    ``source`` is the step that the event came from, ``carrier`` the event itself, ``result`` what the step returned;
    these are let go with the recorder. ``duration_us`` is negative while the step runs.
    """

    step: Any
    input: Any
    body: Any = None
    event: Carried | None = None
    source: Any = None
    carrier: Any = None
    started: int = 0
    output: Any = None
    error: str | None = None
    duration_us: float = -1.0
    result: Any = None
    traceback: str | None = None


def step_record(entry: Entry) -> StepRecord:
    """Return what is known of a step by now."""
    step, source = entry.step, entry.source
    return StepRecord(
        step.path or step.name,
        step.kind,
        entry.input,
        entry.output,
        entry.duration_us,
        entry.error,
        entry.traceback,
        entry.body,
        entry.event,
        None if source is None else source.path,
    )


class Recorder:
    """Collects what the steps of one run do. Threads may share it."""

    __slots__ = (
        "_began",
        "_body",
        "_came",
        "_entries",
        "_event",
        "_given",
        "_secrets",
        "_snapshots",
        "_started",
        "dropped",
        "event",
        "note",
        "replay_of",
        "start",
        "topology",
    )

    def __init__(self, event: Any, secrets: Any = None) -> None:
        self.event = event
        self._entries: list[Entry] = []
        self._secrets = secrets
        self._snapshots = Snapshots(secrets)
        self._given = event.body
        self._body = self._snapshots.take(event.body)
        self._event: Carried | None = carried_by(event, self._snapshots)
        # Where each event that is on its way to a step comes from.
        self._came: dict[int, Any] = {}
        self._started = dt.datetime.now(dt.timezone.utc)
        self._began = perf_counter_ns()
        self.dropped = 0
        self.replay_of: str | None = None
        self.start: str | None = None
        self.note = ""
        self.topology: Any = None

    def begin(self) -> None:
        """Note that the event is known by now, and that its first step is next."""
        self._began = perf_counter_ns()  # objects were made and models loaded before, which is not the run's time

    def end(self, record: RunRecord) -> None:
        """Note that the run is over and its record kept."""

    def keep_request(self, body: Any, event: Carried | None) -> None:
        """Note the event that a replay from a step goes back to, rather than the one that reached the step."""
        self._given, self._body, self._event = _SAME, body, event

    def came(self, event: Any, source: Any) -> None:
        """Note that an event is on its way from a bound step to another one."""
        self._came[id(event)] = source

    def enter(self, step: Any, given: Any, before: Entry | None = None, event: Any = None, body: Any = _SAME) -> Entry:
        """Note that a step gets a value.

        Parameters
        ----------
        step
            The bound step.
        given
            What it gets.
        before
            The entry of the step that has just returned, in a straight run.
        event
            The event that carries the value.
        body
            The event's body, where that is not what the step gets.
        """
        if before is not None and before.result is given and before.carrier is event and body is _SAME:
            # in a straight run: one snapshot per edge, since nothing ran in between
            source = before.step
            carried = carried_by(event, self._snapshots) if source.wants_event else before.event
            entry = Entry(step, before.output, before.output, carried, source, event)
        else:
            entry = self._entry(step, given, before, event, body)
        if len(self._entries) < MOST_STEPS:
            self._entries.append(entry)
        else:
            self.dropped += 1
        entry.started = perf_counter_ns()
        return entry

    def _entry(self, step: Any, given: Any, before: Entry | None, event: Any, body: Any) -> Entry:
        if type(given) in SCALARS:
            taken = given
        elif before is not None and before.result is given:
            taken = before.output
        elif not self._entries and given is self._given:
            taken = self._body
        else:
            taken = self._snapshots.take(given)
        whole = taken if body is _SAME or body is given else self._snapshots.take(body)
        source = self._came.pop(id(event), None) if before is None else before.step
        return Entry(step, taken, whole, None if event is None else carried_by(event, self._snapshots), source, event)

    def leave(self, entry: Entry, result: Any) -> None:
        """Note what a step returned."""
        entry.duration_us = (perf_counter_ns() - entry.started) / 1000
        if type(result) is Emit:
            text = sent_text(entry.step, result, entry.carrier or self.event)
            if text is not None:
                entry.output = self._snapshots.told("Emit" if result.items else NOTHING_SENT, text)
                return
            (result,) = bodies_of(result)
        entry.result = result
        entry.output = result if type(result) in SCALARS else self._snapshots.take(result)

    def fail(self, entry: Entry, exc: BaseException) -> None:
        """Note how a step failed."""
        if entry.error is None:
            entry.duration_us = (perf_counter_ns() - entry.started) / 1000
            from graphkit.runtime.user_code import own_exception, user_traceback  # only failures need it

            own = own_exception(exc)
            text = told(own)
            where = user_traceback(own)
            entry.error = text if self._secrets is None else self._secrets.redact(text)
            entry.traceback = where if self._secrets is None else self._secrets.redact(where)
            entry.result = entry.output = None

    def step_that_gave(self, result: Any) -> str | None:
        """Return the path of the step that returned this very object, the last one of them."""
        for entry in reversed(self._entries):
            if entry.result is result:
                return str(entry.step.path or entry.step.name)
        return None

    def records(self) -> tuple[StepRecord, ...]:
        """Return the records of the steps, in the order in which they began."""
        return tuple(map(step_record, self._entries))

    def finish(self, status: int, answer: Any) -> tuple[RunRecord, int]:
        """Return the record, and about how many bytes it holds."""
        duration_us = (perf_counter_ns() - self._began) / 1000
        snapshot = answer if type(answer) in SCALARS else self._snapshots.take(answer)
        steps = self.records()
        # they hold the event, which holds this recorder: let go now, they need no garbage collector
        self._entries = []
        event = self.event
        record = RunRecord(
            event.id,
            event.path,
            event.method or "",
            status,
            self._started,
            duration_us,
            snapshot,
            steps,
            self.dropped,
            self._body,
            self._event,
            self.replay_of,
            self.start,
            self.note,
            self.topology,
        )
        return record, self._snapshots.size + 200 * len(steps)


class Runs:
    """The last runs of a server, bounded in number and in bytes; the newest is the last."""

    def __init__(self, most: int = MOST_RUNS, most_bytes: int = MOST_BYTES) -> None:
        self._kept: deque[tuple[RunRecord, int]] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, record: RunRecord, size: int) -> None:
        """Keep a record; older ones make room."""
        with self._lock:
            self._kept.append((record, size))
            self._bytes += size
            while len(self._kept) > 1 and (len(self._kept) > self._most or self._bytes > self._most_bytes):
                self._bytes -= self._kept.popleft()[1]

    def size_of(self, record: RunRecord) -> int:
        """Return about how many bytes a kept record holds; 0 of one that is not kept."""
        with self._lock:
            return next((size for kept, size in self._kept if kept is record), 0)

    def clear(self) -> None:
        """Forget all runs."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _records(self) -> list[RunRecord]:
        with self._lock:
            return [record for record, _ in self._kept]

    @property
    def last(self) -> RunRecord | None:
        """The newest run."""
        return next(reversed(self._records()), None)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self._records())

    def __getitem__(self, index: Any) -> Any:
        return self._records()[index]

    def __repr__(self) -> str:
        return f"Runs({len(self)} kept)"
