"""Whether a value of one type can be used where another is asked for. In doubt it can: only what conflicts is told."""

from __future__ import annotations

import collections.abc
import numbers
import typing
from typing import Any

from graphkit.runtime.hints import alternatives, said

_DEPTH = 3
#: Of a class with more subclasses it is not told what it cannot be.
_MOST_HEIRS = 2_000
#: Classes of which it is known which of the abstract containers they are.
_PLAIN = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, type(None))
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_NUMBERS = frozenset({"decimal.Decimal", "fractions.Fraction"})
#: Containers whose only argument is what they hold.
_OF_ONE = (list, set, frozenset, collections.abc.Iterable)


def conflict(given: Any, wanted: Any, depth: int = 0) -> str:
    """Return why a value of the type ``given`` cannot be used as ``wanted``; empty if it can, or may.

    Examples
    --------
    >>> conflict(int, str), conflict(bool, float), conflict(list[int], list[str])
    ('int, not str', '', 'list[int], not list[str]')
    """
    haves, wants = alternatives(given), alternatives(wanted)
    if haves is None or wants is None or depth > _DEPTH:
        return ""
    reasons: list[str] = []
    for have in haves:
        for want in wants:
            reason = _pair(have, want, depth)
            if not reason:
                return ""
            reasons.append(reason)
    if len(haves) == 1 and len(reasons) == 1:
        return reasons[0]
    if len(haves) == 1:
        # of a dict, what it lacks says more than that it is something else than the other alternatives
        lacking = [reason for reason in reasons if ", not " not in reason or ", whose " in reason]
        return lacking[0] if lacking else f"{said(haves[0])}, not {said(wanted)}"
    return f"{said(given)}, not {said(wanted)}"


def missing_at(given: Any, path: str) -> tuple[str, Any]:
    """Return why nothing can be selected at a path of a value of that type, and else the type of what stands there.

    The type is ``Any`` where it cannot be told.

    >>> missing_at(int, "a.b")
    ("int, in which there is no 'a'", typing.Any)
    """
    hint = given
    for part in path.split("."):
        options = alternatives(hint)
        if options is None:
            return "", Any
        found = [_item(option, part) for option in options]
        problems = [problem for problem, _ in found]
        if all(problems):
            return problems[0], Any
        if len(found) != 1:
            return "", Any
        hint = found[0][1]
    return "", hint


def _item(option: Any, part: str) -> tuple[str, Any]:
    cls = typing.get_origin(option) or option
    if typing.is_typeddict(cls):
        fields = _fields(cls)
        if part not in fields:
            return f"{said(option)}, in which there is no {part!r}", Any
        return "", fields[part]
    if cls in _SCALARS:
        return f"{said(option)}, in which there is no {part!r}", Any
    args = typing.get_args(option)
    if cls is dict and len(args) == 2:
        return "", args[1]
    return "", Any


def _pair(have: Any, want: Any, depth: int) -> str:
    has, wants = typing.get_origin(have) or have, typing.get_origin(want) or want
    names = said(have), said(want)
    if names[0] == names[1]:
        names = _with_package(has, names[0]), _with_package(wants, names[1])
    reason = f"{names[0]}, not {names[1]}"
    if typing.is_typeddict(has) and typing.is_typeddict(wants):
        return _typed_dicts(has, wants, depth)
    has, wants = (dict if typing.is_typeddict(cls) else cls for cls in (has, wants))
    if _is_number(has) and _is_number(wants):
        return ""  # Python's own functions take one for the other
    try:
        if issubclass(has, wants):
            return "" if _args_fit(have, want, has, wants, depth) else reason
        if issubclass(wants, has):
            return ""  # it may be one
    except TypeError:
        return ""
    again = _stands_for(has, wants) or _stands_for(wants, has)
    return reason if _is_decided(has, wants) and not again else ""


def _stands_for(has: Any, wants: Any) -> bool:
    """Whether a class is another one from before its cell, or its module, was run again, or a subclass of that."""
    name = (getattr(wants, "__module__", ""), getattr(wants, "__qualname__", ""))
    return any((base.__module__, base.__qualname__) == name for base in getattr(has, "__mro__", ()))


def _with_package(cls: Any, name: str) -> str:
    return f"{str(getattr(cls, '__module__', '')).partition('.')[0]}.{name}"


def _is_decided(has: type, wants: type) -> bool:
    """Whether two classes of which neither is a subclass of the other exclude one another."""
    if wants.__module__ in ("collections.abc", "typing", "numbers", "os"):
        return has in _PLAIN  # others may have the methods without saying so
    return _is_concrete(has) and _is_concrete(wants) and not _have_heir(has, wants)


def _have_heir(has: type, wants: type) -> bool:
    """Whether some class comes from both, as scikit-learn's estimators do from its mixins."""
    todo, seen = [has], 0
    while todo and seen < _MOST_HEIRS:
        cls = todo.pop()
        seen += 1
        if wants in cls.__mro__:
            return True
        todo += type.__subclasses__(cls)
    return bool(todo)


def _is_concrete(cls: type) -> bool:
    # a metaclass of its own may let a class pass for another one
    return type(cls) is type or type(cls).__module__ == "enum"


def _args_fit(have: Any, want: Any, has: type, wants: type, depth: int) -> bool:
    mine, its = typing.get_args(have), typing.get_args(want)
    if not mine or not its or has in (str, bytes):
        return True
    if has is tuple:
        return _tuple_fits(mine, its, wants, depth)
    if issubclass(has, dict) and wants in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        return (
            len(mine) != 2
            or len(its) != 2
            or not any(conflict(m, i, depth + 1) for m, i in zip(mine, its, strict=True))
        )
    if has in (list, set, frozenset) and issubclass(wants, _OF_ONE) and len(mine) == len(its) == 1:
        return not conflict(mine[0], its[0], depth + 1)
    return True


def _tuple_fits(mine: tuple[Any, ...], its: tuple[Any, ...], wants: type, depth: int) -> bool:
    items = mine[:-1] if mine[-1] is Ellipsis else mine
    if wants is tuple and its[-1] is not Ellipsis:
        if mine[-1] is Ellipsis:
            return True
        return len(mine) == len(its) and not any(conflict(m, i, depth + 1) for m, i in zip(mine, its, strict=True))
    return len(its) > 2 or not any(conflict(item, its[0], depth + 1) for item in items)


def _typed_dicts(has: Any, wants: Any, depth: int) -> str:
    mine, its = _fields(has), _fields(wants)
    for key in its:
        if key not in mine and _is_required(wants, key):
            return f"{said(has)}, which has no {key!r}"
    for key in its:
        if key in mine and (reason := conflict(mine[key], its[key], depth + 1)):
            return f"{said(has)}, whose {key!r} is {reason}"
    return ""


def _is_required(typed_dict: Any, key: str) -> bool:
    # of an annotation that is text, Python does not see that it says NotRequired
    return key in typed_dict.__required_keys__ and "NotRequired" not in str(typed_dict.__annotations__.get(key))


def _fields(typed_dict: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(typed_dict)
    except Exception:  # names that only type checkers import
        return dict.fromkeys(typed_dict.__annotations__, Any)


def _is_number(cls: Any) -> bool:
    if not isinstance(cls, type):
        return False
    if issubclass(cls, (int, float, complex, numbers.Number)):
        return True
    return f"{cls.__module__}.{cls.__name__}" in _NUMBERS or "numpy.number" in {
        f"{base.__module__}.{base.__name__}" for base in cls.__mro__
    }
