"""What models and routers have in common: their place in the body, and their log of requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core.describe import Described
from graphkit.core.errors import GraphError
from graphkit.core.event import Response
from graphkit.core.paths import getter, setter

_NOT_YET = object()


class Component(Described):
    """Base of models and routers.

    Parameters
    ----------
    context
        The graph's context; without one there are no logger, parameters, tracking or pools.
    name
        Name of the object; left out, that of its class.
    protocol
        Dialect that it speaks; ``"v2"`` when left out.
    input_path, result_path
        Where in the body the request stands, and where the answer goes; left out, both are the body.
    """

    # the log of requests; opened when first needed, since most graphs have none
    _log: Any = _NOT_YET

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        protocol: str | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
    ) -> None:
        self.context = context
        self.name: str = name or type(self).__name__
        self.version = ""
        self.protocol = protocol or "v2"
        self.metrics: dict[str, Any] = {}
        self.labels: dict[str, Any] = {}
        self._select: Callable[[Any], Any] | None = getter(input_path) if input_path else None
        self._put: Callable[[Any, Any], Any] | None = setter(result_path) if result_path else None

    def _check_made(self) -> None:
        """Refuse an object whose class has an ``__init__`` of its own that left out this one."""
        if not hasattr(self, "_select"):
            raise GraphError(
                f"the class {type(self).__name__!r} has an __init__ that does not call the one of its base class: "
                f"call super().__init__(context, name, ..., **class_args) in it"
            )

    def set_metric(self, name: str, value: Any) -> None:
        """Set a metric that every later tracking record of this object carries."""
        self.metrics[name] = value

    # ---- place in the body ----------------------------------------------------------------------------------

    def _selected(self, event: Any) -> Any:
        """Return the request within the event's body."""
        if self._select is None or (event.body is None and event.method == "GET"):
            return event.body
        return self._select(event.body)

    def _placed(self, original: Any, event: Any) -> Any:
        """Put the answer, now the event's body, into the body that came in; one about the model stays as it is."""
        if self._put is not None and not event.terminated and not isinstance(event.body, Response):
            event.body = self._put(original, event.body)
        return event

    # ---- tracking -------------------------------------------------------------------------------------------

    def _open_log(self) -> Any:
        """Return the log of requests, or ``None`` where tracking is off."""
        log = self._log
        if log is _NOT_YET:
            # the first of several threads wins, so that all write to one log
            log = self.__dict__.setdefault("_log", self._new_log())
        return log

    def _new_log(self) -> Any:
        stream = getattr(self.context, "stream", None)
        if stream is None or not stream.enabled:
            return None
        from graphkit.models.tracking import ModelLog

        return ModelLog(self, self.context)

    def flush_tracking(self) -> None:
        """Push the tracking records that still wait for their batch to fill."""
        log = getattr(self, "_log", None)
        if log is not None and log is not _NOT_YET:
            log.flush()

    def _renew_log(self) -> None:
        """Start over with the context's stream of now; settings that are wrong raise here, not with a request."""
        self.flush_tracking()
        # an attribute like any other: asking for __dict__ would make every later look at this object slower
        self._log = self._new_log()

    def _debug(self, message: str) -> None:
        if self.context is not None:
            self.context.logger.debug(message)

    def _response(self, status: int, text: str) -> Any:
        make = getattr(self.context, "Response", None) or Response
        return make(body=text.encode(), content_type="text/plain", status_code=status)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


def with_body(event: Any, body: Any) -> Any:
    """Return the event with another body."""
    event.body = body
    return event
