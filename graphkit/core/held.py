"""Objects given to a graph by the user: held beside the spec, and followed by name where they had one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.namespace import module_namespace

PLACEHOLDER = "$object:"


def argument_field(key: str) -> str:
    """Return how the object of a class argument is called among what a step holds.

    >>> argument_field("fn")
    "class_args['fn']"
    """
    return f"class_args[{key!r}]"


class Held:
    """A function or class that was given as an object.

    Where the caller's namespace held it under its name, it is followed by that name, so that a re-run cell
    counts. Anything else (a lambda, a closure, a bound method) stays the object that it is.

    Parameters
    ----------
    value
        The object.
    namespace
        The caller's globals, by reference.
    """

    __slots__ = ("home", "name", "text", "value")

    def __init__(self, value: Any, namespace: Mapping[str, Any]) -> None:
        name = getattr(value, "__name__", None) or type(value).__name__
        self.value = value
        self.name: str = name
        self.home: Mapping[str, Any] | None = None
        module = module_namespace(value)
        own = getattr(value, "__globals__", None)
        if namespace.get(name) is value:
            self.home, self.text = namespace, name
        elif module is not None and module.get(name) is value:
            # "__main__" is the notebook here, and another program when the graph runs elsewhere
            self.home, self.text = module, name if value.__module__ == "__main__" else f"{value.__module__}.{name}"
        elif own is not None and own.get(name) is value:
            self.home, self.text = own, name
        else:
            self.text = PLACEHOLDER + name

    def current(self, namespace: Mapping[str, Any]) -> Any:
        """Return what the name means now, else what it meant last, which was given or defined since.

        ``namespace`` is the server's: an object that no one else held by name is followed there, once it stands there.
        """
        if self.home is None and namespace.get(self.name) is self.value:
            self.home = namespace
        if self.home is None:
            return self.value
        value = self.home.get(self.name, self.value)
        if callable(value):
            self.value = value  # a name that is deleted does not bring back what was replaced long ago
        return value

    def __repr__(self) -> str:
        return f"Held({self.text!r})"
