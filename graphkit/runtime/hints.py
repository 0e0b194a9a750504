"""What callables say of the types they take and return, read without failing: what cannot be read is unknown."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, TypeVar, Union

#: Nothing is known.
UNKNOWN = object()
_BUILTIN_RESULTS: dict[Any, Any] = {len: int, sorted: list, any: bool, all: bool}
_AWAITED = (collections.abc.Awaitable, collections.abc.Coroutine, collections.abc.Generator, collections.abc.Iterator)
_QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")


class _Carrier:
    """Holds one annotation for ``typing.get_type_hints``, so that others that are broken do no harm."""

    def __init__(self, hint: Any) -> None:
        self.__annotations__ = {"hint": hint}


def returned(call: Any) -> Any:
    """Return the type that a callable says to return, awaited; ``UNKNOWN`` if it says nothing that can be read.

    >>> def count(text: str) -> int: ...
    >>> returned(count), returned(len), returned(lambda text: 1) is UNKNOWN
    (<class 'int'>, <class 'int'>, True)
    """
    if isinstance(call, type):
        # a class that makes something else of its arguments says so by a __new__ of its own
        plain = call.__module__ == "builtins" or inspect.getattr_static(call, "__new__") is object.__new__
        return call if plain else UNKNOWN
    for builtin, result in _BUILTIN_RESULTS.items():
        if call is builtin:
            return result
    function = _function(call)
    if function is None or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return UNKNOWN
    hint = _hint(function, "return")
    if typing.get_origin(hint) in _AWAITED:
        inner = typing.get_args(hint)
        awaited = typing.get_origin(hint) in _AWAITED[:2]
        return inner[-1] if awaited and inner else UNKNOWN
    return hint


def taken(call: Any, unbound: bool = False) -> Any:
    """Return the type of the first argument that a callable takes; ``UNKNOWN`` if it says nothing that can be read.

    Parameters
    ----------
    call
        A function, a partial or another callable.
    unbound
        Whether its first parameter is ``self``.

    Examples
    --------
    >>> def count(text: str) -> int: ...
    >>> taken(count)
    <class 'str'>
    """
    function = _function(call)
    if function is None or isinstance(call, type):
        return UNKNOWN
    try:
        parameters = list(inspect.signature(call).parameters.values())[1 if unbound else 0 :]
    except (TypeError, ValueError):
        return UNKNOWN
    if not parameters or parameters[0].name == "context":
        return UNKNOWN
    first = parameters[0]
    if first.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        return UNKNOWN
    return _hint(function, first.name)


def alternatives(hint: Any) -> tuple[Any, ...] | None:
    """Return the types that a hint allows, without what only qualifies them; ``None`` if anything may come.

    >>> from typing import Any, Optional
    >>> alternatives(Optional[int]), alternatives(Any)
    ((<class 'int'>, <class 'NoneType'>), None)
    """
    found: list[Any] = []
    todo = [hint]
    while todo:
        item = todo.pop(0)
        origin, args = typing.get_origin(item), typing.get_args(item)
        if origin is Union or origin is types.UnionType:
            todo = [*args, *todo]
        elif origin is Annotated or _is_qualifier(origin):
            todo.insert(0, args[0])
        elif origin is Literal:
            found += [type(value) for value in args]
        elif isinstance(item, NewType):
            todo.insert(0, item.__supertype__)
        elif "TypeAliasType" in (type(item).__name__, type(origin).__name__):
            todo.insert(0, item.__value__)  # with arguments, as of NDArray[float64], it is that of the alias alone
        elif item is None:
            found.append(type(None))
        elif _is_known(item, origin):
            found.append(item)
        else:
            return None
    return tuple(dict.fromkeys(found)) if found else None


def said(hint: Any) -> str:
    """Return a type as a user would write it, in short.

    >>> said(list[int]), said(type(None)), said(dict[str, list[float]])
    ('list[int]', 'None', 'dict[str, list[float]]')
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None) or hint is None:
        return "None"
    if hint is Ellipsis:
        return "..."
    if origin is Union or origin is types.UnionType:
        return " | ".join(said(arg) for arg in args)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is None or not args:
        return str(getattr(hint, "__name__", "") or str(hint).removeprefix("typing."))
    name = str(getattr(origin, "__name__", "") or origin)
    if not isinstance(origin, type) or origin.__module__.partition(".")[0] == "numpy":
        return name
    return f"{name}[{', '.join(said(arg) for arg in args)}]"


def _function(call: Any) -> Callable[..., Any] | None:
    """Return the function whose annotations tell what a callable takes and returns, if there is one."""
    while isinstance(call, functools.partial):
        call = call.func
    if type(call).__name__ == "_lru_cache_wrapper":
        call = call.__wrapped__
    call = getattr(call, "__func__", call)
    if isinstance(call, types.FunctionType):
        # a decorator copies the annotations, and may change what goes in and out
        return None if hasattr(call, "__wrapped__") else call
    if inspect.isclass(call) or not callable(call):
        return None
    own = inspect.getattr_static(type(call), "__call__", None)
    return own if isinstance(own, types.FunctionType) else None


def _hint(function: Callable[..., Any], name: str) -> Any:
    try:
        raw = function.__annotations__.get(name, UNKNOWN)
        if raw is UNKNOWN:
            return UNKNOWN
        scope = getattr(function, "__globals__", {})
        return typing.get_type_hints(_Carrier(raw), scope, {}, include_extras=False)["hint"]
    except Exception:  # a name that only type checkers import, or anything else that a user wrote there
        return UNKNOWN


def _is_qualifier(origin: Any) -> bool:
    return getattr(origin, "_name", getattr(origin, "__name__", "")) in _QUALIFIERS and not isinstance(origin, type)


def _is_known(item: Any, origin: Any) -> bool:
    if item in (Any, object) or isinstance(item, (str, TypeVar, typing.ForwardRef)):
        return False
    cls = origin if isinstance(origin, type) else item
    # a protocol is a matter of methods, of which annotations say too little
    return isinstance(cls, type) and not getattr(cls, "_is_protocol", False)
