"""Cells taken apart into statements: what each gives a meaning to, reads, and changes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import msgspec

from graphkit.export.cells import Cell
from graphkit.export.scopes import Names, names_of

#: Methods by which containers are filled at the top level of a notebook.
_FILLING = frozenset(
    "add append appendleft clear discard extend insert pop popitem remove reverse setdefault sort "  # noqa: SIM905
    "update subtract register".split()
)
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)


class Statement(msgspec.Struct, frozen=True, eq=False):
    """One statement of a cell.

    Attributes
    ----------
    place
        Its place among all statements, in the order in which they ran.
    label
        The cell that it stands in.
    node, text
        The statement, and its source as the user wrote it, with the comment above it.
    names
        What it binds and reads.
    changes
        Names whose objects it changes in place, or that it counts up.
    certain
        Whether it binds its names whenever it runs; an ``if`` may not.
    """

    place: int
    label: str
    node: ast.stmt
    text: str
    names: Names
    changes: frozenset[str] = frozenset()
    certain: bool = True

    @property
    def is_import(self) -> bool:
        """Whether it is an import and nothing else."""
        return isinstance(self.node, (ast.Import, ast.ImportFrom))

    @property
    def is_definition(self) -> bool:
        """Whether it defines a function or class."""
        return isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))

    @property
    def awaits(self) -> bool:
        """Whether it awaits at the top level, which only a notebook can."""
        parts: list[ast.AST] = [self.node]
        while parts:
            part = parts.pop()
            if isinstance(part, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
                return True
            if not isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                parts.extend(ast.iter_child_nodes(part))
        return False

    @property
    def star_module(self) -> str | None:
        """The module of ``from module import *``."""
        node = self.node
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return "." * node.level + (node.module or "")
        return None


def statements_of(cells: Iterable[Cell], package: str | None = None) -> list[Statement]:
    r"""Return the statements of all cells in the order in which they ran; a cell that is no Python has none.

    Parameters
    ----------
    cells
        The cells.
    package
        The package that they stand in: relative imports become absolute ones.

    Examples
    --------
    >>> [s.text for s in statements_of([Cell("# Rows\nROWS = []\nROWS.append(1)", "cell 1")])]
    ['# Rows\nROWS = []', 'ROWS.append(1)']
    """
    found: list[Statement] = []
    lazy = False
    for cell in cells:
        try:
            tree = ast.parse(cell.source)
        except (SyntaxError, ValueError):
            continue
        lazy = lazy or any(map(is_lazy_annotations, tree.body))
        lines = cell.source.split("\n")
        for node in _flat(tree.body):
            text = _text(node, lines, tree)
            if package and isinstance(node, ast.ImportFrom) and node.level:
                node = _absolute(node, package)
                text = ast.unparse(node)
            found.append(_statement(len(found), cell.label, node, text, lazy))
    return found


def is_lazy_annotations(node: ast.stmt) -> bool:
    """Return whether a statement is ``from __future__ import annotations``."""
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
    )


def _absolute(node: ast.ImportFrom, package: str) -> ast.ImportFrom:
    base = package.rsplit(".", node.level - 1)[0]
    made = ast.ImportFrom(module=f"{base}.{node.module}" if node.module else base, names=node.names, level=0)
    return ast.copy_location(made, node)


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Return statements; what stands below ``if __name__ == "__main__"`` ran like the rest."""
    for node in body:
        if isinstance(node, ast.If) and _is_main(node.test):
            yield from _flat(node.body)
        else:
            yield node


def _is_main(test: ast.expr) -> bool:
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _statement(place: int, label: str, node: ast.stmt, text: str, lazy: bool) -> Statement:
    try:
        names = names_of(node, text, lazy_annotations=lazy)
    except SyntaxError:
        names = Names()  # such as a return outside of a function: it never ran
    changes = frozenset(_changed(node))
    if isinstance(node, ast.AugAssign):
        names = Names(frozenset(), names.now | changes, names.later, names.maybe)
    certain = not isinstance(node, _COMPOUND) or isinstance(node, (ast.With, ast.AsyncWith))
    return Statement(place, label, node, text, names, changes - names.binds, certain)


def _text(node: ast.stmt, lines: list[str], tree: ast.Module) -> str:
    """Return the source of a top-level statement, with the lines of comment directly above it."""
    first = min([node.lineno, *(part.lineno for part in getattr(node, "decorator_list", ()))])
    last = node.end_lineno or node.lineno
    shared = any(
        other is not node and other.lineno <= last and (other.end_lineno or other.lineno) >= first
        for other in tree.body
        if not _holds(other, node)
    )
    if node.col_offset or shared:
        if _decorated(node) or _has_long_text(node):
            return ast.unparse(node)  # moving its lines would change what stands in it
        return _dedented(ast.get_source_segment("\n".join(lines), node) or "", node.col_offset)
    start = first - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return "\n".join(lines[start:last])


def _holds(other: ast.stmt, node: ast.stmt) -> bool:
    return isinstance(other, ast.If) and any(part is node for part in ast.walk(other))


def _decorated(node: ast.stmt) -> bool:
    return bool(getattr(node, "decorator_list", ()))


def _has_long_text(node: ast.AST) -> bool:
    return any(
        isinstance(part, (ast.Constant, ast.JoinedStr)) and part.lineno != part.end_lineno for part in ast.walk(node)
    )


def _dedented(text: str, by: int) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(line[by:] if not line[:by].strip() else line for line in rest)])


def _changed(node: ast.stmt) -> Iterator[str]:
    """Return the names whose objects a statement changes in place, outside of functions."""
    for part in _outside_functions(node):
        if isinstance(part, ast.AugAssign):
            yield from _root(part.target)
        elif isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(part.ctx, (ast.Store, ast.Del)):
            yield from _root(part)
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            function = part.value.func
            if isinstance(function, ast.Attribute) and function.attr in _FILLING:
                yield from _root(function.value)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
