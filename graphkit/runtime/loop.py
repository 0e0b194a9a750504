"""One event loop in a background thread, for callers that have none or whose own is busy."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Coroutine
from typing import Any


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

        coro = awaitable if isinstance(awaitable, Coroutine) else _await(awaitable)
        if threading.current_thread() is self._thread:
            # a step on this very loop calls back into the server: waiting here would wait for ever
            return _in_fresh_thread(coro)
        with self._lock:  # so that the loop cannot be closed before it has taken the job
            future = asyncio.run_coroutine_threadsafe(coro, self._started())
            self._waited_for.add(future)
        try:
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


def _in_fresh_thread(coro: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coro).result()
