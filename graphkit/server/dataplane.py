"""Decode, and encode: what every face does around a run."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from graphkit.core import jsonlike
from graphkit.core.awaiting import PLAIN_TYPES
from graphkit.core.errors import BadRequest, StepError
from graphkit.core.event import Event, Response
from graphkit.runtime.bound import is_response

JSON = "application/json"
_EVENT_ID = ("MLRUN_EVENT_ID", "X-Event-Id")
_BINARY = frozenset({bytes, bytearray, memoryview})
_EVENT_PATH = ("MLRUN_EVENT_PATH", "X-Event-Path")


def decode(event: Event) -> None:
    """Decode a body that is text or bytes, in place.

    JSON content must decode; other content is left alone; without a content type, JSON is decoded if it is JSON.

    Raises
    ------
    BadRequest
        If the content type says JSON and the body is not.
    """
    content_type = event.content_type
    if content_type and not is_json(content_type):
        return
    body = event.body
    try:
        event.body = msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        try:
            # integers beyond 64 bits, which only the standard library reads
            event.body = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            if content_type:
                raise BadRequest(f"the body is not JSON: {exc}") from exc
    except RecursionError as exc:
        raise BadRequest("the body is not usable JSON: it is nested too deeply") from exc


def is_json(content_type: str) -> bool:
    """Return whether a content type means JSON.

    >>> is_json("application/json; charset=utf-8"), is_json("image/png")
    (True, False)
    """
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("json", JSON) or kind.endswith("+json")


def apply_headers(event: Event) -> None:
    """Let headers set the event's id and path, as a calling graph sends them."""
    headers = event.headers
    for name in _EVENT_ID:
        if name in headers:
            event.id = str(headers[name])
    for name in _EVENT_PATH:
        if name in headers:
            event.path = str(headers[name])


def encode(result: Any, response_class: Any = Response) -> Any:
    """Return a result as a Response whose body is text or bytes.

    Text is sent as ``text/plain``, bytes as ``application/octet-stream``, anything else as JSON; NaN, which JSON does
    not know, becomes null. Arrays and frames are written as lists.

    Raises
    ------
    StepError
        If the result holds something that JSON cannot.

    Examples
    --------
    >>> encode([1, float("nan")])
    Response(status_code=200, content_type='application/json', body='[1,null]')
    """
    kind = type(result)
    if kind not in PLAIN_TYPES:
        if is_response(result):
            return _with_text(result, response_class)
        kind = next((base for base in (str, bytes) if isinstance(result, base)), kind)
    if kind is str:
        return response_class(body=result, content_type="text/plain", status_code=200)
    if kind in _BINARY:
        return response_class(body=bytes(result), content_type="application/octet-stream", status_code=200)
    return response_class(body=to_json(result), content_type=JSON, status_code=200)


def to_json(value: Any) -> str:
    """Return a value as JSON text; raises StepError naming the type that has no JSON form."""
    try:
        return jsonlike.encode(value).decode()
    except TypeError as exc:
        raise StepError(f"the answer cannot be sent: {exc}") from exc


def _with_text(response: Any, response_class: Any) -> Any:
    """Return a complete answer with its body written out; one that is text already is sent as it is."""
    body = response.body
    if body is None or isinstance(body, (str, bytes)):
        return response
    if type(body) in _BINARY:
        return response_class(response.headers, bytes(body), response.content_type, response.status_code)
    content_type = response.content_type if is_json(response.content_type or "") else JSON
    return response_class(response.headers, to_json(body), content_type, response.status_code)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
