"""A bound graph: a plan with its live objects, ready to answer events in any way a caller likes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from graphkit.core.awaiting import is_awaitable
from graphkit.core.errors import is_failure
from graphkit.core.event import Event
from graphkit.plan.compile import Plan
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.drivers import drive, gather
from graphkit.runtime.failures import Answered, named
from graphkit.runtime.flush import flush_program, holds_back
from graphkit.runtime.lookup import Watch
from graphkit.runtime.loop import LoopThread
from graphkit.runtime.machine import run_program
from graphkit.runtime.offload import Offload, offloaded
from graphkit.runtime.program import Program, Segment, make_program
from graphkit.runtime.run import MOST_EVENTS, Run

#: Answers ``(event, body)`` without an event of the run's own, or says ``None``.
Shortcut = Callable[[Event, Any], Any]


class BoundGraph:
    """One version of a graph, bound; a change of the graph makes a new one that keeps what nothing touched.

    Parameters
    ----------
    plan, steps
        The plan and its bound steps.
    context
        The context that the steps have.
    watch
        Names whose meaning decided what was bound.
    revision
        The draft's revision that this graph was made of.
    loop
        The event loop for callers that have none.
    most_events
        How many events one request may give rise to.
    """

    #: Whether each run must pass :meth:`answer` or :meth:`answer_async`, because they are counted.
    counts: ClassVar[bool] = False

    def __init__(
        self,
        plan: Plan,
        steps: Mapping[str, BoundStep],
        context: Any,
        watch: Watch,
        revision: int,
        loop: LoopThread,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self.plan = plan
        self.steps = steps
        self.context = context
        self.watch = watch
        self.revision = revision
        self.most_events = most_events
        #: Which version of its server's graph this is, and the one that has taken its place.
        self.version = 0
        self.successor: BoundGraph | None = None
        self._loop = loop
        self._lock = threading.Lock()
        self._programs: dict[tuple[bool, bool], Program] = {}
        self._offload: Offload | None = None
        self.awaits = any(step.is_async for step in steps.values())
        self._straight: Segment | None = None if self.awaits else self._program(False, False).straight
        only = self._program(True, False).straight
        #: Where a router is all there is, what may answer without an event of the run's own.
        self._only: Segment | None = None
        if only is not None and len(only.steps) == 1 and only.steps[0].kind == "router":
            self._only = only
        self._shortcut: Shortcut | None = None if self._only is None else self._only.steps[0].shortcut
        #: The same while nothing awaits; :meth:`wait` for what it answers, and :meth:`fail_at_once` if it raises.
        self.shortcut: Shortcut | None = None if self.awaits or self.counts else self._shortcut
        self._take_lead()
        mended = (getattr(step.object, "is_mended", None) for step in steps.values())
        self._may_be_mended = [is_mended for is_mended in mended if callable(is_mended)]
        self.holds_back = any(holds_back(step.object) for step in steps.values())

    def _program(self, on_loop: bool, traced: bool) -> Program:
        key = on_loop, traced
        program = self._programs.get(key)
        if program is None:
            with self._lock:
                program = self._programs.get(key)
                if program is None:
                    wait = None if on_loop else self.wait
                    elsewhere = self._offload if on_loop else None
                    steps = self.steps if elsewhere is None else offloaded(self.steps, elsewhere)
                    program = make_program(self.plan, "", steps, wait, traced)
                    self._programs[key] = program
        return program

    def _take_lead(self) -> None:
        straight = self._straight_on_loop = self._program(True, False).straight
        plain = straight is not None and straight.is_async and not straight.events and self._shortcut is None
        #: What is awaited with ``(body, event, None)``, where that is all that is to be done on a loop; :meth:`ended`
        #: if it raises.
        self.lead: Segment | None = straight if plain and not self.counts else None

    def is_outdated(self) -> bool:
        """Return whether it should be bound anew: a name means something else, or a model that failed may load now."""
        return self.watch.changed() or any(is_mended() for is_mended in self._may_be_mended)

    def wait(self, awaitable: Any) -> Any:
        """Wait for what a plain function returned: from now on this graph is known to await."""
        self.awaits = True
        self._straight = self.shortcut = None
        return self._loop.wait(awaitable)

    def fail_at_once(self, event: Event, exc: BaseException) -> NoReturn:
        """Raise what the :attr:`shortcut` raised, as a run would."""
        assert self._only is not None
        self._raise(self._only, exc, event)

    def ended(self, straight: Segment, event: Event, exc: BaseException) -> Any:
        """Return the answer that ended a straight run, or raise what it raised, as the machine would."""
        if not isinstance(exc, Answered):
            self._raise(straight, exc, event)
        return exc.value

    def answer(self, event: Event, trace: Any = None) -> Any:
        """Answer an event; blocks, and works inside a running event loop too."""
        straight = self._straight
        if straight is not None and trace is None:
            assert straight.run is not None
            try:
                if self._shortcut is not None and type(event) is Event:
                    answer = self._shortcut(event, event.body)
                    if answer is not None:
                        return self.wait(answer) if type(answer) is not dict and is_awaitable(answer) else answer
                if straight.events:
                    return straight.run(event.body, event.fork(event.body), None).body
                return straight.run(event.body, event, None)
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                return self.ended(straight, event, exc)
        if self.awaits:
            return self._loop.wait(self.answer_async(event, trace))
        program = self._program(False, trace is not None)
        run = Run(self.context, trace, None, self.most_events)
        return drive(run_program(program, event.body, event.fork(event.body), run))

    async def answer_async(self, event: Event, trace: Any = None) -> Any:
        """Answer an event on the running event loop."""
        straight = self._straight_on_loop
        if straight is not None and trace is None:
            assert straight.run is not None
            try:
                if self._shortcut is not None and self._offload is None and type(event) is Event:
                    answer = self._shortcut(event, event.body)
                    if answer is not None:
                        return await answer if type(answer) is not dict and is_awaitable(answer) else answer
                own = event.fork(event.body) if straight.events else event
                result = straight.run(event.body, own, None)
                if straight.is_async:
                    result = await result
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                return self.ended(straight, event, exc)
            return result.body if straight.events else result
        run = Run(self.context, trace, gather, self.most_events)
        return await run_program(self._program(True, trace is not None), event.body, event.fork(event.body), run)

    @property
    def offload(self) -> Offload | None:
        """Where plain steps run while :meth:`answer_async` runs the others on its event loop; ``None``: on it too."""
        return self._offload

    @offload.setter
    def offload(self, offload: Offload | None) -> None:
        # methods are equal, not the same, each time they are looked up
        if offload != self._offload:
            with self._lock:
                self._offload = offload
                self._programs = {key: program for key, program in self._programs.items() if not key[0]}
            self._take_lead()

    def replay(self, again: Any, trace: Any) -> Any:
        """Run a :class:`~graphkit.runtime.replay.Replay` of this graph and return its answer; blocks."""
        if self.awaits:
            run = Run(self.context, trace, gather, self.most_events)
            return self._loop.wait(again.drive(again.program(None), run))
        run = Run(self.context, trace, None, self.most_events)
        return drive(again.drive(again.program(self.wait), run))

    def _raise(self, segment: Segment, exc: BaseException, event: Event) -> NoReturn:
        """Raise the error of a straight run, as the machine would."""
        assert segment.fused is not None
        step, _ = segment.fused.failure(exc)
        error = named(exc, step.path, step.function)
        self.context.push_error(event, error.message, source=error.step)
        if error is exc:
            raise error
        raise error from exc

    def answer_of_flow(self, path: str, event: Event) -> Any:
        """Answer an event with one nested flow alone."""
        program = make_program(self.plan, path, self.steps, None if self.awaits else self.wait, False)
        run = Run(self.context, None, gather if self.awaits else None, self.most_events)
        job = run_program(program, event.body, event.fork(event.body), run)
        return self._loop.wait(job) if self.awaits else drive(job)

    def run_step(self, path: str, event: Event, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Run one step alone; returns the event."""
        result = self.steps[path].run(event, *args, **kwargs)
        return self._loop.wait(result) if is_awaitable(result) else result

    def flush(self, expired_only: bool = False) -> None:
        """Send on what batches and joins hold back."""
        if not self.holds_back:
            return
        awaits = self.awaits

        def new_run() -> Run:
            return Run(self.context, None, gather if awaits else None, self.most_events)

        job = flush_program(self._program(awaits, False), new_run, expired_only)
        failures = self._loop.wait(job) if awaits else drive(job)
        if failures:
            raise failures[0]

    def object_of(self, path: str) -> Any:
        """Return the live object of a step, ``None`` for a plain function."""
        step = self.steps.get(path)
        return None if step is None else step.object
