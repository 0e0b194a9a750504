"""Calls of other services over HTTP: how a request is made of a body, sent, tried again, and its answer read."""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphkit.core.errors import BadRequest, GraphError, StepError, TrustError
from graphkit.core.expr import compile_expression
from graphkit.core.extras import load
from graphkit.core.jsonlike import encode
from graphkit.core.urls import shown_url

EVENT_ID_HEADER = "X-Event-Id"
EVENT_PATH_HEADER = "X-Event-Path"

_LONGEST_WAIT_S = 60.0
_MOST_SHOWN = 200


class Call(NamedTuple):
    """A request that is ready to be sent."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None


class HttpCaller:
    """Sends bodies to one service; thread-safe, and usable again after :meth:`close`.

    The parameters are those of :class:`graphkit.steps.remote.RemoteStep`; ``owner`` is its class in messages.
    """

    def __init__(
        self,
        *,
        owner: str,
        context: Any,
        url: str | None,
        subpath: str | None,
        method: str | None,
        headers: Mapping[str, str] | None,
        url_expression: str | None,
        body_expression: str | None,
        headers_expression: str | None,
        return_json: bool,
        retries: int | None,
        backoff_factor: float | None,
        timeout: float | None,
    ) -> None:
        self._httpx = load("httpx", "calling a remote service", "remote")
        if bool(url) == bool(url_expression):
            raise GraphError(f"{owner} needs url or url_expression, one of them")
        if url_expression and subpath:
            raise GraphError(f"{owner}: subpath goes with url; url_expression gives the whole URL")
        self._trust: Any = getattr(context, "trust", None)
        self._append_event_path = subpath == "$path"
        self._endpoint = _endpoint(url, "" if self._append_event_path else subpath, context, owner)
        if self._endpoint and self._trust is not None:
            self._trust.check_url(self._endpoint)
        self._method = method.upper() if method else None
        self._headers = _checked_headers(headers or {}, "headers")
        names = {"endpoint": self._endpoint, **_lookups(context)}
        self._url_of = _compiled(url_expression, names, "url_expression")
        self._body_of = _compiled(body_expression, names, "body_expression")
        self._headers_of = _compiled(headers_expression, names, "headers_expression")
        self._return_json = return_json
        self._retries = _number("retries", 3 if retries is None else retries, owner, whole=True)
        self._backoff_s = _number("backoff_factor", 0.5 if backoff_factor is None else backoff_factor, owner)
        self._timeout_s = None if timeout is None else _number("timeout", timeout, owner)
        self._lock = threading.Lock()
        self._client: Any = None
        self._finalizer: Any = None

    def call_for(self, event: Any, body: Any, seen: Any) -> Call:
        """Make the request for a body.

        Parameters
        ----------
        event
            The event, for its method, id and path.
        body
            What is sent.
        seen
            What expressions know as ``event``.
        """
        headers = {EVENT_ID_HEADER: str(event.id)}
        path = event.path.lstrip("/")
        if path:
            headers[EVENT_PATH_HEADER] = event.path
        headers.update(self._headers)
        if self._headers_of is not None:
            headers.update(_checked_headers(self._headers_of(seen), "headers_expression"))
        url = self._endpoint if self._url_of is None else self._url_of(seen)
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise BadRequest(f"{url!r} is not a URL that starts with http:// or https://")
        if self._append_event_path and path:
            url = f"{url}/{path}"
        if self._trust is not None and url != self._endpoint:
            self._check(url)
        method = self._method or (event.method or "POST").upper()
        content = None if method in ("GET", "HEAD") else self._content(body, seen, headers)
        return Call(method, url, headers, content)

    def send(self, call: Call) -> Any:
        """Send a request, again if the service does not answer or fails; return its answer.

        Raises
        ------
        StepError
            If the service cannot be reached, is too slow, or answers with anything but success.
        """
        waited_s = self._backoff_s
        for left in range(self._retries, -1, -1):
            try:
                response = self._opened().request(
                    call.method, call.url, headers=call.headers, content=call.content, timeout=self._timeout_s
                )
            except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as exc:
                # The service has seen nothing of it, so it may be sent again; after other errors it may not.
                if not left:
                    raise self._failed(call, f"the service cannot be reached: {_reason(exc)}") from exc
            except self._httpx.TimeoutException as exc:
                raise self._failed(call, f"no answer came within {self._timeout_s} s") from exc
            except (self._httpx.HTTPError, self._httpx.InvalidURL) as exc:
                raise self._failed(call, f"{type(exc).__name__}: {_reason(exc)}") from exc
            else:
                if response.status_code < 500 or not left:
                    return self._answer(call, response)
            time.sleep(waited_s)
            waited_s = min(2 * waited_s, _LONGEST_WAIT_S)
        raise AssertionError("unreachable: the last round returns or raises")

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._finalizer()
                self._client = None

    def _check(self, url: str) -> None:
        """Refuse an address that an event has led to and the app's settings do not list."""
        try:
            self._trust.check_url(url)
        except TrustError as exc:
            # what is listed is not the caller's to know
            raise BadRequest(f"{shown_url(url)!r} may not be called by this app") from exc

    def _content(self, body: Any, seen: Any, headers: dict[str, str]) -> bytes | None:
        if self._body_of is not None:
            body = self._body_of(seen)
        if body is None or isinstance(body, (bytes, bytearray)):
            return None if body is None else bytes(body)
        if isinstance(body, str):
            return body.encode()
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        try:
            return encode(body)
        except TypeError as exc:
            raise StepError(f"the body cannot be sent: {exc}") from exc

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                # The steps' own bounds on concurrency rule, not the client's.
                limits = self._httpx.Limits(max_connections=None, max_keepalive_connections=20)
                self._client = self._httpx.Client(limits=limits)
                self._finalizer = weakref.finalize(self, self._client.close)
            return self._client

    def _answer(self, call: Call, response: Any) -> Any:
        status = response.status_code
        if status >= 300:
            location = response.headers.get("location")
            moved = f" (to {shown_url(location)})" if location else ""
            raise self._failed(call, f"it answered {status}{moved}: {_start(response)}")
        is_json = response.headers.get("content-type", "").lower().startswith("application/json")
        if not (self._return_json or is_json):
            return response.content
        if not response.content:
            return None
        try:
            # Not the stricter msgspec: services in Python send NaN.
            return json.loads(response.content)
        except ValueError as exc:
            hint = "" if is_json else "; return_json=False takes any answer"
            raise self._failed(call, f"it answered {status}, but not with JSON: {_start(response)}{hint}") from exc

    def _failed(self, call: Call, problem: str) -> StepError:
        return StepError(f"{call.method} {shown_url(call.url)}: {problem}")


def _endpoint(url: str | None, subpath: str | None, context: Any, owner: str) -> str:
    if not url:
        return ""
    if "://" not in url:
        if context is None:
            raise GraphError(f"{owner}: {url!r} is the name of a function; without a graph's context it means nothing")
        try:
            url = context.get_remote_endpoint(url)
        except LookupError as exc:
            raise GraphError(f"{owner}: {exc.args[0]}") from exc
    endpoint = str(url).rstrip("/")
    return f"{endpoint}/{subpath.lstrip('/')}" if subpath else endpoint


def _lookups(context: Any) -> dict[str, Callable[..., Any]]:
    # The two look-ups that a call needs, and not the context: an expression must not reach the server behind it.
    if context is None:
        return {}
    return {"get_param": context.get_param, "get_secret": context.get_secret}


def _compiled(source: str | None, names: Mapping[str, Any], where: str) -> Callable[[Any], Any] | None:
    return compile_expression(source, names, where) if source else None


def _checked_headers(headers: Any, where: str) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        raise GraphError(f"{where} must be a dict, not a value of type {type(headers).__name__}")
    return {str(name): str(value) for name, value in headers.items()}


def _number(name: str, value: Any, owner: str, whole: bool = False) -> Any:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < float("inf"):
        raise GraphError(f"{owner}: {name} must be a {'whole ' if whole else ''}number, zero or more, not {value!r}")
    return value


def _start(response: Any) -> str:
    text: str = response.text
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "...")


def _reason(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
