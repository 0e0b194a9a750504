"""Which global names a piece of code reads: at once, when it is called, or only in annotations."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from typing import Any

import msgspec

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_AT_ONCE = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})


class Names(msgspec.Struct, frozen=True):
    """The global names of one statement.

    Attributes
    ----------
    binds
        What it gives a meaning to.
    now
        What it reads when it runs: decorators, defaults, base classes, the bodies of classes.
    later
        What its functions read, or set with ``global``, when they are called.
    maybe
        What annotations name without ever reading it: in quotes, or all of them where they are not evaluated.
    """

    binds: frozenset[str] = frozenset()
    now: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()

    @property
    def reads(self) -> frozenset[str]:
        """All names that must mean something."""
        return self.now | self.later


def names_of(node: ast.stmt, text: str, *, lazy_annotations: bool = False) -> Names:
    """Return the global names of a statement.

    Parameters
    ----------
    node, text
        The statement, and its source.
    lazy_annotations
        Whether annotations are not evaluated (``from __future__ import annotations``).

    Examples
    --------
    >>> text = "def scale(x, by=FACTOR): return clean(x) * by"
    >>> found = names_of(ast.parse(text).body[0], text)
    >>> sorted(found.binds), sorted(found.now), sorted(found.later)
    (['scale'], ['FACTOR'], ['clean'])
    """
    maybe = set(_quoted(node))
    if lazy_annotations:
        maybe |= {part.id for note in _annotations(node) for part in ast.walk(note) if isinstance(part, ast.Name)}
        text = ast.unparse(_Bare().visit(ast.parse(ast.unparse(node))))
    binds: set[str] = set()
    now: set[str] = set()
    later: set[str] = set()
    top = symtable.symtable(text, "cell", "exec")
    for symbol in top.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            binds.add(symbol.get_name())
        if symbol.is_referenced():
            now.add(symbol.get_name())
    for child in top.get_children():
        _below(child, True, now, later, maybe)
    own = _of_comprehensions(ast.parse(text))
    binds, now = binds - own, now - own
    if isinstance(node, ast.Delete):
        binds.clear()  # to symtable this binds too
    return Names(frozenset(binds), frozenset(now), frozenset(later - now), frozenset(maybe - now - later))


def expression_names(text: str) -> frozenset[str]:
    """Return the names that an expression reads, those of its lambdas included.

    >>> sorted(expression_names("[clean(x) for x in rows]"))
    ['clean', 'rows']
    """
    found = names_of(ast.parse(text).body[0], text)
    return found.reads


def _below(table: symtable.SymbolTable, at_once: bool, now: set[str], later: set[str], maybe: set[str]) -> None:
    kind = str(getattr(table.get_type(), "value", table.get_type()))
    if kind in ("function", "annotation", "type alias", "TypeVar bound"):
        at_once = at_once and table.get_name() in _AT_ONCE
    into = now if at_once else later
    if kind == "annotation":
        into = later = maybe  # from Python 3.14 on they are evaluated only when somebody asks for them
    for symbol in table.get_symbols():
        if symbol.is_global() and (symbol.is_referenced() or symbol.is_assigned()):
            into.add(symbol.get_name())
    for child in table.get_children():
        _below(child, at_once, now, later, maybe)


def _of_comprehensions(tree: ast.AST) -> set[str]:
    """Return the names that mean something in comprehensions only, which symtable tells to be global from 3.12 on."""
    inside: set[str] = set()
    outside: set[str] = set()
    waiting: list[tuple[ast.AST, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, bound = waiting.pop()
        if isinstance(node, ast.Name) and node.id not in bound:
            outside.add(node.id)
        if isinstance(node, _COMPREHENSIONS):
            targets = {
                part.id for loop in node.generators for part in ast.walk(loop.target) if isinstance(part, ast.Name)
            }
            inside |= targets
            first = node.generators[0].iter  # evaluated around the comprehension
            waiting.append((first, bound))
            parts = [*_parts_of_loops(node, first), *(getattr(node, field, None) for field in ("elt", "key", "value"))]
            waiting += [(part, bound | targets) for part in parts if part is not None]
        elif isinstance(node, _SCOPES):
            body = node.body if isinstance(node.body, list) else [node.body]
            waiting += [(part, bound) for part in ast.iter_child_nodes(node) if part not in body]
        else:
            waiting += [(part, bound) for part in ast.iter_child_nodes(node)]
    return inside - outside


def _parts_of_loops(node: Any, first: ast.expr) -> Iterator[ast.expr]:
    for loop in node.generators:
        yield loop.target
        yield from loop.ifs
        if loop.iter is not first:
            yield loop.iter


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    for part in ast.walk(node):
        if isinstance(part, (ast.arg, ast.AnnAssign)) and part.annotation is not None:
            yield part.annotation
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) and part.returns is not None:
            yield part.returns


def _quoted(node: ast.AST) -> Iterator[str]:
    for note in _annotations(node):
        for part in ast.walk(note):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    inner = ast.parse(part.value, mode="eval")
                except (SyntaxError, ValueError):
                    continue  # a text in Literal["a b"], not a name
                yield from (name.id for name in ast.walk(inner) if isinstance(name, ast.Name))


class _Bare(ast.NodeTransformer):
    """Takes annotations away."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.copy_location(ast.Constant(value=0), node.annotation)
        return self.generic_visit(node)
