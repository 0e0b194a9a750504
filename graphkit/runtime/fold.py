"""Branches that part and meet again at once, folded into the straight run around them.

Where a fan-out's branches are straight lines of plain steps that all end in one join, and the join waits for just
these, nothing can come in between: the branches are called one after the other and their bodies joined on the spot,
without a token, an event or a look-up for each. What a caller can see is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from graphkit.plan.compile import FlowPlan
from graphkit.runtime.bound import BoundStep


class Fork:
    """Branches and their join, as one item of a line. It has as much of a step's face as a segment looks at."""

    __slots__ = ("branches", "join", "kind", "name", "object", "path", "source", "wants_event")
    emits = False
    is_async = False

    def __init__(self, branches: tuple[tuple[BoundStep, ...], ...], join: BoundStep, source: str) -> None:
        self.branches = branches
        self.join = join
        # the step whose followers part, for messages
        self.source = source
        # the join may give an event of its own; whether any later step looks at it is known in the end
        self.wants_event = False
        self.kind = "fork"
        self.name = branches[0][0].name
        self.path = join.path
        self.object = None

    @property
    def steps(self) -> tuple[BoundStep, ...]:
        """All steps, in the order in which they are called."""
        return (*(step for branch in self.branches for step in branch), self.join)


class Run(msgspec.Struct):
    """A line as it is folded: steps and forks, and where it leads."""

    items: list[BoundStep | Fork]
    next: tuple[int, ...]
    rank: int | None


def fold(flow: FlowPlan, steps: Mapping[str, BoundStep], plain: bool) -> tuple[dict[int, Run], tuple[int, ...]]:
    """Return the lines of a flow by number, folded where that can be done, and the lines that start it.

    ``plain`` says that the flow neither awaits nor is recorded; otherwise branches stay as they are.
    """
    lines = {
        number: Run([steps[path] for path in line.steps], line.next, line.rank)
        for number, line in enumerate(flow.lines)
    }
    starts = flow.starts
    if not plain or flow.handlers or flow.catch is not None:
        return lines, starts
    starts = _fold_all(lines, starts)
    left = [item for line in lines.values() for item in line.items]
    if any(item.wants_event or item.kind == "flow" for item in left):
        for item in left:
            if isinstance(item, Fork):
                item.wants_event = True
    return lines, starts


def _fold_all(lines: dict[int, Run], starts: tuple[int, ...]) -> tuple[int, ...]:
    before: dict[int, set[int]] = {number: set() for number in lines}
    for number, line in lines.items():
        for follower in line.next:
            before[follower].add(number)
    for number in list(lines):
        # a step that emits may choose among the branches; one that answers does so before they go on
        while number in lines and not lines[number].items[-1].emits and lines[number].rank is None:
            join = _join_of(lines, lines[number].next, {number}, before)
            if join is None:
                break
            _absorb(lines, number, join, before)
    if len(starts) > 1 and (join := _join_of(lines, starts, set(), before)) is not None:
        fork = _fork(lines, starts, join, "")
        for branch in starts:
            del lines[branch]
        lines[join].items[0] = fork
        starts = (join,)
    return starts


def _join_of(
    lines: dict[int, Run], branches: tuple[int, ...], owner: set[int], before: dict[int, set[int]]
) -> int | None:
    """Return the line at which all branches meet, if they do so at once."""
    if len(branches) < 2 or any(lines[branch].rank is not None for branch in branches):
        return None
    meets = {lines[branch].next for branch in branches}
    if len(meets) != 1 or len(target := next(iter(meets))) != 1:
        return None
    (join,) = target
    if join in branches or before[join] != set(branches) or any(before[branch] != owner for branch in branches):
        return None
    if not all(_is_plain(item) for branch in branches for item in lines[branch].items):
        return None
    first = lines[join].items[0]
    if not isinstance(first, BoundStep) or first.get is not None or first.put is not None:
        return None
    return join if getattr(first.object, "joins_branches", None) == len(branches) else None


def _is_plain(item: BoundStep | Fork) -> bool:
    # a fork within a branch is left to the general way: such nests are rare
    return isinstance(item, BoundStep) and not (
        item.wants_event or item.emits or item.is_async or item.kind in ("flow", "queue")
    )


def _fork(lines: dict[int, Run], branches: tuple[int, ...], join: int, source: str) -> Fork:
    runs = tuple(tuple(item for item in lines[branch].items if isinstance(item, BoundStep)) for branch in branches)
    first = lines[join].items[0]
    assert isinstance(first, BoundStep)
    return Fork(runs, first, source)


def _absorb(lines: dict[int, Run], number: int, join: int, before: dict[int, set[int]]) -> None:
    """Take the branches of a line, their join and what follows it into the line."""
    line, branches = lines[number], lines[number].next
    line.items += [_fork(lines, branches, join, line.items[-1].path), *lines[join].items[1:]]
    line.next, line.rank = lines[join].next, lines[join].rank
    for follower in line.next:
        before[follower] = (before[follower] - {join}) | {number}
    for gone in (*branches, join):
        del lines[gone]
