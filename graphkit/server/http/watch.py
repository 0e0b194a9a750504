"""A time limit for code that runs on the event loop's own thread: whoever is late is interrupted by a signal.

Nothing else can end a step that blocks the loop. The signal's handler raises in the main thread, between two
instructions of Python or out of a system call that waits; a long computation in C is interrupted when it returns.
"""

from __future__ import annotations

import signal
import threading
from time import monotonic
from typing import Any


class Interrupted(BaseException):
    """A step took too long. A BaseException, so that no step and no error handler takes it for its own."""


class Watch:
    """Interrupts what runs on the main thread for too long, between :attr:`since` being set and being 0 again.

    Parameters
    ----------
    limit_s
        How long a call may take.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        #: When the call that runs now began (monotonic), 0 while none runs; set by whoever calls.
        self.since = 0.0
        self._ended = threading.Event()
        self._thread_id = 0
        self._before: Any = None

    @staticmethod
    def possible() -> bool:
        """Return whether this thread can be interrupted: the main one, where there are signals for it."""
        return hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread()

    def start(self) -> None:
        """Install the signal's handler and start the thread that looks at the clock."""
        self._thread_id = threading.get_ident()
        self._before = signal.signal(_SIGNAL, self._interrupt)
        threading.Thread(target=self._look, name="graphkit-watch", daemon=True).start()

    def close(self) -> None:
        """Stop looking, and put back the handler that was there."""
        self._ended.set()
        if threading.current_thread() is threading.main_thread():
            signal.signal(_SIGNAL, self._before or signal.SIG_DFL)

    def _is_late(self) -> bool:
        since = self.since
        return since != 0.0 and monotonic() - since > self._limit_s

    def _look(self) -> None:
        while not self._ended.wait(min(self._limit_s / 4, 0.5)):
            if self._is_late():
                signal.pthread_kill(self._thread_id, _SIGNAL)

    def _interrupt(self, number: int, frame: Any) -> None:
        # the call may have ended while the signal was on its way
        if self._is_late():
            self.since = 0.0
            raise Interrupted


# No signal that programs use for their own purposes, where there is one.
_SIGNAL: int = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else getattr(signal, "SIGUSR2", signal.SIGTERM)
