"""streamz, driven synchronously: ``emit`` returns when the event has gone through."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from streamz import Stream
from workloads import ADDED_UP, BRANCHES, CHAINS, MERGED, Case, branch, inc, keyed_branch, merged, total


def versions() -> dict[str, str]:
    """What is measured."""
    return {"streamz": version("streamz")}


def chain(steps: int) -> Case:
    """``inc`` mapped ``steps`` times."""
    source = Stream()
    stream = source
    for _ in range(steps):
        stream = stream.map(inc)
    return _emitting(source, stream, 1 + steps)


def fan_out(branch_of: Callable[[int], Any], join: Callable[[Any], Any], expected: Any) -> Case:
    """Eight maps on one stream, zipped and joined."""
    source = Stream()
    first = source.map(inc)
    zipped = Stream.zip(*(first.map(branch_of(number)) for number in range(BRANCHES)))
    return _emitting(source, zipped.map(join), expected)


def _emitting(source: Any, end: Any, expected: Any) -> Case:
    answers: list[Any] = []
    end.sink(answers.append)

    def many(n: int) -> Any:
        for _ in range(n):
            source.emit(1)
        last = answers[-1]
        answers.clear()
        return last

    return Case(many=many, expected=expected)


CASES: dict[str, Callable[[], Case]] = {
    **{f"chain-{steps}": lambda steps=steps: chain(steps) for steps in CHAINS},
    "fan-out": lambda: fan_out(branch, total, ADDED_UP),
    "fan-out-by-key": lambda: fan_out(keyed_branch, merged, MERGED),
}
