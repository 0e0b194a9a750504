"""One event loop in a background thread, for callers that have none or whose own is busy."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Coroutine, Iterable
from contextvars import ContextVar, copy_context
from functools import partial
from types import MappingProxyType
from typing import Any

from graphkit.core.errors import StepError
from graphkit.core.stop import CURRENT_STOP, Stopped
from graphkit.runtime.knots import is_waiting, knot_with

#: How soon a loop that is alive answers.
_LIFE_SIGN_S = 0.3

#: The loops whose jobs led to the code that runs now. A step may call back into its own server, and so on.
_AROUND: ContextVar[tuple[Any, ...]] = ContextVar("graphkit_loops_around", default=())


#: How long the loop may take with a job, until it is looked at what keeps it; at the second look it counts.
GRACE_S = 0.5


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
        """Run an awaitable on the loop and block until it is done.

        Raises
        ------
        StepError
            If it never will be: what runs on the loop blocks it while it waits for this very thread.
        """
        import asyncio
        from concurrent.futures import TimeoutError as TimeoutOfFutures  # of its own until Python 3.11

        coro = awaitable if isinstance(awaitable, Coroutine) else _await(awaitable)
        around = _AROUND.get()
        if self in around:
            # a step on this very loop calls back into the server: the loop waits for it, and so cannot do this job
            return _elsewhere(coro)
        job, inside = _Job(), (*around, self)
        if self._is_here():  # and so it does where a step has left the context of its request
            return _elsewhere(_inside(inside, coro))
        with self._lock:  # so that the loop cannot be closed before it has taken the job
            loop, thread = self._started(), self._thread
            future = asyncio.run_coroutine_threadsafe(_begin(job, inside, coro), loop)
            self._waited_for.add(future)
        stop = CURRENT_STOP.get()
        if stop is not None:
            stop.ends(future.cancel, partial(self._leave_if_stuck, loop))
        try:
            seen: Any = None
            while True:
                try:
                    return future.result(GRACE_S)
                except TimeoutOfFutures:
                    if future.done():
                        break  # it is the job's own, or has just ended; below it is told
                if job.begun:
                    self._check_no_knot(thread)
                    continue
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

    def _is_here(self) -> bool:
        """Return whether this is the loop's own thread."""
        thread = self._thread
        return thread is not None and thread.ident == threading.get_ident()

    def _check_no_knot(self, thread: threading.Thread | None) -> None:
        """Refuse to wait for a job that has begun where the loop waits for this thread: it would be for ever."""
        place = knot_with(thread, _TOLD)
        if place:
            raise StepError(
                f"{place} blocks the event loop on which this request runs, while it waits for the thread that asked: "
                f"neither would ever end. In an async step, await server.run_async(event), or "
                f"await asyncio.to_thread(...) in place of a thread that is waited for"
            )

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
        """Let what others wait for end, then stop the loop; the next use starts another one.

        Whoever belongs to a job of the loop cannot wait for that job; then the loop stops when its jobs have ended.
        """
        within = self in _AROUND.get() or self._is_here()
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            waited_for = set(self._waited_for)
        if loop is None or thread is None:
            return
        from concurrent.futures import wait

        while not within and (waited_for := wait(waited_for, GRACE_S).not_done):
            within = bool(knot_with(thread, _TOLD))
        if within:
            _stop_after(loop, waited_for)
            return
        _stop(loop)
        thread.join()


# A job that has not begun yet may be taken back, so that nobody waits for it for ever.
_TOLD = MappingProxyType(
    {LoopThread.wait.__code__: lambda variables: variables["thread"] if variables["job"].begun else None}
)


def _stop_after(loop: Any, jobs: Iterable[Any]) -> None:
    """Stop a loop when some jobs have ended."""
    left = set(jobs)
    lock = threading.Lock()
    if not left:
        _stop(loop)

    def ended(job: Any) -> None:
        with lock:
            left.discard(job)
            if left:
                return
        _stop(loop)

    for job in list(left):
        job.add_done_callback(ended)


def _stop(loop: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)


def _serve(loop: Any) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        while True:
            try:
                loop.run_forever()
                break
            except (SystemExit, KeyboardInterrupt):
                continue  # of a task, which has it for who awaits it; other requests run on this loop, too
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
    return frame if is_waiting(frame) else None


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
