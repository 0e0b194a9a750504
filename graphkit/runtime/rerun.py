"""What a replay from a step runs again, worked out from a record and the graph as it is now. Runs nothing itself.

A replay starts at one step, in one flow. All that the step leads to runs again; what it does not lead to is taken over
from the record. Where a step that runs again also got events from steps that do not (a join, above all), it gets those
events again, as they were recorded. Where the recorded run failed, what failed runs again too, and branches that it
never came to run now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from graphkit.core.errors import GraphError, choices, nearest
from graphkit.plan.compile import FlowPlan, Plan
from graphkit.plan.topology import join
from graphkit.runtime.carried import Carried
from graphkit.runtime.records import NOTHING_SENT, RunRecord, StepRecord
from graphkit.runtime.snapshot import Preview
from graphkit.spec.steps import Kind

#: Stands for the start of a flow where the step is named that an event comes from.
START = ""


class Arrival(msgspec.Struct, frozen=True):
    """An event that reaches a step; ``place`` is where it stands in the order of the run."""

    step: str
    source: str
    body: Any
    event: Carried
    place: int


class Level(msgspec.Struct, frozen=True):
    """What runs again in one flow.

    Attributes
    ----------
    flow
        Path of the flow.
    child
        The step that it begins with: the start of the replay, or the nested flow that holds it.
    again
        The steps that run again.
    arrivals
        The events that they get from outside, in order.
    kept
        The rank of the recorded answer, where a step gave it that does not run again.
    """

    flow: str
    child: str
    again: frozenset[str]
    arrivals: tuple[Arrival, ...]
    kept: int | None


def place_of(plan: Plan, start: str, run: RunRecord) -> list[tuple[str, str]]:
    """Return the flows from the root down to a step, each with the child that leads to it.

    A route is no place of its own: its router is. A router at the root is the whole graph: the list is empty.

    Raises
    ------
    GraphError
        If there is no such step, or it does not run in this function.
    """
    nodes = plan.topology.nodes
    root = nodes[""]
    if start == "" or (root.kind is Kind.ROUTER and start == root.name and start not in nodes):
        return []
    if start not in nodes:
        known = [path for path in nodes if path]
        raise GraphError(
            f"the graph has no step {start!r} to replay from; there is {choices(known)}{nearest(start, known)}",
            step=start,
        )
    if not plan.is_local(start):
        raise GraphError(f"step {start!r} runs in the function {nodes[start].function!r}, not in this one", step=start)
    if root.kind is Kind.ROUTER:
        return []
    chain: list[tuple[str, str]] = []
    flow, parts = "", start.split("/")
    for part in parts:
        child = join(flow, part)
        chain.append((flow, child))
        if child not in plan.flows:
            break
        flow = child
    return chain


def levels_of(plan: Plan, run: RunRecord, start: str, emitting: frozenset[str]) -> list[Level]:
    """Return what runs again, from the root flow inwards; an empty list stands for the whole run.

    Parameters
    ----------
    plan
        The graph as it is now.
    run
        The recorded run.
    start
        Path of the step to start from.
    emitting
        The steps that choose their followers themselves.

    Raises
    ------
    GraphError
        If there is no such step, or it cannot be replayed from; the message says why.
    """
    chain = place_of(plan, start, run)
    by_name: dict[str, list[tuple[int, StepRecord]]] = {}
    for place, record in enumerate(run.steps):
        by_name.setdefault(record.name, []).append((place, record))
    levels = []
    for depth, (flow, child) in enumerate(chain):
        times = len(by_name.get(child, ()))
        if not times:
            raise _did_not_run(child, run)
        if depth < len(chain) - 1 and times > 1:
            raise GraphError(
                f"the flow {child!r} ran {times} times in run {run.id}, so that {start!r} alone cannot be replayed; "
                f"replay from {child!r}",
                step=start,
            )
        failed = by_name[flow][0][1].error is not None if depth else run.status >= 300
        levels.append(_level(plan.flows[flow], child, by_name, failed, emitting, len(run.steps)))
    return levels


def _did_not_run(step: str, run: RunRecord) -> GraphError:
    ran = dict.fromkeys(record.name for record in run.steps)
    lost = f"; {run.dropped:,} further steps ran but were not recorded" if run.dropped else ""
    return GraphError(
        f"step {step!r} has no recorded input in run {run.id}, since it did not run; there is {choices(ran)}{lost}",
        step=step,
    )


def _level(
    flow: FlowPlan,
    child: str,
    by_name: Mapping[str, list[tuple[int, StepRecord]]],
    failed: bool,
    emitting: frozenset[str],
    end: int,
) -> Level:
    follow, sides = _edges(flow)
    again = _reached(child, follow, sides)
    if failed:
        # what made the flow fail has no result that could be taken over: it runs again as well
        for step in _steps(flow):
            broke = any(record.error is not None for _, record in by_name.get(step, ()))
            if broke and step not in again and child not in (beyond := _reached(step, follow, sides)):
                again |= beyond
    arrivals: list[Arrival] = []
    for step in _steps(flow):
        for place, record in by_name.get(step, ()):
            source = _source(record, flow.path)
            if step in again and (source not in again or step == child):
                arrivals.append(_arrival(step, source, record, place))
    if failed:
        arrivals += _never_reached(flow, follow, by_name, again, emitting, end)
    arrivals.sort(key=lambda arrival: arrival.place)
    return Level(flow.path, child, again, tuple(arrivals), None if failed else _kept_rank(flow, by_name, again))


def _steps(flow: FlowPlan) -> Iterable[str]:
    return dict.fromkeys(step for line in flow.lines for step in line.steps)


def _edges(flow: FlowPlan) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return where each step's events go, and where they go when it fails."""
    follow: dict[str, list[str]] = {START: [flow.lines[number].steps[0] for number in flow.starts]}
    for line in flow.lines:
        for before, after in pairwise(line.steps):
            follow[before] = [after]
        follow[line.steps[-1]] = [flow.lines[number].steps[0] for number in line.next]
    sides = {step: [flow.lines[number].steps[0]] for step, number in flow.handlers.items()}
    if flow.catch is not None:
        catch = flow.lines[flow.catch].steps[0]
        for step in list(follow):
            if step not in sides and step not in (START, catch):
                sides[step] = [catch]
    return follow, sides


def _reached(child: str, follow: Mapping[str, list[str]], sides: Mapping[str, list[str]]) -> frozenset[str]:
    found, todo = {child}, [child]
    while todo:
        step = todo.pop()
        for after in (*follow.get(step, ()), *sides.get(step, ())):
            if after not in found:
                found.add(after)
                todo.append(after)
    return frozenset(found)


def _source(record: StepRecord, flow: str) -> str:
    """Return the step of this flow that an event came from."""
    source = record.source
    if source is None and record.kind == Kind.ERROR and record.event is not None:
        source = record.event.origin_state
    if not source:
        return START
    below = source[len(flow) + 1 :] if flow else source
    return join(flow, below.partition("/")[0])


def _arrival(step: str, source: str, record: StepRecord, place: int) -> Arrival:
    if record.event is None:
        raise GraphError(f"the event that reached step {step!r} was not recorded", step=step)
    return Arrival(step, source, record.body, record.event, place)


def _never_reached(
    flow: FlowPlan,
    follow: Mapping[str, list[str]],
    by_name: Mapping[str, list[tuple[int, StepRecord]]],
    again: frozenset[str],
    emitting: frozenset[str],
    place: int,
) -> list[Arrival]:
    """Return the events for branches that a run which failed never came to; all branches get the same body."""
    found: list[Arrival] = []
    for source, targets in follow.items():
        if len(targets) < 2 or source in again or source in emitting:
            continue
        seen = {
            target: record
            for target in targets
            for _, record in by_name.get(target, ())
            if _source(record, flow.path) == source
        }
        if not seen:
            continue
        known = next(iter(seen.values()))
        for number, target in enumerate(targets):
            if target not in seen:
                arrival = _arrival(target, source, known, place + len(found))
                order = arrival.event.order
                if order:
                    carried = msgspec.structs.replace(arrival.event, order=(*order[:-1], number))
                    arrival = msgspec.structs.replace(arrival, event=carried)
                found.append(arrival)
    return found


def _kept_rank(
    flow: FlowPlan, by_name: Mapping[str, list[tuple[int, StepRecord]]], again: frozenset[str]
) -> int | None:
    reached: list[tuple[int, tuple[int, ...], int, str]] = []
    for line in flow.lines:
        last = line.steps[-1]
        if line.rank is not None:
            reached += (
                (line.rank, record.event.order if record.event is not None else (), place, last)
                for place, record in by_name.get(last, ())
                if _gave_something(record)
            )
    if not reached:
        return None
    rank, _, _, step = min(reached)
    return None if step in again else rank


def _gave_something(record: StepRecord) -> bool:
    dropped = isinstance(record.output, Preview) and record.output.type == NOTHING_SENT
    return record.error is None and not dropped


def merged_steps(run: RunRecord, levels: list[Level], new: tuple[StepRecord, ...]) -> tuple[StepRecord, ...]:
    """Return the records of a replay: those of the steps that ran, among those that were taken over."""
    ancestors = {level.child: index for index, level in enumerate(levels[:-1])}
    merged: list[StepRecord] = []
    rest = new[len(ancestors) :]
    placed = False
    for record in run.steps:
        if record.name in ancestors:
            merged += new[ancestors[record.name] : ancestors[record.name] + 1]
        elif _is_taken(record.name, levels):
            merged.append(msgspec.structs.replace(record, replayed=True))
        elif not placed:
            placed = True
            merged += rest
    return tuple(merged if placed else [*merged, *rest])


def _is_taken(name: str, levels: list[Level]) -> bool:
    for level in levels:
        below = name[len(level.flow) + 1 :] if level.flow else name
        child = join(level.flow, below.partition("/")[0])
        if child not in level.again:
            return True
        if child != level.child:
            return False
    return False
