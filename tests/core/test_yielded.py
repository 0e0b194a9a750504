"""Generators, plain and async: gathered, changed on their way, and always closed."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from graphkit.core.yielded import collected, gathered, is_stream, mapped


class Source:
    """Yields numbers in either way, and notes when it is closed."""

    def __init__(self, to: int = 3, fail_at: int = -1) -> None:
        self.to = to
        self.fail_at = fail_at
        self.closed = False

    def plain(self) -> Iterator[int]:
        try:
            for number in range(self.to):
                if number == self.fail_at:
                    raise ValueError("no more")
                yield number
        finally:
            self.closed = True

    async def later(self) -> AsyncIterator[int]:
        try:
            for number in range(self.to):
                await asyncio.sleep(0)
                if number == self.fail_at:
                    raise ValueError("no more")
                yield number
        finally:
            self.closed = True


def all_of(stream: Any) -> Any:
    async def wait() -> Any:
        return await collected(stream)

    return collected(stream) if isinstance(stream, types.GeneratorType) else asyncio.run(wait())


KINDS = pytest.mark.parametrize("kind", ["plain", "later"])


@KINDS
def test_all_chunks_are_a_list(kind: str) -> None:
    source = Source()
    assert all_of(getattr(source, kind)()) == [0, 1, 2]
    assert source.closed


@KINDS
def test_chunks_are_changed_on_their_way(kind: str) -> None:
    ends: list[Any] = []
    source = Source()
    assert all_of(mapped(getattr(source, kind)(), str, ended=ends.append)) == ["0", "1", "2"]
    assert (source.closed, ends) == (True, [None])


@KINDS
def test_a_failure_is_told_as_one_likes(kind: str) -> None:
    ends: list[Any] = []
    stream = mapped(getattr(Source(fail_at=1), kind)(), str, lambda exc: KeyError(f"told: {exc}"), ends.append)
    with pytest.raises(KeyError, match="told: no more") as caught:
        all_of(stream)
    assert isinstance(caught.value.__cause__, ValueError)
    assert [str(end) for end in ends] == ["no more"]


@KINDS
def test_a_change_that_fails_closes_the_source(kind: str) -> None:
    source = Source()
    with pytest.raises(ZeroDivisionError):
        all_of(mapped(getattr(source, kind)(), lambda number: 1 // number))
    assert source.closed


@KINDS
def test_whoever_has_enough_closes_the_source(kind: str) -> None:
    ends: list[Any] = []
    source = Source()
    stream = mapped(getattr(source, kind)(), str, lambda exc: exc, ends.append)

    async def take_one() -> str:
        first: str = await anext(stream)
        await stream.aclose()
        return first

    if kind == "plain":
        assert next(stream) == "0"
        stream.close()
    else:
        assert asyncio.run(take_one()) == "0"
    assert source.closed
    assert [type(end) for end in ends] == [GeneratorExit]


def test_what_a_change_awaits_is_awaited() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    assert all_of(mapped(Source().later(), double)) == [0, 2, 4]


def test_a_coroutine_that_returns_a_generator_is_gathered() -> None:
    async def ask(kind: str) -> Any:
        return getattr(Source(2), kind)()

    for kind in ("plain", "later"):
        assert asyncio.run(gathered(ask(kind))) == [0, 1]
    assert asyncio.run(gathered([1])) == [1]


def test_a_coroutine_of_the_old_kind_is_no_stream() -> None:
    @types.coroutine
    def old() -> Iterator[None]:
        yield

    waiting = old()
    assert not is_stream(waiting)
    waiting.close()
