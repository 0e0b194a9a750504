"""The vote that nearly all requests ask for, unrolled: rows for plain models that are asked one after the other.

No event is made for a model, nothing is looked up twice, and only a valid request with usual answers is decided here;
whatever is not as usual is left to the long way of :class:`~graphkit.models.ensemble.VotingEnsemble`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable, then
from graphkit.core.errors import FAILURES
from graphkit.core.yielded import collected, gathered, is_stream
from graphkit.models.addresses import BY_ROW, Address, Addresses
from graphkit.models.parallel import ExecutorType
from graphkit.models.requests import has_rows, request_copies
from graphkit.models.shortcut import failure_of
from graphkit.models.v2 import V2ModelServer
from graphkit.models.voting import are_numbers, plain_kinds, too_large, vote

if TYPE_CHECKING:
    from graphkit.models.ensemble import VotingEnsemble


def vote_at_once(ensemble: VotingEnsemble, addresses: Addresses) -> Callable[[Any, Any], Any]:
    """Return what answers ``(event, body)`` with the vote of an ensemble that overrides nothing.

    It returns the answer, an awaitable of it, or ``None``, with nobody asked. The event is only read.

    Parameters
    ----------
    ensemble
        Whose ``routes`` are asked; they may change later.
    addresses
        What paths ask for.
    """
    models_of = _plain_models(ensemble)

    def answer(event: Any, body: Any) -> Any:
        if type(body) is not dict or (len(body) > 1 and "data_url" in body) or not has_rows(body):
            return None
        if ensemble._log is not None or event.method == "GET" or not _asks_all(ensemble, addresses[event.path]):
            return None
        models = models_of()
        if not models:
            return None
        stamp = ensemble._stamps.now()
        columns = _columns(ensemble, models, body)
        kinds = plain_kinds(columns)
        vote_type = ensemble.vote_type
        if kinds is None or (vote_type == "regression" and not are_numbers(kinds)) or not _even(columns, body):
            # what the models said is looked at one by one
            outputs = _outputs(ensemble, models, columns, body)
            voted = partial(ensemble._voted, (event.fork(body), "infer", None, 0, stamp))
            return then(then(outputs, voted), attrgetter("body"))
        shares, decided = ensemble._shares(tuple(ensemble.routes))
        try:
            votes = vote(columns, shares, vote_type, kinds, decided)
        except OverflowError as exc:
            raise too_large(dict(zip(ensemble.routes, columns, strict=True)), ensemble._who) from exc
        return ensemble._response_to(event, body, votes, stamp)

    return answer


def _plain_models(ensemble: VotingEnsemble) -> Callable[[], list[V2ModelServer] | None]:
    """Return what returns the models where asking each is no more than calling its ``predict``; else ``None``."""
    # the routes that were there last, and the models behind those that are plain
    known: tuple[tuple[Any, ...], list[V2ModelServer]] = ((), [])

    def models_of() -> list[V2ModelServer] | None:
        nonlocal known
        if ensemble.executor_type is not ExecutorType.ARRAY:
            return None
        routes = (*ensemble.routes.values(),)
        before, models = known
        if before != routes:
            models = [route.async_object for route in routes if _is_plain(route)]
            known = (routes, models)
        if len(models) != len(routes):
            return None
        for model in models:
            if not model.ready or model._log is not None:
                return None
        return models

    return models_of


def _is_plain(route: Any) -> bool:
    """Return whether a route does no more than asking a model that overrides nothing but ``predict``."""
    model = getattr(route, "async_object", None)
    # a step has no shortcut to its model where its handler is another method, or it has paths of its own
    return isinstance(model, V2ModelServer) and model.is_plain and getattr(route, "shortcut", True) is not None


def _asks_all(ensemble: VotingEnsemble, address: Address) -> bool:
    """Return whether an address asks the ensemble for a vote; a body's words are heeded on the long way."""
    model, operation = address.model, address.operation
    if model == ensemble.name:
        return operation in BY_ROW
    return not operation and model in BY_ROW and model not in ensemble.routes


def _columns(ensemble: VotingEnsemble, models: list[V2ModelServer], body: dict[str, Any]) -> list[Any]:
    """Return what each model says to a request of its own; of one that fails, its exception."""
    columns: list[Any] = []
    add = columns.append
    requests = request_copies(body, len(models))
    for model in models:
        try:
            add(model.predict(requests.pop()))
        except FAILURES as exc:  # the vote decides what a failed model means
            route = list(ensemble.routes.values())[len(columns)]
            columns.append(failure_of(route, model, exc, body))
    return columns


def _even(columns: list[list[Any]], body: dict[str, Any]) -> bool:
    """Return whether every model made as many predictions, and some at all if there was something to predict."""
    count = len(columns[0])
    for column in columns:
        if len(column) != count:
            return False
    return count > 0 or not body["inputs"]


def _outputs(ensemble: VotingEnsemble, models: list[V2ModelServer], columns: list[Any], body: Any) -> Any:
    """Return what the models said by route, chunks collected; or an awaitable of it."""
    asked = zip(ensemble.routes.items(), models, columns, strict=True)
    outputs = {key: _all_of(route, model, found, body) for (key, route), model, found in asked}
    if any(type(found) not in PLAIN_TYPES and is_awaitable(found) for found in outputs.values()):
        return _outputs_later(ensemble, models, outputs, body)
    return outputs


def _all_of(route: Any, model: V2ModelServer, found: Any, body: Any) -> Any:
    """Return what a model yielded as a list, or an awaitable of it; other outputs as they are."""
    try:
        return collected(found) if is_stream(found) else found
    except FAILURES as exc:  # as above
        return failure_of(route, model, exc, body)


async def _outputs_later(
    ensemble: VotingEnsemble, models: list[V2ModelServer], outputs: dict[str, Any], body: Any
) -> dict[str, Any]:
    arrived = {}
    for (key, found), model in zip(outputs.items(), models, strict=True):
        try:
            arrived[key] = await gathered(found)
        except FAILURES as exc:  # as above
            arrived[key] = failure_of(ensemble.routes[key], model, exc, body)
    return arrived
