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

    def __init__(self, served: Served, number: int, **more: Any) -> None:
        self._socket = served.connected()
        self._context = trusting() if served.url.startswith("https:") else None
        self._body = json.dumps({"number": number, **more}).encode()
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


class HeldUp:
    """A server that runs its graph on the loop, and is kept from accepting until it was told to end.

    Attributes
    ----------
    served
        The server.
    first
        Whom it answers then.
    """

    def __init__(self, served: Served, folder: Path, workers: int) -> None:
        self.served = served
        self.first: list[Client] = []
        self._go = folder / "go"
        self._workers = workers
        taken = folder / "taken"
        for count in range(workers):  # one after the other: a worker that has something to do accepts no other client
            self.first.append(Client(served, -1 - count, until=str(self._go)).ask())
            end = time.monotonic() + 20
            while not taken.exists() or len(taken.read_text().splitlines()) <= count:
                assert time.monotonic() < end
                time.sleep(0.01)

    def end(self, number: signal.Signals, whom: str = "one") -> None:
        """Tell it to end; and let it go on as soon as all of its processes have been told."""
        tell(self.served, number, whom)
        if self._workers > 1:
            wait_for(self.served, "Terminated child process", self._workers)  # by the supervisor
        time.sleep(0.3)  # so that uvicorn's next look at whether it is to end, each 0.1 s, comes before it accepts
        self._go.touch()


@pytest.fixture
def held_up(serving: Callable[..., Served], tmp_path: Path) -> Callable[..., HeldUp]:
    """Return ``held_up(workers, **settings)``: a server that is held up."""

    def start(workers: int = 1, **settings: Any) -> HeldUp:
        environment = {"TEST_TAKEN": str(tmp_path / "taken")}
        served = serving("blocking_worker", environment, workers=workers, drain_s=0, log_level="info", **settings)
        return HeldUp(served, tmp_path, workers)

    return start


def tell(served: Served, number: signal.Signals, whom: str = "one") -> None:
    if whom == "all":
        os.killpg(served.process.pid, number)  # as a terminal does
    else:
        served.process.send_signal(number)


def wait_for(served: Served, text: str, times: int) -> None:
    """Wait until a text stands in the log so many times."""
    end = time.monotonic() + 30
    while served.log.read_text().count(text) < times:
        assert time.monotonic() < end, served.log.read_text()
        time.sleep(0.05)


def check_answered(held: HeldUp, number: signal.Signals, whom: str = "one") -> None:
    """Tell a server to end at which clients wait to be accepted; all of them are answered."""
    waiting = [Client(held.served, number).ask() for number in range(CLIENTS)]
    held.end(number, whom)
    assert [client.answer() for client in waiting] == [*range(CLIENTS)]
    assert [client.answer() for client in held.first] == [*range(-1, -len(held.first) - 1, -1)]
    assert held.served.process.wait(20) == 0, held.served.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("workers", "whom"), [(1, "one"), (2, "one"), (2, "all")])
def test_who_waits_to_be_accepted_is_answered(
    held_up: Callable[..., Any], workers: int, whom: str, number: signal.Signals
) -> None:
    check_answered(held_up(workers), number, whom)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_to_be_accepted_at_a_unix_socket_is_answered(
    held_up: Callable[..., Any], tmp_path: Path, workers: int
) -> None:
    check_answered(held_up(workers, uds=str(tmp_path / "s")), signal.SIGTERM)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_to_be_accepted_with_tls_is_answered(
    held_up: Callable[..., Any], certificate: tuple[Path, Path], workers: int
) -> None:
    cert, key = certificate
    check_answered(held_up(workers, tls_cert=str(cert), tls_key=str(key)), signal.SIGTERM)


def test_who_has_connected_and_asks_a_moment_later_is_answered(held_up: Callable[..., Any]) -> None:
    held = held_up()
    served = held.served
    late = Client(served, 1)
    never = Client(served, 2)
    held.end(signal.SIGTERM)
    assert held.first[0].answer() == -1
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
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "s"))  # nobody listens at it any more, and nobody has removed it
    served = serving("worker", workers=workers, uds=str(tmp_path / "s"))
    assert Client(served, 1).talk() == 1


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
    end = time.monotonic() + 20
    while len(found) < 5 * len(threads):
        assert time.monotonic() < end
        time.sleep(0.01)
    answered = len(found)
    tell(served, signal.SIGTERM)
    for thread in threads:
        thread.join(40)
    assert len(found) > answered
    assert {*found} == {1}
    assert served.process.wait(20) == 0, served.log.read_text()
