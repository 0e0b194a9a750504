"""Listening sockets at their end: who has connected is taken, and nobody else connects. Knows nothing of HTTP."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from contextlib import suppress

#: How long a handshake that has begun may take to become a connection: a way there and back, in seconds.
HANDSHAKE_S = 0.2
_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SO_ATTACH_FILTER = 26  # of Linux; the module socket does not name it
# A classic BPF program over the TCP header: what has SYN set and not ACK, which is who wants to connect, is dropped.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, 0x12),  # and SYN | ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
)


def refuse_new(listening: socket.socket) -> float:
    """Let nobody connect any more, where the system can do that; who waits to be accepted stays.

    Closing alone would reset those whose handshake ends between the last ``accept`` and the ``close``. A client whose
    first packet is dropped sends it again a second later, and is refused then. It is the socket that refuses, in
    whichever process it is listened at.

    Returns
    -------
    float
        In how many seconds nobody is on the way any more.
    """
    if listening.family == getattr(socket, "AF_UNIX", None):
        with suppress(OSError):  # only Linux knows it of a listening socket
            listening.shutdown(socket.SHUT_RD)
        return 0.0
    steps = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    program = ctypes.create_string_buffer(steps, len(steps))
    try:
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_NO_SYN), ctypes.addressof(program))
        )
    except OSError:  # another system
        return 0.0
    return HANDSHAKE_S


def accept_all(listening: socket.socket) -> tuple[list[socket.socket], bool]:
    """Return all who wait to be accepted, and whether that is everybody: a process has only so many descriptors.

    Parameters
    ----------
    listening
        A socket that does not block.
    """
    taken: list[socket.socket] = []
    while True:
        try:
            client, _ = listening.accept()
        except ConnectionError:
            continue  # one that has gone away meanwhile
        except OSError as exc:
            return taken, exc.errno not in _FULL
        client.setblocking(False)
        taken.append(client)


def has_unread(connection: socket.socket) -> bool:
    """Return whether something has come that was not read yet; the end of a connection is nothing."""
    try:
        with connection.dup() as own:  # what loops hand out cannot be read from
            own.setblocking(False)
            return own.recv(1, socket.MSG_PEEK) != b""
    except OSError:
        return False
