"""Servers that are told to end: who has connected is answered, whichever process was told, and by which signal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from graphkit import new_flow
from graphkit.server.http.ending import Server
from graphkit.server.http.protocol import LimitedProtocol
from graphkit.server.http.serve import Factory
from graphkit.server.settings import Settings
from tests.server.http.processes import Served

CLIENTS = 40


@cache
def trusting() -> ssl.SSLContext:
    """Return a context of clients that take any certificate; made once, since a client that makes one hesitates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Client:
    """Connects at once, and asks with a number when it is told to.

    Raises
    ------
    OSError
        If it is not let in.
    """

    def __init__(self, served: Served, number: int, sleep_s: float = 0.0) -> None:
        self._socket = served.connected()
        self._context = trusting() if served.url.startswith("https:") else None
        self._body = json.dumps({"number": number, "sleep_s": sleep_s}).encode()
        self._sent = threading.Event()
        self._thread = threading.Thread(target=self._note)
        self._found: Any = None

    def talk(self) -> Any:
        """Ask, and return the number in the answer, or what came instead of one."""
        try:
            if self._context is not None:
                self._socket = self._context.wrap_socket(self._socket)
            head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(self._body)
            self._socket.sendall(head + self._body)
            self._sent.set()
            return self._read()
        except OSError as exc:
            return f"{type(exc).__name__}: {exc}"
        finally:
            self._socket.close()

    def ask(self) -> Client:
        """Send the request, and do not wait for the answer; with TLS not even for the server to take part."""
        self._thread.start()
        if self._context is None:
            assert self._sent.wait(10)
        return self

    def answer(self) -> Any:
        """Return what came in answer."""
        self._thread.join(40)
        return self._found

    def _note(self) -> None:
        self._found = self.talk()

    def _read(self) -> Any:
        found = b""
        while b"}" not in found:
            part = self._socket.recv(4096)
            if not part:
                return f"closed after {found!r}"
            found += part
        head, _, body = found.partition(b"\r\n\r\n")
        return json.loads(body)["number"] if head.startswith(b"HTTP/1.1 200 ") else found


def hold_up(served: Served, taken: Path, workers: int) -> list[Client]:
    """Keep a server that runs its graph on the loop from accepting for some time; return whom it answers then."""
    clients = []
    for count in range(workers):  # the one after the other: a worker that has something to do accepts no other client
        clients.append(Client(served, -1 - count, sleep_s=1.5).ask())
        end = time.monotonic() + 20
        while not taken.exists() or len(taken.read_text().splitlines()) <= count:
            assert time.monotonic() < end
            time.sleep(0.01)
    return clients


@pytest.fixture
def held_up(serving: Callable[..., Served], tmp_path: Path) -> Callable[..., tuple[Served, list[Client]]]:
    """Return ``held_up(workers, **settings)``: a server that is held up, and whom it answers then."""

    def start(workers: int = 1, **settings: Any) -> tuple[Served, list[Client]]:
        taken = tmp_path / "taken"
        served = serving("blocking_worker", {"TEST_TAKEN": str(taken)}, workers=workers, drain_s=0, **settings)
        return served, hold_up(served, taken, workers)

    return start


def tell(served: Served, number: signal.Signals, whom: str = "one") -> None:
    if whom == "all":
        os.killpg(served.process.pid, number)  # as a terminal does
    else:
        served.process.send_signal(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("workers", "whom"), [(1, "one"), (2, "one"), (2, "all")])
def test_who_waits_to_be_accepted_is_answered(
    held_up: Callable[..., Any], workers: int, whom: str, number: signal.Signals
) -> None:
    served, first = held_up(workers)
    waiting = [Client(served, number).ask() for number in range(CLIENTS)]
    tell(served, number, whom)
    assert [client.answer() for client in waiting] == [*range(CLIENTS)]
    assert [client.answer() for client in first] == [*range(-1, -workers - 1, -1)]
    assert served.process.wait(20) == 0, served.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_to_be_accepted_at_a_unix_socket_is_answered(
    held_up: Callable[..., Any], tmp_path: Path, workers: int
) -> None:
    served, _ = held_up(workers, uds=str(tmp_path / "s"))
    waiting = [Client(served, number).ask() for number in range(CLIENTS)]
    tell(served, signal.SIGTERM)
    assert [client.answer() for client in waiting] == [*range(CLIENTS)]
    assert served.process.wait(20) == 0, served.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_to_be_accepted_with_tls_is_answered(
    held_up: Callable[..., Any], certificate: tuple[Path, Path], workers: int
) -> None:
    cert, key = certificate
    served, _ = held_up(workers, tls_cert=str(cert), tls_key=str(key))
    waiting = [Client(served, number).ask() for number in range(CLIENTS)]
    tell(served, signal.SIGTERM)
    assert [client.answer() for client in waiting] == [*range(CLIENTS)]
    assert served.process.wait(20) == 0, served.log.read_text()


def test_who_has_connected_and_asks_a_moment_later_is_answered(held_up: Callable[..., Any]) -> None:
    served, first = held_up()
    late = Client(served, 1)
    never = Client(served, 2)
    tell(served, signal.SIGTERM)
    assert first[0].answer() == -1
    time.sleep(0.3)
    assert late.talk() == 1
    assert served.process.wait(20) == 0, served.log.read_text()  # who never asks does not keep it from ending
    assert never.talk() != 2


def test_a_connection_is_not_closed_on_a_request() -> None:
    ask, live = b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n", b'{"live":true}'

    async def answers() -> list[bytes]:
        config = uvicorn.Config(Factory(new_flow(), Settings()), factory=True, http=LimitedProtocol, log_config=None)
        loop, server = asyncio.get_running_loop(), Server(config)
        config.load()
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            server.lifespan = config.lifespan_class(config)
            _, protocol = await loop.connect_accepted_socket(server._protocol, ours)
            found = []
            for end in (False, True):
                theirs.send(ask)
                if end:
                    config.app.app.end()
                    protocol.shutdown()  # before the loop has seen the request
                answer = b""
                while live not in answer:
                    answer += await loop.sock_recv(theirs, 4096)
                found.append(answer)
            assert await loop.sock_recv(theirs, 4096) == b""
            return found

    usual, last = asyncio.run(answers())
    assert (b"connection: close" in usual, b"connection: close" in last) == (False, True)


def wait_for(served: Served, text: str, times: int) -> None:
    """Wait until a text stands in the log so many times."""
    end = time.monotonic() + 30
    while served.log.read_text().count(text) < times:
        assert time.monotonic() < end, served.log.read_text()
        time.sleep(0.05)


def test_workers_drain_when_all_processes_are_told_to_end(serving: Callable[..., Served]) -> None:
    served = serving("worker", workers=2, drain_s=4, log_level="info")
    wait_for(served, "Application startup complete", 2)
    tell(served, signal.SIGTERM, "all")  # as systemd does
    wait_for(served, "Terminated child process", 2)  # that was the supervisor, who tells them again
    time.sleep(0.3)
    assert Client(served, 1).talk() == 1
    assert served.process.wait(20) == 0, served.log.read_text()


def test_workers_drain_when_one_of_them_has_only_started(serving: Callable[..., Served], tmp_path: Path) -> None:
    served = serving("unequal", {"TEST_TAKEN": str(tmp_path / "taken")}, workers=2, drain_s=5, log_level="info")
    tell(served, signal.SIGTERM)
    wait_for(served, "Finished server process", 1)
    assert Client(served, 1).talk() == 1
    assert served.process.wait(20) == 0, served.log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_unix_socket_that_was_left_behind_is_replaced(
    serving: Callable[..., Served], tmp_path: Path, workers: int
) -> None:
    for _ in range(2):
        served = serving("worker", workers=workers, uds=str(tmp_path / "s"))
        assert Client(served, 1).talk() == 1
        served.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can let nobody in and keep those who are")
@pytest.mark.parametrize("uds", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_who_gets_in_while_a_server_ends_is_answered(
    serving: Callable[..., Served], tmp_path: Path, workers: int, uds: bool
) -> None:
    served = serving("async_worker", workers=workers, drain_s=0, **({"uds": str(tmp_path / "s")} if uds else {}))
    found: list[Any] = []

    def ask() -> None:
        while True:
            try:
                client = Client(served, 1)
            except OSError:
                return  # nobody is let in any more
            found.append(client.talk())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    tell(served, signal.SIGTERM)
    for thread in threads:
        thread.join(40)
    assert len(found) > len(threads)
    assert {*found} == {1}
    assert served.process.wait(20) == 0, served.log.read_text()
