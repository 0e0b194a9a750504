"""Bodies on their way in: read within limits, and unpacked within the same limits."""

from __future__ import annotations

import zlib

from graphkit.server.http.deadline import Late, within
from graphkit.server.http.wire import Answer, Receive, refusal

#: The rest of the body may still be on its way, so that the connection cannot be used again.
_CLOSE = ((b"connection", b"close"),)
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class Refused(Exception):  # no error of ours: the request ends here, with an answer
    """The request is not passed on; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Gone(Exception):  # no error of ours: nobody waits for an answer any more
    """The client has gone away."""


async def read_body(receive: Receive, declared: str | None, most: int, timeout_s: float) -> bytes:
    """Return the whole body of a request.

    Parameters
    ----------
    receive
        Of the request.
    declared
        What ``Content-Length`` says.
    most
        How many bytes are taken.
    timeout_s
        How long the client may take to send them; 0 is no limit.

    Raises
    ------
    Refused
        If it is too large (413), or comes too slowly (408).
    Gone
        If the client went away.
    """
    if declared is not None and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    try:
        return await within(timeout_s, _read(receive, most))  # type: ignore[no-any-return]  # passes bytes through
    except Late:
        raise Refused(refusal(408, f"the body did not arrive within {timeout_s:g} s", _CLOSE)) from None


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        body: bytes = message.get("body", b"")
        size += len(body)
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return b"".join((*parts, body)) if parts else body
        parts.append(body)


def _too_large(most: int) -> Refused:
    return Refused(refusal(413, f"the body is larger than {most} bytes, which is the most that is taken", _CLOSE))


def unpack(body: bytes, coding: str, most: int) -> bytes:
    """Return a compressed body unpacked.

    Parameters
    ----------
    body
        As it came.
    coding
        What ``Content-Encoding`` says.
    most
        How many bytes are taken once it is unpacked: a small body may stand for a huge one.

    Raises
    ------
    Refused
        If it is too large (413), damaged (400), or packed in another way (415).

    Examples
    --------
    >>> import gzip
    >>> unpack(gzip.compress(b"abc"), "gzip", 10)
    b'abc'
    """
    for name in reversed([part.strip().lower() for part in coding.split(",") if part.strip()]):
        if name == "identity":
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            accepted = ((b"accept-encoding", b"gzip, deflate"),)
            raise Refused(refusal(415, f"the content encoding {name!r} is not known; there is gzip, deflate", accepted))
        body = _inflated(body, name, most)
    return body


def _inflated(body: bytes, name: str, most: int) -> bytes:
    parts: list[bytes] = []
    left, rest = most, body
    while rest:  # a file of gzip may have several members
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            part = unpacker.decompress(rest, left + 1)
        except zlib.error as exc:
            raise Refused(refusal(400, f"the body is no valid {name}: {exc}")) from exc
        if len(part) > left:
            raise _too_large(most)
        if not unpacker.eof:
            raise Refused(refusal(400, f"the body is no valid {name}: it ends too early"))
        parts.append(part)
        left -= len(part)
        rest = unpacker.unused_data
    return b"".join(parts)
