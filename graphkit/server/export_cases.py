"""Which files of cases go along with an app: those that name its graph, or stand beside it and name none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from graphkit.cases.file import CaseFile
from graphkit.cases.found import case_files
from graphkit.core.errors import CaseError, ExportError, GraphError
from graphkit.export.recorded import Found
from graphkit.server.graph_server import GraphServer
from graphkit.server.target import is_graph, named_file, value_in

#: How to export without any.
WITHOUT = "cases=() leaves the cases of all files out"
# Where a module says which file it is; and kernels, which notebook they run.
_FILES = ("__file__", "__session__", "__vsc_ipynb_file__")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A graph that is exported, as files of cases may name it.

    Attributes
    ----------
    server
        The server.
    names
        The globals of the notebook or module that the graph stands in.
    file
        The notebook, module or spec; ``None`` in a notebook that does not know its own file.
    attribute
        What the graph is called there, if the user named it.
    """

    server: GraphServer
    names: Mapping[str, Any]
    file: Path | None = None
    attribute: str | None = None

    def folders(self) -> list[Path]:
        """Return where its cases may stand: beside it, then here."""
        beside = [self.file.resolve().parent] if self.file is not None else []
        return list(dict.fromkeys([*beside, Path.cwd().resolve()]))

    def is_named_by(self, name: str, base: Path) -> bool:
        """Return whether this graph is what a file of cases in a folder names.

        Raises
        ------
        GraphError
            If there is no such thing.
        """
        head, _, attribute = name.partition(":")
        if head == self.names.get("__name__"):
            return self._has(attribute or None)
        file, called = named_file(name, base)
        return self._is(file) and self._has(called)

    def _is(self, file: Path) -> bool:
        if self.file is not None:
            return file.resolve() == self.file.resolve()
        # a notebook that does not know its own file is the only one there, or nobody can tell
        return file.suffix == ".ipynb" and [each.name for each in file.parent.glob("*.ipynb")] == [file.name]

    def _has(self, attribute: str | None) -> bool:
        if attribute is None or attribute == self.attribute:
            return True
        value = value_in(self.names, attribute, "it")
        if is_graph(value):
            return (value.graph if isinstance(value, GraphServer) else value) is self.server.graph
        # what a function makes is another graph each time
        return callable(value) and self.attribute is None


def subject_of(server: GraphServer, names: Mapping[str, Any], home: Mapping[str, Any]) -> Subject:
    """Return a graph that is exported from within its notebook or program."""
    found = (Path(home[key]) for key in _FILES if isinstance(home.get(key), (str, os.PathLike)))
    return Subject(server=server, names=names, file=next((file for file in found if file.is_file()), None))


def files_for(subject: Subject, given: Any = None) -> tuple[list[Found], list[str]]:
    """Return the files of cases that go along with a graph, and notes on those that do not.

    Parameters
    ----------
    subject
        The graph.
    given
        A file, or several, that the user named; left out, those are found that ``graphkit test`` and pytest would try
        on the graph.

    Raises
    ------
    ExportError
        With every file that is broken.
    """
    if given is not None:
        paths = [given] if isinstance(given, (str, os.PathLike)) else list(given)
        loaded = _loaded(map(Path, paths))
        return _found([(path, file, True) for path, file in loaded]), []
    mine: list[tuple[Path, CaseFile, bool]] = []
    others: list[str] = []
    for folder in subject.folders():
        unnamed = any(not is_named for *_, is_named in mine)
        for path, file in _loaded(case_files(folder)):
            if file.graph is None:
                if not unnamed:  # those beside the graph come first
                    mine.append((path, file, False))
            elif _is_named(subject, file.graph, folder):
                mine.append((path, file, True))
            elif file.cases:
                others.append(f"{path.name!r} (graph: {file.graph})")
    notes = [f"cases of another graph are left out: {', '.join(others)}"] if others else []
    return _found(mine), notes


def _is_named(subject: Subject, name: str, folder: Path) -> bool:
    try:
        return subject.is_named_by(name, folder)
    except GraphError:
        return False  # what is not there is not this graph


def _loaded(paths: Iterable[Path]) -> list[tuple[Path, CaseFile]]:
    found, problems = [], []
    for path in paths:
        try:
            found.append((path, CaseFile.load(path)))
        except CaseError as exc:
            problems.append(exc.message)
    if problems:
        raise ExportError(problems=[*problems, f"if these are none of graphkit's: {WITHOUT}"])
    return found


def _found(files: list[tuple[Path, CaseFile, bool]]) -> list[Found]:
    names = [path.name for path, *_ in files]
    return [
        Found(path.name if names.count(path.name) == 1 else str(path), file.cases, is_named)
        for path, file, is_named in files
        if file.cases
    ]
