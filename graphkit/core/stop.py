"""How a run is ended from outside: what it waits for is ended first, and what does not end is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar


class Stopped(BaseException):
    """Ends a run that was cancelled; no error, so that neither error handlers nor steps take it for one."""


class Stop:
    """What is to be ended along with a run: whoever waits for something on its behalf says how to end that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: list[Callable[[], object]] = []
        self._loops: list[Callable[[], None]] = []
        self.asked = False

    def ends(self, end: Callable[[], object], leave: Callable[[], None]) -> None:
        """Note how to end what the run waits for, and how to leave it behind where it does not end."""
        with self._lock:
            self._ends.append(end)
            self._loops.append(leave)
            asked = self.asked
        if asked:
            end()

    def ask(self) -> None:
        """End what the run waits for."""
        with self._lock:
            self.asked = True
            ends = list(self._ends)
        for end in ends:
            end()

    def leave(self) -> None:
        """Leave behind what did not end."""
        for leave in list(self._loops):
            leave()


#: What ends the run that is under way here, if it can be cancelled.
CURRENT_STOP: ContextVar[Stop | None] = ContextVar("graphkit_stop", default=None)
