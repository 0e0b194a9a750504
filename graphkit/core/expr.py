"""Expressions such as ``"(event['a'] + 1)"``: parsed once, run by simpleeval, never by ``eval``.

What an expression may do is what simpleeval allows: arithmetic, comparisons, literals, items and attributes of
the event, comprehensions, and calls of a few pure built-ins and of functions in the user's namespace.
"""

from __future__ import annotations

import ast
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

import simpleeval

from graphkit.core.errors import BadRequest, GraphError, choices, nearest

_BUILTINS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (abs, all, any, bool, dict, float, int, len, list, max, min, round, set, sorted, str, sum, tuple)
}


class _Names(Mapping[str, Any]):
    """``event`` and the data and functions of the namespace, looked up when they are needed.

    A re-run cell is seen at once, and no copy of a notebook's globals is made.
    """

    __slots__ = ("_event", "_namespace")

    def __init__(self, event: Any, namespace: Mapping[str, Any]) -> None:
        self._event = event
        self._namespace = namespace

    def __getitem__(self, name: str) -> Any:
        if name == "event":
            return self._event
        if name.startswith("_"):
            raise KeyError(name)
        if name in self._namespace:
            value = self._namespace[name]
            if isinstance(value, types.ModuleType):
                raise simpleeval.FeatureNotAvailable(f"{name} is a module; call a function of your own instead")
            return value
        return _BUILTINS[name]

    def __iter__(self) -> Any:
        return iter({"event", *self._namespace, *_BUILTINS})

    def __len__(self) -> int:
        return len({"event", *self._namespace, *_BUILTINS})


def is_expression(text: Any) -> bool:
    """Return whether ``text`` is an expression: a text in round brackets.

    >>> is_expression("(event + 1)"), is_expression("module.function")
    (True, False)
    """
    return isinstance(text, str) and text.strip().startswith("(") and text.strip().endswith(")")


def compile_expression(
    source: str, namespace: Mapping[str, Any] | None = None, where: str = "expression"
) -> Callable[[Any], Any]:
    """Parse an expression once and return it as a function of ``event``.

    Parameters
    ----------
    source
        The text; round brackets around it are optional.
    namespace
        Where other names are looked up, at each call; kept by reference.
    where
        What to call the place in messages, such as ``"step 'double'"``.

    Returns
    -------
    callable
        ``function(event)``. It raises :class:`~graphkit.core.errors.BadRequest` where the event lacks an item that
        the expression reads, and GraphError where the expression does what is not allowed.

    Raises
    ------
    GraphError
        If the text is no expression, or uses what is not allowed; the message shows the place.

    Examples
    --------
    >>> compile_expression("(event['a'] + 1)")({"a": 2})
    3
    """
    text = source.strip()
    try:
        node = simpleeval.SimpleEval.parse(text)
    except (SyntaxError, simpleeval.InvalidExpression) as exc:
        # simpleeval's parser reports some refusals itself; both kinds carry what is wrong in their text
        raise GraphError(f"{where}: {text!r} is not an expression: {_reason(exc)}{_place(text, exc)}") from exc
    _check(node, text, where)
    names = namespace if namespace is not None else {}
    # An evaluator keeps its names on itself: one a thread, and put back for an expression that comes by itself again.
    own = threading.local()

    def evaluate(event: Any) -> Any:
        evaluator = getattr(own, "evaluator", None)
        if evaluator is None:
            evaluator = own.evaluator = simpleeval.EvalWithCompoundTypes(functions={}, names={})
        before = evaluator.names, evaluator.functions
        found = _Names(event, names)
        evaluator.names, evaluator.functions = found, _Callables(found)
        try:
            return evaluator.eval(text, previously_parsed=node)
        except simpleeval.NameNotDefined as exc:
            name = getattr(exc, "name", "")
            raise GraphError(f"{where}: {text!r} names {name!r}, which is not defined{nearest(name, found)}") from exc
        except simpleeval.FunctionNotDefined as exc:
            name = getattr(exc, "func_name", "")
            raise GraphError(f"{where}: {text!r} calls {name!r}, which is not defined{nearest(name, found)}") from exc
        except simpleeval.InvalidExpression as exc:
            raise GraphError(f"{where}: {text!r} is refused: {_reason(exc)}") from exc
        except (KeyError, IndexError) as exc:
            there = f", there is {choices(event)}" if isinstance(event, Mapping) else ""
            raise BadRequest(f"{where}: {text!r} found no {exc} in the event{there}") from exc
        finally:
            evaluator.names, evaluator.functions = before

    return evaluate


class _Callables(Mapping[str, Any]):
    """The callables among the names, as simpleeval looks them up."""

    __slots__ = ("_names",)

    def __init__(self, names: _Names) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        value = self._names[name]
        if not callable(value):
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _check(node: ast.AST, text: str, where: str) -> None:
    """Refuse at once what would be refused at the first event, and show where it stands."""
    for part in ast.walk(node):
        problem = ""
        if isinstance(part, ast.Attribute) and part.attr.startswith("_"):
            problem = f"the attribute {part.attr!r} is private"
        elif isinstance(part, ast.Name) and part.id.startswith("_"):
            problem = f"the name {part.id!r} is private"
        elif isinstance(part, (ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Starred)):
            problem = f"{type(part).__name__.lower()} is not allowed"
        if problem:
            column = getattr(part, "col_offset", 0)
            raise GraphError(
                f"{where}: {text!r} is refused: {problem}, at column {column + 1}\n  {text}\n  {' ' * column}^"
            )


def _reason(exc: BaseException) -> str:
    return str(getattr(exc, "message", None) or getattr(exc, "msg", None) or exc)


def _place(text: str, exc: BaseException) -> str:
    column = getattr(exc, "offset", None)
    return f", at column {column}\n  {text}\n  {' ' * (column - 1)}^" if column else ""
