"""Listening sockets that are about to be closed."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphkit.server.http.listening import accept_all, has_unread, refuse_new


@pytest.fixture(params=["AF_INET", "AF_INET6", "AF_UNIX"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    family = getattr(socket, request.param, None)
    if family is None:
        pytest.skip(f"there is no {request.param}")
    with socket.socket(family) as sock:
        try:
            sock.bind({"AF_INET": ("127.0.0.1", 0), "AF_INET6": ("::1", 0)}.get(request.param, str(tmp_path / "s")))
        except OSError as exc:
            pytest.skip(f"{request.param} cannot be listened at: {exc}")
        sock.listen(16)
        sock.setblocking(False)
        yield sock


def connected(listening: socket.socket) -> socket.socket:
    client = socket.socket(listening.family)
    client.settimeout(0.5)
    try:
        client.connect(listening.getsockname())
    except OSError:
        client.close()
        raise
    return client


def test_all_who_wait_are_taken(listening: socket.socket) -> None:
    assert accept_all(listening) == ([], True)
    clients = [connected(listening) for _ in range(3)]
    clients[0].close()
    taken, everybody = accept_all(listening)
    assert (len(taken), everybody) == (3, True)
    assert accept_all(listening) == ([], True)
    for sock in (*clients, *taken):
        sock.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")
def test_nobody_is_let_in_any_more_and_who_waits_stays(listening: socket.socket) -> None:
    with connected(listening) as client:
        refuse_new(listening)
        with pytest.raises(OSError, match=r"refused|timed out"):
            connected(listening)
        client.sendall(b"a")
        (taken,), _ = accept_all(listening)
        with taken:
            taken.sendall(b"b")
            assert (taken.recv(1), client.recv(1)) == (b"a", b"b")


def test_what_was_not_read_is_seen_and_stays() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            assert not has_unread(ours)
            theirs.sendall(b"a")
            assert has_unread(ours)
            assert ours.recv(1) == b"a"
        assert not has_unread(ours)  # the end
    assert not has_unread(ours)  # closed


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not counted there")
def test_who_finds_no_descriptor_goes_on_waiting() -> None:
    import resource

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        usual = resource.getrlimit(resource.RLIMIT_NOFILE)
        with connected(listening), connected(listening):
            taken: list[socket.socket] = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (first_free() + 1, usual[1]))
            try:
                taken, everybody = accept_all(listening)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, usual)
            assert (len(taken), everybody) == (1, False)
            more, everybody = accept_all(listening)
            assert (len(more), everybody) == (1, True)
            for sock in (*taken, *more):
                sock.close()


def first_free() -> int:
    """Return the descriptor that is given away next."""
    with socket.socket() as sock:
        return sock.fileno()
