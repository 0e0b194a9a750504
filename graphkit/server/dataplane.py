"""Decode, and encode: what every face does around a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import GeneratorType
from typing import Any

import msgspec

from graphkit.core import jsonlike
from graphkit.core.awaiting import PLAIN_TYPES
from graphkit.core.errors import BadRequest, GraphkitError, StepError, is_failure, told
from graphkit.core.event import Event, Response, as_event
from graphkit.runtime.bound import is_response
from graphkit.runtime.envelope import MARK, is_wrapped, unwrap
from graphkit.server.oip import binary
from graphkit.server.oip.binary import has_binary
from graphkit.server.oip.dialect import brings_tensors, may_bring_tensors

JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
MSGPACK_TYPES = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
_EVENT_ID = frozenset({"mlrun_event_id", "x-event-id"})
_BINARY = frozenset({bytes, bytearray, memoryview})
_EVENT_PATH = frozenset({"mlrun_event_path", "x-event-path"})
_ZERO = frozenset({"q=0", "q=0.0", "q=0.00", "q=0.000"})
_TENSORS_FROM = "inference-header-content-length"
_HEEDED = _EVENT_ID | _EVENT_PATH | {_TENSORS_FROM}


def prepared(event: Any, extra_args: Mapping[str, Any] | None = None) -> Event:
    """Return an event of our own for any event-like object, with its body decoded.

    Raises
    ------
    BadRequest
        If it is no event, or its body cannot be used.
    """
    check_event(event)
    if why := unusable(event):
        raise BadRequest(why)
    own = as_event(event)
    json_length = apply_headers(own) if own._headers else None
    if isinstance(own.body, (str, bytes)):
        if json_length is not None:
            own.body = binary.split(own.body.encode() if isinstance(own.body, str) else own.body, json_length)
        else:
            decode(own)
    # an entry of a stream has no URL; where there is one, what a client wrote into the body must not change it
    if _is_silent(own.path) and is_wrapped(own.body):
        own = unwrap(own)
    if extra_args:
        own.extra_args = dict(extra_args)  # type: ignore[attr-defined]  # events take further attributes
    return own


def check_event(event: Any) -> None:
    """Raise BadRequest if something is no event."""
    if not hasattr(event, "body"):
        raise BadRequest(
            f"an event is an object with a body, such as graphkit.Event(body); found a value of type "
            f"{type(event).__name__}"
        )


def unusable(event: Any) -> str:
    """Return what is wrong with what an event carries beside its body, or an empty text.

    >>> unusable(Event(1, path=5))
    "an event's path is a text such as '/v2/models/iris/infer', found a value of type int"
    """
    # of our own events what was given, since an empty list reads as what is there where nothing was given
    names = ("_headers", "_path") if isinstance(event, Event) else ("headers", "path")
    headers, path = (getattr(event, name, None) for name in names)
    if headers is not None and not isinstance(headers, Mapping):
        return f"an event's headers are a dict of names and values, found a value of type {type(headers).__name__}"
    if path is not None and not isinstance(path, str):
        return f"an event's path is a text such as '/v2/models/iris/infer', found a value of type {type(path).__name__}"
    return ""


def needs_work(event: Any) -> bool:
    """Return whether an event must be prepared before it is run: it is foreign, or text, or has headers."""
    if type(event) is not Event or event._headers is not None:
        return True
    body = event.body
    kind = type(body)
    if kind is dict:
        return MARK in body or may_bring_tensors(body)
    return kind is str or kind is bytes


def wants_json_errors(event: Any) -> bool:
    """Return whether errors are answered as JSON, not as text: to tensors, and to who asks for JSON by name.

    >>> wants_json_errors(Event(1)), wants_json_errors(Event(1, headers={"Accept": "application/json, */*"}))
    (False, True)
    """
    if brings_tensors(getattr(event, "body", None)):
        return True
    headers = getattr(event, "headers", None)
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        key = str(name).lower()
        if key == _TENSORS_FROM or (key == "accept" and _names_json(_text(value))):
            return True
    return False


def _names_json(accepted: str) -> bool:
    kinds = (part.lower().replace(" ", "").split(";") for part in accepted.split(","))
    return any(kind == JSON and not _ZERO.intersection(parameters) for kind, *parameters in kinds)


def decode(event: Event) -> None:
    """Decode a body that is text or bytes, in place.

    JSON and MessagePack must decode; other content is left alone; without a content type, JSON is decoded if it is
    JSON, and so it is under a form's type, which curl gives to whatever it sends.

    Raises
    ------
    BadRequest
        If the content type says JSON or MessagePack and the body is not.
    """
    content_type = event.content_type
    body = event.body
    must_decode = content_type is not None and is_json(content_type)
    if content_type and not must_decode and not content_type.lower().startswith(_FORM):
        if is_msgpack(content_type) and type(body) is bytes:
            event.body = _from_msgpack(body)
        return
    try:
        event.body = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        try:
            # integers beyond 64 bits, which only the standard library reads
            event.body = json.loads(body, parse_constant=jsonlike.no_constant)
        except (ValueError, RecursionError):
            if must_decode:
                raise BadRequest(f"the body is not usable JSON: {jsonlike.why_not(body, exc)}") from exc


def no_json(event: Any) -> str:
    """Return why a body that was left as it came is no JSON, where it looks as if it should be; else nothing.

    >>> no_json(Event(b'{"inputs": [[1, 2]'))
    'the body is no JSON (Input data was truncated), so it was taken as it came'
    >>> no_json(Event("a text")), no_json(Event({"inputs": []})), no_json(Event("{}", "text/plain"))
    ('', '', '')
    """
    body, content_type = getattr(event, "body", None), getattr(event, "content_type", None)
    if not isinstance(body, (str, bytes)) or (content_type and not content_type.lower().startswith(_FORM)):
        return ""
    if body.lstrip()[:1] not in ("{", "[", b"{", b"["):
        return ""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError) as exc:
        return f"the body is no JSON ({exc}), so it was taken as it came"
    except RecursionError:
        return "the body is nested too deeply to be read as JSON, so it was taken as it came"
    return ""


def is_json(content_type: str) -> bool:
    """Return whether a content type means JSON.

    >>> is_json("application/json; charset=utf-8"), is_json("image/png")
    (True, False)
    """
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("json", JSON) or kind.endswith("+json")


def is_msgpack(content_type: str) -> bool:
    """Return whether a content type means MessagePack.

    >>> is_msgpack("application/x-msgpack"), is_msgpack("application/json")
    (True, False)
    """
    return content_type.partition(";")[0].strip().lower() in MSGPACK_TYPES


def _from_msgpack(body: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as exc:
        raise BadRequest(f"the body is not usable MessagePack: {exc}") from exc


def apply_headers(event: Event) -> Any:
    """Let headers set the event's id, and its path where the URL is silent, as a calling graph sends them.

    Returns how many bytes of the body are JSON, where tensors follow in binary form, else ``None``.
    """
    try:
        if _HEEDED.isdisjoint(map(str.lower, event.headers)):
            return None  # as nearly always, at a third of the time that the loop takes
    except TypeError:
        pass  # names that are no texts
    json_length = None
    for name, value in event.headers.items():
        key = str(name).lower()
        if key in _EVENT_ID:
            event.id = _text(value)
        elif key in _EVENT_PATH and _is_silent(event.path):
            event.path = _text(value)
        elif key == _TENSORS_FROM:
            json_length = _text(value)
    return json_length


def _is_silent(path: str) -> bool:
    return path in ("", "/")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def encode(result: Any, response_class: Any = Response) -> Any:
    """Return a result as a Response whose body is text or bytes.

    Text is sent as ``text/plain``, bytes as ``application/octet-stream``, anything else as JSON; NaN and infinities,
    which JSON does not have, become null. Arrays and frames are written as lists, and so is what a generator yields.

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
    if kind is dict and has_binary(result):
        body, json_length = binary.join(result)
        return response_class(
            headers={binary.HEADER: str(json_length)},
            body=body,
            content_type="application/octet-stream",
            status_code=200,
        )
    if kind is GeneratorType:
        return response_class(body=to_json(_collected(result)), content_type=JSON, status_code=200)
    if kind is str:
        return response_class(body=result, content_type="text/plain", status_code=200)
    if kind in _BINARY:
        return response_class(body=bytes(result), content_type="application/octet-stream", status_code=200)
    return response_class(body=to_json(result), content_type=JSON, status_code=200)


def _collected(stream: Any) -> list[Any]:
    try:
        return list(stream)
    except GraphkitError:
        raise
    except BaseException as exc:
        if not is_failure(exc):
            raise
        raise StepError(f"the answer broke off: {told(exc)}") from exc


def to_json(value: Any) -> str:
    """Return a value as JSON text; raises StepError naming the type that has no JSON form."""
    try:
        return jsonlike.encode(value).decode()
    except TypeError as exc:
        raise unsendable(exc, value) from exc


def unsendable(exc: TypeError, answer: Any) -> StepError:
    """Return the error of an answer that holds something of a type which cannot be sent; it tells where."""
    model = answer.get("model_name") if type(answer) is dict else None
    whose = f"the answer of model {model!r}" if isinstance(model, str) else "the answer"
    place = jsonlike.place_of(answer)
    error = StepError(f"{whose} cannot be sent: {exc}{f', at {place}' if place else ''}")
    error.of_answer = True
    return error


def _with_text(response: Any, response_class: Any) -> Any:
    """Return a complete answer with its body written out; one that is text already is sent as it is."""
    body = response.body
    if body is None or isinstance(body, (str, bytes)):
        return response
    headers, content_type = getattr(response, "headers", None), getattr(response, "content_type", None)
    if type(body) in _BINARY:
        return response_class(headers, bytes(body), content_type, response.status_code)
    kept = content_type if is_json(content_type or "") else JSON
    return response_class(headers, to_json(body), kept, response.status_code)
