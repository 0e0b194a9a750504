"""Two answers side by side: where they differ, and how. Numbers may differ by a tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any

import msgspec

from graphkit.cases.places import Place, matches, pattern, written
from graphkit.view.preview import preview

_MOST = 200
_SHOWN = 100


class Nothing:
    """Stands where one of two answers has nothing."""

    def __repr__(self) -> str:
        return "nothing"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nothing)

    def __hash__(self) -> int:
        return hash(Nothing)


class Difference(msgspec.Struct, frozen=True):
    """One place in which an answer is not what was expected.

    Attributes
    ----------
    path
        The place, such as ``outputs[0].label``; ``status`` for the status, ``""`` for the answer as a whole.
    expected, found
        What should stand there, and what does.
    note
        More about it, such as ``"type"`` or how far two numbers are apart.
    """

    path: str
    expected: Any
    found: Any
    note: str = ""

    def __str__(self) -> str:
        expected, found = _both(self.expected, self.found)
        note = f" ({self.note})" if self.note else ""
        return f"{self.path or 'the answer'}: expected {expected}, found {found}{note}"


def differences(
    expected: Any, found: Any, rtol: float = 0.0, atol: float = 0.0, ignore: Iterable[str] = ()
) -> tuple[Difference, ...]:
    """Return where two answers differ; the first ones, if there are very many.

    Two numbers agree if ``abs(found - expected) <= atol + rtol * abs(expected)``, as in ``numpy.isclose``; two integers
    only if they are equal. NaN agrees with NaN. A list agrees with a tuple of the same items, since both are the same
    for a client.

    Parameters
    ----------
    expected, found
        The answers.
    rtol, atol
        Relative and absolute tolerance of numbers.
    ignore
        Places that are not compared: ``"id"``, ``"models.*.id"``, ``"outputs[0]"``, ``"**.timestamp"``.

    Examples
    --------
    >>> for each in differences({"id": 1, "outputs": [0, 2]}, {"id": 2, "outputs": [0, 1]}, ignore=["id"]):
    ...     print(each)
    outputs[1]: expected 2, found 1
    """
    comparison = _Comparison(rtol, atol, tuple(pattern(text) for text in ignore))
    comparison.compare(expected, found, ())
    return tuple(comparison.found)


class _Full(Exception):
    """There are more differences than anybody reads."""


class _Comparison:
    def __init__(self, rtol: float, atol: float, ignore: tuple[Place, ...]) -> None:
        self.found: list[Difference] = []
        self._rtol = rtol
        self._atol = atol
        self._ignore = ignore

    def compare(self, expected: Any, found: Any, place: Place) -> None:
        try:
            self._compare(expected, found, place)
        except _Full:
            pass  # what was found until now is enough

    def _note(self, place: Place, expected: Any, found: Any, note: str = "") -> None:
        self.found.append(Difference(written(place), expected, found, note))
        if len(self.found) >= _MOST:
            raise _Full

    def _compare(self, expected: Any, found: Any, place: Place) -> None:
        if any(matches(place, each) for each in self._ignore):
            return
        if isinstance(expected, Nothing) or isinstance(found, Nothing):
            self._note(place, expected, found)
        elif _is_number(expected) and _is_number(found):
            self._numbers(expected, found, place)
        elif isinstance(expected, dict) and isinstance(found, Mapping):
            self._mappings(expected, found, place)
        elif isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)):
            self._sequences(expected, found, place)
        elif _shape(expected) is not None and _shape(expected) == _shape(found):
            _SHAPES[_shape(expected) or ""](self, expected, found, place)
        elif not _alike(expected, found):
            kinds = type(expected).__name__, type(found).__name__
            self._note(place, expected, found, f"of type {kinds[1]}, not {kinds[0]}" if kinds[0] != kinds[1] else "")

    def _numbers(self, expected: Any, found: Any, place: Place) -> None:
        if not _close(expected, found, self._rtol, self._atol):
            self._note(place, expected, found, _apart(expected, found, self._rtol, self._atol))

    def _mappings(self, expected: Mapping[Any, Any], found: Mapping[Any, Any], place: Place) -> None:
        for key, item in expected.items():
            self._compare(item, found.get(key, Nothing()), (*place, key))
        for key in found:
            if key not in expected:
                self._compare(Nothing(), found[key], (*place, key))

    def _sequences(self, expected: Sequence[Any], found: Sequence[Any], place: Place) -> None:
        if len(expected) != len(found):
            self._note(place, expected, found, f"{_items(len(found))}, not {len(expected)}")
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            self._compare(one, other, (*place, index))

    def _arrays(self, expected: Any, found: Any, place: Place) -> None:
        kinds = expected.dtype.kind, found.dtype.kind
        if expected.shape != found.shape:
            self._note(place, expected, found, f"of shape {found.shape}, not {expected.shape}")
        elif kinds[0] != kinds[1] and not set(kinds) <= set("iuf"):
            self._note(place, expected, found, f"of dtype {found.dtype}, not {expected.dtype}")
        else:
            self._sequences(_listed(expected), _listed(found), place)

    def _frames(self, expected: Any, found: Any, place: Place) -> None:
        own, its = [*expected.columns], [*found.columns]
        if own != its:
            self._note((*place, "columns"), own, its)
        if not expected.index.equals(found.index):
            self._sequences(expected.index.tolist(), found.index.tolist(), (*place, "index"))
        for name in own:
            if name in its:
                self._columns(expected[name], found[name], (*place, name))

    def _series(self, expected: Any, found: Any, place: Place) -> None:
        if not expected.index.equals(found.index):
            self._sequences(expected.index.tolist(), found.index.tolist(), (*place, "index"))
        self._columns(expected, found, place)

    def _columns(self, expected: Any, found: Any, place: Place) -> None:
        if getattr(expected, "ndim", 1) == 1 == getattr(found, "ndim", 1):
            self._sequences(_values(expected), _values(found), place)
        else:
            self._note(place, expected, found)


_SHAPES = {"frame": _Comparison._frames, "series": _Comparison._series, "array": _Comparison._arrays}


def _shape(value: Any) -> str | None:
    if hasattr(value, "columns") and hasattr(value, "dtypes"):
        return "frame"
    if hasattr(value, "index") and hasattr(value, "dtype"):
        return "series"
    return "array" if hasattr(value, "dtype") and hasattr(value, "shape") else None


def _values(series: Any) -> list[Any]:
    return [None if absent else item for item, absent in zip(series.tolist(), series.isna().tolist(), strict=True)]


def _listed(array: Any) -> list[Any]:
    listed = array.tolist()
    return listed if isinstance(listed, list) else [listed]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, Number) or (getattr(value, "dtype", None) is not None and _is_scalar(value))


def _is_scalar(value: Any) -> bool:
    return getattr(value, "shape", None) == () and value.dtype.kind in "iuf"


def _close(expected: Any, found: Any, rtol: float, atol: float) -> bool:
    if expected == found:
        return True
    if isinstance(expected, int) and isinstance(found, int):
        return False
    if expected != expected or found != found:  # NaN is what does not equal itself
        return bool(expected != expected and found != found)
    try:
        if math.isinf(abs(expected)) or math.isinf(abs(found)):
            return False
        return bool(abs(found - expected) <= atol + rtol * abs(expected))
    except (TypeError, OverflowError):  # numbers of kinds that do not mix, such as Decimal and float
        return False


def _apart(expected: Any, found: Any, rtol: float, atol: float) -> str:
    if isinstance(expected, int) and isinstance(found, int):
        return ""
    try:
        distance = float(abs(found - expected))
        allowed = float(atol + rtol * abs(expected))
    except (TypeError, OverflowError, ValueError):
        return ""
    return f"{distance:.3g} apart, {allowed:.3g} allowed" if math.isfinite(distance) else ""


def _alike(expected: Any, found: Any) -> bool:
    if type(expected) is not type(found) and not (isinstance(expected, str) and isinstance(found, str)):
        return False
    try:
        return bool(expected == found)
    except Exception:  # what a value's own comparison raises: then they are not known to be alike
        return False


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"


def _both(expected: Any, found: Any) -> Iterator[str]:
    """Return two values as short texts that show in what they differ."""
    texts = expected, found
    if isinstance(expected, str) and isinstance(found, str) and max(len(expected), len(found)) > _SHOWN // 2:
        same = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
        start = max(same - 20, 0)
        window = [text[start : start + _SHOWN // 2] for text in texts]
        texts = tuple(
            ("…" if start else "") + part + ("…" if start + len(part) < len(text) else "")
            for text, part in zip(texts, window, strict=True)
        )
    return (repr(each) if isinstance(each, Nothing) else preview(each, _SHOWN) for each in texts)
