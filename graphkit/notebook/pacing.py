"""When to do what many small events ask for: soon after the last, and not too often. Knows nothing of graphs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from graphkit.core.logger import Logger


class Pacer:
    """Calls a function a moment after it was asked to, once for all that was asked meanwhile.

    The function runs in a thread of its own, so that it runs even while a cell keeps the kernel busy. The thread ends
    when there is nothing left to do.

    Parameters
    ----------
    call
        What is called, without arguments.
    quiet_s
        Seconds that must pass since the last request.
    most_s
        Seconds after the first request at which it is called even if more requests keep coming.
    failed
        Called with what ``call`` raised; left out, it is logged.

    Examples
    --------
    >>> done = threading.Event()
    >>> Pacer(done.set, quiet_s=0.001, most_s=0.01).ask()
    >>> done.wait(5)
    True
    """

    def __init__(
        self,
        call: Callable[[], None],
        *,
        quiet_s: float,
        most_s: float,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        self._call = call
        self._failed = failed
        self._quiet_s = quiet_s
        self._most_s = most_s
        self._changed = threading.Condition()
        self._first: float | None = None
        self._last = 0.0
        self._running = False
        self._rests_until = 0.0

    def ask(self) -> None:
        """Ask for a call; returns at once."""
        with self._changed:
            self._last = monotonic()
            if self._first is None:
                self._first = self._last
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="graphkit-pacer", daemon=True).start()

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Wait until all that was asked for is done; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout_s)

    def _run(self) -> None:
        while self._due():
            began = monotonic()
            try:
                self._call()
            except Exception as exc:  # nobody waits for this thread, and the next call may succeed
                (self._failed or _log)(exc)
            # what takes long rests as long: a large graph that is being built would be drawn all the time
            ended = monotonic()
            self._rests_until = ended + (ended - began)

    def _due(self) -> bool:
        """Wait until the next call is due; return whether there is one."""
        with self._changed:
            while self._first is not None:
                now = monotonic()
                due = min(self._last + self._quiet_s, self._first + self._most_s)
                left = max(due, self._rests_until) - now
                if left <= 0:
                    self._first = None
                    return True
                self._changed.wait(left)
            self._running = False
            self._changed.notify_all()
            return False


def _log(exc: Exception) -> None:
    Logger().error(f"a picture could not be brought up to date: {type(exc).__name__}: {exc}", exc_info=exc)
