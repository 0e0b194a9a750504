"""Loops in a graph: linear and iterative, so that no graph is too large or too deep for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

Links = Mapping[str, list[str]]


def find_cycles(heads: Links, paths: list[str]) -> Iterator[list[str]]:
    """Yield a loop of every knot of loops: its steps in order, beginning with the one that was declared first.

    Parameters
    ----------
    heads
        The steps that each step leads to.
    paths
        All steps, in declared order.

    Examples
    --------
    >>> list(find_cycles({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["d"]}, ["a", "b", "c", "d"]))
    [['a', 'b', 'c'], ['d']]
    """
    left = _looping(heads, paths)
    if not left:
        return
    inner = {path: [head for head in heads.get(path, ()) if head in left] for path in paths if path in left}
    tails: dict[str, list[str]] = {path: [] for path in inner}
    for path, targets in inner.items():
        for head in targets:
            tails[head].append(path)
    order = {path: index for index, path in enumerate(paths)}
    for knot in sorted(_knots(inner, tails), key=lambda knot: min(order[path] for path in knot)):
        members = set(knot)
        if len(knot) > 1 or knot[0] in inner[knot[0]]:
            cycle = _cycle_in(members, min(knot, key=order.__getitem__), tails)
            first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
            yield [*cycle[first:], *cycle[:first]]


def _looping(heads: Links, paths: list[str]) -> set[str]:
    """Return the steps that lie on a loop or behind one: those that Kahn's algorithm cannot put in order."""
    waiting = dict.fromkeys(paths, 0)
    for targets in heads.values():
        for head in targets:
            waiting[head] += 1
    ready = deque(path for path, count in waiting.items() if not count)
    while ready:
        path = ready.popleft()
        del waiting[path]
        for head in heads.get(path, ()):
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return set(waiting)


def _knots(heads: Links, tails: Links) -> Iterator[list[str]]:
    """Yield the strongly connected components, by Kosaraju's algorithm."""
    finished: list[str] = []
    seen: set[str] = set()
    for start in heads:
        if start in seen:
            continue
        seen.add(start)
        walk = [(start, iter(heads[start]))]
        while walk:
            path, ahead = walk[-1]
            head = next((head for head in ahead if head not in seen), None)
            if head is None:
                finished.append(path)
                walk.pop()
            else:
                seen.add(head)
                walk.append((head, iter(heads[head])))
    taken: set[str] = set()
    for start in reversed(finished):
        if start in taken:
            continue
        taken.add(start)
        knot = [start]
        for path in knot:  # grows while it is walked
            new = [tail for tail in dict.fromkeys(tails[path]) if tail not in taken]
            taken.update(new)
            knot += new
        yield knot


def _cycle_in(members: set[str], start: str, tails: Links) -> list[str]:
    """Return a loop within a knot: walking backwards inside of it always ends up on one."""
    walk: dict[str, int] = {}
    path = start
    while path not in walk:
        walk[path] = len(walk)
        path = next(tail for tail in tails[path] if tail in members)
    return [step for step, at in walk.items() if at >= walk[path]][::-1]
