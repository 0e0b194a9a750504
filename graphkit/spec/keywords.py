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
    given = ", ".join(f"{name}=..." for name in found)
    # a keyword that is misspelt is no argument to pass on
    hint = hint or f"; give functools.partial(function, {given}) and a name, or a class with these arguments"
    return f"a function takes no class arguments, found {', '.join(map(repr, found))}{hint}"


def misspelt(names: Iterable[str], meant: Iterable[str]) -> str:
    """Return a hint at a keyword that was given under another name, empty if there is none.

    >>> misspelt(["hander", "k"], ["class_name", "handler"])
    ", found 'hander', did you mean 'handler'?"
    """
    wanted = [*meant]
    hints = ((name, nearest(name, wanted)) for name in names)
    return next((f", found {name!r}{hint}" for name, hint in hints if hint), "")
