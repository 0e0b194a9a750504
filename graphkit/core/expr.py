"""Expressions such as ``"(event['a'] + 1)"``: parsed once, run by simpleeval, never by ``eval``.

What an expression may do is what simpleeval allows: arithmetic, comparisons, literals, items and attributes of
the event, comprehensions (of up to 10,000 items), and calls of a few pure built-ins and of functions in the user's
namespace. What it may not do is refused when it is parsed, where that can be seen, with the place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import simpleeval

from graphkit.core.errors import BadRequest, GraphError, nearest
from graphkit.core.evaluator import KNOWN, REFUSED_ATTRIBUTES, Evaluator, Missing, Names


def is_expression(text: Any) -> bool:
    """Return whether ``text`` is an expression: a text in round brackets.

    >>> is_expression("(event + 1)"), is_expression("module.function")
    (True, False)
    """
    return isinstance(text, str) and text.strip().startswith("(") and text.strip().endswith(")")


def compile_expression(
    source: str,
    namespace: Mapping[str, Any] | None = None,
    where: str = "expression",
    meant: Callable[[Iterable[str]], Mapping[str, Any]] | None = None,
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
    meant
        Gets the names that the text uses, and returns what they are looked up in instead of ``namespace``.

    Returns
    -------
    callable
        ``function(event)``. It raises :class:`~graphkit.core.errors.BadRequest` where the event lacks an item or
        attribute that the expression reads, and GraphError where the expression does what is not allowed. What a
        function of the namespace raises comes through as it is.

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
    node = _parsed(text, where)
    names = namespace if namespace is not None else {}
    if meant is not None:
        names = meant(dict.fromkeys(_free_names(node, frozenset({"event"}))))
    # An evaluator keeps its names on itself, so one that is at work serves nobody else: neither another thread nor
    # an expression that calls a function that comes back to it.
    idle: list[Evaluator] = []

    def evaluate(event: Any) -> Any:
        try:
            evaluator = idle.pop()
        except IndexError:
            evaluator = Evaluator()
        found = Names(event, names)
        evaluator.names = found
        try:
            return evaluator.eval(text, previously_parsed=node)
        except Missing as exc:
            raise BadRequest(f"{where}: {text!r} {exc}") from exc.__cause__
        except simpleeval.NameNotDefined as exc:
            name = exc.name
            raise GraphError(f"{where}: {text!r} names {name!r}, which is not defined{_near(name, found)}") from exc
        except simpleeval.FunctionNotDefined as exc:
            name = exc.func_name
            raise GraphError(f"{where}: {text!r} calls {name!r}, which is not defined{_near(name, found)}") from exc
        except simpleeval.InvalidExpression as exc:
            raise GraphError(f"{where}: {text!r} is refused: {_reason(exc)}") from exc
        finally:
            evaluator.names = {}
            idle.append(evaluator)

    return evaluate


def _free_names(node: ast.AST, own: frozenset[str]) -> Iterator[str]:
    """Return the names that an expression takes from outside; a loop's own names are not among them."""
    if isinstance(node, ast.Name):
        if node.id not in own:
            yield node.id
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.DictComp)):
        for loop in node.generators:
            yield from _free_names(loop.iter, own)
            own |= {part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
            for condition in loop.ifs:
                yield from _free_names(condition, own)
        for made in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            yield from _free_names(made, own)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _free_names(child, own)


def _parsed(text: str, where: str) -> ast.expr:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError as exc:
        column = min(exc.offset or 0, len(text) + 1)
        place = f", {_place(text, exc.lineno or 1, column)}" if column > 0 else ""
        raise GraphError(f"{where}: {text!r} is not an expression: {exc.msg}{place}") from exc
    except (ValueError, RecursionError, MemoryError) as exc:  # null bytes; brackets in brackets in brackets
        raise GraphError(f"{where}: the expression cannot be read: {exc}") from exc
    _check(node, text, where)
    return node


def _check(node: ast.expr, text: str, where: str) -> None:
    """Refuse at once what would be refused at the first event, and show where it stands."""
    own = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    for part in ast.walk(node):
        problem = _problem(part, own)
        if problem:
            line = getattr(part, "lineno", 1)
            # the parser counts bytes
            before = text.splitlines()[line - 1].encode()[: getattr(part, "col_offset", 0)]
            place = _place(text, line, len(before.decode(errors="ignore")) + 1)
            raise GraphError(f"{where}: {text!r} is refused: {problem}, {place}")


def _problem(part: ast.AST, own: set[str]) -> str:
    if isinstance(part, ast.Attribute):
        if part.attr.startswith("_"):
            return f"the attribute {part.attr!r} is private"
        if part.attr.startswith("func_") or part.attr in REFUSED_ATTRIBUTES:
            return f"the attribute {part.attr!r} is not allowed"
    elif isinstance(part, ast.Name):
        # loops often call what they do not need "_"
        if part.id.startswith("_") and part.id not in own:
            return f"the name {part.id!r} is private"
    elif isinstance(part, ast.Call):
        if not isinstance(part.func, (ast.Name, ast.Attribute)):
            return "only what has a name can be called"
    elif isinstance(part, ast.keyword):
        return "unpacking (**) is not allowed" if part.arg is None else ""
    elif isinstance(part, ast.comprehension):
        return "async loops are not allowed" if part.is_async else ""
    elif isinstance(part, ast.expr) and type(part) not in KNOWN:
        return f"{_titled(part)} is not allowed"
    return ""


def _titled(part: ast.AST) -> str:
    titles = {ast.NamedExpr: "an assignment (:=)", ast.Starred: "unpacking (*)", ast.SetComp: "a loop in a set"}
    return titles.get(type(part), type(part).__name__.lower())


def _place(text: str, line: int, column: int) -> str:
    lines = text.splitlines() or [""]
    at = f"line {line}, column {column}" if len(lines) > 1 else f"column {column}"
    shown = lines[min(line, len(lines)) - 1]
    return f"at {at}\n  {shown}\n  {' ' * (column - 1)}^"


def _near(name: str, names: Names) -> str:
    return nearest(name, [key for key in names if isinstance(key, str) and not key.startswith("_")])


def _reason(exc: BaseException) -> str:
    return str(getattr(exc, "message", None) or exc)
