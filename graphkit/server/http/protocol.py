"""uvicorn's HTTP protocol with limits on slow and oversized clients; without any they may stay for ever."""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any
from weakref import WeakSet

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from graphkit.server.http.listening import has_unread

# called by name: every request comes through here, and super() costs as much as what is done besides
_data_received = HttpToolsProtocol.data_received
_on_headers_complete = HttpToolsProtocol.on_headers_complete


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections whose request line and headers come too slowly or are too large, or that do not read.

    The limits are those of the settings of ``config.app``, the factory that :mod:`graphkit.server.http.serve` makes.
    """

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        settings = config.app.settings
        self._header_timeout_s: float = settings.header_timeout_s
        self._write_timeout_s: float = settings.body_timeout_s
        self._most: int = settings.max_header_bytes
        self._header_bytes = 0
        self._too_large = False
        self._header_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._connections: WeakSet[Any] = config.app.connections
        self._connections.add(self)

    # ---- reading --------------------------------------------------------------------------------------------

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first request for so long and no longer."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and look at what is there of the headers if they are not complete."""
        self._header_bytes += len(data)
        _data_received(self, data)
        scope = self.scope
        if scope is None or "method" not in scope:  # uvicorn puts it there when the headers are complete
            if self._header_bytes > self._most:
                self._refuse_headers()
            elif self._header_timer is None:
                self._arm()

    def on_headers_complete(self) -> None:
        """Pass the request on, unless its headers are too large."""
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        if self._header_bytes > self._most:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._most:
                self._too_large = True
                raise ValueError("the headers are too large")  # ends the parsing; uvicorn then refuses the request
        self._header_bytes = 0
        _on_headers_complete(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one with too large headers."""
        if self._too_large:
            self._refuse_headers()
        else:
            self._refuse(b"400 Bad Request", b"this is no HTTP request")

    def _arm(self) -> None:
        if self._header_timeout_s:
            self._header_timer = self.loop.call_later(self._header_timeout_s, self._late)

    def _late(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _refuse_headers(self) -> None:
        text = b"the headers are larger than %d bytes, which is the most that is taken" % self._most
        self._refuse(b"431 Request Header Fields Too Large", text)

    def _refuse(self, status: bytes, text: bytes) -> None:
        if self.transport.is_closing():
            return
        body = b'{"error":"%b"}' % text
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\n" % status
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self.transport.close()

    # ---- writing --------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Give a client that does not read some time to go on."""
        super().pause_writing()
        if self._write_timeout_s and self._write_timer is None:
            self._write_timer = self.loop.call_later(self._write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        self._connections.discard(self)
        for timer in (self._header_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._write_timer = None
        super().connection_lost(exc)

    # ---- the end --------------------------------------------------------------------------------------------

    @property
    def is_silent(self) -> bool:
        """Whether its client has connected, and nothing more."""
        return self.scope is None

    def shutdown(self) -> None:
        """Close the connection after the answer that is under way, at once if there is none and nothing is asked."""
        idle = self.cycle is None or self.cycle.response_complete
        if not (idle and self._is_asked()):
            super().shutdown()

    def _is_asked(self) -> bool:
        """Return whether a request has come that was not read yet, or not all of its headers."""
        if self.scope is not None and "method" not in self.scope:
            return True
        return not self.transport.is_closing() and has_unread(self.transport.get_extra_info("socket"))
