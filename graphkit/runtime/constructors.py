"""What is known of classes' constructors: which arguments they take, and what the runtime gives them by itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from graphkit.core.errors import choices, nearest
from graphkit.runtime.bound import BoundStep
from graphkit.spec.keywords import KEYWORDS

_GIVEN = ("name", "context", "graph_step", "routes")
_SHORTEST = 6  # letters of a name that a slip is looked for in
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
        self._by_name: dict[type, set[str]] = {}

    def problems(self, cls: type, args: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the arguments of a class's constructor."""
        known = self._known(cls)
        if known is None:
            return []
        parameters, open_ended = known
        problems = []
        allowed = [name for name, item in parameters.items() if item.kind in _BY_NAME]
        if open_ended:
            problems += self._misspelt(cls, args)
        else:
            own = [name for name in allowed if name not in _GIVEN]
            problems += [
                f"the class {cls.__name__!r} takes no argument {name!r}{_hint(name, own)}; it takes {choices(own)}"
                for name in args
                if name not in allowed
            ]
        problems += [
            f"the class {cls.__name__!r} needs the argument {name!r}"
            for name in allowed
            if parameters[name].default is inspect.Parameter.empty and name not in args and name not in extra
        ]
        return problems

    def _misspelt(self, cls: type, args: Mapping[str, Any]) -> list[str]:
        """Return which arguments a class takes only because it takes any keyword, though they look like a mistake.

        Classes say so themselves: ``_further_args`` are the keywords that they read beside their parameters. What a
        class that is ``_closed_args`` does not know is wrong; another's users may read keywords of their own.
        """
        further = getattr(cls, "_further_args", None)
        if further is None:
            return []
        if cls not in self._by_name:
            self._by_name[cls] = _names_along(cls)
        known = {*self._by_name[cls], *further}
        closed = cls.__dict__.get("_closed_args", False)
        own = known.difference(_GIVEN, ["self"])
        problems = []
        for name in args:
            if name in known:
                continue
            if closed:
                problems.append(
                    f"the class {cls.__name__!r} takes no argument {name!r}{_hint(name, own)}; "
                    f"it takes {choices(own, most=20)}"
                )
            elif slips := [item for item in own if is_slip(name, item)]:
                problems.append(
                    f"the class {cls.__name__!r} has no argument {name!r}, did you mean {min(slips)!r}? A parameter of "
                    f"your own needs a name that differs more"
                )
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


def _hint(name: str, own: Iterable[str]) -> str:
    """Return what the user may have meant by an argument that a class does not take."""
    if name in ("after", "before"):
        return f" (add_step({name}=...) of the flow does)"
    return nearest(name, [*own, *KEYWORDS])


def is_slip(given: str, name: str) -> bool:
    """Return whether a word is a name with a slip of the pen: one letter too many, too few, other, or out of place.

    Short names, of which one slip makes another word, and plurals are not taken for slips.

    >>> [is_slip(word, "model_path") for word in ("model_pth", "mdoel_path", "modelPath", "model_paths", "model_dir")]
    [True, True, True, False, False]
    """
    mine, its = (word.casefold().replace("_", "").replace("-", "") for word in (given, name))
    if len(its) < _SHORTEST or given == name + "s":
        return False
    at = next((index for index, (one, other) in enumerate(zip(mine, its, strict=False)) if one != other), None)
    if at is None:
        return abs(len(mine) - len(its)) <= 1
    one, other = mine[at:], its[at:]
    return (
        one[1:] == other[1:] or one[1:] == other or one == other[1:] or (one[:2], one[2:]) == (other[1::-1], other[2:])
    )


def _names_along(cls: type) -> set[str]:
    """Return the names of a constructor's parameters, its own and those of the base classes that it hands on to."""
    names: set[str] = set()
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if init is None or base is object:
            continue
        try:
            found = inspect.signature(init).parameters
        except (ValueError, TypeError):  # of a class that is not written in Python
            break
        names.update(name for name, item in found.items() if item.kind in _BY_NAME)
        if not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values()):
            break
    return names


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
