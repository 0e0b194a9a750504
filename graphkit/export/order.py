"""The order in which collected statements stand in a module: as they ran, unless one needs another at once."""

from __future__ import annotations

from collections.abc import Collection

from graphkit.export.statements import Statement


def in_order(taken: Collection[Statement]) -> list[Statement]:
    """Return statements so that each finds what it reads when the module is imported.

    In a notebook cells run again, so that a definition may be newer than what was made with it. What a function
    reads when it is called may stand anywhere, unless it is called while the module is imported: then all that it
    needs comes first.

    Examples
    --------
    >>> from graphkit.export.cells import Cell
    >>> from graphkit.export.statements import statements_of
    >>> cells = [Cell("TABLE = build()", "cell 2"), Cell("def build(): return [ROW]", "cell 3"), Cell("ROW = 1", "c")]
    >>> [sorted(s.names.binds) for s in in_order(statements_of(cells))]
    [['build'], ['ROW'], ['TABLE']]
    """
    return _Sorter(sorted(taken, key=lambda statement: statement.place)).run()


class _Sorter:
    def __init__(self, statements: list[Statement]) -> None:
        self._statements = statements
        self._binding: dict[str, list[Statement]] = {}
        self._changing: dict[str, list[Statement]] = {}
        for statement in statements:
            for name in statement.names.binds:
                self._binding.setdefault(name, []).append(statement)
            for name in statement.changes:
                self._changing.setdefault(name, []).append(statement)
        self._begun: set[Statement] = set()
        self._out: list[Statement] = []

    def run(self) -> list[Statement]:
        for statement in self._statements:
            self._emit(statement)
        return self._out

    def _emit(self, statement: Statement) -> None:
        if statement in self._begun:
            return
        self._begun.add(statement)
        for needed in self._at_once(statement):
            self._emit(needed)
        self._out.append(statement)

    def _at_once(self, statement: Statement) -> list[Statement]:
        """Return what must stand before a statement, in the order in which it ran."""
        found: dict[Statement, None] = {}
        waiting = [
            other
            for name in sorted(statement.names.now | (statement.changes - statement.names.binds))
            for other in self._providers(name, statement)
        ]
        while waiting:
            other = waiting.pop()
            if other is statement or other in found:
                continue
            found[other] = None
            for name in other.names.reads:
                waiting += self._providers(name, statement)
        # a binding that may leave a name as it was needs what it was before
        for name in statement.names.binds:
            for other in self._binding.get(name, ()):
                if other.place < statement.place:
                    found[other] = None
        return sorted(found, key=lambda other: other.place)

    def _providers(self, name: str, user: Statement) -> list[Statement]:
        binding = self._binding.get(name, [])
        newer = bool(binding) and binding[-1].place > user.place
        changing = [other for other in self._changing.get(name, ()) if newer or other.place < user.place]
        return [*binding, *changing]
