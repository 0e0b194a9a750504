"""The text of the module that holds a graph's definitions: the user's own lines, imports first."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Mapping

from graphkit.export.order import in_order
from graphkit.export.statements import Statement

_PLAIN = re.compile(r"from (\S+) import (\w+)")


def module_text(taken: Mapping[Statement, set[str]], title: str, *, lazy_annotations: bool = False) -> str:
    r"""Return the source of a module with some statements.

    Parameters
    ----------
    taken
        The statements, and the names that each is needed for; of an import only those are written.
    title
        The module's docstring.
    lazy_annotations
        Whether annotations are not to be evaluated.

    Examples
    --------
    >>> from graphkit.export.cells import Cell
    >>> from graphkit.export.statements import statements_of
    >>> one, two = statements_of([Cell("import os, json\ndef read(text): return json.loads(text)", "cell 1")])
    >>> print(module_text({one: {"json"}, two: {"read"}}, "Steps.").partition("\n\n")[2], end="")
    import json
    <BLANKLINE>
    <BLANKLINE>
    def read(text): return json.loads(text)
    """
    imports = dict.fromkeys(
        _import_text(statement, names)
        for statement, names in sorted(taken.items(), key=lambda item: item[0].place)
        if statement.is_import
    )
    rest = in_order([statement for statement in taken if not statement.is_import])
    parts = [_docstring(title)]
    if lazy_annotations:
        parts.append("\nfrom __future__ import annotations\n")
    if imports:
        imports = _merged(imports)
        future = [text for text in imports if text.startswith("from __future__")]
        parts.append("\n" + "\n".join([*future, *(text for text in imports if text not in future)]) + "\n")
    for before, statement in zip([None, *rest], rest, strict=False):
        parts.append(_gap(before, statement) + statement.text.rstrip() + "\n")
    return "".join(parts)


def _docstring(title: str) -> str:
    return f'"""{title}"""\n' if len(title) < 110 else f'"""{textwrap.fill(title, 110)}\n"""\n'


def _import_text(statement: Statement, names: set[str]) -> str:
    """Return an import as it was written, or without the names that nothing needs."""
    node = statement.node
    assert isinstance(node, (ast.Import, ast.ImportFrom))
    needed = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in names]
    if len(needed) == len(node.names):
        return statement.text
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names=needed))
    return ast.unparse(ast.ImportFrom(module=node.module, names=needed, level=node.level))


def _merged(imports: Iterable[str]) -> dict[str, None]:
    """Return imports in which the plain ones of one module stand on one line."""
    names: dict[str, list[str]] = {}
    for text in imports:
        if found := _PLAIN.fullmatch(text):
            names.setdefault(found[1], []).append(found[2])
    merged: dict[str, None] = {}
    for text in imports:
        found = _PLAIN.fullmatch(text)
        merged[f"from {found[1]} import {', '.join(names[found[1]])}" if found else text] = None
    return merged


def _gap(before: Statement | None, statement: Statement) -> str:
    wide = statement.is_definition or "\ndef " in statement.text or (before is not None and before.is_definition)
    if wide:
        return "\n\n"
    return "\n" if before is None or statement.text.startswith("#") else ""
