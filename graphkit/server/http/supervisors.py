"""uvicorn's supervisors, which start processes and look after them, with an end that leaves nobody waiting.

A supervisor has a copy of each listening socket, for processes that it starts later. While there is one, the system
goes on to let clients in: they would wait for an answer until the supervisor ends, and get none. So it lets go of the
sockets before its processes do, and tells them by closing a connection.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from socket import socket
from typing import Any

import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess, multiprocess

from graphkit.server.http.ending import Server


class _Process(multiprocess.Process):
    """A worker with our server."""

    @property
    def server(self) -> Server:
        if not isinstance(self._server, Server):
            self._server = Server(self.config)
        return self._server


class Workers(Multiprocess):
    """Runs several workers; one that dies is replaced."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._let_go = shared(config)
        super().__init__(config, sockets=[bound(config)])

    def run(self) -> None:
        """Run them until a signal comes."""
        usual = multiprocess.Process
        multiprocess.Process = _Process  # type: ignore[misc]  # no parameter of uvicorn's says what a worker is
        try:
            super().run()
        finally:
            multiprocess.Process = usual  # type: ignore[misc]

    def terminate_all(self) -> None:
        """Tell the workers to end, who are then the only ones that listen."""
        self._let_go(self.sockets)
        super().terminate_all()


class Reload(ChangeReload):  # type: ignore[misc, valid-type]  # one of two, by what is installed
    """Runs one worker, and starts it again when a file changes."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._let_go = shared(config)
        super().__init__(config, target=Server(config).run, sockets=[bound(config)])

    def shutdown(self) -> None:
        """Tell the worker to end, who is then the only one that listens."""
        self._let_go(self.sockets)
        super().shutdown()


def shared(config: uvicorn.Config) -> Callable[[list[socket]], None]:
    """Tell the processes of a configuration that they have a supervisor; returns how that lets go of its sockets."""
    reader, writer = Pipe(duplex=False)
    factory: Any = config.app
    factory.supervisor = reader

    def let_go(sockets: list[socket]) -> None:
        for sock in sockets:
            sock.close()
        writer.close()

    return let_go


def bound(config: uvicorn.Config) -> socket:
    """Return a socket at the address of a configuration; a Unix socket that an earlier server has left is replaced."""
    if config.uds:
        with suppress(FileNotFoundError):
            path = Path(config.uds)
            if stat.S_ISSOCK(path.stat().st_mode):
                path.unlink()
    return config.bind_socket()
