"""A bound plan in the form that the machine runs: segments that know their followers.

One plan has up to four programs, made when they are first needed: for callers with or without an event loop, each
with or without recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from graphkit.plan.compile import FlowPlan, Plan
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.fold import Fork, fold
from graphkit.runtime.fuse import MOST_STEPS, Fused, fuse


class Segment:
    """A piece of a line that runs as one: a fused run, one step that emits, or a nested flow.

    ``parts`` is true when two or more of the followers await, so that they are worth running side by side.
    """

    __slots__ = ("_followers", "emits", "events", "fused", "is_async", "next", "parts", "rank", "run", "steps", "sub")

    def __init__(self, steps: tuple[Any, ...], fused: Fused | None, sub: Program | None = None) -> None:
        self.steps = steps
        self.fused = fused
        self.sub = sub
        self.run: Callable[..., Any] | None = None if fused is None else fused.run
        self.is_async = fused is not None and fused.is_async
        self.events = fused is not None and fused.events
        self.emits = steps[-1].emits
        self.next: tuple[Segment, ...] = ()
        self.rank: int | None = None
        self.parts = False
        self._followers: dict[str, Segment] | None = None

    @property
    def followers(self) -> dict[str, Segment]:
        """The segments that follow, by the name of their first step."""
        if self._followers is None:
            self._followers = {segment.steps[0].name: segment for segment in self.next}
        return self._followers


class Program:
    """One flow, ready to run."""

    __slots__ = (
        "_behind",
        "answers",
        "awaits",
        "catch",
        "decisive",
        "events",
        "handlers",
        "joins",
        "joins_across",
        "ordered",
        "parts",
        "path",
        "segments",
        "starts",
        "straight",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.starts: tuple[Segment, ...] = ()
        self.segments: tuple[Segment, ...] = ()
        self.handlers: Mapping[str, Segment] = {}
        self.catch: Segment | None = None
        self.answers = False
        # whether any step gets the event itself, so that branches need events of their own
        self.events = False
        self.awaits = False
        # whether the starts are worth running side by side
        self.parts = False
        # whether anything runs side by side, so that events must know their place in the declared order
        self.ordered = False
        # the steps that join branches, and those of them without which there is no answer
        self.joins: tuple[BoundStep, ...] = ()
        self.decisive: frozenset[BoundStep] = frozenset()
        # the ids of the joins on the way to which a step may hold a part of an event back until another run
        self.joins_across: frozenset[int] = frozenset()
        self._behind: dict[str, frozenset[int]] = {}
        # the only segment, where there is no more to it than that
        self.straight: Segment | None = None

    def joins_behind(self, path: str) -> frozenset[int]:
        """Return the ids of the objects of those joins to which no way leads but through the step at a path."""
        found = self._behind.get(path)
        if found is None:
            closed = {id(segment) for segment in self.segments if segment.steps[-1].path == path}
            past = {id(segment.steps[0].object) for segment in _reached_from(self, self.starts, closed)}
            found = self._behind[path] = frozenset(id(join.object) for join in self.joins) - past
        return found


def make_program(
    plan: Plan, path: str, steps: Mapping[str, BoundStep], wait: Callable[[Any], Any] | None, traced: bool
) -> Program:
    """Return the program of one flow, nested flows included."""
    flow = plan.flows[path]
    program = Program(path)
    plain = not traced and wait is not None
    lines, starts = fold(flow, steps, plain)
    heads: dict[int, Segment] = {}
    tails: dict[int, Segment] = {}
    everything: list[Segment] = []
    for number, line in lines.items():
        segments = [_segment(plan, chunk, steps, wait, traced) for chunk in _chunks(line.items)]
        for before, after in pairwise(segments):
            before.next = (after,)
        heads[number], tails[number] = segments[0], segments[-1]
        everything += segments
    for number, line in lines.items():
        tails[number].next = tuple(heads[follower] for follower in line.next)
        tails[number].rank = line.rank
    program.starts = tuple(heads[number] for number in starts)
    _wire(program, flow, heads, everything)
    joins = {id(join.object) for join in program.joins}
    for segment in everything:
        segment.next = tuple(
            _hop(segment.steps[-1], target) if traced or id(target.steps[0].object) in joins else target
            for target in segment.next
        )
    return program


def _hop(source: BoundStep, target: Segment) -> Segment:
    """Return a segment that stands on an edge, and notes where the event comes from: for a record, and for joins."""

    def run(body: Any, event: Any, trace: Any) -> Any:
        # what an error handler sent on stands for the branch that failed, whichever way it took from there
        event._branch = source.path if event.error is None else None
        if trace is not None:
            trace.came(event, source)
        return body

    hop = Segment(target.steps, None)
    hop.run = run
    hop.emits = False
    hop.next = (target,)
    return hop


def _wire(program: Program, flow: FlowPlan, heads: Mapping[int, Segment], everything: list[Segment]) -> None:
    program.segments = tuple(everything)
    program.handlers = {step: heads[index] for step, index in flow.handlers.items()}
    program.catch = None if flow.catch is None else heads[flow.catch]
    program.answers = flow.answer is not None
    program.events = any(
        segment.sub.events if segment.sub is not None else any(step.wants_event for step in segment.steps)
        for segment in everything
    )
    _find_joins(program)
    program.awaits = any(_awaits(segment) for segment in everything)
    if program.awaits:
        leads = _leading_to([segment for segment in everything if _awaits(segment)], everything)
        for segment in everything:
            segment.parts = sum(id(follower) in leads for follower in segment.next) > 1
        program.parts = sum(id(start) in leads for start in program.starts) > 1
        program.ordered = program.parts or any(segment.parts for segment in everything)
    if len(everything) == 1 and not program.handlers and program.catch is None:
        (only,) = everything
        if only.run is not None and not only.emits and only.rank is not None and program.starts == (only,):
            program.straight = only


def _awaits(segment: Segment) -> bool:
    if segment.sub is not None:
        return segment.sub.awaits
    return any(step.is_async for step in segment.steps)


def _find_joins(program: Program) -> None:
    everything = program.segments
    alone = [segment for segment in everything if segment.emits and segment.sub is None]
    joins = [segment for segment in alone if hasattr(segment.steps[0].object, "give_up")]
    if not joins:
        return
    program.joins = tuple(segment.steps[0] for segment in joins)
    holders = [segment for segment in alone if segment not in joins and hasattr(segment.steps[0].object, "flush")]
    if holders:
        past = _reached_from(program, program.starts, {id(segment) for segment in holders})
        late = _reached_from(program, [follower for segment in holders for follower in segment.next], set())
        program.joins_across = frozenset(
            id(segment.steps[0].object) for segment in joins if segment in past and segment in late
        )
    if program.answers:
        ends = _leading_to([segment for segment in everything if segment.rank is not None], everything)
        program.decisive = frozenset(segment.steps[0] for segment in joins if id(segment) in ends)


def _reached_from(program: Program, starts: Iterable[Segment], closed: set[int]) -> set[Segment]:
    """Return the segments to which a way leads that passes none of the closed ones."""
    todo = [segment for segment in starts if id(segment) not in closed]
    found = set(todo)
    while todo:
        segment = todo.pop()
        handlers = (program.handlers.get(step.path) for step in segment.steps) if program.handlers else ()
        for follower in (*segment.next, *handlers, program.catch):
            if follower is not None and follower not in found and id(follower) not in closed:
                found.add(follower)
                todo.append(follower)
    return found


def _leading_to(wanted: list[Segment], everything: Sequence[Segment]) -> set[int]:
    """Return the ids of some segments, and of those from which they are reached."""
    before: dict[int, list[Segment]] = {}
    for segment in everything:
        for follower in segment.next:
            before.setdefault(id(follower), []).append(segment)
    todo = list(wanted)
    found = {id(segment) for segment in todo}
    while todo:
        for segment in before.get(id(todo.pop()), ()):
            if id(segment) not in found:
                found.add(id(segment))
                todo.append(segment)
    return found


def _chunks(line: list[BoundStep | Fork]) -> list[list[BoundStep | Fork]]:
    """Cut a line where a step emits or is a flow of its own, and where it grows too long."""
    chunks: list[list[BoundStep | Fork]] = []
    for step in line:
        alone = step.emits or step.kind == "flow"
        last = chunks[-1] if chunks else None
        if last is None or alone or last[-1].emits or last[-1].kind == "flow" or len(last) >= MOST_STEPS:
            chunks.append([step])
        else:
            last.append(step)
    return chunks


def _segment(
    plan: Plan, chunk: list[Any], steps: Mapping[str, BoundStep], wait: Callable[[Any], Any] | None, traced: bool
) -> Segment:
    if chunk[0].kind == "flow":
        return Segment(tuple(chunk), None, make_program(plan, chunk[0].path, steps, wait, traced))
    return Segment(tuple(chunk), fuse(chunk, wait, traced))
