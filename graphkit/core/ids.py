"""Identities of events: random, and drawn from the system in blocks, since a system call for each would be slow."""

from __future__ import annotations

import os

_BYTES = 16
_BLOCK = 256


class Ids:
    """Hands out random identities of 32 hexadecimal digits; threads may share it, and a forked child starts anew.

    Examples
    --------
    >>> ids = Ids()
    >>> len(ids.take()), ids.take() != ids.take()
    (32, True)
    """

    def __init__(self) -> None:
        self._left: list[str] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._left.clear)

    def take(self) -> str:
        """Return an identity that nobody else has."""
        try:
            return self._left.pop()
        except IndexError:
            # cut into pieces by the same call, at half the price of cutting a text
            fresh = os.urandom(_BYTES * _BLOCK).hex(",", _BYTES).split(",")
            taken = fresh.pop()
            self._left += fresh
            return taken
