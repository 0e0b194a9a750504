"""The keywords that say how a step is run; any other one is an argument of the step's class."""

from __future__ import annotations

from collections.abc import Iterable

from graphkit.core.errors import nearest

KEYWORDS = (
    "after",
    "before",
    "class_name",
    "full_event",
    "function",
    "graph_shape",
    "handler",
    "input_path",
    "name",
    "result_path",
)


def no_arguments(names: Iterable[str]) -> str:
    """Return what is wrong with arguments given to a function; one may be a keyword that is misspelt.

    >>> no_arguments(["resut_path"])
    "a function takes no class arguments, found 'resut_path', did you mean 'result_path'?"
    """
    found = list(names)
    hint = next((hint for hint in (nearest(name, KEYWORDS) for name in found) if hint), "")
    return f"a function takes no class arguments, found {', '.join(map(repr, found))}{hint}"
