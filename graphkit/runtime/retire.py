"""Closing what was replaced, once nothing runs in it any more.

Only graphs with something to close count their runs; the others pay nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphkit.core.awaiting import is_awaitable
from graphkit.core.errors import told
from graphkit.core.event import Event
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.graph import BoundGraph

#: How long an ``async def close`` may take; it may wait for a loop that waits for it.
CLOSE_TIMEOUT_S = 30.0


def can_close(step: BoundStep) -> bool:
    """Return whether a step's object can be closed."""
    return callable(getattr(step.object, "close", None))


def must_count(steps: Iterable[BoundStep]) -> bool:
    """Return whether a step must not be closed while it is at work; a queue's stream opens again when it is used."""
    return any(step.kind != "queue" and can_close(step) for step in steps)


class Retirement:
    """Knows which versions of one server's graph are at work, and closes what no version at work can use.

    Parameters
    ----------
    settle
        Awaits an awaitable and blocks until it is done, for objects whose ``close`` is ``async def``.
    """

    def __init__(self, settle: Callable[[Any], Any]) -> None:
        self._settle = settle
        self._lock = threading.Lock()
        self._at_work: dict[int, int] = {}  # runs by version
        self._waiting: list[tuple[int, BoundStep]] = []  # each with the last version that used it

    def enter(self, graph: BoundGraph, follow: bool = True) -> BoundGraph:
        """Begin a run of a graph; returns that graph, or (with ``follow``) the one that has taken its place since."""
        with self._lock:
            while follow and graph.successor is not None:
                graph = graph.successor
            self._at_work[graph.version] = self._at_work.get(graph.version, 0) + 1
        return graph

    def leave(self, graph: BoundGraph) -> list[BoundStep]:
        """End a run; returns the steps that are to be closed now."""
        with self._lock:
            left = self._at_work[graph.version] - 1
            if left:
                self._at_work[graph.version] = left
                return []
            del self._at_work[graph.version]
            return self._idle()

    def replace(self, old: BoundGraph | None, new: BoundGraph | None, replaced: Iterable[BoundStep]) -> None:
        """Let a new version of the graph take over from an old one, and close what it has replaced as soon as it may.

        Without a new version the graph ends.
        """
        with self._lock:
            last = 0 if old is None else old.version
            if new is not None:
                new.version = last + 1
                if old is not None:
                    old.successor = new
            self._waiting += [(last, step) for step in replaced]
            idle = self._idle()
        self.close(idle)

    def _idle(self) -> list[BoundStep]:
        oldest = min(self._at_work, default=None)
        idle = [step for version, step in self._waiting if oldest is None or version < oldest]
        self._waiting = [item for item in self._waiting if oldest is not None and item[0] >= oldest]
        return idle

    def close(self, steps: Iterable[BoundStep]) -> None:
        """Close the objects of steps; what fails is logged."""
        for step in steps:
            try:
                result = step.object.close()
                if is_awaitable(result):
                    self._settle(_bounded(result))
            except Exception as exc:
                _warn(step, exc)

    async def close_here(self, steps: Iterable[BoundStep]) -> None:
        """Close the objects of steps on the running event loop, which they have worked on."""
        for step in steps:
            try:
                result = step.object.close()
                if is_awaitable(result):
                    await result
            except Exception as exc:
                _warn(step, exc)


async def _bounded(closing: Any) -> None:
    import asyncio

    await asyncio.wait_for(closing, CLOSE_TIMEOUT_S)


def _warn(step: BoundStep, exc: Exception) -> None:
    step.context.logger.warning(f"step {step.path!r} could not be closed: {told(exc)}")


class CountedGraph(BoundGraph):
    """A bound graph that counts its runs, since some of its objects must be closed after the last of them."""

    retirement: Retirement
    counts = True

    def answer(self, event: Event, trace: Any = None) -> Any:
        """Answer an event; blocks, and works inside a running event loop too."""
        graph = self.retirement.enter(self)
        try:
            return BoundGraph.answer(graph, event, trace)
        finally:
            self.retirement.close(self.retirement.leave(graph))

    async def answer_async(self, event: Event, trace: Any = None) -> Any:
        """Answer an event on the running event loop."""
        graph = self.retirement.enter(self)
        try:
            return await BoundGraph.answer_async(graph, event, trace)
        finally:
            await self.retirement.close_here(self.retirement.leave(graph))

    def replay(self, again: Any, trace: Any) -> Any:
        """Run a :class:`~graphkit.runtime.replay.Replay` of this graph and return its answer; blocks."""
        graph = self.retirement.enter(self, follow=False)  # the replay was made of this graph's steps
        try:
            return BoundGraph.replay(graph, again, trace)
        finally:
            self.retirement.close(self.retirement.leave(graph))

    def answer_of_flow(self, path: str, event: Event) -> Any:
        """Answer an event with one nested flow alone."""
        graph = self.retirement.enter(self)
        try:
            return BoundGraph.answer_of_flow(graph if path in graph.steps else self, path, event)
        finally:
            self.retirement.close(self.retirement.leave(graph))

    def run_step(self, path: str, event: Event, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Run one step alone; returns the event."""
        graph = self.retirement.enter(self)
        try:
            return BoundGraph.run_step(graph if path in graph.steps else self, path, event, args, kwargs)
        finally:
            self.retirement.close(self.retirement.leave(graph))

    def flush(self, expired_only: bool = False) -> None:
        """Send on what batches and joins hold back."""
        graph = self.retirement.enter(self)
        try:
            BoundGraph.flush(graph, expired_only)
        finally:
            self.retirement.close(self.retirement.leave(graph))
