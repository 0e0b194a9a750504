"""What is measured: the same functions, bodies and expected answers for every side.

Standard library only: each side imports this in an environment of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CHAINS = (3, 10, 100)
BRANCHES = 8
ROUTES = (10, 1000)
MEMBERS = 4
LONGEST_BOTH_BUILD = 900  # at 1,000 steps mlrun stops with a RecursionError
LONGEST = 4500

_random = random.Random(20)
#: What the ensemble is asked: one number, as in the other workloads, or a small table.
SAMPLES: dict[str, list[Any]] = {
    "number": [7],
    "table": [[_random.randrange(10) for _ in range(4)] for _ in range(25)],
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One workload on one side.

    ``many(n)`` runs ``n`` events one after the other and returns the last answer, which must equal ``expected``; the
    loop is the side's own, so that no call of the harness stands between two events.
    """

    many: Callable[[int], Any]
    expected: Any
    close: Callable[[], Any] = lambda: None


def inc(x):  # type: ignore[no-untyped-def]
    """A step that does next to nothing, so that what is measured is the engine."""
    return x + 1


async def ainc(x):  # type: ignore[no-untyped-def]
    """The same, declared async; it never suspends."""
    return x + 1


async def nap(x):  # type: ignore[no-untyped-def]
    """The same, giving way to the event loop once."""
    await asyncio.sleep(0)
    return x + 1


def branch(number: int) -> Callable[[int], int]:
    """Return the function of one branch of a fan-out whose results are added up."""

    def run(x: int) -> int:
        return x + number

    run.__name__ = run.__qualname__ = f"b{number}"
    return run


def keyed_branch(number: int) -> Callable[[int], dict[str, int]]:
    """Return the function of one branch of a fan-out whose results are merged by key."""
    key = f"k{number}"

    def run(x: int) -> dict[str, int]:
        return {key: x + number}

    run.__name__ = run.__qualname__ = key
    return run


def total(parts: Any) -> int:
    """Join numbers."""
    return sum(parts)


def merged(parts: Any) -> dict[str, int]:
    """Join dicts."""
    body: dict[str, int] = {}
    for part in parts:
        body.update(part)
    return body


ADDED_UP = sum(2 + number for number in range(BRANCHES))
MERGED = {f"k{number}": 2 + number for number in range(BRANCHES)}


def double(inputs: list[int]) -> list[int]:
    """What every model behind the router predicts."""
    return [2 * x for x in inputs]


def classify(inputs: list[Any], member: int) -> list[int]:
    """What one member of the ensemble predicts: the class of each sample."""
    off = member == 0
    return [((row if isinstance(row, int) else row[0]) + off) % 3 for row in inputs]


#: Member 0 is always off by one, and outvoted by the other three.
VOTED = {name: classify(inputs, member=1) for name, inputs in SAMPLES.items()}
