"""OpenTelemetry: a span for each request, and below it one for each step and model.

Spans go where the process's tracer provider sends them; without one they cost little and go nowhere. A request that is
not sampled is not looked on at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from graphkit.core.current import CURRENT_STEP
from graphkit.core.errors import GraphError, MissingExtra, either, nearest, told
from graphkit.models.v2 import V2ModelServer
from graphkit.runtime.user_code import own_exception, user_traceback
from graphkit.server.http.logs import name_of
from graphkit.server.http.wire import REQUEST_ID

_EXPORTERS = ("otlp", "console", "none")


class Spans:
    """Makes spans of the requests that it observes.

    A request's parent is the span that is current where it comes in, else the one that its header ``traceparent``
    names.

    Parameters
    ----------
    server
        Whose secrets are kept out of spans.
    """

    def __init__(self, server: Any) -> None:
        self.api: Any = _load("trace")
        self.context: Any = _load("context")
        self._propagate: Any = _load("propagate")
        self.tracer = self.api.get_tracer("graphkit")
        self._server = server

    def began(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> RequestSpan:
        """Begin the span of a request."""
        around = self.context.get_current()
        parent = around
        if not self.api.get_current_span(around).get_span_context().is_valid:
            parent = self._propagate.extract(headers, around)
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        if REQUEST_ID in headers:
            attributes["graphkit.request.id"] = headers[REQUEST_ID]
        span = self.tracer.start_span(
            scope["method"], context=parent, kind=self.api.SpanKind.SERVER, attributes=attributes
        )
        self.make_current(self.api.set_span_in_context(span, parent))
        return RequestSpan(self, span, around)

    def trace(self, token: RequestSpan) -> RequestSpan | None:
        """Return what is told of the request's steps, ``None`` where the request is not sampled."""
        return token if token.span.is_recording() else None

    def ended(self, token: RequestSpan, scope: Mapping[str, Any], status: int, seconds: float, size: int) -> None:
        """End the span of a request."""
        span = token.span
        token.close()
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(self.api.StatusCode.ERROR)
        span.end()
        self.make_current(token.around)

    def make_current(self, context: Any) -> None:
        """Let spans that users' code begins here belong to a context's span."""
        # Not detached by its token: a step may end in another task than it began in.
        self.context.attach(context)

    def redacted(self, text: str) -> str:
        """Return a text without secrets."""
        return str(self._server._secrets.redact(text))


class StepSpan:
    """A step that has begun, with its span, and what was current before it."""

    __slots__ = ("around", "context", "ended", "span", "step", "step_around")

    def __init__(self, step: Any, span: Any, context: Any, around: Any) -> None:
        self.step = step
        self.span = span
        self.context = context
        self.around = around
        self.step_around = CURRENT_STEP.get()
        self.ended = False


class RequestSpan:
    """The span of a request, which is told of its steps; threads may share it."""

    __slots__ = ("_open", "_spans", "around", "span")

    def __init__(self, spans: Spans, span: Any, around: Any) -> None:
        self.span = span
        self.around = around
        self._spans = spans
        self._open: dict[int, StepSpan] = {}

    def enter(self, step: Any, given: Any, before: Any = None, *more: Any) -> StepSpan:
        """Begin the span of a step."""
        spans = self._spans
        parent = spans.api.set_span_in_context(self._parent(step.path))
        span = spans.tracer.start_span(name_of(step), context=parent, attributes=_attributes(step))
        around = spans.context.get_current()
        entry = StepSpan(step, span, spans.api.set_span_in_context(span, around), around)
        self._open[id(entry)] = entry
        self.resumed(entry)
        return entry

    def resumed(self, entry: StepSpan) -> None:
        """Make a step's span the current one."""
        self._spans.make_current(entry.context)
        CURRENT_STEP.set(name_of(entry.step))

    def paused(self, entry: StepSpan) -> None:
        """Make the span around a step the current one again."""
        self._spans.make_current(entry.around)
        CURRENT_STEP.set(entry.step_around)

    def _parent(self, path: str) -> Any:
        """Return the span of the router or flow that a step stands in, else that of the request.

        By the steps' paths, since what is current tells it wrongly where several routes wait side by side.
        """
        if self._open and path:
            around = {entry.step.path: entry.span for entry in list(self._open.values())}
            while path:
                path = path.rpartition("/")[0]
                if path in around:
                    return around[path]
        return self.span

    def leave(self, entry: StepSpan, result: Any) -> None:
        """End the span of a step that has done its work."""
        self._end(entry, "ok")

    def fail(self, entry: StepSpan, exc: BaseException) -> None:
        """End the span of a step that failed, and say how."""
        if entry.ended:
            return
        redacted = self._spans.redacted
        own = own_exception(exc)
        message = redacted(told(own))
        entry.span.add_event(
            "exception",
            {
                "exception.type": type(own).__qualname__,
                "exception.message": redacted(str(own)),
                "exception.stacktrace": redacted(user_traceback(own)),
            },
        )
        entry.span.set_status(self._spans.api.StatusCode.ERROR, message)
        self._end(entry, "error")

    def _end(self, entry: StepSpan, status: str) -> None:
        if entry.ended:  # its result could not be put where it belongs, after it was made
            return
        entry.ended = True
        self._open.pop(id(entry), None)
        entry.span.set_attribute("graphkit.step.status", status)
        entry.span.end()
        self.paused(entry)

    def close(self) -> None:
        """End the spans of steps that were given up."""
        for entry in list(self._open.values()):
            entry.span.set_status(self._spans.api.StatusCode.ERROR, "given up")
            self._end(entry, "given up")

    def came(self, event: Any, source: Any) -> None:
        """Note nothing: spans know no edges."""


def _load(module: str) -> Any:
    """Import a module of OpenTelemetry, whose packages share one name."""
    try:
        return import_module(f"opentelemetry.{module}")
    except ModuleNotFoundError as exc:
        if not str(exc.name).startswith("opentelemetry"):
            raise  # the package is there, but broken
        raise MissingExtra("tracing with OpenTelemetry", str(exc.name), "otel") from exc


def _attributes(step: Any) -> dict[str, Any]:
    attributes = {"graphkit.step.path": step.path, "graphkit.step.kind": step.kind}
    if step.function:
        attributes["graphkit.step.function"] = step.function
    model = step.object
    if isinstance(model, V2ModelServer):
        attributes["graphkit.model.name"] = model.name
        if model.version:
            attributes["graphkit.model.version"] = model.version
    return attributes


def span_here() -> dict[str, str]:
    """Return the ids of the current span, as W3C Trace Context writes them; nothing outside of any.

    >>> span_here()
    {}
    """
    context = _load("trace").get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def set_up_spans(environ: Mapping[str, str] | None = None) -> None:
    """Send the process's spans as the environment says, unless somebody has set that up already.

    ``OTEL_TRACES_EXPORTER`` is ``otlp`` (over HTTP, to ``OTEL_EXPORTER_OTLP_ENDPOINT``), ``console`` or ``none``; the
    other variables of OpenTelemetry's SDK, such as ``OTEL_SERVICE_NAME`` and ``OTEL_TRACES_SAMPLER``, count too.

    Raises
    ------
    GraphError
        If the exporter is not known.
    MissingExtra
        If the extra ``otel`` is not installed.
    """
    environ = os.environ if environ is None else environ
    api: Any = _load("trace")
    sdk: Any = _load("sdk.trace")
    if isinstance(api.get_tracer_provider(), sdk.TracerProvider):
        return
    wish = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if wish not in _EXPORTERS:
        raise GraphError(f"OTEL_TRACES_EXPORTER is {either(_EXPORTERS)}, found {wish!r}{nearest(wish, _EXPORTERS)}")
    if wish == "none":
        return
    resources: Any = _load("sdk.resources")
    export: Any = _load("sdk.trace.export")
    named = "OTEL_SERVICE_NAME" in environ or "service.name" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = sdk.TracerProvider(resource=resources.Resource.create({} if named else {"service.name": "graphkit"}))
    if wish == "console":
        exporter = export.ConsoleSpanExporter()
    else:
        exporter = _load("exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    api.set_tracer_provider(provider)
