"""What names depend on, as text: the statements that gave them their meaning, and the user's modules that are imported.

An export must know of each statement whether it can run elsewhere. Whoever only asks whether something has changed
needs less: nothing is looked up or written here, and no value counts, since values change while a graph runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from graphkit.export.packages import lies_with_user, places_of
from graphkit.export.statements import Statement


class Dependencies:
    r"""The statements that names depend on, by the names.

    Parameters
    ----------
    statements
        What ran, in order.

    Attributes
    ----------
    texts
        For each name that is needed, the source that it is made by.
    modules
        Whole names of the modules that those import.

    Examples
    --------
    >>> from graphkit.export.cells import Cell
    >>> from graphkit.export.statements import statements_of
    >>> source = "import math\nBY = 2\nBY = 3\ndef scale(x): return math.sqrt(x) * BY\ndef other(x): ..."
    >>> found = Dependencies(statements_of([Cell(source, "cell 1")]))
    >>> found.need(["scale"])
    >>> sorted(found.texts.items()), found.modules
    ([('BY', 'BY = 3'), ('scale', 'def scale(x): return math.sqrt(x) * BY')], {'math'})
    """

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.texts: dict[str, str] = {}
        self.modules: set[str] = set()
        self._seen: set[str] = set()
        self._binding: dict[str, list[Statement]] = {}
        self._changing: dict[str, list[Statement]] = {}
        for statement in statements:
            if statement.star_module is not None:
                self.modules.add(statement.star_module)
            for name in statement.names.binds:
                self._binding.setdefault(name, []).append(statement)
            for name in statement.changes:
                self._changing.setdefault(name, []).append(statement)

    def knows(self, name: str) -> bool:
        """Return whether a statement gives a name its meaning."""
        return name in self._binding

    def need(self, names: Iterable[str]) -> None:
        """Take what names depend on, and what that depends on."""
        waiting = sorted(names)
        while waiting:
            name = waiting.pop()
            if name in self._seen or name not in self._binding:
                continue
            self._seen.add(name)
            parts = list(self._made_by(name))
            for part in parts:
                if part.is_import:
                    self.modules |= imports_of(part.text)
                waiting += sorted(part.names.reads | part.names.maybe)
            text = "\n".join(part.text for part in parts if not part.is_import)
            if text:
                self.texts[name] = text

    def _made_by(self, name: str) -> Iterator[Statement]:
        """Yield the last statement that binds a name, those before that it may leave as they are, and later changes."""
        first = 0
        for statement in reversed(self._binding[name]):
            yield statement
            first = statement.place
            if statement.certain:
                break
        for statement in self._changing.get(name, ()):
            if statement.place > first:
                yield statement


def imports_of(source: str, package: str = "") -> set[str]:
    r"""Return the whole names of the modules that a source may import, functions included; what is no Python has none.

    Parameters
    ----------
    source
        The source.
    package
        The package that it stands in, for relative imports.

    Examples
    --------
    >>> sorted(imports_of("import os.path\nfrom .b import c", "a"))
    ['a.b', 'a.b.c', 'os.path']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            parts = [base] if node.level and base else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            # what is imported from a package may be a module of it
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found - {""}


def own_files(modules: Iterable[str]) -> dict[str, Path]:
    """Return the files of the user's own among some modules, and of those that they import, by their names.

    Only what is imported counts, not all that lies beside it. Nothing is imported for it.
    """
    found: dict[str, Path] = {}
    waiting = sorted(modules)
    while waiting:
        name = waiting.pop()
        outermost, _, rest = name.partition(".")
        if name in found or not lies_with_user(outermost):
            continue
        if rest:
            waiting.append(name.rpartition(".")[0])
        file = _file_of(outermost, rest)
        if file is None:
            continue
        found[name] = file
        if file.suffix == ".py":
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            waiting += sorted(imports_of(source_of(file), package) - found.keys())
    return found


def source_of(file: Path) -> str:
    """Return the text of a file; of one that cannot be read, nothing."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeError):
        return ""


def _file_of(outermost: str, rest: str) -> Path | None:
    for place in places_of(outermost):
        inner = place.joinpath(*rest.split(".")) if rest else place
        candidates = [place] if place.is_file() and not rest else [inner.with_name(f"{inner.name}.py")] if rest else []
        for file in (*candidates, inner / "__init__.py"):
            if file.is_file():
                return file
    return None
