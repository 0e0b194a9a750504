"""Where the user's code stands: the cells of a kernel, or the text of a module.

Cells are given as plain Python: a line magic has become a call of ``get_ipython()``, and a cell magic that runs its
body in the notebook (``%%time``, ``%%capture``) has become that body.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from graphkit.core.errors import ExportError

#: Cell magics whose body runs as a part of the notebook.
_TRANSPARENT = frozenset({"time", "capture", "prun", "debug", "memit", "mprun"})
#: Line magics whose line runs as a part of the notebook.
_TRANSPARENT_LINES = frozenset({"time", "memit", "prun"})


class Cell(msgspec.Struct, frozen=True):
    """A piece of source that ran as a whole.

    Attributes
    ----------
    source
        Plain Python.
    label
        What to call it in messages, such as ``"cell 3"``.
    """

    source: str
    label: str


def kernel_cells(namespace: Mapping[str, Any]) -> list[Cell] | None:
    """Return what ran in the notebook of a namespace, oldest first; ``None`` if it is no notebook's.

    A cell that ran twice stands there twice, as it was each time.
    """
    history = namespace.get("In")
    shell = namespace.get("get_ipython")
    if not isinstance(history, list) or not callable(shell):
        return None
    found = [
        (number, Cell(plain_source(source), f"cell {number}"))
        for number, source in enumerate(history)
        if isinstance(source, str) and source.strip()
    ]
    known = {source.strip() for source in history if isinstance(source, str)}
    found += [
        (number, Cell(plain_source(source), "a cell without a number"))
        for number, source in _unnumbered(shell())
        if source.strip() not in known
    ]
    return [cell for _, cell in sorted(found, key=lambda item: item[0])]


def _unnumbered(shell: Any) -> Iterator[tuple[int, str]]:
    """Return cells that ran without getting into the history, as some tools run them, with the number before them."""
    numbers = getattr(getattr(shell, "compile", None), "_filename_map", None)
    for name, number in dict(numbers or {}).items():
        entry = linecache.cache.get(name)
        if entry is not None and len(entry) > 2:
            yield number, "".join(entry[2])


def module_cells(namespace: Mapping[str, Any]) -> list[Cell] | None:
    """Return the source of the module that a namespace belongs to, as one cell; ``None`` if there is none."""
    file = namespace.get("__file__")
    if not isinstance(file, str):
        return None
    linecache.checkcache(file)
    source = "".join(linecache.getlines(file, dict(namespace)))
    return [Cell(source, Path(file).name)] if source else None


def cells_of(namespace: Mapping[str, Any]) -> list[Cell]:
    """Return where the names of a namespace were defined.

    Raises
    ------
    ExportError
        If that cannot be known.
    """
    found = kernel_cells(namespace)
    if found is None:
        found = module_cells(namespace)
    if found is None:
        name = namespace.get("__name__", "the namespace")
        raise ExportError(
            f"the source of {name!r} cannot be found: a graph is exported from a notebook, or from a module in a file"
        )
    return found


def plain_source(source: str) -> str:
    r"""Return a cell as Python without notebook commands where they only wrap code.

    >>> print(plain_source("%%time\nx = 1"))
    x = 1
    """
    text = _transformed(source)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text  # it did not run; nothing of it is ever needed
    lines = text.splitlines(keepends=True)
    pieces: list[str] = []
    done = 0
    for node in tree.body:
        inner = _wrapped(node)
        if inner is None or node.end_lineno is None:
            continue
        pieces += [*lines[done : node.lineno - 1], inner if inner.endswith("\n") else inner + "\n"]
        done = node.end_lineno
    return plain_source("".join([*pieces, *lines[done:]])) if pieces else text


def _transformed(source: str) -> str:
    if not any(mark in source for mark in "%!?"):
        return source
    if "IPython" not in sys.modules and not _looks_like_commands(source):
        return source
    from graphkit.core.extras import load

    manager = load("IPython.core.inputtransformer2", "reading a notebook's commands", "notebook").TransformerManager()
    text: str = manager.transform_cell(source)
    return text


def _looks_like_commands(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return True
    return False


def _wrapped(node: ast.stmt) -> str | None:
    """Return the code that a notebook command runs as a part of the notebook."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return None
    call = node.value
    args = [arg.value if isinstance(arg, ast.Constant) else None for arg in call.args]
    if not isinstance(call.func, ast.Attribute) or not is_shell_call(call.func.value):
        return None
    if call.func.attr == "run_cell_magic" and len(args) == 3 and args[0] in _TRANSPARENT:
        return str(args[2])
    if call.func.attr == "run_line_magic" and len(args) == 2 and args[0] in _TRANSPARENT_LINES:
        return str(args[1])
    return None


def is_shell_call(node: ast.expr) -> bool:
    """Return whether an expression is ``get_ipython()``, by which notebook commands are run."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"
