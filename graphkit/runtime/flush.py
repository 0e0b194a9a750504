"""Draining: what batches and joins hold back goes on through the graph."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from graphkit.core.event import Event
from graphkit.runtime.machine import Answers, Run, emitted_tokens, walk
from graphkit.runtime.program import Program


def holds_back(instance: Any) -> bool:
    """Return whether a step's object keeps events until later."""
    return callable(getattr(instance, "flush", None)) and hasattr(instance, "pending")


async def flush_program(program: Program, run: Run, answers: Answers, expired_only: bool) -> None:
    """Flush every step of a program, in the order of the flow, until nothing more comes.

    With ``expired_only`` each step gives up what has waited for too long, once.
    """
    sent = True
    while sent:
        sent = False
        for segment in program.segments:
            instance = segment.steps[-1].object
            if segment.sub is not None:
                inner = Answers()
                await flush_program(segment.sub, run, inner, expired_only)
                if inner.rank is not None:
                    sent = True
                    tokens = [(target, inner.value, Event(inner.value)) for target in segment.next]
                    await walk(program, tokens, run, answers)
            elif holds_back(instance):
                emitted = instance.flush(expired_only=expired_only)
                if emitted.items:
                    sent = True
                    await walk(program, emitted_tokens(program, segment, emitted, Event(), answers), run, answers)
        sent = sent and not expired_only


class Ticker:
    """Lets steps with ``timeout_s`` give up what has waited for too long, from a background thread."""

    def __init__(self, graph: Any, interval_s: float) -> None:
        self._stop = threading.Event()
        self._interval_s = interval_s
        self._thread = threading.Thread(
            target=_tick, args=(weakref.ref(graph), self._stop, interval_s), name="graphkit-ticker", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop ticking; a tick that is under way ends by itself."""
        # It is not waited for: what it runs may itself wait for whoever closes it.
        self._stop.set()


def tick_interval(steps: Any) -> float | None:
    """Return how often to look, in seconds; ``None`` if no step has a timeout."""
    timeouts = [
        float(step.object.timeout_s)
        for step in steps
        if holds_back(step.object) and getattr(step.object, "timeout_s", None) is not None
    ]
    return max(0.005, min(timeouts) / 4) if timeouts else None


def _tick(graph_ref: Any, stop: threading.Event, interval_s: float) -> None:
    while not stop.wait(interval_s):
        graph = graph_ref()
        if graph is None:
            return
        try:
            graph.flush(expired_only=True)
        except Exception as exc:
            # no request waits for this event; its error goes where errors go
            graph.context.push_error(Event(), str(exc), source=getattr(exc, "step", None))
            graph.context.logger.error(f"an expired event failed: {exc}")
        del graph
