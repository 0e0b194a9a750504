"""Routers: which route a request goes to. They know routes only by key, and never what is behind one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from graphkit.core.awaiting import then
from graphkit.core.errors import BadRequest, ModelNotFound, StepError, choices, nearest
from graphkit.core.event import Event
from graphkit.models.addresses import Address, Addresses
from graphkit.models.component import Component, with_body
from graphkit.models.requests import body_of, kind
from graphkit.models.shortcut import shortcut_of


class BaseModelRouter(Component):
    """What all routers do: read the body, answer questions about the server, and pass the rest to ``handle``.

    ``parse_event``, ``preprocess``, ``postprocess`` and ``get_metadata`` may be overridden.

    Parameters
    ----------
    context, name, routes
        Given by the graph; ``routes`` maps keys to routes, and may change later.
    protocol
        ``"v2"`` when left out.
    url_prefix, health_prefix
        Where the models and the health answers stand; ``/v2/models`` and ``/v2/health`` when left out.
    input_path, result_path
        Where in the body the request stands, and where the answer goes.
    **kwargs
        Further settings: ``allowed_data_urls``, a list of prefixes below which a request's ``data_url`` may be read.
    """

    _STEP_KIND: ClassVar[str] = "router"
    # keywords that are read beside the parameters
    _further_args: ClassVar[tuple[str, ...]] = ("allowed_data_urls",)

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        routes: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        url_prefix: str | None = None,
        health_prefix: str | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(context, name, protocol, input_path, result_path)
        self.routes: Mapping[str, Any] = {} if routes is None else routes
        self.url_prefix = url_prefix or f"/{self.protocol}/models"
        self.health_prefix = health_prefix or f"/{self.protocol}/health"
        self.inputs_key = "instances" if self.protocol == "v1" else "inputs"
        self.kwargs = {key: value for key, value in kwargs.items() if key != "graph_step"}
        self._addresses = Addresses(self.url_prefix, self.health_prefix)
        # which hooks there are: those that are not overridden are not called
        cls = type(self)
        self._prepares = cls.preprocess is not BaseModelRouter.preprocess
        self._parses = cls.parse_event is not BaseModelRouter.parse_event
        self._finishes = cls.postprocess is not BaseModelRouter.postprocess
        self._direct = not (self._prepares or self._parses or self._finishes or self._select or self._put)
        self._answer_at_once = self._unrolled()

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Say which routes there are; the graph calls it when they are constructed."""
        self._check_made()
        self._renew_log()
        self._debug(f"router {self.name!r} has the routes {choices(self.routes)}")

    # ---- what subclasses override ---------------------------------------------------------------------------

    def preprocess(self, event: Any) -> Any:
        """Return the event to route; override it to look at every event first."""
        return event

    def postprocess(self, event: Any) -> Any:
        """Return the event that answers; override it to look at every answer of a route."""
        return event

    def parse_event(self, event: Any) -> Any:
        """Return the request in the event's body: JSON text is decoded, images and ``data_url`` become inputs."""
        body = event.body
        if type(body) is not dict:
            body = body_of(body, event.content_type, self.inputs_key, f"router {self.name!r}")
        if isinstance(body, dict) and "data_url" in body:
            from graphkit.models.data_url import fetch

            rest = {key: value for key, value in body.items() if key != "data_url"}
            return {**rest, self.inputs_key: [fetch(body["data_url"], self._allowed_data_urls())]}
        return body

    def _allowed_data_urls(self) -> list[str]:
        allowed = self.kwargs.get("allowed_data_urls")
        if allowed is None and self.context is not None:
            allowed = self.context.get_param("allowed_data_urls")
        return [allowed] if isinstance(allowed, str) else list(allowed or ())

    def get_metadata(self) -> dict[str, Any]:
        """Return what ``GET /`` and ``GET <health prefix>`` answer."""
        return {"name": type(self).__name__, "version": self.protocol, "extensions": []}

    # ---- requests -------------------------------------------------------------------------------------------

    @property
    def shortcut(self) -> Callable[[Any, Any], Any] | None:
        """What answers plain models' requests without an event of their own, or says ``None``."""
        is_plain = self._direct and type(self).do_event is BaseModelRouter.do_event
        return self._answer_at_once if is_plain else None

    def _unrolled(self) -> Callable[[Any, Any], Any]:
        """Return what answers ``(event, body)`` in the common case, and only reads the event; else it says ``None``."""
        return _no_answer

    def do_event(self, event: Any) -> Any:
        """Answer one event; returns it, or an awaitable of it."""
        if self._direct and type(event) is Event and event._trace is None:  # those below it may answer otherwise
            answer = self._answer_at_once(event, event.body)
            if answer is not None:
                return then(answer, partial(with_body, event))
        original = event.body
        if self._select is not None:
            event.body = self._selected(event)
        if not self._prepares:
            return self._pass_on(original, event)
        return then(self.preprocess(event), partial(self._pass_on, original))

    def _pass_on(self, original: Any, event: Any) -> Any:
        if event is None:
            raise StepError(f"router {self.name!r}: preprocess returned nothing, it must return the event")
        body = event.body
        if (
            body is not None
            and (self._parses or type(body) is not dict or "data_url" in body)
            and event.method != "GET"
        ):
            event.body = self.parse_event(event)
        address = self._addresses[event.path]
        if address.about_server and event.method == "GET":
            return self._end(event, self.get_metadata())
        answered = self._route(event, address)
        if type(answered) is Event:
            return self._pass_back(original, event, answered)
        return then(answered, partial(self._pass_back, original, event))

    def _route(self, event: Any, address: Address) -> Any:
        """Return the event that a route (or several) made of this one, or an awaitable of it."""
        raise NotImplementedError

    def _pass_back(self, original: Any, event: Any, answered: Any) -> Any:
        if answered is not event:
            event.body = answered.body
            event.terminated = answered.terminated
        if self._finishes:
            return then(self.postprocess(event), partial(self._postprocessed, original))
        return event if self._put is None else self._placed(original, event)

    def _postprocessed(self, original: Any, event: Any) -> Any:
        if event is None:
            raise StepError(f"router {self.name!r}: postprocess returned nothing, it must return the event")
        return self._placed(original, event)

    def _end(self, event: Any, answer: Any) -> Any:
        """Answer at once: no route is asked, and nothing follows."""
        event.body = answer
        event.terminated = True
        return event

    def _forked(self, event: Any, operation: str) -> Any:
        """Return the event for a route: a copy, whose path is the operation."""
        _ = event.id  # generated before the copy is made, so that both have the same
        forked = event.fork(event.body)
        forked.path = operation
        return forked

    def _text_in(self, body: Any, key: str) -> str:
        """Return what the body says of the model or operation, where the URL is silent."""
        value = body.get(key) if isinstance(body, dict) else None
        if value is None:
            return ""
        if not isinstance(value, str):
            raise BadRequest(f"router {self.name!r}: {key!r} in the body is a text, found {kind(value)}")
        return value.strip("/")

    def _unknown(self, model: str, address: Address, path: str) -> ModelNotFound:
        """Return the error for a model or version that no route has."""
        name, _, version = model.partition(":")
        who = f"router {self.name!r}"
        versions = [key.partition(":")[2] for key in self.routes if key.partition(":")[0] == name and ":" in key]
        if version and (versions or name in self.routes):
            known = f"it has {choices(versions)}" if versions else "it has no versions"
            return ModelNotFound(f"{who}: model {name!r} has no version {version!r}: {known}")
        if versions:
            return ModelNotFound(
                f"{who}: model {name!r} is served by version only: add /versions/ and {choices(versions)}"
            )
        where = (
            ""
            if address.under_prefix or not path.strip("/")
            else (f"; paths are [{self.url_prefix}/]<model>[/versions/<version>]/<operation>, found {path!r}")
        )
        names = self._names()
        return ModelNotFound(f"{who} has no model {model!r}{nearest(model, names)}; there is {choices(names)}{where}")

    def _names(self) -> list[str]:
        return list(self.routes)


def _no_answer(event: Any, body: Any) -> Any:
    return None


class ModelRouter(BaseModelRouter):
    """Passes each request on to one model.

    ``<prefix>/<model>[/versions/<version>]/<operation>``, also without the prefix. Where the URL is silent, the
    body's ``model`` and ``operation`` speak (for streams); a body without ``model`` goes to the first route.
    ``GET <prefix>/`` answers with the models, ``GET /`` and ``GET <health prefix>`` with :meth:`get_metadata`.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> def double(event):
    ...     event.body = [2 * x for x in event.body["inputs"]]
    ...     return event
    >>> router = ModelRouter(routes={"double": SimpleNamespace(name="double", run=double)})
    >>> router.do_event(Event({"inputs": [1, 2]}, path="/v2/models/double/infer")).body
    [2, 4]
    >>> router.do_event(Event(method="GET", path="/v2/models/")).body
    {'models': ['double']}
    """

    _closed_args: ClassVar[bool] = True  # of this class itself; one below it may read keywords of its own

    def _unrolled(self) -> Callable[[Any, Any], Any]:
        return shortcut_of(self, self._addresses)

    def _route(self, event: Any, address: Address) -> Any:
        route = self.routes.get(address.model)
        if route is None or not address.operation:
            if not address.model and event.method == "GET":
                return self._end(event, {"models": self._names()})
            model, operation = self._spoken(event, address)
            route = self.routes.get(model)
            if route is None:
                raise self._unknown(model, address, event.path)
            return self._sent(route, event, operation)
        return self._sent(route, event, address.operation)

    def _sent(self, route: Any, event: Any, operation: str) -> Any:
        """Run a route on the event itself: one route alone needs no copy, only the operation as its path."""
        path, event.path = event.path, operation
        try:
            answered = route.run(event)
        except BaseException:
            event.path = path
            raise
        if isinstance(answered, Event):
            event.path = path
            return answered
        return self._sent_later(event, path, answered)

    async def _sent_later(self, event: Any, path: str, answered: Any) -> Any:
        try:
            return await answered
        finally:
            event.path = path

    def _spoken(self, event: Any, address: Address) -> tuple[str, str]:
        """Return model and operation; where the URL is silent the body speaks."""
        model, operation = address.model, address.operation
        if not model:
            model = self._text_in(event.body, "model") or next(iter(self.routes), "")
        if not operation and event.method != "GET":
            operation = self._text_in(event.body, "operation")
        return model, operation
