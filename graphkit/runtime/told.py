"""A recorder that tells the graph's listeners what it writes down, while it happens."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from graphkit.core.watch import Watch
from graphkit.runtime.records import _SAME, Entry, Recorder, RunRecord, step_record


def recorder_of(event: Any, secrets: Any, server: Any) -> Recorder:
    """Return a recorder for one run of a server; one that tells nobody anything where nobody listens."""
    watch = getattr(server.graph, "_watch", None)  # made with the first listener
    return ToldRecorder(event, secrets, server, watch) if watch else Recorder(event, secrets)


class ToldRecorder(Recorder):
    """Records a run, and tells listeners of each step as it begins and ends.

    A step that did its work and whose result then could not be put where it belongs has ended twice; what is told last
    counts.
    """

    __slots__ = ("_begun", "_server", "_watch")

    def __init__(self, event: Any, secrets: Any, server: Any, watch: Watch) -> None:
        super().__init__(event, secrets)
        self._server = server
        self._watch = watch
        self._begun = False

    def begin(self) -> None:
        """Tell that the run begins."""
        if not self._begun:
            self._begun = True
            event = self.event
            super().begin()
            self._watch.tell("run_started", self._server, event.id, event.path, event.method or "")

    def enter(self, step: Any, given: Any, before: Entry | None = None, event: Any = None, body: Any = _SAME) -> Entry:
        """Note and tell that a step gets a value."""
        entry = super().enter(step, given, before, event, body)
        self._watch.tell("step_started", self._server, self.event.id, step.path or step.name, step.kind)
        entry.started = perf_counter_ns()  # what listeners do is not the step's time
        return entry

    def leave(self, entry: Entry, result: Any) -> None:
        """Note and tell what a step returned."""
        super().leave(entry, result)
        self.tell_end(entry)

    def fail(self, entry: Entry, exc: BaseException) -> None:
        """Note and tell how a step failed."""
        known = entry.error is not None
        super().fail(entry, exc)
        if not known:
            self.tell_end(entry)

    def tell_end(self, entry: Entry) -> None:
        """Tell what is known of a step that has ended."""
        self._watch.tell("step_ended", self._server, self.event.id, step_record(entry))

    def end(self, record: RunRecord) -> None:
        """Tell that the run has ended."""
        self.begin()  # also of a run that failed before its first step
        self._watch.tell("run_ended", self._server, record)
