"""The end of a server: nothing that has been accepted is lost, neither by a process nor between several of them."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import uvicorn

from graphkit.server.http.listening import accept_all, refuse_new

_TICK_S = 0.05
#: For how many ticks in a row nobody begins a request until those who have not yet done so are given up.
_PATIENCE = 40
#: How long a worker that is told to end waits whether its supervisor ends, too.
_SUPERVISOR_S = 2.0


class Server(uvicorn.Server):
    """uvicorn's server, with an end in three steps.

    After the first SIGTERM it reports itself as not ready, and goes on answering for ``drain_s``: load balancers stop
    sending, and every answer closes its connection, so that no client sends a request on a connection that is about to
    end. Then nobody is let in any more, and those who wait in the listening socket's queue are: they are connected, as
    far as they know. Last, as with uvicorn, what is being answered may end.

    Parameters
    ----------
    config
        Whose ``app`` is the factory that :mod:`graphkit.server.http.serve` makes.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._factory: Any = config.app
        self._listening: list[socket.socket] = []
        self._welcomes: set[asyncio.Task[None]] = set()
        self._told_early = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; and keep hold of the sockets, which a loop closes with all who wait."""
        await super().startup(sockets)
        if self.started:
            self._listening = [sock.dup() for server in self.servers for sock in server.sockets]
            for sock in self._listening:
                sock.setblocking(False)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain first, if that is wanted; a second signal ends it at once."""
        app, settings = self._factory.app, self._factory.settings
        drain_s = 0 if settings.reload else settings.drain_s  # who changes code wants to see it
        self._told_early |= not self.started
        if sig == signal.SIGTERM and drain_s and self.started and not self.should_exit:
            if not app.is_ending:
                app.end()
                loop = asyncio.get_running_loop()
                loop.call_soon_threadsafe(loop.call_later, drain_s, super().handle_exit, sig, None)
                return
            if self._factory.supervisor is not None:
                return  # the signal went to all processes, and now comes from the supervisor once more
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take who has connected, let nobody else in, and end as uvicorn does."""
        self._factory.app.end()
        whole = await self._whole_server_ends()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._factory.settings.graceful_s
        await self._stop_listening(sockets or [], whole, end)
        await self._hear_first_requests(end)
        self.config.timeout_graceful_shutdown = max(0, end - loop.time())
        await super().shutdown(sockets)

    async def _whole_server_ends(self) -> bool:
        """Return whether all processes end now, so that nobody is to be let in any more."""
        supervisor = self._factory.supervisor
        if supervisor is None:
            return True
        if self._told_early:
            return False  # the others may drain for some time yet
        ticks = 0 if self._factory.settings.reload else round(_SUPERVISOR_S / _TICK_S)
        while ticks and not self.force_exit and not _has_let_go(supervisor):
            ticks -= 1
            await asyncio.sleep(_TICK_S)
        return _has_let_go(supervisor)

    async def _stop_listening(self, sockets: list[socket.socket], whole: bool, end: float) -> None:
        waits_s = max(map(refuse_new, self._listening), default=0.0) if whole else 0.0
        for server in self.servers:  # a loop drops those for whom it has no descriptor
            server.close()
        for sock in sockets:
            sock.close()
        if waits_s:
            await asyncio.sleep(waits_s)
        loop = asyncio.get_running_loop()
        while self._listening:
            clients, everybody = accept_all(self._listening[-1])
            if everybody or self.force_exit or loop.time() > end:
                self._listening.pop().close()  # at once: nobody may come in between
            for client in clients:
                task = loop.create_task(self._welcome(client))
                self._welcomes.add(task)  # loops hold tasks weakly
                task.add_done_callback(self._welcomes.discard)
            await asyncio.sleep(0 if everybody else _TICK_S)

    async def _welcome(self, client: socket.socket) -> None:
        with suppress(OSError):  # it has gone away, or does not speak TLS
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, client, ssl=self.config.ssl)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        made: asyncio.Protocol = kind(self.config, self.server_state, self.lifespan.state)
        return made

    async def _hear_first_requests(self, end: float) -> None:
        """Wait for the requests of those who have connected and sent nothing yet, as long as some of them do."""
        loop = asyncio.get_running_loop()
        before, patience = 0, 0
        while not self.force_exit and loop.time() < end:
            silent = sum(connection.is_silent for connection in self._factory.connections)
            patience = patience - 1 if silent == before else _PATIENCE  # in ticks: a busy loop is no silent client
            if not silent or not patience:
                return
            before = silent
            await asyncio.sleep(_TICK_S)


def _has_let_go(supervisor: Connection) -> bool:
    """Return whether a supervisor has closed its copies of the sockets, and then this connection."""
    try:
        return supervisor.poll()
    except OSError:  # that is how Windows tells it
        return True
