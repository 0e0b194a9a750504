"""Exports what a user names or holds: what an app needs of a server is taken from it here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.core.errors import GraphError
from graphkit.core.namespace import caller_namespace
from graphkit.export.app import Source, collect_app, write_app
from graphkit.export.cells import Cell
from graphkit.export.recorded import AppCases, app_cases
from graphkit.export.report import Exported
from graphkit.runtime.resolve import as_namespace
from graphkit.server.code_files import importing_from
from graphkit.server.export_cases import Subject, files_for, subject_of
from graphkit.server.export_check import check_app, further_requirements
from graphkit.server.graph_server import GraphServer
from graphkit.server.notebook_file import code_cells, plain_python
from graphkit.server.target import Target, open_target
from graphkit.view.outline import outline


def export_app(
    graph: Any,
    folder: str | Path,
    *,
    artifacts: str = "copy",
    allow_pickle: bool = False,
    overwrite: bool = False,
    verify: bool = True,
    namespace: Any = None,
    cells: list[Cell] | None = None,
    runs: Iterable[Any] | None = None,
    cases: Any = None,
    subject: Subject | None = None,
) -> Exported:
    """Write a graph as a folder that runs anywhere, and let a fresh process replay its last runs and its cases.

    Parameters
    ----------
    graph
        A server, or the root of a graph; of a root, the server that was bound last brings parameters and runs.
    folder
        Where to write.
    artifacts
        ``"copy"`` puts model files into the app, ``"reference"`` leaves them where they are.
    allow_pickle
        Let the very model files load that may run code (pickles): their hashes are written into the settings.
    overwrite
        Replace an app that was exported before; what others put there or changed is never lost.
    verify
        Try the app in a fresh process before it takes its place.
    namespace
        The globals of the notebook or module that the code stands in; left out, the server's or the caller's.
    cells
        The source of what ran there; left out, it is looked for.
    runs
        The run records that become cases, oldest first; left out, the server's.
    cases
        Files of cases that go along, and none with ``()``; left out, those that :func:`files_for` finds.
    subject
        Where the graph stands; left out, the namespace tells.

    Raises
    ------
    ExportError
        With everything that cannot be exported; or with every answer that a fresh process gives differently.
    """
    server = graph if isinstance(graph, GraphServer) else server_of(graph)
    names = _names(server, namespace)
    home = names if isinstance(names.get("__name__"), str) else caller_namespace()
    files, notes = files_for(subject or subject_of(server, names, home), cases)
    found = app_cases(server.runs if runs is None else runs, files, notes)
    source = _source(server, names, home, cells, found)
    app = collect_app(source, artifacts=artifacts, allow_pickle=allow_pickle)
    if not verify:
        return write_app(app, folder, overwrite=overwrite)
    check = partial(check_app, server=server, cases=found, others=_others(server, names))
    return write_app(app, folder, overwrite=overwrite, check=check, more=further_requirements)


def _others(server: GraphServer, names: Mapping[str, Any]) -> list[GraphServer]:
    """Return the servers of other graphs in a namespace."""
    servers = [value for value in names.values() if isinstance(value, GraphServer)]
    return [each for each in servers if each.graph is not server.graph]


def export_target(name: str | Path, folder: str | Path, *, module: str | None = None, **options: Any) -> Exported:
    """Open what a user names (a notebook, a Python file, ``module:attribute``) and export its graph.

    Parameters
    ----------
    name
        As :func:`graphkit.server.target.open_target` takes it. The cells of a notebook are run, without those tagged
        ``skip``; what it tests meanwhile becomes the recorded cases.
    folder, **options
        As in :func:`export_app`.
    module
        Where a saved graph finds its code.
    """
    text, place = str(name), Path(folder).absolute()
    if ".ipynb" not in text:
        target = open_target(text, module)
        server, runs = _that_ran(target.server)
        return export_app(server, place, runs=runs, subject=_subject(server, target), **options)
    head, dot, attribute = text.partition(".ipynb")
    file = Path(head + dot).absolute()
    with _working_in(file.parent):
        target = open_target(f"{file}{attribute}", module)
        cells = [Cell(plain_python(source), f"cell {number}") for number, source in code_cells(file)]
        server, runs = _that_ran(target.server)
        return export_app(server, place, cells=cells, runs=runs, subject=_subject(server, target), **options)


def _subject(server: GraphServer, target: Target) -> Subject:
    names = server._namespace or {}
    return Subject(server=server, names=names, file=target.file, attribute=target.attribute)


def _that_ran(opened: GraphServer) -> tuple[GraphServer, list[Any]]:
    """Return what to export, and its runs: where a graph was named, those of the servers that it was tested with."""
    names = opened._namespace or {}
    values = list(names.values())
    if len(opened.runs) or any(value is opened for value in values):
        return opened, list(opened.runs)
    last = _bound_last(opened.graph)
    found = [value for value in values if isinstance(value, GraphServer) and value.graph is opened.graph]
    servers = {id(each): each for each in (*found, *([last] if last is not None else [])) if len(each.runs)}
    if not servers:
        return opened, []
    chosen = last if last is not None and id(last) in servers else next(reversed(servers.values()))
    if chosen._namespace is None:
        chosen._set_namespace(names)
    # a server with other parameters may have answered otherwise
    fields = chosen.to_dict()
    runs = [run for each in servers.values() if each.to_dict() == fields for run in each.runs]
    return chosen, sorted(runs, key=lambda run: run.started)


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Work in a folder, as a notebook does in its own: paths count from there, and modules there can be imported."""
    if not folder.is_dir():
        yield  # that there is no such notebook is told by whoever opens it
        return
    before = Path.cwd()
    os.chdir(folder)
    try:
        with importing_from(folder):
            yield
    finally:
        os.chdir(before)


def server_of(graph: Any) -> GraphServer:
    """Return the server that a root was bound by last, or a new one."""
    server = _bound_last(graph)
    return server if server is not None else GraphServer(graph)


def _bound_last(graph: Any) -> GraphServer | None:
    bound = getattr(graph, "_bound", None)
    server = getattr(getattr(bound, "context", None), "server", None)
    return server if isinstance(server, GraphServer) and server.graph is graph else None


def _names(server: GraphServer, namespace: Any) -> Mapping[str, Any]:
    if namespace is not None:
        return as_namespace(namespace)
    return server._namespace if server._namespace is not None else caller_namespace()


def _source(
    server: GraphServer,
    names: Mapping[str, Any],
    home: Mapping[str, Any],
    cells: list[Cell] | None,
    cases: AppCases,
) -> Source:
    if server.graph is None or not server.graph.get_children():
        raise GraphError("the graph has no steps, so that there is nothing to export")
    server.graph._check()
    fields = server.to_dict()
    fields.pop("graph_initializer", None)
    frozen = freeze(server.graph)
    return Source(
        server=fields,
        initializer=server.graph_initializer,
        frozen=frozen,
        names=names,
        home=home,
        cells=cells,
        cases=cases,
        outline=outline(topology_of(server.graph, frozen.spec)),
        version=own_version(),
    )


def own_version() -> str:
    """Return graphkit's own version."""
    return str(getattr(sys.modules["graphkit"], "__version__", "0"))
