"""The source of one function that has no name of its own at the top level: a lambda, or a function in a function."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
import types
from collections.abc import Iterator, Mapping
from typing import Any

from graphkit.export.cells import plain_source
from graphkit.export.values import Expression, Inexpressible, expression_of

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Definition:
    """A definition to write, made of an object without a name.

    Attributes
    ----------
    text
        The code.
    needs
        What its free names mean, where they were found: values of a closure.
    modules
        Modules that the values need imported by their whole names.
    names
        Names of the user's namespace that the values need.
    """

    __slots__ = ("modules", "names", "text")

    def __init__(self, text: str, parts: Mapping[str, Expression]) -> None:
        self.text = text
        self.names = frozenset().union(*(part.names for part in parts.values())) if parts else frozenset()
        self.modules = frozenset().union(*(part.modules for part in parts.values())) if parts else frozenset()


def named_definition(function: Any, name: str, home: Mapping[str, Any]) -> Definition:
    """Return a lambda, or a function or class of a function's body, as a definition at the top level.

    What a closure holds becomes the arguments of a function that makes it.

    Parameters
    ----------
    function
        The object.
    name
        What to call it.
    home
        The namespace in which its values may have names.

    Raises
    ------
    Inexpressible
        If its source cannot be found, or its closure holds what has no form as code.

    Examples
    --------
    >>> from graphkit.export.sources import named_definition
    >>> named_definition(named_definition, "again", globals()).text.splitlines()[0]
    'def again(function: Any, name: str, home: Mapping[str, Any]) -> Definition:'
    """
    if isinstance(function, type):
        return Definition(_class_source(function, name), {})
    if not isinstance(function, types.FunctionType):
        written = expression_of(function, home)
        return Definition(f"{name} = {written.text}", {name: written})
    free = {key: expression_of(value, home) for key, value in _closure(function).items()}
    if function.__name__ == "<lambda>":
        text = _lambda_source(function, name)
    else:
        text = _function_source(function, name)
    if not free:
        return Definition(text, {})
    maker = f"_make_{name}"
    arguments = ", ".join(free)
    given = ", ".join(f"{key}={value.text}" for key, value in free.items())
    body = textwrap.indent(text, "    ", lambda line: bool(line.strip()))
    return Definition(
        f"def {maker}({arguments}):\n{body}\n\n    return {name}\n\n\n{name} = {maker}({given})",
        free,
    )


def _closure(function: types.FunctionType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[key] = cell.cell_contents
        except ValueError:
            raise Inexpressible(f"its variable {key!r} has no value yet") from None
        if found[key] is function:
            del found[key]  # it calls itself
        elif key == "__class__":
            raise Inexpressible("it is a method that uses super(), which needs its class")
    return found


def _tree_of(code: types.CodeType) -> tuple[ast.Module, str]:
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise Inexpressible(f"its source cannot be found (it was made in {code.co_filename!r})")
    text = "".join(lines)
    for source in (text, plain_source(text)):
        try:
            return ast.parse(source), source
        except (SyntaxError, ValueError):
            continue
    raise Inexpressible("its source can no longer be read")


def _lambda_source(function: types.FunctionType, name: str) -> str:
    code = function.__code__
    tree, source = _tree_of(code)
    there = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and node.lineno <= code.co_firstlineno <= (node.end_lineno or node.lineno)
    ]
    fitting = [node for node in there if _same_code(node, source, code)]
    texts = {ast.dump(node): node for node in fitting}
    if len(texts) != 1:
        count = "several lambdas stand" if texts else "no such lambda stands"
        raise Inexpressible(f"{count} on line {code.co_firstlineno}; give it a name: def {name}(...)")
    node = next(iter(texts.values()))
    body = ast.get_source_segment(source, node.body) or ast.unparse(node.body)
    if "\n" in body:
        body = f"(\n{textwrap.indent(textwrap.dedent(body), '        ')}\n    )"
    return f"def {name}({ast.unparse(node.args)}):\n    return {body}"


def _same_code(node: ast.Lambda, source: str, code: types.CodeType) -> bool:
    """Return whether a lambda compiles to a code that is the one looked for."""
    free = ", ".join(code.co_freevars)
    around = f"def _():\n    {free.replace(', ', ' = ')} = 0\n    return {ast.unparse(node)}\n" if free else ""
    text = around or ast.unparse(node)
    made = [
        part
        for part in _codes(compile(text, "<lambda>", "exec"))
        if part.co_name == "<lambda>" and part.co_freevars == code.co_freevars
    ]
    return any(_alike(part, code) for part in made)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _alike(mine: types.CodeType, its: types.CodeType) -> bool:
    if (mine.co_code, mine.co_names, mine.co_varnames) != (its.co_code, its.co_names, its.co_varnames):
        return False
    if len(mine.co_consts) != len(its.co_consts):
        return False
    return all(
        _alike(left, right)
        if isinstance(left, types.CodeType) and isinstance(right, types.CodeType)
        else type(left) is type(right) and left == right
        for left, right in zip(mine.co_consts, its.co_consts, strict=True)
    )


def same_code(text: str, code: types.CodeType) -> bool:
    """Return whether a definition's source is that of a live function, wherever it stands now."""
    try:
        made = compile(text, "<cell>", "exec")
    except (SyntaxError, ValueError):
        return False
    return any(part.co_name == code.co_name and _alike(part, code) for part in _codes(made))


def _function_source(function: types.FunctionType, name: str) -> str:
    code = function.__code__
    tree, source = _tree_of(code)
    for node in ast.walk(tree):
        if isinstance(node, _Function) and node.name == code.co_name:
            first = min([node.lineno, *(part.lineno for part in node.decorator_list)])
            if first <= code.co_firstlineno <= node.lineno:
                return _renamed(node, first, source, name)
    raise Inexpressible(f"its definition is not on line {code.co_firstlineno} of its source any more")


def _class_source(cls: type, name: str) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError) as exc:
        raise Inexpressible(f"its source cannot be found: {exc}") from exc
    for value in vars(cls).values():
        inner = getattr(value, "__func__", value)
        if isinstance(inner, types.FunctionType) and set(inner.__code__.co_freevars) - {"__class__"}:
            raise Inexpressible(
                f"its method {inner.__name__!r} uses {inner.__code__.co_freevars[0]!r} of the function around it; "
                f"define the class at the top level"
            )
    node = ast.parse(source).body[0]
    if isinstance(node, ast.ClassDef) and node.name == name:
        return source.rstrip("\n")
    assert isinstance(node, ast.ClassDef)
    return source.rstrip("\n").replace(f"class {node.name}", f"class {name}", 1)


def _renamed(node: ast.FunctionDef | ast.AsyncFunctionDef, first: int, source: str, name: str) -> str:
    lines = source.split("\n")[first - 1 : node.end_lineno]
    text = textwrap.dedent("\n".join(lines))
    if node.name != name:
        text = text.replace(f"def {node.name}", f"def {name}", 1)
    return text
