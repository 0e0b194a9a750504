"""Copies of bodies for branches: what is copied, what is shared, and what cannot be."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import threading
import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.core.copying import branch_copies, branch_copy, copies, plain_copy


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: list


class Stubborn:
    def __deepcopy__(self, memo):
        raise RuntimeError("not me")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = st.integers() | st.text(max_size=3) | st.tuples(st.integers())
BODIES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=10,
)


def containers(value):
    """Return every list, dict and set in a value."""
    found, todo = [], [value]
    while todo:
        item = todo.pop()
        if isinstance(item, (list, dict, set)):
            found.append(item)
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, (list, tuple, set)):
            todo += item
    return found


@given(BODIES)
def test_a_copy_is_equal_and_shares_no_container(body):
    for made in (branch_copy(body), *copies(body, 2), branch_copies(body, 2)[1]):
        assert made == body
        assert type(made) is type(body)
        own = {id(item) for item in containers(body)}
        assert not own & {id(item) for item in containers(made)}


@given(BODIES)
def test_copies_share_no_container_with_one_another(body):
    one, two, three = copies(body, 3)
    assert one == two == three == body
    ids = [{id(item) for item in containers(made)} for made in (one, two, three)]
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_the_first_branch_keeps_the_body():
    body = {"a": [1]}
    first, second, third = branch_copies(body, 3)
    assert first is body
    assert second == third == body
    assert second["a"] is not third["a"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        2**100,
        1.5,
        1j,
        "x",
        b"x",
        ...,
        range(3),
        dt.datetime(2026, 11, 22),
        dt.timedelta(1),
        decimal.Decimal(1),
        uuid.UUID(int=1),
        len,
        containers,
        Point,
        Colour.RED,
        np.zeros(3),
        np.float64(1),
        pd.DataFrame({"a": [1]}),
        pd.Series([1]),
        pd.Timestamp("2026-11-22"),
    ],
)
def test_immutable_values_arrays_and_tables_are_shared(value):
    assert branch_copy(value) is value
    assert branch_copy({"a": [value]})["a"][0] is value
    assert all(made is value for made in copies(value, 3))
    assert all(made["a"] is value for made in copies({"a": value}, 3))


@pytest.mark.parametrize(
    "value",
    [
        bytearray(b"x"),
        collections.OrderedDict(a=[1]),
        collections.defaultdict(list, a=[1]),
        collections.deque([[1]]),
        collections.Counter("aab"),
        Point([1]),
    ],
)
def test_other_objects_are_copied_as_they_wish(value):
    made = branch_copy({"a": value})["a"]
    assert made == value
    assert type(made) is type(value)
    assert made is not value


def test_an_objects_own_containers_are_copied():
    point = Point([1])
    made = branch_copy(point)
    made.x.append(2)
    assert point.x == [1]


@pytest.mark.parametrize("several", [1, 2])
def test_what_stands_in_two_places_stands_in_two_places_of_the_copy(several):
    inner = [1]
    body = {"a": inner, "b": {"c": inner}, "d": (inner, Point(inner))}
    for made in copies(body, several):
        assert made["a"] is made["b"]["c"] is made["d"][0] is made["d"][1].x
        assert made["a"] is not inner


@pytest.mark.parametrize("several", [1, 2])
def test_a_body_that_contains_itself_is_copied(several):
    body = {"a": []}
    body["a"].append(body)
    body["me"] = body
    for made in copies(body, several):
        assert made is not body
        assert made["me"] is made
        assert made["a"][0] is made


def test_keys_that_are_no_texts_are_kept():
    body = {1: [1], (2, 3): {None: [2]}, dt.date(2026, 1, 1): "x"}
    for made in copies(body, 2):
        assert made == body
        assert [type(key) for key in made] == [int, tuple, dt.date]


@pytest.mark.parametrize("several", [1, 2, 3])
def test_odd_numbers_and_texts_are_kept(several):
    body = {"big": 2**100, "inf": float("inf"), "odd": "\ud800", "empty": [], "none": None}
    assert copies(body, several) == [body] * several


def test_no_copies_are_no_copies():
    assert copies({"a": 1}, 0) == []
    assert branch_copies({"a": 1}, 1) == [{"a": 1}]


@pytest.mark.parametrize("body", [threading.Lock(), {"a": [threading.Lock()]}, (x for x in [1]), [Stubborn()]])
@pytest.mark.parametrize("several", [1, 2])
def test_what_cannot_be_copied_is_an_error_that_names_it(body, several):
    with pytest.raises(
        TypeError, match=r"the body holds a (lock|generator|Stubborn), which cannot be copied"
    ) as caught:
        copies(body, several)
    assert caught.value.__cause__ is not None


def test_a_body_that_is_nested_too_deeply_is_an_error():
    body = []
    for _ in range(100_000):
        body = [body]
    with pytest.raises(TypeError, match="nested too deeply"):
        branch_copy(body)
    with pytest.raises(TypeError, match="nested too deeply"):
        copies(body, 2)
    while body:  # taken apart from the outside: freeing it all at once would go as deep
        body = body[0]


def test_a_plain_copy_shares_objects_and_keeps_what_stands_in_two_places_one() -> None:
    thing, shared = object(), [1]
    body = {"thing": thing, "a": shared, "b": shared, "pair": (1, [2]), "set": {3}}
    made = plain_copy(body)
    assert made == body
    assert made["thing"] is thing
    assert made["a"] is made["b"]
    assert not any(made[key] is body[key] for key in ("a", "pair", "set"))
    assert plain_copy((1, "x")) == (1, "x")


def test_a_plain_copy_of_what_contains_itself_contains_itself() -> None:
    body: list[object] = [{1: 2}]
    body.append(body)
    made = plain_copy(body)
    assert made is not body
    assert made[1] is made


def test_what_nests_too_deeply_for_a_copy_is_taken_as_it_is() -> None:
    body: list[object] = []
    for _ in range(100_000):
        body = [body]
    assert plain_copy(body) is body
