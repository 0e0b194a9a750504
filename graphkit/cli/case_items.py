"""Recorded cases as pytest's tests; imported when there is a file of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphkit.cases.case import Case
from graphkit.cases.check import CaseResult, check_case
from graphkit.cases.file import CaseFile
from graphkit.core.errors import CaseError, GraphkitError
from graphkit.server.target import open_target


class CaseFailed(Exception):
    """A case was not answered as expected; pytest shows the differences instead of a traceback."""

    def __init__(self, result: CaseResult) -> None:
        super().__init__(result.text())
        self.result = result


class CasesCollector(pytest.File):
    """A file of cases. Its graph is opened when the first case runs.

    Parameters
    ----------
    graph
        What the cases are tried on, where the file does not say it.
    root
        The folder that ``graph`` counts from.
    **more
        As for all collectors.
    """

    def __init__(self, *, graph: str, root: Path, **more: Any) -> None:
        super().__init__(**more)
        self._graph = graph
        self._root = root
        self._file: CaseFile | None = None
        self._server: Any = None
        self._path: list[str] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each case."""
        try:
            self._file = CaseFile.load(self.path)
        except CaseError as exc:
            raise self.CollectError(exc.message) from exc
        lines = self.path.read_text(encoding="utf-8-sig").splitlines()
        for case in self._file:
            yield CaseItem.from_parent(self, name=case.name, case=case, line=_line_of(case.name, lines))

    @property
    def server(self) -> Any:
        """The server that the cases are tried on; raises GraphError if it cannot be opened."""
        if self._server is None:
            assert self._file is not None
            # the graph's folder can be imported from as long as its cases run
            self._path = [*sys.path]
            name, base = self._file.graph or self._graph, self.path.parent
            if self._file.graph is None and self._graph:
                base = self._root
            self._server = open_target(name or str(self.path.parent), self._file.module, base=base).server
        return self._server

    def teardown(self) -> None:
        """Close what the graph has opened."""
        server, self._server = self._server, None
        if self._path is not None:
            sys.path[:], self._path = self._path, None
        if server is not None:
            server.wait_for_completion()


class CaseItem(pytest.Item):
    """One case.

    Parameters
    ----------
    case
        The case.
    line
        Where it stands in its file, from 0 on.
    **more
        As for all items.
    """

    parent: CasesCollector

    def __init__(self, *, case: Case, line: int | None, **more: Any) -> None:
        super().__init__(**more)
        self.case = case
        self._line = line

    def runtest(self) -> None:
        """Replay the case."""
        result = check_case(self.parent.server, self.case)
        if not result.passed:
            raise CaseFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the differences; of other errors of ours the message."""
        if isinstance(excinfo.value, (CaseFailed, GraphkitError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the case stands, and what it is called."""
        return self.path, self._line, f"case {self.case.name!r}"


def _line_of(name: str, lines: list[str]) -> int | None:
    """Return the line that names a case, as it is usually written."""
    wanted = (f"name: {name}", f"name: '{name}'", f'name: "{name}"')
    return next((at for at, line in enumerate(lines) if line.strip(" -{").startswith(wanted)), None)
