"""No engine at all: the functions called one after the other, as one would write it by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from workloads import ADDED_UP, BRANCHES, CHAINS, MERGED, Case, ainc, branch, inc, keyed_branch, merged, total


def chain(steps: int) -> Case:
    """``inc`` called ``steps`` times, written out."""
    composed = _written_out("def composed(x):\n" + "    x = inc(x)\n" * steps + "    return x\n")

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = composed(1)
        return answer

    return Case(many=many, expected=1 + steps)


def async_chain(steps: int) -> Case:
    """``await ainc`` called ``steps`` times, written out, on a running loop."""
    composed = _written_out("async def composed(x):\n" + "    x = await inc(x)\n" * steps + "    return x\n", ainc)

    async def loop(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = await composed(1)
        return answer

    runner = asyncio.new_event_loop()
    return Case(many=lambda n: runner.run_until_complete(loop(n)), expected=1 + steps, close=runner.close)


def fan_out() -> Case:
    """One function, eight on its result, their results added up."""
    b0, b1, b2, b3, b4, b5, b6, b7 = (branch(number) for number in range(BRANCHES))

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            x = inc(1)
            answer = total((b0(x), b1(x), b2(x), b3(x), b4(x), b5(x), b6(x), b7(x)))
        return answer

    return Case(many=many, expected=ADDED_UP)


def keyed_fan_out() -> Case:
    """One function, eight on its result, their results merged by key."""
    k0, k1, k2, k3, k4, k5, k6, k7 = (keyed_branch(number) for number in range(BRANCHES))

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            x = inc(1)
            answer = merged((k0(x), k1(x), k2(x), k3(x), k4(x), k5(x), k6(x), k7(x)))
        return answer

    return Case(many=many, expected=MERGED)


def _written_out(source: str, function: Callable[..., Any] = inc) -> Any:
    names: dict[str, Any] = {"inc": function}
    exec(source, names)
    return names["composed"]


CASES: dict[str, Callable[[], Case]] = {
    **{f"chain-{steps}": lambda steps=steps: chain(steps) for steps in CHAINS},
    "async-never-suspends-100": lambda: async_chain(100),
    "fan-out": fan_out,
    "fan-out-by-key": keyed_fan_out,
}
