"""Routers that ask all their routes. How the routes run side by side is the context's business."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import Any, ClassVar

from graphkit.core.awaiting import is_awaitable, then
from graphkit.core.copying import branch_copy
from graphkit.core.errors import (
    BadRequest,
    GraphError,
    GraphkitError,
    ModelNotFound,
    ModelNotReady,
    StepError,
    either,
    nearest,
    told,
)
from graphkit.core.event import Event
from graphkit.models.addresses import Address
from graphkit.models.requests import kind
from graphkit.models.router import BaseModelRouter


class ExecutorType(str, Enum):
    """How routes run side by side."""

    ARRAY = "array"  # one by one
    THREAD = "thread"
    PROCESS = "process"

    __str__ = str.__str__


class ParallelRun(BaseModelRouter):
    """Gives every route the event, and merges their results, dicts, by key.

    A route that fails fails the request. Override :meth:`merger` to merge otherwise.

    Parameters
    ----------
    context, name, routes, protocol, url_prefix, health_prefix
        As for every router.
    extend_event
        Merge over the event's body; otherwise the results alone are the answer.
    executor_type
        ``"thread"``, ``"process"`` or ``"array"`` (one by one).
    input_path, result_path, **kwargs
        As for every router.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> def size(event):
    ...     event.body = {"size": len(event.body["words"])}
    ...     return event
    >>> both = ParallelRun(routes={"size": SimpleNamespace(name="size", run=size)}, extend_event=True)
    >>> both.do_event(Event({"words": ["a", "b"]})).body
    {'words': ['a', 'b'], 'size': 2}
    """

    _closed_args: ClassVar[bool] = True

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        routes: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        url_prefix: str | None = None,
        health_prefix: str | None = None,
        extend_event: bool | None = None,
        executor_type: ExecutorType | str | None = "thread",
        input_path: str | None = None,
        result_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context, name, routes, protocol, url_prefix, health_prefix, input_path, result_path, **kwargs)
        self.extend_event = extend_event
        self.executor_type = _executor(executor_type, self.name)

    def merger(self, body: dict[str, Any], results: dict[str, Any]) -> Any:
        """Merge results into ``body`` and return it; later routes win.

        Parameters
        ----------
        body
            The event's body with ``extend_event``, otherwise an empty dict; a copy, which may be changed.
        results
            The result of each route, by its key, in the order of the routes.
        """
        for key, result in results.items():
            if not isinstance(result, Mapping):
                raise StepError(
                    f"router {self.name!r}: route {key!r} returned {kind(result)}; results are merged by key, so "
                    f"every route must return a dict (or override merger)"
                )
            body.update(result)
        return body

    def _route(self, event: Any, address: Address) -> Any:
        if event.method == "GET" and address.under_prefix and not address.rest:
            return self._end(event, {"models": self._names()})
        operation = address.rest if address.under_prefix else event.path
        return then(self._ask_all(event, operation), partial(self._merged, event))

    def _merged(self, event: Any, answers: Mapping[str, Any]) -> Any:
        body = {}
        if self.extend_event and event.body is not None:
            if not isinstance(event.body, Mapping):
                raise BadRequest(
                    f"router {self.name!r} merges over the body, which must be a dict, found {kind(event.body)}"
                )
            body = dict(event.body)
        results = {}
        for key, answer in answers.items():
            if isinstance(answer, BaseException):
                raise self._failed(key, answer)
            results[key] = answer.body
        merged = self.merger(body, results)
        event.body = body if merged is None else merged  # an override may change the body in place, and return nothing
        return event

    def _ask_all(self, event: Any, operation: str) -> Any:
        """Run every route on a copy of the event; returns ``{key: event or exception}`` or an awaitable of it."""
        forked = self._forked(event, operation)
        pools = getattr(self.context, "pools", None)
        if pools is not None:
            return pools.map(self.executor_type.value, self.routes, forked)
        return one_by_one(self.routes, forked)

    def _failed(self, key: str, exc: BaseException) -> BaseException:
        """Return the error of a route, naming it; one that names its step stays as it is."""
        if (isinstance(exc, StepError) and exc.step is not None) or isinstance(exc, KeyboardInterrupt):
            return exc
        status = exc.status if isinstance(exc, GraphkitError) else 500
        error = next(
            (known for known in (BadRequest, ModelNotFound, ModelNotReady) if isinstance(exc, known)), StepError
        )
        failure = error(f"router {self.name!r}: route {key!r} failed: {told(exc)}", status=status)
        if isinstance(failure, BadRequest) and isinstance(exc, BadRequest):
            failure.in_hindsight = exc.in_hindsight
        failure.__cause__ = exc
        return failure


def one_by_one(routes: Mapping[str, Any], event: Any) -> Any:
    """Run routes one after the other, for a router that stands alone, without a graph and its pools.

    Each gets a copy of the event. Returns ``{key: event or exception}``, or an awaitable of it.
    """
    answers: dict[str, Any] = {}
    waiting = []
    for key, route in routes.items():
        try:
            answer = answers[key] = route.run(event.fork(branch_copy(event.body)))
            if type(answer) is not Event and is_awaitable(answer):
                waiting.append(key)
        except Exception as exc:  # told from an answer by whoever asked
            answers[key] = exc
    return _all_arrived(answers, waiting) if waiting else answers


async def _all_arrived(answers: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    import asyncio

    arrived = await asyncio.gather(*(answers[key] for key in waiting), return_exceptions=True)
    return {**answers, **dict(zip(waiting, arrived, strict=True))}


def _executor(value: ExecutorType | str | None, name: str) -> ExecutorType:
    try:
        return ExecutorType(value or "thread")
    except ValueError:
        known = [str(item) for item in ExecutorType]
        raise GraphError(
            f"router {name!r}: executor_type is {either(known)}, found {value!r}{nearest(str(value), known)}"
        ) from None
