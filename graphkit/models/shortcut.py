"""The request that nearly all are, unrolled: rows for the ``predict`` of one model behind a router.

It is answered without an event of the model's own, without looking anything up twice, and in one call: what stands here
once more than in :mod:`~graphkit.models.v2` is what makes a router as quick as it is. Whatever is not as usual is left
to the long way, by answering ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable
from graphkit.core.errors import is_failure
from graphkit.core.protocols import seam
from graphkit.core.yielded import is_stream
from graphkit.models.addresses import BY_ROW, Addresses, keep
from graphkit.models.stamps import MICROSECONDS, Stamps
from graphkit.models.yielding import answers, taken

# A route's key, the route, its model, what tells the model the time, and an answer to fill in: copying one is the
# quickest way to a dict.
_Target = tuple[str, Any, Any, Stamps, dict[str, Any]]


def shortcut_of(router: Any, addresses: Addresses) -> Callable[[Any, Any], Any]:
    """Return what answers ``(event, body)`` for a router that hands requests on as they are.

    It returns the answer, a generator of answers (see :mod:`~graphkit.models.yielding`), an awaitable of either, or
    ``None``. The event is only read, and given an id if it has none.

    Parameters
    ----------
    router
        Whose ``routes`` are asked; they may change later.
    addresses
        What paths ask for.
    """
    targets: dict[str, _Target] = {}
    new_id = seam.new_id

    def answer(event: Any, body: Any) -> Any:
        if type(body) is not dict:
            return None
        try:
            inputs = body["inputs"]
            key, route, model, stamps, blank = targets[event._path]
            same = router.routes[key] is route
        except KeyError:
            same = False
        if not same:
            return answer(event, body) if "inputs" in body and find(event.path) else None
        if type(inputs) is not list or (inputs and type(inputs[0]) is dict):
            return None  # perhaps it is one of tensors
        if not model.ready or model._log is not None:
            return None
        request_id = None
        if len(body) > 1:
            if "data_url" in body:
                return None
            request_id = body.get("id")
        began_ns, text = stamps.millisecond
        microsecond = (time_ns() - began_ns) // 1000
        stamp = text + MICROSECONDS[microsecond] if 0 <= microsecond < 1000 else stamps.now()
        try:
            outputs = model.predict(body.copy())  # what it does to its request is not done to the caller's
        except BaseException as exc:
            if not is_failure(exc):
                raise
            error = failure_of(route, model, exc, body)
            raise error from error.__cause__
        if request_id is None:
            request_id = event.event_id
            if request_id is None:
                request_id = event.event_id = new_id() if event._origin is None else event.id
        given = blank.copy()
        given["id"] = request_id
        given["outputs"] = outputs
        given["timestamp"] = stamp
        if type(outputs) is list or type(outputs) in PLAIN_TYPES:
            return given
        return _come(event, route, model, given, body)

    def find(path: str) -> bool:
        targets.pop(path, None)
        address = addresses[path]
        route: Any = router.routes.get(address.model)
        if address.operation not in BY_ROW or getattr(route, "shortcut", None) is None:
            return False
        model = route.object
        blank = {"id": None, "model_name": model.name, "outputs": None, "timestamp": None}
        keep(targets, path, (address.model, route, model, model._stamps, blank))
        return path in targets

    return answer


def failure_of(route: Any, model: Any, exc: BaseException, request: Any) -> BaseException:
    """Return a plain model's exception as its route itself would raise it: diagnosed, and naming its step."""
    error: BaseException = model._diagnosed(exc, request) if isinstance(exc, Exception) else exc
    if error is not exc:
        error.__cause__ = exc
    named = getattr(route, "failure", None)
    return error if named is None else named(error)


def _come(event: Any, route: Any, model: Any, answer: dict[str, Any], request: Any) -> Any:
    """Return the answer where its outputs may have to be awaited, or come chunk by chunk."""
    try:
        outputs = taken(model, event, answer["outputs"])
    except BaseException as exc:
        if not is_failure(exc):
            raise
        error = failure_of(route, model, exc, request)
        raise error from error.__cause__
    if is_awaitable(outputs):
        return _later(event, route, model, answer, request, outputs)
    return _with(model, answer, request, outputs)


async def _later(event: Any, route: Any, model: Any, answer: dict[str, Any], request: Any, awaited: Any) -> Any:
    try:
        outputs = taken(model, event, await awaited)
        if is_awaitable(outputs):
            outputs = await outputs
    except BaseException as exc:
        if not is_failure(exc):
            raise
        error = failure_of(route, model, exc, request)
        raise error from error.__cause__
    return _with(model, answer, request, outputs)


def _with(model: Any, answer: dict[str, Any], request: Any, outputs: Any) -> Any:
    if is_stream(outputs):
        return answers(model, answer["id"], request, outputs)
    answer["outputs"] = outputs
    return answer
