"""One thread for quick calls, which costs them little more than running on the event loop would.

Handing a call to a thread and its result back is dear because each of them wakes somebody up. Here, whoever is awake
takes all that has come together meanwhile: the thread call after call, and the loop all results that are there. A call
that turns out to be slow keeps the thread, and those behind it go on in another one.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from time import monotonic
from typing import Any

from graphkit.server.http.threads import settle

#: How long a call may keep others waiting, in seconds, before they go on without it.
PATIENCE_S = 0.01

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]", Context]


class _Worker:
    """One thread: when its call began (monotonic, 0 while it has none), and whether it is to end with it."""

    __slots__ = ("began", "dismissed")

    def __init__(self) -> None:
        self.began = 0.0
        self.dismissed = False

    def is_stuck(self) -> bool:
        began = self.began
        return began != 0.0 and monotonic() - began > PATIENCE_S


class Lane:
    """Runs calls one after the other in a thread; the threads are daemons.

    It belongs to the loop that uses it first.

    Parameters
    ----------
    most_stuck
        How many threads that are stuck in a slow call may be left behind; with more, calls wait.
    """

    def __init__(self, most_stuck: int) -> None:
        self._most_stuck = most_stuck
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._told = False
        self._looks = False
        self._loop: Any = None
        self._worker: _Worker | None = None
        self._left: list[_Worker] = []

    def run(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Return the future of a call's result; a call that was cancelled before it began does not run."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._worker is None:
            self._worker = self._started()
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((call, future, copy_context()))
        if not self._looks:
            self._looks = True
            self._loop.call_later(PATIENCE_S, self._look)
        return future

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Let the thread end when it has done what waits."""
        if self._worker is not None:
            self._jobs.put(None)
            self._worker = None

    def _started(self) -> _Worker:
        worker = _Worker()
        threading.Thread(target=self._work, args=(worker,), name="graphkit-lane", daemon=True).start()
        return worker

    # ---- on the loop ----------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Send those who wait behind a slow call on in another thread; look again while anybody waits."""
        self._looks = False
        worker = self._worker
        if worker is None or self._jobs.empty():
            return
        if worker.is_stuck():
            self._left = [each for each in self._left if each.began]
            if len(self._left) < self._most_stuck:
                worker.dismissed = True
                self._left.append(worker)
                self._worker = self._started()
        self._looks = True
        self._loop.call_later(PATIENCE_S, self._look)

    def _settle(self) -> None:
        self._told = False  # before the first look, so that whoever comes with a result after the last one tells again
        done = self._done
        while done:
            settle(*done.popleft())

    # ---- in the thread --------------------------------------------------------------------------------------

    def _work(self, worker: _Worker) -> None:
        while not worker.dismissed:
            job = self._jobs.get()
            if job is None:
                return
            call, future, context = job
            if future.cancelled():
                continue
            worker.began = monotonic()
            result, error = None, None
            try:
                result = context.run(call)
            except BaseException as exc:  # goes to whoever waits
                error = exc
            worker.began = 0.0
            self._done.append((future, result, error))
            if not self._told:
                self._told = True
                try:
                    self._loop.call_soon_threadsafe(self._settle)
                except RuntimeError:  # the loop has ended, and whoever waited with it
                    return
            del job, call, future, context, result, error  # what hangs on them is not to wait for the next call
