"""Containers of a draft that say when they change, so that a server knows to look again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def _telling(original: Any) -> Any:
    """Return a method that does what ``original`` does, and then says that something changed."""

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        self._changed()
        return result

    return method


class FieldDict(dict[str, Any]):
    """A dict of a step, such as ``class_args``."""

    def __init__(self, values: Any, changed: Callable[[], None]) -> None:
        super().__init__(values)
        self._changed = changed

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    __setitem__ = _telling(dict.__setitem__)
    __delitem__ = _telling(dict.__delitem__)
    __ior__ = _telling(dict.__ior__)
    clear = _telling(dict.clear)
    pop = _telling(dict.pop)
    popitem = _telling(dict.popitem)
    setdefault = _telling(dict.setdefault)
    update = _telling(dict.update)


class FieldList(list[str]):
    """A list of a step, such as ``after``."""

    def __init__(self, values: Any, changed: Callable[[], None]) -> None:
        super().__init__(values)
        self._changed = changed

    def __reduce__(self) -> Any:
        return list, (list(self),)

    __setitem__ = _telling(list.__setitem__)
    __delitem__ = _telling(list.__delitem__)
    __iadd__ = _telling(list.__iadd__)
    __imul__ = _telling(list.__imul__)
    append = _telling(list.append)
    clear = _telling(list.clear)
    extend = _telling(list.extend)
    insert = _telling(list.insert)
    pop = _telling(list.pop)
    remove = _telling(list.remove)
    reverse = _telling(list.reverse)
    sort = _telling(list.sort)
