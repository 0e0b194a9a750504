"""How much an expression may make: one text or list of 100,000 characters or items, and 20 million in all.

A few characters could fill the memory otherwise, ``'a' * 10**9`` in the simplest way. What comes with the event may be
of any size, and so may what functions of the user's own return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType
from typing import Any

import simpleeval

MOST_CHARACTERS = 100_000
MOST_IN_ALL = 20_000_000
_MOST_BITS = 1_000_000
_SEQUENCES = (str, bytes, bytearray, list, tuple)
_SIZED = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset})
_LENGTHENED = (str, bytes, bytearray, int)
_NESTING = frozenset({list, tuple, dict, set, frozenset})
#: Built-in functions that look at a container's own parts, and no further.
_SHALLOW = (abs, all, any, bool, float, int, len, list, round, tuple)
_CONTAINERS = tuple(_SIZED)
#: Whose methods are looked at.
_CHECKED = _SIZED | {int, bool, float}
_PADDING = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})


class Growth:
    """Counts what one evaluation makes, and refuses what would be too much before it is there."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_IN_ALL

    def made(self, value: Any) -> Any:
        """Count a new value, and return it."""
        if type(value) in _SIZED:
            self.spend(len(value))
        return value

    def spend(self, count: int) -> None:
        """Count so many characters or items."""
        self.left -= count
        if self.left < 0:
            raise simpleeval.IterableTooLong(
                f"what the expression makes would be longer than {MOST_IN_ALL:,} characters and items in all; use a "
                f"function, which has no limit"
            )

    # ---- operators ------------------------------------------------------------------------------------------

    def add(self, left: Any, right: Any) -> Any:
        """Return ``left + right``."""
        if isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
            self._spend_on_one(len(left) + len(right))
        return left + right

    def multiply(self, left: Any, right: Any) -> Any:
        """Return ``left * right``."""
        for items, count in ((left, right), (right, left)):
            if isinstance(items, _SEQUENCES) and isinstance(count, int):
                self._spend_on_one(len(items) * count)
        self._spend_bits(_bits(left) + _bits(right))
        return left * right

    def power(self, base: Any, exponent: Any) -> Any:
        """Return ``base ** exponent``."""
        if isinstance(exponent, int) and exponent > 1:
            self._spend_bits(_bits(base) * exponent)
        return base**exponent

    def modulo(self, left: Any, right: Any) -> Any:
        """Return ``left % right``, of texts too."""
        if not isinstance(left, (str, bytes)):
            return left % right
        form = left if isinstance(left, str) else left.decode("latin-1")
        if "*" in form:
            raise simpleeval.FeatureNotAvailable("a width from outside (%*) is not allowed")
        self.check_form(form)
        self.check_text_of(right, form.count("%"))
        return self.made(left % right)

    # ---- comparisons ----------------------------------------------------------------------------------------

    def compared(self, compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a comparison that refuses containers which would take years, since they hold one another many times.

        A list of lists that are all the same one is short, and compared one by one it is not.
        """

        def checked(left: Any, right: Any) -> Any:
            if type(left) in _NESTING and type(right) in _NESTING:
                for value in (left, right):
                    self.check_unfolded(value)
            return compare(left, right)

        return checked

    def check_unfolded(self, value: Any) -> None:
        """Refuse a container that holds more than it looks like: 20 million parts, most of them again and again."""
        known: dict[int, int] = {}
        try:
            size = _unfolded(value, known)
        except RecursionError:
            return  # what looks at it next ends in the same way
        if size > MOST_IN_ALL and size > 10 * len(known):
            self.spend(MOST_IN_ALL + 1)

    # ---- texts ----------------------------------------------------------------------------------------------

    def check_form(self, form: str) -> None:
        """Refuse widths and precisions in a format that are too large."""
        for width in _numbers_in(form):
            _check_length(width)

    def check_text_of(self, value: Any, times: int = 1) -> None:
        """Count what the text of a container will hold at least: a list of lists of lists is short, its text is not."""
        if type(value) not in _SIZED or isinstance(value, (str, bytes)):
            return
        todo: list[Iterator[Any]] = [_parts(value)]
        while todo:
            for part in todo[-1]:
                if type(part) is str or type(part) is bytes:
                    self.spend(times * (len(part) + 4))
                    continue
                self.spend(times * 3)  # with its comma
                if type(part) in _SIZED and len(todo) < 1000:  # deeper ones raise a RecursionError
                    todo.append(_parts(part))
                    break
            else:
                todo.pop()

    # ---- calls ----------------------------------------------------------------------------------------------

    def call(self, function: Any, args: Sequence[Any], keywords: Mapping[str, Any], is_builtin: bool) -> Any:
        """Call a function: one of the built-in ones, a method, or one of the user's, which may return what it likes."""
        of, given = getattr(function, "__self__", None), args
        if args and getattr(function, "__objclass__", None) in _CHECKED:
            of, given = args[0], args[1:]  # a method that was taken from its class, such as str.join
        if isinstance(keywords.get("key"), BuiltinFunctionType) and isinstance(keywords["key"].__self__, _LENGTHENED):
            raise simpleeval.FeatureNotAvailable("a method of a text or number is no key; use a function of your own")
        if isinstance(of, (str, bytes, bytearray)) and function.__name__ == "join" and given:
            given = (list(given[0]),)  # whatever it is, its parts are counted first
            args = (*args[: len(args) - 1], *given)
        elif is_builtin and function is sum and args:
            args = (list(args[0]), *args[1:])
        if isinstance(of, _CONTAINERS):
            self._check_method(of, function.__name__, given, keywords)
        elif isinstance(of, int) and not is_builtin:
            for value in (*given, *keywords.values()):
                _check_length(value if isinstance(value, int) else 0)  # such as of int.to_bytes()
        elif is_builtin:
            self._check_builtin(function, args, keywords)
        elif not (isinstance(of, type) and of in _CHECKED):
            if getattr(function, "__name__", "") == "astype":
                for form in (*args, *keywords.values()):
                    self.check_form(form if isinstance(form, str) else "")  # such as of arrays of long texts
            return function(*args, **keywords)
        return self.made(function(*args, **keywords))

    def _check_builtin(self, function: Any, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if function not in _SHALLOW:
            for value in args:
                if type(value) in _NESTING:
                    self.check_unfolded(value)
        if function is str and args:
            self.check_text_of(args[0])
        elif function is sum and args:
            self._check_sum(*args, **keywords)
        elif function is round:
            for digits in (*args[1:], *keywords.values()):
                _check_length(abs(digits) if isinstance(digits, int) else 0)

    def _check_sum(self, items: Any, start: Any = 0) -> None:
        if isinstance(start, _SEQUENCES) and isinstance(items, (list, tuple)):
            # each sum is a new list, so that what is made in all grows with the square
            length = len(start)
            for item in items:
                length += len(item) if isinstance(item, _SEQUENCES) else 0
                self._spend_on_one(length)

    def _check_method(self, of: Any, name: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        if not isinstance(of, (str, bytes, bytearray)):
            for value in args:
                self.made(value)  # such as of list.extend(), which returns nothing
                if type(value) in _NESTING:
                    self.check_unfolded(value)  # such as of list.index(), which compares
            return
        first = args[0] if args else None
        if name in _PADDING:
            for width in (*args, *keywords.values()):
                tab = "\t" if isinstance(of, str) else b"\t"
                tabs = of.count(tab) + 1 if name == "expandtabs" else 1  # type: ignore[arg-type]
                _check_length(width * tabs if isinstance(width, int) else 0)
        elif name == "replace" and len(args) > 1 and isinstance(args[1], (str, bytes, bytearray)):
            _check_length(len(args[1]) * of.count(first))  # type: ignore[arg-type]  # what it is the call says
        elif name == "join" and isinstance(first, (list, tuple)):
            _check_length(len(of) * len(first) + sum(len(part) for part in first if isinstance(part, (str, bytes))))
        elif name == "translate" and isinstance(of, str):
            longest = max((len(part) for part in _values_of(first) if isinstance(part, str)), default=1)
            if longest > 1:
                _check_length(longest * len(of))

    def _spend_on_one(self, length: int) -> None:
        _check_length(length)
        self.spend(max(length, 0))

    def _spend_bits(self, bits: int) -> None:
        if bits > _MOST_BITS:
            raise simpleeval.NumberTooHigh("the number would have too many digits")
        if bits > 1000:
            self.spend(bits // 8)


def _check_length(length: int) -> None:
    if length > MOST_CHARACTERS:
        raise simpleeval.IterableTooLong(f"the result would be longer than {MOST_CHARACTERS} characters or items")


def _unfolded(value: Any, known: dict[int, int]) -> int:
    """Return of how many parts a container is, each counted as often as it is met; ``known`` by the parts' ids."""
    size = known.get(id(value))
    if size is None:
        known[id(value)] = 1  # one that holds itself is refused by what compares it
        size = len(value)
        for part in _parts(value):
            if type(part) in _NESTING:
                size += _unfolded(part, known)
        known[id(value)] = size
    return size


def _parts(container: Any) -> Iterator[Any]:
    if isinstance(container, dict):
        return (part for item in container.items() for part in item)
    return iter(container)


def _values_of(table: Any) -> Iterable[Any]:
    if isinstance(table, Mapping):
        return table.values()
    return table if isinstance(table, (list, tuple)) else ()


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) and abs(value) > 1 else 0


def _numbers_in(form: str) -> Iterator[int]:
    digits = ""
    for character in f"{form} ":
        if character.isdecimal():
            digits += character
        elif digits:
            yield int(digits) if len(digits) < 10 else MOST_CHARACTERS + 1
            digits = ""
