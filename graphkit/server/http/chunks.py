"""Answers that come in chunks: what a step yields, sent as it is yielded.

Source of the format: the HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import AsyncGeneratorType
from typing import Any

from graphkit.core import jsonlike
from graphkit.core.errors import is_failure
from graphkit.server.http.deadline import Late, within
from graphkit.server.http.threads import Threads
from graphkit.server.http.wire import Receive, Send, is_sendable

_END = object()
EVENTS, LINES = b"text/event-stream", b"application/x-ndjson"


def as_event(chunk: Any) -> bytes:
    r"""Return a chunk as a server-sent event whose data is JSON.

    >>> as_event({"token": "a"})
    b'data: {"token":"a"}\n\n'
    """
    return b"data: " + jsonlike.encode(chunk) + b"\n\n"


def as_line(chunk: Any) -> bytes:
    r"""Return a chunk as a line of JSON.

    >>> as_line("a")
    b'"a"\n'
    """
    return jsonlike.encode(chunk) + b"\n"


def as_it_is(chunk: Any) -> bytes:
    r"""Return text and bytes as they are, and other values as a line of JSON.

    >>> as_it_is("a"), as_it_is(1)
    (b'a', b'1\n')
    """
    if isinstance(chunk, str):
        return chunk.encode()
    return bytes(chunk) if isinstance(chunk, (bytes, bytearray)) else as_line(chunk)


class Chunks:
    """One answer in chunks.

    Parameters
    ----------
    stream
        The generator.
    threads
        Where a plain generator runs, one chunk after the other.
    limit_s
        How long a chunk may take; 0 is no limit.
    """

    def __init__(self, stream: Any, threads: Threads, limit_s: float) -> None:
        self._stream = stream
        self._threads = threads
        self._limit_s = limit_s
        self._first: Any = _END
        self._given_up = False

    async def start(self) -> None:
        """Get the first chunk, so that a failure up to there is answered with a status."""
        self._first = await self._next()

    async def _next(self) -> Any:
        if isinstance(self._stream, AsyncGeneratorType):
            return await within(self._limit_s, anext(self._stream, _END))
        try:
            return await within(self._limit_s, self._threads.run(lambda: next(self._stream, _END)))
        except (Late, asyncio.CancelledError):
            self._given_up = True
            raise

    async def _all(self) -> AsyncIterator[Any]:
        chunk = self._first
        while chunk is not _END:
            yield chunk
            chunk = await self._next()

    async def collect(self) -> list[Any]:
        """Return all chunks at once, for a client that wants one JSON document."""
        return [chunk async for chunk in self._all()]

    async def close(self) -> None:
        """Let the step end, also where nobody wants the rest."""
        if isinstance(self._stream, AsyncGeneratorType):
            await self._stream.aclose()
        elif not self._given_up:  # else a thread is still in it, and closes it by letting go of it
            await self._threads.run(self._stream.close)

    async def send(self, send: Send, receive: Receive, form: Form, tell: Callable[[BaseException], str]) -> None:
        """Send the chunks until they end, or the client goes away.

        The head of the answer has been sent, and with it the status: a failure becomes the last chunk where the form
        has one for it, else the answer breaks off, which a client notices.

        Parameters
        ----------
        send, receive
            Of the request.
        form
            How chunks are written.
        tell
            Returns what is told of a failure.
        """
        listener = asyncio.ensure_future(_gone(receive))
        try:
            async for chunk in self._all():
                if listener.done():
                    return
                await send({"type": "http.response.body", "body": form.write(chunk), "more_body": True})
        except BaseException as exc:
            if not is_failure(exc):
                raise
            # it goes to the client, and to the log
            told = tell(exc)
            if form.write_failure is None:
                return
            last = form.write_failure({"error": told})
            await send({"type": "http.response.body", "body": last, "more_body": True})
        finally:
            listener.cancel()
        await send({"type": "http.response.body", "body": b""})


class Form:
    """How chunks are written: content type, and functions for chunks and a failure (``None``: it breaks off)."""

    __slots__ = ("content_type", "write", "write_failure")

    def __init__(
        self, content_type: bytes, write: Callable[[Any], bytes], write_failure: Callable[[Any], bytes] | None
    ) -> None:
        self.content_type = content_type
        self.write = write
        self.write_failure = write_failure


def wants_chunks(accepted: str) -> bool:
    """Return whether a client says that it takes an answer in chunks.

    >>> wants_chunks("text/event-stream"), wants_chunks("*/*")
    (True, False)
    """
    return "event-stream" in accepted or "ndjson" in accepted


def form_of(accepted: str, response: Any) -> Form | None:
    """Return the form that a client wants, ``None`` if that is one JSON document.

    A Response says itself what its chunks are.

    >>> form_of("text/event-stream", None).content_type, form_of("application/json", None)
    (b'text/event-stream', None)
    """
    if response is not None:
        given = response.content_type or "application/octet-stream"
        content_type = given.encode("latin-1") if is_sendable(given) else b"application/octet-stream"
        return Form(content_type, as_it_is, None)
    if "ndjson" in accepted:
        return Form(LINES, as_line, as_line)
    if "application/json" in accepted and "event-stream" not in accepted:
        return None
    return Form(EVENTS, as_event, lambda failure: b"event: error\n" + as_event(failure))


async def _gone(receive: Receive) -> None:
    """Wait until the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
