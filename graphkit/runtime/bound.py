"""A step bound to what it calls. No state of any event lives here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable
from graphkit.core.errors import is_failure
from graphkit.core.event import Event, Response
from graphkit.runtime.failures import Answered, named


class BoundStep:
    """One step with its live object.

    Attributes
    ----------
    path, name, kind, record
        What the spec says of the step.
    object
        The instance of the step's class, or the stream of a queue; ``None`` for a plain function.
    call
        What is called with the body, or with the event when ``wants_event``.
    get, put
        Compiled ``input_path`` and ``result_path``.
    is_async
        ``call`` is known to return an awaitable.
    may_await
        ``call`` may return one, also where its argument is a plain value.
    emits
        ``call`` may return an :class:`~graphkit.core.emit.Emit`.
    """

    __slots__ = (
        "call",
        "context",
        "direct",
        "emits",
        "function",
        "get",
        "is_async",
        "kind",
        "may_await",
        "name",
        "object",
        "path",
        "put",
        "record",
        "shortcut",
        "target",
        "wants_event",
    )

    def __init__(self, path: str, name: str, record: Any, context: Any, function: str) -> None:
        self.path = path
        self.name = name
        self.record = record
        self.kind = str(record.kind)
        self.context = context
        self.function = function
        self.object: Any = None
        self.target: Any = None
        self.call: Callable[..., Any] = _unbound
        self.get: Callable[[Any], Any] | None = None
        self.put: Callable[[Any, Any], Any] | None = None
        self.wants_event = False
        # the event goes in and comes out as it is
        self.direct = False
        # what may answer ``(event, body)`` without an event of its own, or say None: a router, or what a model predicts
        self.shortcut: Callable[[Any, Any], Any] | None = None
        self.is_async = False
        self.may_await = True
        self.emits = False

    # what user classes that get ``graph_step`` may ask

    @property
    def after(self) -> list[str]:
        """Names of the steps before."""
        return list(self.record.after)

    @property
    def fullname(self) -> str:
        """Path of the step in its graph."""
        return self.path

    @property
    def async_object(self) -> Any:
        """The live object."""
        return self.object

    @property
    def class_args(self) -> dict[str, Any]:
        """Arguments of the class, as the spec has them."""
        return dict(getattr(self.record, "class_args", {}))

    # running a step on its own: as a router's route

    def run(self, event: Any, *args: Any, **kwargs: Any) -> Any:
        """Run this step on an event; returns the event with the result as its body, or an awaitable of it."""
        if self.direct and type(event) is Event and event._trace is None and not args and not kwargs:
            # nearly every route is a model: no more than the call
            try:
                result = self.call(event)
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                error = named(exc, self.path, self.function)
                if error is exc:
                    raise
                raise error from exc
            if result is event:
                return event
            if type(result) in PLAIN_TYPES or not is_awaitable(result):
                return self._finish(result, event)
            return self._finish_later(result, event, None, None)
        trace: Any = getattr(event, "_trace", None)
        entry: Any = None
        if trace is not None:
            body = event.body
            entry = trace.enter(self, body if self.get is None else self.get(body), None, event, body)
        try:
            result = self._invoke(event, args, kwargs)
            if result is not event and is_awaitable(result):
                if entry is not None:
                    _tell(trace, "paused", entry)
                return self._finish_later(result, event, trace, entry)
            done = self._finish(result, event)
        except BaseException as exc:
            if not is_failure(exc):
                raise
            if entry is not None:
                trace.fail(entry, exc)
            error = named(exc, self.path, self.function)
            if error is exc:
                raise
            raise error from exc
        if entry is not None:
            trace.leave(entry, done.body)
        return done

    def failure(self, exc: BaseException) -> BaseException:
        """Return an exception of this step's object as a run of the step would raise it."""
        error = named(exc, self.path, self.function)
        if error is not exc:
            error.__cause__ = exc
        return error

    def _invoke(self, event: Any, args: Any, kwargs: Any) -> Any:
        body = event.body if self.get is None else self.get(event.body)
        if not self.wants_event:
            return self.call(body, *args, **kwargs)
        if self.get is None and self.put is None:
            return self.call(event, *args, **kwargs)
        # an event of its own, so that the body is still there for the result to go into
        return self.call(event.fork(body), *args, **kwargs)

    def _finish(self, result: Any, event: Any) -> Any:
        if self.wants_event and isinstance(result, Event):
            if result is event or self.put is None:
                return result
            event.terminated = result.terminated
            result = result.body
        event.body = result if self.put is None else self.put(event.body, result)
        return event

    async def _finish_later(self, result: Any, event: Any, trace: Any, entry: Any) -> Any:
        if entry is not None:
            _tell(trace, "resumed", entry)
        try:
            done = self._finish(await result, event)
        except BaseException as exc:
            if not is_failure(exc):
                raise
            if entry is not None:
                trace.fail(entry, exc)
            error = named(exc, self.path, self.function)
            if error is exc:
                raise
            raise error from exc
        if entry is not None:
            trace.leave(entry, done.body)
        return done

    def __repr__(self) -> str:
        return f"BoundStep({self.path!r})"


def _tell(trace: Any, what: str, entry: Any) -> None:
    """Tell a trace that wants to know that a step waits, or goes on, which may be in another task."""
    method = getattr(trace, what, None)
    if method is not None:
        method(entry)


def as_result(event: Event, result: Any) -> Event:
    """Return the event that goes on after a step that got the event and returned something else."""
    if isinstance(result, Event):
        # a new event keeps the place of the one that it stands for
        result._order, result._trace = event._order, event._trace
        result._joins, result._branch = event._joins, event._branch
        return result
    if is_response(result):
        raise Answered(result)
    event.body = result
    return event


def is_response(value: Any) -> bool:
    """Return whether a value is a complete answer: a Response, or a foreign one such as Nuclio's.

    >>> is_response(Response(body="busy", status_code=503)), is_response({"status_code": 503})
    (True, False)
    """
    if isinstance(value, Response):
        return True
    # by the class's name too: a table may have columns of these names, which read as attributes
    return type(value).__name__ == "Response" and hasattr(value, "status_code") and hasattr(value, "body")


def end_with_response(value: Any) -> None:
    """End the request if the value is a complete answer."""
    if is_response(value):
        raise Answered(value)


def joined(event: Event, result: Any) -> tuple[Event, Any]:
    """Return the event and the body that go on from what a join gave: a body, or an event of its own."""
    if isinstance(result, Event):
        if result.terminated:
            raise Answered(result.body)
        return as_result(event, result), result.body
    if is_response(result):
        raise Answered(result)
    return event, result


def _unbound(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("the step is not bound")
