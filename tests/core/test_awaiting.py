"""Values that may have to be awaited."""

import asyncio

import pytest

from graphkit.core.awaiting import is_awaitable, then


async def later(value):
    return value


@pytest.mark.parametrize("value", [None, 1, "x", [1], {"a": 1}, object(), (x for x in [1])])
def test_plain_values_are_not_awaitable(value):
    assert not is_awaitable(value)


def test_coroutines_and_whatever_has_await_are_awaitable():
    class Own:
        def __await__(self):
            return iter(())

    coroutine = later(1)
    assert is_awaitable(coroutine)
    assert is_awaitable(Own())
    coroutine.close()


def test_what_follows_a_plain_value_comes_at_once():
    assert then(2, lambda x: x + 1) == 3


@pytest.mark.parametrize("go_on", [lambda x: x + 1, lambda x: later(x + 1)])
def test_what_follows_an_awaitable_is_awaited_too(go_on):
    assert asyncio.run(then(later(2), go_on)) == 3


def test_an_async_follower_of_a_plain_value_is_left_to_the_caller():
    assert asyncio.run(then(2, later)) == 2
