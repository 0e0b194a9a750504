"""Where a graph runs, so that the event loop stays free: what awaits, on the loop; all else in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from graphkit.core.event import Event
from graphkit.runtime.bound import BoundStep
from graphkit.server.graph_server import GraphServer
from graphkit.server.http.deadline import within
from graphkit.server.http.lane import Lane
from graphkit.server.http.pace import Pace
from graphkit.server.http.threads import Threads
from graphkit.server.settings import Settings

_MOST_PATHS = 1024


class Runner:
    """Runs events through a server's graph, each within the time limit.

    A graph that does not await runs in a thread as a whole. One that awaits runs on the loop, and its plain steps in
    threads, one by one. What is quick shares one thread, in which it costs least; the rest runs side by side.

    Parameters
    ----------
    server
        Whose graph.
    settings
        ``timeout_s`` and ``threads`` count.
    """

    def __init__(self, server: GraphServer, settings: Settings) -> None:
        self._server = server
        self._limit_s = settings.timeout_s
        self.threads = Threads(settings.threads)
        self._lane = Lane(settings.threads)
        self._paces: dict[tuple[str, str], Pace] = {}

    def close(self) -> None:
        """Let the threads end."""
        self._lane.close()
        self.threads.close()

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return self.threads.waiting + self._lane.waiting

    async def run(self, event: Event) -> Any:
        """Return the answer to an event, as an object; an error is a Response.

        Raises
        ------
        Late
            If it takes longer than the limit.
        """
        server = self._server
        bound = server._bound
        if bound is not None and (bound.awaits or server._catalog_of(bound).waits):
            bound.offload = self._run_step
            return await within(self._limit_s, server.run_async(event, None, True))
        run = server.run
        return await within(self._limit_s, self._elsewhere(("", event.path), lambda: run(event, None, True)))

    def _run_step(self, step: BoundStep, call: Callable[[Any], Any], given: Any) -> Awaitable[Any]:
        """Run a plain step of a graph that awaits."""
        # a router is as quick as the model that the path asks for
        path = given.path if step.kind == "router" and isinstance(given, Event) else ""
        return self._elsewhere((step.path, path), lambda: call(given))

    def _elsewhere(self, kind: tuple[str, str], call: Callable[[], Any]) -> Awaitable[Any]:
        pace = self._paces.get(kind)
        if pace is None:
            if len(self._paces) >= _MOST_PATHS:
                self._paces.clear()  # clients make up paths
            pace = self._paces[kind] = Pace()

        def job() -> Any:
            began = perf_counter()
            try:
                return call()
            finally:
                pace.note(perf_counter() - began)

        return self._lane.run(job) if pace.is_quick else self.threads.run(job)
