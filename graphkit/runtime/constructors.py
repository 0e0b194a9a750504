"""What is known of classes' constructors: which arguments they take, and what the runtime gives them by itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import choices, nearest
from graphkit.runtime.bound import BoundStep
from graphkit.spec.keywords import KEYWORDS

_GIVEN = ("name", "context", "graph_step", "routes")
_PATHS = ("input_path", "result_path")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Constructors:
    """Looks at each class once, however many steps are made of it.

    Examples
    --------
    >>> class Scale:
    ...     def __init__(self, factor): ...
    >>> Constructors().problems(Scale, {"faktor": 2}, {})
    ["the class 'Scale' takes no argument 'faktor', did you mean 'factor'?; it takes 'factor'", \
"the class 'Scale' needs the argument 'factor'"]
    """

    def __init__(self) -> None:
        self._parameters: dict[type, tuple[Mapping[str, inspect.Parameter], bool] | None] = {}
        self._accepted: dict[tuple[type, str], bool] = {}

    def problems(self, cls: type, args: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the arguments of a class's constructor."""
        known = self._known(cls)
        if known is None:
            return []
        parameters, open_ended = known
        problems = []
        allowed = [name for name, item in parameters.items() if item.kind in _BY_NAME]
        if not open_ended:
            own = [name for name in allowed if name not in _GIVEN]
            problems += [
                f"the class {cls.__name__!r} takes no argument {name!r}{nearest(name, [*own, *KEYWORDS])}; "
                f"it takes {choices(own)}"
                for name in args
                if name not in allowed
            ]
        problems += [
            f"the class {cls.__name__!r} needs the argument {name!r}"
            for name in allowed
            if parameters[name].default is inspect.Parameter.empty and name not in args and name not in extra
        ]
        return problems

    def takes_body(self, cls: type) -> bool:
        """Return whether a class can be called with one value, as ``str`` can; true where it cannot be told."""
        try:
            inspect.signature(cls).bind(None)
        except TypeError:
            return False
        except ValueError:
            return True
        return True

    def offered(self, step: BoundStep, cls: type, routes: Any) -> dict[str, Any]:
        """Return what a constructor gets beside the step's own arguments, as far as it accepts it."""
        known = self._known(cls)
        parameters, open_ended = known if known is not None else ({}, False)
        given: dict[str, Any] = {"context": step.context, "graph_step": step}
        if step.name:  # an unnamed root is called what its class calls it
            given["name"] = step.name
        if step.kind == "router":
            given["routes"] = routes
        extra = {key: value for key, value in given.items() if open_ended or key in parameters}
        for key in _PATHS:
            path = getattr(step.record, key)
            if path is not None and self._accepts(cls, key):
                extra[key] = path
        return extra

    def _known(self, cls: type) -> tuple[Mapping[str, inspect.Parameter], bool] | None:
        """Return a constructor's parameters, and whether it takes any keyword; ``None`` if it cannot be told."""
        if cls not in self._parameters:
            try:
                found = inspect.signature(cls).parameters
            except (ValueError, TypeError):
                self._parameters[cls] = None
            else:
                open_ended = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values())
                self._parameters[cls] = found, open_ended
        return self._parameters[cls]

    def _accepts(self, cls: type, name: str) -> bool:
        if (cls, name) not in self._accepted:
            self._accepted[cls, name] = _accepts(cls, name)
        return self._accepted[cls, name]


def _accepts(cls: type, name: str) -> bool:
    """Return whether a constructor takes a keyword by name, its own or one that it hands on to a base class."""
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if init is None or base is object:
            continue
        try:
            found = inspect.signature(init).parameters
        except (ValueError, TypeError):
            return False
        if name in found:
            return True
        if not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values()):
            return False
    return False
