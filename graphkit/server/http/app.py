"""The ASGI application. One call per request, written by hand: what a request does not need, it does not pay for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any

from graphkit.build.flow import RootFlowStep
from graphkit.core import jsonlike
from graphkit.core.current import CURRENT_EVENT
from graphkit.core.errors import GraphkitError, MissingExtra, is_failure, told
from graphkit.core.event import Event, Trigger
from graphkit.core.yielded import is_stream
from graphkit.runtime.bound import is_response
from graphkit.server import dataplane
from graphkit.server.graph_server import GraphServer, mock_server
from graphkit.server.http.bodies import Gone, Refused, read_body, unpack
from graphkit.server.http.chunks import Chunks, form_of, wants_chunks
from graphkit.server.http.cors import Cors
from graphkit.server.http.deadline import Late
from graphkit.server.http.keys import Keys
from graphkit.server.http.logs import AccessLog, NamesSteps, log_failure
from graphkit.server.http.metrics import Metrics
from graphkit.server.http.observing import ANSWERED_BY, Observer, combined
from graphkit.server.http.questions import HEALTH, Questions
from graphkit.server.http.runner import Runner
from graphkit.server.http.wire import (
    REQUEST_ID,
    Answer,
    Headers,
    Receive,
    Scope,
    Send,
    accepts_gzip,
    compress,
    header_pairs,
    headers_of,
    is_sendable,
    refusal,
)
from graphkit.server.oip.binary import has_binary
from graphkit.server.settings import Settings

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_ALLOW = ((b"allow", b"DELETE, GET, HEAD, PATCH, POST, PUT"),)
_TRIGGER = Trigger("http", "http")
# Paths that name no model; the body may.
_SILENT = frozenset({"", "/", "/v2/models", "/v2/models/"})
_MSGPACK = b"application/msgpack"
_GONE = 499  # nobody gets this one: it is for logs and metrics, as nginx has it


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("graphkit-serving")
    except PackageNotFoundError:  # a checkout that is on the path, not installed
        return "0"


def _packed(result: Any) -> bytes:
    return jsonlike.encode_msgpack(list(result) if is_stream(result) else result)


def _of_response(response: Any) -> Answer:
    """Return a Response, of our own or Nuclio's, as it is sent."""
    body = response.body
    content_type = getattr(response, "content_type", None) or "text/plain"
    if not is_sendable(content_type):
        content_type = "application/octet-stream"
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
        if content_type.startswith("text/") and "charset" not in content_type:
            content_type += "; charset=utf-8"
    headers = header_pairs(getattr(response, "headers", None) or {})
    return Answer(int(response.status_code), body or b"", content_type.encode("latin-1"), headers)


def asgi_app(server_or_target: Any, settings: Settings | None = None) -> App:
    """Return a graph as an ASGI application, for any ASGI server.

    Parameters
    ----------
    server_or_target
        A :class:`GraphServer`, a graph (a flow or a router), or what the command line takes: a folder, a spec, a
        notebook, ``"module:attribute"``.
    settings
        Limits, keys and the like; :func:`graphkit.server.settings.read_settings` reads them from files and the
        environment. Where the application listens is its server's affair.

    Raises
    ------
    GraphError
        If there is nothing to serve.

    Examples
    --------
    >>> import graphkit
    >>> graph = graphkit.new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)").respond()
    >>> app = asgi_app(graph)  # uvicorn module:app
    >>> app
    App(GraphServer(RootFlowStep(1 steps), function='*'))
    """
    return App(as_server(server_or_target), settings or Settings())


def as_server(given: Any, module: str | None = None) -> GraphServer:
    """Return the server of what can be served: a server itself, a graph, or the text that names one.

    ``module`` is where a saved graph finds its code.
    """
    if isinstance(given, GraphServer):
        return given
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        from graphkit.server.target import open_target

        return open_target(given, module).server
    return mock_server(given) if isinstance(given, RootFlowStep) else GraphServer(given)


class App:
    """A server's graph as an ASGI application; made by :func:`asgi_app`.

    Parameters
    ----------
    server
        Answers the requests.
    settings
        Limits, keys and the like.

    Attributes
    ----------
    in_flight
        How many requests are being answered now.
    """

    def __init__(self, server: GraphServer, settings: Settings) -> None:
        self.server = server
        self.settings = settings
        self.in_flight = 0
        self._questions = Questions(server, _version())
        self._runner = Runner(server, settings)
        keys = settings.keys()
        self._keys = Keys(keys) if keys else None
        self._cors = Cors(settings.cors_origins) if settings.cors_origins else None
        self._observers: list[Observer] = []
        self._pages: dict[str, Callable[[], Answer]] = {}
        # what is answered also when the server is full, which is when operators look
        self._always = HEALTH if settings.metrics == "off" else HEALTH | {"/metrics"}
        self._lacks = ""
        if settings.metrics != "off":
            self._add_metrics()
        server._on_failure = log_failure
        if settings.access_log:
            self.observe(AccessLog())
        if settings.log_steps:
            self.observe(NamesSteps())
        if settings.traces:
            from graphkit.server.http.spans import Spans

            self.observe(Spans(server))
        if settings.docs:
            self._pages |= {"/openapi.json": self._openapi, "/docs": self._docs}
        if settings.allowed_data_urls:
            own = server.parameters.get("allowed_data_urls") or ()
            own = (own,) if isinstance(own, str) else own
            server.parameters["allowed_data_urls"] = [*own, *settings.allowed_data_urls]

    def _add_metrics(self) -> None:
        """Count requests, or say what is missing for that where nobody has asked for it by name."""
        try:
            numbers = Metrics(self, self._questions.catalog, self.settings.metrics == "steps")
        except MissingExtra as missing:
            if self.settings.metrics != "auto":
                raise
            self._lacks = missing.message
            self._pages["/metrics"] = lambda: refusal(501, self._lacks)
        else:
            self.observe(numbers)
            self._pages["/metrics"] = numbers.page

    def observe(self, observer: Observer) -> None:
        """Let an observer know of every request from now on."""
        self._observers.append(observer)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._runner.waiting

    def __repr__(self) -> str:
        return f"App({self.server!r})"

    # ---- ASGI -----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the start and end of the process."""
        kind = scope["type"]
        if kind == "http":
            if self._observers:
                await self._observed(scope, receive, send)
            else:
                await self._http(scope, headers_of(scope), receive, send, None)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003, "reason": "requests come over HTTP"})

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request while observers look on."""
        headers = headers_of(scope)
        observers, traces = [], []
        for observer in self._observers:
            token = observer.began(scope, headers)
            observers.append((observer, token))
            trace = observer.trace(token)
            if trace is not None:
                traces.append(trace)
        trace = combined(traces) if traces else None
        began = perf_counter()
        status, size = 500, 0
        try:
            status, size = await self._http(scope, headers, receive, send, trace)
        finally:
            seconds = perf_counter() - began
            for observer, token in observers:
                observer.ended(token, scope, status, seconds, size)

    async def _http(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send, trace: Any
    ) -> tuple[int, int]:
        """Answer a request; returns the answer's status and size (0 where it was sent in chunks)."""
        self.in_flight += 1
        try:
            answer = self._turned_away(scope, headers)
            if answer is None:
                answer = await self._answer(scope, headers, receive, send, trace)
        except Refused as refused:
            answer = refused.answer
        except Late:
            answer = refusal(504, f"no answer within {self.settings.timeout_s:g} s")
        except Gone:
            return _GONE, 0
        finally:
            self.in_flight -= 1
        if answer is None:
            return 200, 0
        await self._deliver(answer, scope, headers, send)
        return answer.status, len(answer.body)

    async def _deliver(self, answer: Answer, scope: Scope, headers: dict[str, str], send: Send) -> None:
        least = self.settings.gzip_min_bytes
        if least and len(answer.body) >= least and accepts_gzip(headers.get("accept-encoding", "")):
            compress(answer)
        answer.headers += self._extra(headers, answer.headers)
        head = answer.head()
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def _extra(self, headers: dict[str, str], own: Headers) -> Headers:
        """Return the headers that every answer to a request gets beside its own."""
        extra = []
        request_id = headers[REQUEST_ID]
        if is_sendable(request_id) and not (own and any(name == b"x-request-id" for name, _ in own)):
            extra.append((b"x-request-id", request_id.encode("latin-1")))
        if self._questions.draining:
            extra.append((b"connection", b"close"))
        if self._cors is not None:
            extra += self._cors.headers(headers.get("origin"))
        return extra

    # ---- before the graph -----------------------------------------------------------------------------------

    def _turned_away(self, scope: Scope, headers: dict[str, str]) -> Answer | None:
        """Return the answer for a request that goes no further, ``None`` if it may go on."""
        method, path = scope["method"], scope["path"]
        if self._cors is not None and method == "OPTIONS":
            preflight = self._cors.preflight(headers)
            if preflight is not None:
                return preflight
        if (
            self._keys is not None
            and path not in HEALTH
            and not self._keys.accept(headers.get("authorization"), headers.get("x-api-key"))
        ):
            challenge = ((b"www-authenticate", b'Bearer realm="graphkit"'),)
            return refusal(401, "a key is needed: Authorization: Bearer KEY, or X-API-Key: KEY", challenge)
        if self.in_flight > self.settings.max_in_flight and path not in self._always:
            return refusal(429, "too many requests at a time", ((b"retry-after", b"1"),))
        return None

    def _own(self, method: str, path: str) -> Answer | None:
        """Return the answer to what is not the graph's affair."""
        page = self._pages.get(path)
        if page is not None:
            return page() if method in ("GET", "HEAD") else refusal(405, "", ((b"allow", b"GET, HEAD"),))
        if method == "POST" and path.endswith("/infer"):
            return None  # what nearly every request asks for
        answer = self._questions.answer(method, path) if path.startswith("/v2") else None
        if answer is None and method not in _METHODS:
            return refusal(405, f"the method {method} is not known", _ALLOW)
        return answer

    # ---- the graph ------------------------------------------------------------------------------------------

    async def _answer(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send, trace: Any
    ) -> Answer | None:
        method, path = scope["method"], scope["path"]
        own = self._own(method, path)
        if own is not None:
            return own
        body: bytes | None = None
        if method == "POST" or "content-length" in headers or "transfer-encoding" in headers:
            settings = self.settings
            most = settings.max_body_bytes
            body = await read_body(receive, headers.get("content-length"), most, settings.body_timeout_s)
            coding = headers.get("content-encoding")
            if coding:
                body = unpack(body, coding, most)
        event = Event(
            body or None,
            headers.get("content-type"),
            headers,
            "GET" if method == "HEAD" else method,
            path,
            headers[REQUEST_ID],
            _TRIGGER,
        )
        event._trace = trace
        if wants_chunks(headers.get("accept", "")):
            event._chunked = self.server._last_models()
        CURRENT_EVENT.set(event)
        if scope["query_string"]:
            event.query = scope["query_string"].decode("latin-1")  # type: ignore[attr-defined]  # events take more
        result = await self._runner.run(event)
        if path in _SILENT and type(result) is dict:
            scope[ANSWERED_BY] = result.get("model_name")
        if type(result) is not dict and (is_stream(result) or (is_response(result) and is_stream(result.body))):
            return await self._send_chunks(result, headers, receive, send)
        return self._answer_of(result, event, headers)

    def _answer_of(self, result: Any, event: Event, headers: dict[str, str]) -> Answer:
        """Return what the graph gave as it is sent."""
        try:
            if "msgpack" in headers.get("accept", "") and not is_response(result):
                return Answer(200, _packed(result), _MSGPACK)
            if type(result) is dict and not has_binary(result):
                return Answer(200, jsonlike.encode(result))
            return _of_response(dataplane.encode(result))
        except (GraphkitError, TypeError) as exc:
            error = exc if isinstance(exc, GraphkitError) else dataplane.unsendable(exc, result)
            shown, as_json = self.server._presentable(error, event), dataplane.wants_json_errors(event)
            return _of_response(self.server._error_response(shown, None, as_json))

    async def _send_chunks(self, result: Any, headers: dict[str, str], receive: Receive, send: Send) -> Answer | None:
        """Send an answer in chunks; returns an answer where the client gets one in the ordinary way instead."""
        response = result if is_response(result) else None
        stream = result if response is None else response.body
        chunks = Chunks(stream, self._runner.threads, self.settings.timeout_s)
        form = form_of(headers.get("accept", ""), response)
        try:
            try:
                await chunks.start()
                if form is None:
                    return Answer(200, jsonlike.encode(await chunks.collect()))
            except Late:
                raise
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                # nothing has been sent yet
                return refusal(getattr(exc, "status", 500), self._told(exc))
            own = [] if response is None else header_pairs(response.headers or {})
            head = [(b"content-type", form.content_type), (b"cache-control", b"no-store"), *self._extra(headers, own)]
            head += own
            status = 200 if response is None else int(response.status_code)
            await send({"type": "http.response.start", "status": status, "headers": head})
            await chunks.send(send, receive, form, self._told)
            return None
        finally:
            await chunks.close()

    def _told(self, exc: BaseException) -> str:
        """Log how an answer in chunks failed, and return what is told of it."""
        text = "the next chunk did not come in time" if isinstance(exc, Late) else told(exc)
        redacted: str = self.server._secrets.redact(f"the answer broke off: {text}")
        self.server.context.logger.error(redacted)
        return redacted

    # ---- pages ----------------------------------------------------------------------------------------------

    def _openapi(self) -> Answer:
        from graphkit.server.http.openapi import document

        return Answer(200, jsonlike.encode(document(self._questions.catalog(), _version(), self._keys is not None)))

    def _docs(self) -> Answer:
        from graphkit.server.http.page import page

        return page()

    # ---- start and end --------------------------------------------------------------------------------------

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.start()
                except Exception as exc:  # the server that asks writes it out and ends
                    await send({"type": "lifespan.startup.failed", "message": f"{type(exc).__name__}: {exc}"})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def start(self) -> None:
        """Bind the graph, which loads its models, and get ready; raises GraphError with everything that is wrong."""
        self.server._ready(check_names=True)
        if self._lacks:
            logging.getLogger("graphkit").warning("%s; the setting metrics=off does without", self._lacks)

    def end(self) -> None:
        """Prepare for the end: report as not ready, and let every answer close its connection."""
        self._questions.draining = True

    @property
    def is_ending(self) -> bool:
        """Whether the end is near."""
        return self._questions.draining

    def close(self) -> None:
        """Write out what waits, and close pools and threads."""
        self._runner.close()
        self.server.wait_for_completion()
