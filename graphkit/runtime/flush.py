"""Draining: what batches and joins hold back goes on through the graph."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from graphkit.core.emit import Emit
from graphkit.core.errors import told
from graphkit.core.event import Event
from graphkit.runtime.answers import Answers, answer_of
from graphkit.runtime.failures import named
from graphkit.runtime.fold import Fork
from graphkit.runtime.machine import emitted_tokens, walk
from graphkit.runtime.program import Program, Segment
from graphkit.runtime.run import Run


def holds_back(instance: Any) -> bool:
    """Return whether a step's object keeps events until later."""
    return callable(getattr(instance, "flush", None)) and hasattr(instance, "pending")


async def flush_program(program: Program, new_run: Callable[[], Run], expired_only: bool) -> list[Exception]:
    """Flush every step of a program, in the order of the flow, until nothing more comes.

    With ``expired_only`` each step gives up what has waited for too long, once. What comes goes on as events of their
    own, each to its end; the errors of those that failed are returned.
    """
    failures: list[Exception] = []
    while await _flush_once(program, new_run, expired_only, [], failures) and not expired_only:
        pass
    return failures


async def _flush_once(
    program: Program, new_run: Callable[[], Run], expired_only: bool, answers: list[Any], failures: list[Exception]
) -> bool:
    """Flush every step once; return whether anything came. ``answers`` gets what reaches the end of the flow."""
    sent = False
    for segment in program.segments:
        for item in await _held_back(segment, new_run, expired_only, failures):
            sent = True
            found = Answers()
            event, run = Event(), new_run()
            event._joins = found.scope(program)
            try:
                tokens = emitted_tokens(program, segment, item, event, found)
                await walk(program, tokens[::-1], run, found)
                answer_of(program, event, found, run)
            except Exception as exc:
                found.drop(program)
                failures.append(exc)
            if found.rank is not None:
                answers.append(found.value)
    return sent


async def _held_back(
    segment: Segment, new_run: Callable[[], Run], expired_only: bool, failures: list[Exception]
) -> list[Emit]:
    """Return what a segment held back, one by one."""
    if segment.sub is not None:
        inner: list[Any] = []
        await _flush_once(segment.sub, new_run, expired_only, inner, failures)
        return [Emit((value,)) for value in inner]
    items: list[Emit] = []
    for step in segment.steps:
        holder = step.join if isinstance(step, Fork) else step
        if not holds_back(holder.object):
            continue
        try:
            emitted = holder.object.flush(expired_only=expired_only)
        except Exception as exc:
            error = named(exc, holder.path, holder.function)
            failures.append(error)
            holder.context.push_error(Event(), error.message, source=error.step)
            continue
        items += [Emit((item,), emitted.outlets) for item in emitted.items]
    return items


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
            # no request waits for this event; the error stream has it already
            graph.context.logger.error(f"an expired event failed: {told(exc)}")
        del graph
