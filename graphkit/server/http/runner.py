"""Where a graph runs: on the event loop, where it awaits or is known to be quick; else in a thread."""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import Any

from graphkit.core.event import Event
from graphkit.server.graph_server import GraphServer
from graphkit.server.http.deadline import Late, within
from graphkit.server.http.threads import Threads
from graphkit.server.http.watch import Interrupted, Watch
from graphkit.server.settings import Settings

#: Runs that take longer than this on average, in seconds, hold up the others.
QUICK_S = 0.002
#: A single one that takes longer than this is no accident of a busy machine.
SLOW_S = 0.1
_PROBATION = 8
_MOST_WANTED = 100_000
_MOST_PATHS = 1024


class Pace:
    """How quick the runs of one path were: whether the next one may run on the loop.

    In threads they disturb one another, so that the quickest of several runs tells how quick they are; on the loop
    their average tells.
    """

    __slots__ = ("_count", "_fastest", "_mean", "_wanted", "is_quick")

    def __init__(self) -> None:
        #: Whether the next run may run on the loop.
        self.is_quick = False
        self._count = 0
        self._wanted = _PROBATION
        self._fastest = SLOW_S
        self._mean = 0.0

    def note(self, seconds: float) -> None:
        """Count a run. After a slow one more quick ones are wanted than before, so that nothing goes to and fro."""
        if self.is_quick:
            self._mean += (seconds - self._mean) * 0.1
            if self._mean > 2 * QUICK_S or seconds > SLOW_S:
                self._wanted = min(self._wanted * 4, _MOST_WANTED)
                self._start_over()
            return
        self._count += 1
        self._fastest = min(self._fastest, seconds)
        if seconds > SLOW_S:
            self._start_over()
        elif self._count >= self._wanted:
            quick, self._mean = self._fastest <= QUICK_S, self._fastest
            self._start_over()
            self.is_quick = quick

    def _start_over(self) -> None:
        self.is_quick = False
        self._count, self._fastest = 0, SLOW_S


class Runner:
    """Runs events through a server's graph, each within the time limit.

    Parameters
    ----------
    server
        Whose graph.
    settings
        ``timeout_s``, ``threads`` and ``run_in`` count.
    """

    def __init__(self, server: GraphServer, settings: Settings) -> None:
        self._server = server
        self._limit_s = settings.timeout_s
        self._wish = settings.run_in
        self.threads = Threads(settings.threads)
        self._watch: Watch | None = None
        self._paces: dict[str, Pace] = {}

    def start(self) -> None:
        """Watch over what runs on the loop, where that is possible."""
        if self._limit_s and self._wish != "threads" and Watch.possible():
            self._watch = Watch(self._limit_s)
            self._watch.start()

    def close(self) -> None:
        """Stop the watch and let the threads end."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self.threads.close()

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
            return await within(self._limit_s, server.run_async(event, None, True))
        if self._wish == "loop":
            return self._here(event)
        if self._wish == "threads" or (self._watch is None and self._limit_s):
            return await self._in_thread(event, None)
        pace = self._pace_of(event.path)
        if pace.is_quick:
            began = perf_counter()
            try:
                return self._here(event)
            finally:
                pace.note(perf_counter() - began)
        return await self._in_thread(event, pace)

    def _here(self, event: Event) -> Any:
        watch = self._watch
        if watch is None:
            return self._server.run(event, None, True)
        watch.since = monotonic()
        try:
            return self._server.run(event, None, True)
        except Interrupted:
            raise Late from None
        finally:
            watch.since = 0.0

    async def _in_thread(self, event: Event, pace: Pace | None) -> Any:
        run = self._server.run

        def job() -> Any:
            began = perf_counter()
            try:
                return run(event, None, True)
            finally:
                if pace is not None:
                    pace.note(perf_counter() - began)

        return await within(self._limit_s, self.threads.run(job))

    def _pace_of(self, path: str) -> Pace:
        pace = self._paces.get(path)
        if pace is None:
            if len(self._paces) >= _MOST_PATHS:
                self._paces.clear()  # clients make up paths
            pace = self._paces[path] = Pace()
        return pace
