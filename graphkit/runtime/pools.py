"""Several routes on one event: one by one, in threads, or in processes.

Pools belong to a bound graph, and close with it. They are made when first needed, and can be used again after closing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextvars import copy_context
from pathlib import Path
from typing import Any

from graphkit.core.awaiting import is_awaitable
from graphkit.core.copying import copies
from graphkit.core.errors import FAILURES, GraphError, nearest
from graphkit.core.event import Event
from graphkit.runtime.parent import end_with
from graphkit.runtime.recipes import Failed, run_recipe, write_recipe

KINDS = ("array", "thread", "process")


class RoutePools:
    """Runs routes side by side; see :class:`graphkit.core.protocols.Pools`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._threads: Any = None
        self._thread_count = 0
        self._processes: Any = None
        self._process_count = 0
        self._folder: Any = None
        self._recipes: dict[int, tuple[Any, str]] = {}

    def map(self, executor_type: str, routes: Mapping[str, Any], event: Any) -> Any:
        """Run every route on a copy of the event of its own.

        Returns ``{key: Event or Exception}``, in the order of the routes, or an awaitable of it when one of them is
        asynchronous.
        """
        kind = str(getattr(executor_type, "value", executor_type))
        if kind not in KINDS:
            raise GraphError(
                f"the executor {kind!r} is not known{nearest(kind, KINDS)}; there is 'array', 'thread' and 'process'"
            )
        _ = event.id  # one identity for all
        bodies = copies(event.body, len(routes))
        forks = {key: event.fork(body) for key, body in zip(routes, bodies, strict=True)}
        if kind == "process" and routes:
            return self._in_processes(routes, forks)
        if kind == "thread" and len(routes) > 1:
            results = self._in_threads(routes, forks)
        else:
            results = {key: _run(route, forks[key]) for key, route in routes.items()}
        for result in results.values():
            if type(result) is not Event and is_awaitable(result):
                return _gathered(results)
        return results

    def _in_threads(self, routes: Mapping[str, Any], forks: Mapping[str, Any]) -> dict[str, Any]:
        first, *others = routes
        with self._lock:  # so that the pool is not closed before it has taken the jobs
            pool = self._thread_pool(len(others))
            # Each in a copy of this context: a thread's own would not know in which request it is.
            futures = {key: pool.submit(copy_context().run, _run, routes[key], forks[key]) for key in others}
        results = {first: _run(routes[first], forks[first])}
        for key, future in futures.items():
            # What no thread has begun is done here. A router among the routes comes back to this pool while it holds
            # one of its threads; waiting for a free one could last for ever.
            results[key] = _run(routes[key], forks[key]) if future.cancel() else future.result()
        return results

    def _thread_pool(self, count: int) -> Any:
        if self._threads is None or self._thread_count < count:
            from concurrent.futures import ThreadPoolExecutor

            old, self._thread_count = self._threads, max(count, 2 * self._thread_count)
            self._threads = ThreadPoolExecutor(self._thread_count, thread_name_prefix="graphkit-route")
            if old is not None:
                old.shutdown(wait=False)  # what it has been given still runs
        return self._threads

    def _in_processes(self, routes: Mapping[str, Any], forks: Mapping[str, Any]) -> dict[str, Any]:
        results: dict[str, Any] = {}
        futures = {}
        with self._lock:  # so that the pool is not closed before it has taken the jobs
            pool = self._process_pool(len(routes))
            for key, route in routes.items():
                try:
                    # a recorder stays in its own process, and so do objects that are known by their ids
                    forks[key]._trace = forks[key]._chunked = None
                    futures[key] = pool.submit(run_recipe, self._recipe(route), forks[key])
                except FAILURES as exc:
                    results[key] = exc
        for key in routes:
            if key not in results:
                try:
                    result = futures[key].result()
                    results[key] = result.error() if type(result) is Failed else result
                except FAILURES as exc:
                    results[key] = exc
        return {key: results[key] for key in routes}

    def _recipe(self, route: Any) -> str:
        known = self._recipes.get(id(route))
        if known is None or known[0] is not route:
            if self._folder is None:
                import tempfile

                self._folder = tempfile.TemporaryDirectory(prefix="graphkit-routes-")
            known = self._recipes[id(route)] = (route, write_recipe(route, self._context, Path(self._folder.name)))
        return known[1]

    def forget(self, route: Any) -> None:
        """Make a route anew in other processes, since what it is made of has changed."""
        with self._lock:
            self._recipes.pop(id(route), None)

    def _process_pool(self, count: int) -> Any:
        if self._processes is None or self._process_count < count:
            from loky import ProcessPoolExecutor

            old = self._processes
            self._process_count = count
            self._processes = ProcessPoolExecutor(
                max_workers=count, timeout=None, initializer=end_with, initargs=(os.getpid(),)
            )
            if old is not None:
                old.shutdown(wait=True)
        return self._processes

    def close(self) -> None:
        """Stop the workers."""
        with self._lock:
            threads, processes, folder = self._threads, self._processes, self._folder
            self._threads = self._processes = self._folder = None
            self._recipes = {}
            self._thread_count = self._process_count = 0
        if threads is not None:
            threads.shutdown(wait=True)
        if processes is not None:
            processes.shutdown(wait=True)
        if folder is not None:
            folder.cleanup()


def _run(route: Any, event: Any) -> Any:
    try:
        return route.run(event)
    except FAILURES as exc:
        return exc


async def _gathered(results: dict[str, Any]) -> dict[str, Any]:
    import asyncio

    waiting = [key for key, result in results.items() if is_awaitable(result)]
    done = await asyncio.gather(*(results[key] for key in waiting), return_exceptions=True)
    return {**results, **dict(zip(waiting, done, strict=True))}
