"""storey, the engine under mlrun's async graphs, used directly, without mlrun's steps around it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from storey import Complete, Map, SyncEmitSource, build_flow
from workloads import CHAINS, Case, inc, nap


def versions() -> dict[str, str]:
    """What is measured."""
    return {"storey": version("storey")}


def chain(steps: int, function: Callable[..., Any] = inc) -> Case:
    """One event after the other; the caller waits for each answer."""
    source = build_flow([SyncEmitSource(), *(Map(function) for _ in range(steps)), Complete()]).run()

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = source.emit(1, return_awaitable_result=True).await_result()
        return answer

    def close() -> None:
        source.terminate()
        source.await_termination()

    return Case(many=many, expected=1 + steps, close=close)


CASES: dict[str, Callable[[], Case]] = {
    **{f"chain-{steps}-async": lambda steps=steps: chain(steps) for steps in CHAINS},
    **{f"async-suspends-{steps}": lambda steps=steps: chain(steps, nap) for steps in (10, 100)},
}
