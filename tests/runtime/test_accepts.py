"""Which types conflict, and that in doubt none do."""

from __future__ import annotations

import collections.abc
import decimal
import enum
from abc import ABC
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from graphkit.runtime.accepts import conflict, missing_at

T = TypeVar("T")


class Cat: ...


class Kitten(Cat): ...


class Dog: ...


class Animal(ABC): ...  # noqa: B024


class Sized(Protocol):
    def size(self) -> int: ...


class Row(TypedDict):
    name: str
    count: int


class More(Row):
    extra: float


class Loose(TypedDict, total=False):
    name: str
    other: str


class Wrong(TypedDict):
    name: int


class Point(NamedTuple):
    x: int
    y: int


class Color(enum.Enum):
    RED = 1


FIT = [
    (int, int),
    (bool, int),
    (int, float),
    (float, int),  # what is written as int is often a number
    (np.float32, float),
    (int, np.int64),
    (decimal.Decimal, float),
    (Kitten, Cat),
    (Cat, Kitten),  # it may be one
    (dict, OrderedDict),
    (str, str | None),
    (str | None, str),  # it may be a text
    (int | str, str),
    (int, Any),
    (Any, int),
    (object, int),
    (int, T),
    (list, list[int]),
    (list[int], list),
    (list[int], list[float]),
    (list[int], Sequence[int]),
    (list[Any], list[int]),
    (list[T], list[int]),
    (dict[str, int], Mapping[str, float]),
    (dict, Row),
    (Row, dict),
    (Row, Mapping[str, Any]),
    (More, Row),
    (Row, Loose),
    (Point, tuple),
    (tuple[int, str], tuple[int, ...] | tuple[int, str]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], Sequence[int]),
    (str, Sequence[str]),
    (str, Iterable[int]),
    (np.ndarray, Sequence),  # it has the methods without saying so
    (pd.DataFrame, Mapping),
    (npt.NDArray[np.float64], np.ndarray),
    (list, npt.ArrayLike),
    (Cat, Animal),
    (Cat, Sized),
    (Cat, Callable),
    (BaseEstimator, ClassifierMixin),  # classifiers are both
    (type(None), int | None),
    (ClassifierMixin, LogisticRegression),
    (int, "a text"),
    (list[list[list[list[int]]]], list[list[list[list[str]]]]),  # too deep to matter
]

CONFLICT = [
    (int, str, "int, not str"),
    (str, bytes, "str, not bytes"),
    (type(None), dict, "None, not dict"),
    (list, dict, "list, not dict"),
    (list, np.ndarray, "list, not ndarray"),
    (np.ndarray, pd.DataFrame, "ndarray, not DataFrame"),
    (pd.DataFrame, pd.Series, "DataFrame, not Series"),
    (pd.DataFrame, list[int], "DataFrame, not list[int]"),
    (Cat, Dog, "Cat, not Dog"),
    (Cat, dict, "Cat, not dict"),
    (Color, str, "Color, not str"),
    (int, Iterable, "int, not Iterable"),
    (int, Mapping[str, int], "int, not Mapping[str, int]"),
    (float, Callable, "float, not Callable"),
    (list[int], list[str], "list[int], not list[str]"),
    (list[str], Sequence[dict], "list[str], not Sequence[dict]"),
    (dict[str, int], dict[str, str], "dict[str, int], not dict[str, str]"),
    (tuple[int, int], tuple[int, int, int], "tuple[int, int], not tuple[int, int, int]"),
    (tuple[str, ...], Sequence[dict], "tuple[str, ...], not Sequence[dict]"),
    (int | str, dict | list, "int | str, not dict | list"),
    (int | None, str, "int | None, not str"),
    (Loose, Row, "Loose, which has no 'count'"),
    (Wrong, Loose, "Wrong, whose 'name' is int, not str"),
    (Row, list, "Row, not list"),
]


@pytest.mark.parametrize(("given", "wanted"), FIT)
def test_what_may_fit_is_not_told(given: Any, wanted: Any) -> None:
    assert conflict(given, wanted) == ""


@pytest.mark.parametrize(("given", "wanted", "reason"), CONFLICT)
def test_what_conflicts_is_told(given: Any, wanted: Any, reason: str) -> None:
    assert conflict(given, wanted) == reason


def classes_of_a_cell() -> tuple[Any, Any, Any]:
    """Return a class and a subclass of it as a cell makes them, and the class as the cell makes it again."""
    scopes: list[dict[str, Any]] = [{"__name__": "__main__"}, {"__name__": "__main__"}]
    for scope in scopes:
        exec("class Row: ...\nclass Sub(Row): ...", scope)
    return scopes[0]["Row"], scopes[0]["Sub"], scopes[1]["Row"]


def test_a_class_whose_cell_was_run_again_is_the_same() -> None:
    old, sub, new = classes_of_a_cell()
    assert old is not new
    assert [conflict(old, new), conflict(new, old), conflict(sub, new), conflict(new, sub)] == [""] * 4
    assert conflict(list[old], list[new]) == ""  # type: ignore[valid-type]


def test_classes_of_one_name_are_told_with_their_packages() -> None:
    other = type("DataFrame", (), {"__module__": "polars.frame"})
    assert conflict(other, pd.DataFrame) == "polars.DataFrame, not pandas.DataFrame"


@pytest.mark.parametrize(
    ("given", "path", "reason", "found"),
    [
        (int, "a", "int, in which there is no 'a'", Any),
        (type(None), "a", "None, in which there is no 'a'", Any),
        (Row, "name", "", str),
        (Row, "nam", "Row, in which there is no 'nam'", Any),
        (Row, "name.x", "str, in which there is no 'x'", Any),
        (dict[str, dict[str, int]], "a.b", "", int),
        (dict[str, int], "a.b", "int, in which there is no 'b'", Any),
        (dict, "a", "", Any),
        (list[int], "0", "", Any),
        (Cat, "a", "", Any),
        (Row | None, "name", "", Any),
        (int | str, "name", "int, in which there is no 'name'", Any),
        (Any, "a", "", Any),
    ],
)
def test_what_stands_at_a_path(given: Any, path: str, reason: str, found: Any) -> None:
    assert missing_at(given, path) == (reason, found)


def test_a_class_that_refuses_to_be_asked_is_not_told() -> None:
    class Meta(type):
        def __subclasscheck__(cls, other: Any) -> bool:
            raise RuntimeError("do not ask")

    class Refusing(metaclass=Meta): ...

    assert conflict(collections.abc.Sized, Cat) == ""
    with pytest.raises(RuntimeError):
        issubclass(int, Refusing)
