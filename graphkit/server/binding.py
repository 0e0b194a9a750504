"""What a server keeps while its graph changes: made objects, pools, the loop and the ticker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.plan.compile import compile_plan
from graphkit.runtime.bind import Binder
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.flush import Ticker, tick_interval
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.lookup import Lookup
from graphkit.runtime.loop import LoopThread
from graphkit.runtime.pools import RoutePools
from graphkit.runtime.retire import CountedGraph, Retirement, must_count
from graphkit.runtime.run import MOST_EVENTS
from graphkit.server.parameters import count_of


class Binding:
    """Binds the versions of one server's graph, one after the other."""

    def __init__(self, server: Any, context: Any) -> None:
        self._server = server
        self._context = context
        self._binder = Binder(context, server.load_mode)
        self._loop = LoopThread()
        self._retirement = Retirement(self._loop.wait)
        self._ticker: Ticker | None = None
        self._last: BoundGraph | None = None
        self._pools = RoutePools(context)
        context.pools = self._pools

    def bind(self, root: Any, namespace: Mapping[str, Any], function: str | None) -> BoundGraph:
        """Bind a draft as it is now.

        Raises
        ------
        GraphError
            With every problem of structure; else with every name or argument that is wrong; else with every
            constructor that failed.
        """
        revision = root._revision
        frozen = freeze(root)
        plan = compile_plan(topology_of(root, frozen.spec), function)
        lookup = Lookup(namespace, frozen.held, self._server._trust)
        steps = self._binder.bind(plan, lookup, frozen.values, frozen.added)
        most = count_of(self._server.parameters, "max_events", MOST_EVENTS)
        make = CountedGraph if must_count(steps.values()) else BoundGraph
        bound = make(plan, steps, self._context, lookup.watch, revision, self._loop, most)
        if isinstance(bound, CountedGraph):
            bound.retirement = self._retirement
        before, self._last = self._last, bound
        if before is not None:  # nobody joins what waits for a model that is no more
            _finish_batches((step for path, step in before.steps.items() if steps.get(path) is not step), wait=False)
        self._retirement.replace(before, bound, self._binder.take_replaced())
        self._context.root = root
        root.__dict__["_bound"] = bound
        self._stop_ticker()
        interval = tick_interval(steps.values())
        if interval is not None:
            self._ticker = Ticker(bound, interval)
        return bound

    def drain(self) -> None:
        """Send on what is held back, write what is buffered, and close pools, streams and the loop."""
        self._stop_ticker()
        try:
            if self._last is not None:
                self._last.flush()
        finally:
            # all that is under way ends, before what it has to say is written
            if self._last is not None:
                _finish_batches(self._last.steps.values(), wait=True)
            self._pools.close()
            self._loop.close()
            if self._last is not None:
                _write_out(self._last)

    def close(self) -> None:
        """Close everything that was made; what is at work, when it has ended."""
        self._stop_ticker()
        if self._last is not None:
            _finish_batches(self._last.steps.values(), wait=False)
        self._binder.forget_all()
        self._retirement.replace(self._last, None, self._binder.take_replaced())
        self._pools.close()
        self._loop.close()

    @property
    def rests(self) -> bool:
        """Whether the graph must be bound again, so that somebody looks after what waits in it for too long."""
        return self._ticker is None and self._last is not None and tick_interval(self._last.steps.values()) is not None

    def _stop_ticker(self) -> None:
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.close()


def _finish_batches(steps: Iterable[BoundStep], wait: bool) -> None:
    for step in steps:
        finish = getattr(step.object, "finish_batches", None)
        if callable(finish):
            finish(wait)


def _write_out(bound: BoundGraph) -> None:
    for step in bound.steps.values():
        log = getattr(step.object, "flush_tracking", None)
        if callable(log):
            log()
        if step.kind == "queue" and step.object is not None:
            step.object.close()  # it opens again when it is written to
