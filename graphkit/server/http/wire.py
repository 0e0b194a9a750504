"""Answers on their way out: plain values and the few ASGI messages that carry them. Knows nothing of graphs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from graphkit.core import jsonlike
from graphkit.core.protocols import seam

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: By which clients name their requests.
REQUEST_ID = "x-request-id"
JSON_TYPE = b"application/json"
#: The names that nearly all clients send.
_NAMES: Mapping[bytes, str] = MappingProxyType(
    {
        name.encode(): name
        for name in (
            "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host",
            "traceparent", "user-agent", "x-request-id",
        )
    }
)  # fmt: skip
_QUICK = 5  # a level of gzip: nearly as small as the default, in half the time


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request; a request without an id is given one.

    The graph's events, the log, spans and the answer all tell that id. A calling graph says whose event it sends.

    >>> headers_of({"headers": [(b"x-event-id", b"e-1")]})
    {'x-event-id': 'e-1', 'x-request-id': 'e-1'}
    """
    headers = {_NAMES.get(name) or name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if not headers.get(REQUEST_ID):
        headers[REQUEST_ID] = headers.get("x-event-id") or headers.get("mlrun_event_id") or seam.new_id()
    return headers


class Answer:
    """Status, headers and body of one answer.

    Examples
    --------
    >>> Answer(404, b"{}").head()
    [(b'content-type', b'application/json'), (b'content-length', b'2')]
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, content_type: bytes = JSON_TYPE, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers: Headers = list(headers)

    def head(self) -> Headers:
        """Return the headers, with type and length of the body."""
        length = str(len(self.body)).encode()
        return [(b"content-type", self.content_type), (b"content-length", length), *self.headers]


def as_json(value: Any, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """Return an answer of a plain value.

    >>> as_json({"live": True}).body
    b'{"live":true}'
    """
    return Answer(status, jsonlike.encode(value), JSON_TYPE, headers)


def refusal(status: int, message: str = "", headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """Return the answer for a request that is not passed on.

    >>> refusal(429, "too many requests").body
    b'{"error":"too many requests"}'
    """
    return as_json({"error": message or HTTPStatus(status).phrase.lower()}, status, headers)


def compress(answer: Answer) -> None:
    """Compress an answer's body, if that makes it smaller."""
    body = gzip.compress(answer.body, _QUICK, mtime=0)
    if len(body) < len(answer.body):
        answer.body = body
        answer.headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]


def accepts_gzip(accepted: str) -> bool:
    """Return whether a client takes gzip.

    >>> accepts_gzip("gzip, deflate"), accepts_gzip("gzip;q=0"), accepts_gzip("br")
    (True, False, False)
    """
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def header_pairs(headers: Mapping[str, Any]) -> Headers:
    r"""Return the headers of a Response as they are sent; what would break the head of the answer is left out.

    Length, framing and connection are the server's to say.

    >>> header_pairs({"X-A": 1, "Content-Length": 3, "X-B": "a\r\nb", "X C": 1})
    [(b'x-a', b'1')]
    """
    pairs: Headers = []
    for name, value in headers.items():
        key, text = str(name).lower(), str(value)
        if key not in _OF_THE_SERVER and _NAME.fullmatch(key) and is_sendable(text):
            pairs.append((key.encode("ascii"), text.encode("latin-1")))
    return pairs


def is_sendable(text: str) -> bool:
    r"""Return whether a text can be the value of a header.

    >>> is_sendable("a b"), is_sendable("a\nb"), is_sendable("\u20ac")
    (True, False, False)
    """
    # nearly every text is of this kind, which is told in a third of the time
    return (text.isascii() and text.isprintable()) or _VALUE.fullmatch(text) is not None


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OF_THE_SERVER = frozenset({"content-type", "content-length", "transfer-encoding", "connection", "keep-alive"})
