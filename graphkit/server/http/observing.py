"""What looks on while requests are answered: metrics, traces, logs of requests. Without any, nothing is paid for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from graphkit.server.http.wire import Scope

#: The key of a scope under which the model stands that says that it has answered, where the path names none.
ANSWERED_BY = "graphkit.answered_by"


class Observer(Protocol):
    """Is told of every request."""

    def began(self, scope: Scope, headers: Mapping[str, str]) -> Any:
        """Note that a request has come; what this returns is handed to the other methods."""

    def trace(self, token: Any) -> Any:
        """Return what is told of every step of this request, ``None`` for nothing.

        It has the methods ``enter``, ``leave``, ``fail`` and ``came`` of
        :class:`~graphkit.runtime.records.Recorder`; what ``enter`` returns has the attribute ``step``. If it has the
        methods ``paused`` and ``resumed``, it is told with that when a route waits, and goes on in what may be another
        task.
        """

    def ended(self, token: Any, scope: Scope, status: int, seconds: float, size: int) -> None:
        """Note that a request was answered, with how many bytes, or that its client went away (status 499)."""


class Entries:
    """A step that runs, as each of several traces has noted it."""

    __slots__ = ("each", "step")

    def __init__(self, step: Any, each: list[Any]) -> None:
        self.step = step
        self.each = each


class Traces:
    """Several traces of one request as one."""

    __slots__ = ("_traces",)

    def __init__(self, traces: Sequence[Any]) -> None:
        self._traces = traces

    def enter(self, step: Any, given: Any, before: Entries | None = None, *more: Any) -> Entries:
        """Tell that a step gets a value; ``before`` is what this returned for the step before."""
        befores = [None] * len(self._traces) if before is None else before.each
        noted = [trace.enter(step, given, own, *more) for trace, own in zip(self._traces, befores, strict=True)]
        return Entries(step, noted)

    def leave(self, entry: Entries, result: Any) -> None:
        """Tell what a step returned."""
        for trace, own in zip(self._traces, entry.each, strict=True):
            trace.leave(own, result)

    def fail(self, entry: Entries, exc: BaseException) -> None:
        """Tell how a step failed."""
        for trace, own in zip(self._traces, entry.each, strict=True):
            trace.fail(own, exc)

    def paused(self, entry: Entries) -> None:
        """Tell that a step waits."""
        self._tell("paused", entry)

    def resumed(self, entry: Entries) -> None:
        """Tell that a step goes on."""
        self._tell("resumed", entry)

    def _tell(self, what: str, entry: Entries) -> None:
        for trace, own in zip(self._traces, entry.each, strict=True):
            method = getattr(trace, what, None)
            if method is not None:
                method(own)

    def came(self, event: Any, source: Any) -> None:
        """Tell that an event is on its way from a step to another one."""
        for trace in self._traces:
            trace.came(event, source)


def combined(traces: Sequence[Any]) -> Any:
    """Return traces as one, ``None`` where there is none.

    >>> combined([]), combined(["one"])
    (None, 'one')
    """
    if not traces:
        return None
    return traces[0] if len(traces) == 1 else Traces(traces)
