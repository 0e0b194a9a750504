"""Reading annotations without failing."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, Protocol, TypeVar, Union, get_origin

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from typing_extensions import TypeAliasType

from graphkit.runtime.hints import UNKNOWN, alternatives, returned, said, taken

if TYPE_CHECKING:
    from nowhere import Missing

T = TypeVar("T")
UserId = NewType("UserId", int)


def plain(x: int) -> str: ...
async def awaited(x: int) -> str: ...
def gives_awaitable(x: Any) -> Awaitable[str]: ...
def bare(x): ...  # type: ignore[no-untyped-def]
def broken(x: Missing, y: int = 0) -> int: ...
def half_broken(x: int) -> Missing: ...
def generator(x: int) -> Iterator[int]:
    yield x


async def async_generator(x: int) -> AsyncIterator[int]:
    yield x


def many(*rows: int) -> None: ...
def keywords(**rows: int) -> None: ...
def only_keyword(*, row: int) -> None: ...
def no_argument() -> int: ...
def with_context(context: int) -> int: ...
def two(first: str, second: int) -> float: ...
@functools.wraps(plain)
def decorated(*args: Any) -> Any: ...
@functools.lru_cache
def cached(x: int) -> str: ...
def lies(x: "1 / 0", y: int = 0) -> "].[": ...  # type: ignore  # noqa: F722, UP037, PGH003


class Caller:
    def __call__(self, x: bytes) -> list[int]: ...

    def method(self, x: str) -> int: ...

    @staticmethod
    def static(x: str) -> int: ...


class Odd:
    def __new__(cls, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("call", "given", "wanted"),
    [
        (plain, str, int),
        (awaited, str, int),
        (gives_awaitable, str, Any),
        (bare, UNKNOWN, UNKNOWN),
        (broken, int, UNKNOWN),
        (half_broken, UNKNOWN, int),
        (generator, UNKNOWN, int),
        (async_generator, UNKNOWN, int),
        (many, type(None), int),
        (keywords, type(None), UNKNOWN),
        (only_keyword, type(None), UNKNOWN),
        (no_argument, int, UNKNOWN),
        (with_context, int, UNKNOWN),
        (functools.partial(two, "x"), float, int),
        (functools.partial(two, second=1), float, str),
        (decorated, UNKNOWN, UNKNOWN),
        (cached, str, int),
        (lies, UNKNOWN, UNKNOWN),
        (Caller(), list[int], bytes),
        (Caller().method, int, str),
        (str, str, UNKNOWN),
        (Odd, UNKNOWN, UNKNOWN),
        (len, int, UNKNOWN),
        (print, UNKNOWN, UNKNOWN),
        (np.mean, UNKNOWN, UNKNOWN),
        (5, UNKNOWN, UNKNOWN),
    ],
)
def test_what_is_given_and_taken(call: Any, given: Any, wanted: Any) -> None:
    assert returned(call) == given
    assert taken(call) == wanted


def test_functions_of_a_class_take_self_first() -> None:
    assert taken(Caller.method, unbound=True) is str
    assert taken(Caller.static) is str


class Sized(Protocol):
    def size(self) -> int: ...


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Optional[int], (int, type(None))),  # noqa: UP045
        (Union[int, str], (int, str)),  # noqa: UP007
        (int | list[str], (int, list[str])),
        (Annotated[int, "small"], (int,)),
        (Literal["a", "b", 1], (str, int)),
        (UserId, (int,)),
        (None, (type(None),)),
        (pd.DataFrame | np.ndarray, (pd.DataFrame, np.ndarray)),
        (Any, None),
        (object, None),
        (T, None),
        (list[T], (list[T],)),
        (Sized, None),
        (int | Any, None),
        (npt.ArrayLike, None),
        ("a string", None),
        (Callable, (Callable,)),
    ],
)
def test_alternatives(hint: Any, expected: Any) -> None:
    assert alternatives(hint) == expected


def test_an_alias_that_takes_arguments_is_what_it_stands_for() -> None:
    (found,) = alternatives(npt.NDArray[np.float64] | None)[:-1]  # type: ignore[index]
    assert get_origin(found) is np.ndarray


def test_an_alias_with_a_name_is_what_it_stands_for() -> None:
    # what the type statement of Python 3.12 makes
    rows = TypeAliasType("rows", Union[list[T], None], type_params=(T,))  # noqa: UP007
    assert alternatives(rows[int]) == (list[T], type(None))
    assert alternatives(TypeAliasType("row", dict[str, int])) == (dict[str, int],)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (None, "None"),
        (int | None, "int | None"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (npt.NDArray[np.float64], npt.NDArray.__name__),  # ndarray, until NumPy made it an alias with a name
        (pd.DataFrame, "DataFrame"),
        (Literal["a"], "Literal['a']"),
        (Any, "Any"),
    ],
)
def test_types_as_text(hint: Any, text: str) -> None:
    assert said(hint) == text
