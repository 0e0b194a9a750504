"""A recorded event sent again from one step on, through the graph as it is now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from graphkit.core.errors import GraphError
from graphkit.core.event import Event
from graphkit.core.joins import JoinScope
from graphkit.plan.compile import FlowPlan, Line, Plan
from graphkit.runtime.answers import Answers, answer_of
from graphkit.runtime.carried import event_again
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.machine import run_nested, spread, walk
from graphkit.runtime.program import Program, Segment, make_program
from graphkit.runtime.records import RunRecord, StepRecord
from graphkit.runtime.rerun import Arrival, Level, levels_of, merged_steps
from graphkit.runtime.run import Run
from graphkit.runtime.snapshot import Incomplete, thawed


class Replay:
    """A run from a step on, ready to be driven once.

    Parameters
    ----------
    bound
        The graph as it is now.
    run
        The recorded run.
    start
        Path of the step to start from; of a route, its router is taken.
    event_id
        Identity of the event.

    Raises
    ------
    GraphError
        If it cannot be replayed from that step; the message says why.
    """

    def __init__(self, bound: BoundGraph, run: RunRecord, start: str, event_id: str | None) -> None:
        emitting = frozenset(path for path, step in bound.steps.items() if step.emits)
        self._bound = bound
        #: The recorded run.
        self.run = run
        self.levels = levels_of(bound.plan, run, start, emitting)
        #: Whether that means the whole run, since the step is a router at the root, or one of its routes.
        self.is_whole = not self.levels
        identity = event_id or Event().id
        former = (None, run.id, run.replay_of)
        self._tokens = [[_event(arrival, former, identity) for arrival in level.arrivals] for level in self.levels]
        self._kept = [self._kept_answer(level, depth) for depth, level in enumerate(self.levels)]
        self.start = self.levels[-1].child if self.levels else None

    def _kept_answer(self, level: Level, depth: int) -> Any:
        if level.kept is None:
            return None
        if depth == 0:
            return _whole(self.run.answer, "the recorded answer", level.child)
        around = self.levels[depth - 1].child
        record = next(step for step in self.run.steps if step.name == around)
        return _whole(record.output, f"the recorded output of {around!r}", level.child)

    @property
    def event(self) -> Event:
        """The event that stands for the request: the first that the replay's own step gets."""
        level = self.levels[-1]
        at = next(index for index, arrival in enumerate(level.arrivals) if arrival.step == level.child)
        return self._tokens[-1][at]

    def traced_by(self, recorder: Any) -> None:
        """Let a recorder see what happens to the events."""
        for level, events in zip(self.levels, self._tokens, strict=True):
            for arrival, event in zip(level.arrivals, events, strict=True):
                event._trace = recorder
                source = self._bound.steps.get(arrival.source)
                if arrival.source and source is not None:
                    recorder.came(event, source)

    def program(self, wait: Callable[[Any], Any] | None) -> Program:
        """Return the program of the graph, in which every step that gets an event begins a segment."""
        plan = self._bound.plan
        flows = dict(plan.flows)
        for level in self.levels:
            for step in dict.fromkeys(arrival.step for arrival in level.arrivals):
                flows[level.flow] = _with_line_from(flows[level.flow], step)
        new: Plan = msgspec.structs.replace(plan, flows=flows)
        return make_program(new, "", self._bound.steps, wait, True)

    async def drive(self, program: Program, run: Run) -> Any:
        """Run it and return the answer."""
        return answer_of(program, self.event, await self._level(program, 0, run), run)

    async def _level(self, program: Program, depth: int, run: Run) -> Answers:
        level = self.levels[depth]
        answers = Answers()
        if level.kept is not None:
            answers.offer(level.kept, (), self._kept[depth])
        scopes: dict[tuple[Any, ...], JoinScope | None] = {(): answers.scope(program)}
        for arrival, event in zip(level.arrivals, self._tokens[depth], strict=True):
            items = arrival.event.items
            for end in range(1, len(items) + 1):
                if items[:end] not in scopes:
                    path, number = items[end - 1]
                    scopes[items[:end]] = answers.scope_of_item(program, path, scopes[items[: end - 1]], number)
            event._joins = scopes[items]
            source = self._bound.steps.get(arrival.source)
            event._branch = None if source is None or event.error is not None else source.path
        try:
            await self._walk(program, depth, run, answers)
        except BaseException:
            answers.drop(program)
            raise
        return answers

    async def _walk(self, program: Program, depth: int, run: Run, answers: Answers) -> None:
        level = self.levels[depth]
        heads = {segment.steps[0].path: segment for segment in program.segments}
        if depth + 1 < len(self.levels):
            self._lead_inwards(heads[level.child], depth + 1, run)
        tokens = [
            (heads[arrival.step], event.body, event)
            for arrival, event in zip(level.arrivals, self._tokens[depth], strict=True)
        ]
        caught = [token for token in tokens if token[0] is program.catch]
        others = [token for token in tokens if token[0] is not program.catch]
        if program.ordered and len(others) > 1:
            await spread(program, others, True, run, answers)
            await walk(program, caught[::-1], run, answers, True)
        else:
            # in the order of the recorded run, which decides between equals
            for token in tokens:
                await walk(program, [token], run, answers, token[0] is program.catch)

    def _lead_inwards(self, segment: Segment, depth: int, run: Run) -> None:
        """Let a nested flow begin at the replay's own step."""
        sub = segment.sub
        assert sub is not None

        async def inside() -> Answers:
            return await self._level(sub, depth, run)

        def resumed(body: Any, event: Event, trace: Any) -> Awaitable[Any]:
            return run_nested(segment, body, event, run, inside)

        segment.run = resumed
        segment.is_async = True

    def steps(self, new: tuple[StepRecord, ...]) -> tuple[StepRecord, ...]:
        """Return the records of the whole run, with those that were taken over."""
        return merged_steps(self.run, self.levels, new)


def event_of_run(run: RunRecord) -> Event:
    """Return the event of a recorded run, as the caller gave it.

    Raises
    ------
    GraphError
        If it could not be kept whole.
    """
    if run.event is None:
        raise GraphError(f"the event of run {run.id} was not recorded")
    body = _whole(run.body, f"the body of run {run.id}", None)
    event: Event = _again(partial(event_again, run.event, body, run.event.id), f"the event of run {run.id}", None)
    return event


def _event(arrival: Arrival, former: tuple[str | None, ...], event_id: str) -> Event:
    what = f"the recorded input of step {arrival.step!r}"
    body = _whole(arrival.body, what, arrival.step)
    own = arrival.event.id
    # what a step has sent on under another identity keeps that
    identity = event_id if own in former else own
    event: Event = _again(partial(event_again, arrival.event, body, identity), what, arrival.step)
    return event


def _whole(snapshot: Any, what: str, step: str | None) -> Any:
    return _again(partial(thawed, snapshot), what, step)


def _again(make: Callable[[], Any], what: str, step: str | None) -> Any:
    try:
        return make()
    except Incomplete as exc:
        raise GraphError(
            f"{what} was not kept whole, so that it cannot be sent again: {exc}; replay the whole run, or from a step "
            f"with a smaller input"
            if step is not None
            else f"{what} was not kept whole, so that it cannot be sent again: {exc}",
            step=step,
        ) from exc


def _with_line_from(flow: FlowPlan, step: str) -> FlowPlan:
    """Return a flow with a further line that begins at a step, if none does yet."""
    if any(line.steps[0] == step for line in flow.lines):
        return flow
    line = next(line for line in flow.lines if step in line.steps)
    new = Line(line.steps[line.steps.index(step) :], line.next, line.rank)
    return msgspec.structs.replace(flow, lines=(*flow.lines, new))
