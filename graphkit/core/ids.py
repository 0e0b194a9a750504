"""Identities of events: random, and drawn from the system in blocks, since a system call for each would be slow."""

from __future__ import annotations

import os
from collections.abc import Callable

_BYTES = 16
_BLOCK = 256


def identities() -> Callable[[], str]:
    """Return a function that hands out random identities of 32 hexadecimal digits.

    Threads may share it, and a forked child starts anew.

    Examples
    --------
    >>> new_id = identities()
    >>> len(new_id()), new_id() != new_id()
    (32, True)
    """
    left: list[str] = []
    pop = left.pop
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=left.clear)

    def new_id() -> str:
        try:
            return pop()
        except IndexError:
            # cut into pieces by the same call, at half the price of cutting a text
            fresh = os.urandom(_BYTES * _BLOCK).hex(",", _BYTES).split(",")
            taken = fresh.pop()
            left.extend(fresh)
            return taken

    return new_id
