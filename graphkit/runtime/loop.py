"""One event loop in a background thread, for callers that have none or whose own is busy."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from graphkit.core.stop import CURRENT_STOP, Stopped

#: How soon a loop that is alive answers.
_LIFE_SIGN_S = 0.3

#: The loops whose jobs led to the code that runs now. A step may call back into its own server, and so on.
_AROUND: ContextVar[tuple[Any, ...]] = ContextVar("graphkit_loops_around", default=())


#: How long the loop may take to begin a job, until it is looked at what keeps it; at the second look it counts.
GRACE_S = 0.5
# Functions of the module threading in which a thread waits for another one.
_WAITS = frozenset({"_wait_for_tstate_lock", "join", "wait"})


class _Job:
    """Whether the loop has begun a job, or whoever waits for it has taken it back; whoever is first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begun = False
        self._taken_back = False

    def begin(self) -> bool:
        with self._lock:
            self.begun = not self._taken_back
            return self.begun

    def take_back(self) -> bool:
        with self._lock:
            self._taken_back = not self.begun
            return self._taken_back


class LoopThread:
    """An event loop that runs in a daemon thread from its first use until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: Any = None
        self._thread: threading.Thread | None = None
        self._waited_for: set[Any] = set()

    def wait(self, awaitable: Any) -> Any:
        """Run an awaitable on the loop and block until it is done."""
        import asyncio
        from concurrent.futures import TimeoutError as TimeoutOfFutures  # of its own until Python 3.11

        coro = awaitable if isinstance(awaitable, Coroutine) else _await(awaitable)
        around = _AROUND.get()
        if self in around:
            # a step on this very loop calls back into the server: the loop waits for it, and so cannot do this job
            return _elsewhere(coro)
        job, inside = _Job(), (*around, self)
        with self._lock:  # so that the loop cannot be closed before it has taken the job
            loop, thread = self._started(), self._thread
            future = asyncio.run_coroutine_threadsafe(_begin(job, inside, coro), loop)
            self._waited_for.add(future)
        stop = CURRENT_STOP.get()
        if stop is not None:
            stop.ends(future.cancel, partial(self._leave_if_stuck, loop))
        try:
            seen: Any = None
            while not job.begun:
                try:
                    return future.result(GRACE_S)
                except TimeoutOfFutures:
                    if future.done() or job.begun:
                        break  # if it is the job's own, it is raised below
                seen, before = _waiting_frame(thread), seen
                if seen is not None and seen is before and job.take_back():
                    # A step keeps the loop while it waits for a thread, which may be this one: a thread that it has
                    # started, in which nothing tells that it is part of the step's request.
                    return _elsewhere(_inside(inside, coro))
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._waited_for.discard(future)

    def _started(self) -> Any:
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name="graphkit-loop", daemon=True)
            self._thread.start()
            # a server that nobody holds any more leaves no thread behind
            weakref.finalize(self, _stop, self._loop).atexit = False
        return self._loop

    def _leave_if_stuck(self, loop: Any) -> None:
        """Take another loop from now on, if a step blocks this one and does not come back.

        What else runs on it is cancelled when it does; the thread is a daemon, and keeps no process alive.
        """
        lives = threading.Event()
        if loop.is_closed():
            return
        loop.call_soon_threadsafe(lives.set)
        if lives.wait(_LIFE_SIGN_S):
            return
        with self._lock:
            if self._loop is loop:
                self._loop = self._thread = None
        _stop(loop)

    def close(self) -> None:
        """Let what others wait for end, then stop the loop; the next use starts another one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            waited_for = list(self._waited_for)
        if loop is None or thread is None:
            return
        if thread is not threading.current_thread():
            from concurrent.futures import wait

            wait(waited_for)
        _stop(loop)
        if thread is not threading.current_thread():
            thread.join()


def _stop(loop: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)


def _serve(loop: Any) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _await(awaitable: Any) -> Any:
    return await awaitable


async def _begin(job: _Job, around: tuple[Any, ...], coro: Coroutine[Any, Any, Any]) -> Any:
    return await _inside(around, coro) if job.begin() else None


def _waiting_frame(thread: threading.Thread | None) -> Any:
    """Return the frame in which a thread is waiting for another one (to end, to answer, to let go), if it does."""
    frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None
    if frame is None or frame.f_code.co_filename != threading.__file__ or frame.f_code.co_name not in _WAITS:
        return None
    return frame


async def _inside(around: tuple[Any, ...], coro: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    _AROUND.set(around)
    try:
        return await coro
    except Stopped:
        raise asyncio.CancelledError from None  # nobody waits any more; the loop would log anything else


def _elsewhere(coro: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a loop of its own, in this thread if no loop runs here."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coro)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coro).result()
