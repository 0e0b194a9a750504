"""Objects that can tell how they were constructed, so that an instance can stand where a step is wanted."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar

from graphkit.core.errors import GraphError

# What the runtime hands to a constructor by itself; it is no part of a description.
_GIVEN_BY_RUNTIME = frozenset({"context", "name", "routes", "graph_step"})


class _SignatureOfInit:
    """Shows tools the signature of ``__init__``: Python 3.10 would show that of ``Described.__new__``."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)  # type: ignore[misc]  # the class's own, not an instance's
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class Described:
    """Mixin: ``to_dict()`` gives the step that constructs an equal object.

    Examples
    --------
    >>> class Scale(Described):
    ...     def __init__(self, factor, name=None, **more): ...
    >>> step = Scale(3, name="triple", offset=1).to_dict()
    >>> step["kind"], step["name"], step["class_args"]
    ('task', 'triple', {'factor': 3, 'offset': 1})
    """

    _STEP_KIND: ClassVar[str] = "task"
    __signature__ = _SignatureOfInit()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Keep the arguments as they were given, whatever the subclass's ``__init__`` makes of them."""
        self = super().__new__(cls)
        self._constructed_with = (args, kwargs)
        return self

    _constructed_with: tuple[tuple[Any, ...], dict[str, Any]]

    def to_dict(
        self, fields: Iterable[str] | None = None, exclude: Iterable[str] | None = None, strip: bool = False
    ) -> dict[str, Any]:
        """Return the step as a dict: ``kind``, ``class_name``, ``class_args`` as given, and ``name``.

        Parameters
        ----------
        fields
            Arguments to keep; left out, all that were given.
        exclude
            Arguments to leave out.
        strip
            Taken for compatibility; there is nothing to strip.

        Raises
        ------
        GraphError
            If the class takes positional arguments without names (``*args``), which a step cannot hold.
        """
        given = _by_name(type(self), *self._constructed_with)
        name = given.get("name") or type(self).__name__
        left_out = _GIVEN_BY_RUNTIME.union(exclude or ())
        kept = None if fields is None else set(fields)
        return {
            "kind": self._STEP_KIND,
            "class_name": class_path(type(self)),
            "class_args": {
                key: value for key, value in given.items() if key not in left_out and (kept is None or key in kept)
            },
            "name": name,
        }


def class_path(cls: type) -> str:
    """Return the name under which a graph finds a class: dotted, or bare when a notebook defines it.

    >>> from fractions import Fraction
    >>> class_path(Fraction)
    'fractions.Fraction'
    """
    if cls.__module__ in ("__main__", "builtins"):
        return cls.__qualname__
    if cls.__module__.startswith("graphkit."):
        return f"graphkit.{cls.__qualname__}"  # the public path, which stays when files move
    return f"{cls.__module__}.{cls.__qualname__}"


def _by_name(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    signature = inspect.signature(cls)
    for key, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[key].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            given.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            raise GraphError(f"class {cls.__name__} takes *{key}: give its arguments by name to put it into a graph")
        else:
            given[key] = value
    return given
