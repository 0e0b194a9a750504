"""Containers of a draft that say when they change, so that a server knows to look again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _telling(base: type[Any], *methods: str) -> Callable[[type[Any]], type[Any]]:
    """Make the mutating methods of ``base`` call ``_changed`` afterwards."""

    def decorate(cls: type[Any]) -> type[Any]:
        for name in methods:

            def method(self: Any, *args: Any, _original: Any = getattr(base, name), **kwargs: Any) -> Any:
                result = _original(self, *args, **kwargs)
                self._changed()
                return result

            method.__name__ = name
            setattr(cls, name, method)
        return cls

    return decorate


@_telling(dict, "__setitem__", "__delitem__", "clear", "pop", "popitem", "setdefault", "update", "__ior__")
class FieldDict(dict[str, Any]):
    """A dict of a step, such as ``class_args``."""

    def __init__(self, values: Any, changed: Callable[[], None]) -> None:
        super().__init__(values)
        self._changed = changed

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


@_telling(
    list, "__setitem__", "__delitem__", "__iadd__", "append", "clear", "extend", "insert", "pop", "remove", "reverse",
    "sort",
)
class FieldList(list[str]):
    """A list of a step, such as ``after``."""

    def __init__(self, values: Any, changed: Callable[[], None]) -> None:
        super().__init__(values)
        self._changed = changed

    def __reduce__(self) -> Any:
        return list, (list(self),)
