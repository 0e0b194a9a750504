"""A pool of daemon threads for graphs that do not await, whose jobs may be given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any


class _Job:
    """What is to be done, for whom, and how far it is."""

    __slots__ = ("call", "context", "future", "given_up", "loop", "running")

    def __init__(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.context = copy_context()  # a thread's own would not know to which request the job belongs
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.running = False
        self.given_up = False


class Threads:
    """Runs jobs in threads; a job that nobody waits for any more keeps its thread, and another one takes its place.

    The threads are daemons: one that hangs must not keep the process from ending.

    Parameters
    ----------
    size
        How many jobs run at a time. Of those that were given up and still hang there may be as many again; with more,
        jobs wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._alive = 0
        self._idle = 0
        self._given_up = 0

    async def run(self, call: Callable[[], Any]) -> Any:
        """Run a call in a thread and return its result; when this is cancelled, the call is given up."""
        job = _Job(call, asyncio.get_running_loop())
        self._jobs.put(job)
        self._staff()
        try:
            return await job.future
        except asyncio.CancelledError:
            with self._lock:
                if job.running:
                    job.given_up = True
                    self._given_up += 1
            self._staff()
            raise

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Let the threads end when they have nothing to do."""
        with self._lock:
            alive = self._alive
        for _ in range(alive):
            self._jobs.put(None)

    def _staff(self) -> None:
        """Start a thread if jobs wait and there may be one more."""
        with self._lock:
            most = self._size + min(self._given_up, self._size)
            if self._idle >= self._jobs.qsize() or self._alive >= most:
                return
            self._alive += 1
        threading.Thread(target=self._work, name="graphkit-request", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._alive > self._size + min(self._given_up, self._size):
                    self._alive -= 1  # one that hung has come back
                    return
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
                if job is None:
                    self._alive -= 1
                    return
                job.running = not job.future.cancelled()
            if job.running:
                self._do(job)

    def _do(self, job: _Job) -> None:
        result, error = None, None
        try:
            result = job.context.run(job.call)
        except BaseException as exc:  # goes to whoever waits
            error = exc
        with self._lock:
            job.running = False
            if job.given_up:
                self._given_up -= 1
                return
        try:
            job.loop.call_soon_threadsafe(settle, job.future, result, error)
        except RuntimeError:  # the loop has ended, and whoever waited with it
            return


def settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Give a future its result or error, unless nobody waits for it any more."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):  # which no future takes
        future.set_exception(RuntimeError(f"a step raised {error!r}"))
    else:
        future.set_exception(error)
