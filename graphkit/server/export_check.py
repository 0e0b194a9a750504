"""Exports a server, and lets a fresh process try what was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.core.errors import ExportError, GraphError
from graphkit.core.namespace import caller_namespace
from graphkit.export.app import CASES, Check, Source, collect_app, write_app
from graphkit.export.cells import Cell
from graphkit.export.packages import OWN_DISTRIBUTION, canonical, needed_by, requirements_of
from graphkit.export.recorded import recorded_cases
from graphkit.export.report import Exported
from graphkit.server.code_files import importing_from
from graphkit.server.graph_server import GraphServer
from graphkit.server.notebook_file import code_cells, plain_python
from graphkit.server.target import open_target
from graphkit.view.outline import outline

#: How long a fresh process may take to load the app and to answer its cases.
TIMEOUT_S = 600.0


def export_app(
    graph: Any,
    folder: str | Path,
    *,
    artifacts: str = "copy",
    allow_pickle: bool = False,
    exist_ok: bool = False,
    verify: bool = True,
    namespace: Any = None,
    cells: list[Cell] | None = None,
) -> Exported:
    """Write a graph as a folder that runs anywhere, and let a fresh process replay its last runs.

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
    exist_ok
        Replace an app that was exported before; what others put there or changed is never lost.
    verify
        Try the app in a fresh process before it takes its place.
    namespace
        The globals of the notebook or module that the code stands in; left out, the server's or the caller's.
    cells
        The source of what ran there; left out, it is looked for.

    Raises
    ------
    ExportError
        With everything that cannot be exported; or with every answer that a fresh process gives differently.
    """
    server = graph if isinstance(graph, GraphServer) else server_of(graph)
    names = _names(server, namespace)
    home = names if isinstance(names.get("__name__"), str) else caller_namespace()
    source = _source(server, names, home, cells)
    app = collect_app(source, artifacts=artifacts, allow_pickle=allow_pickle)
    if not verify:
        return write_app(app, folder, overwrite=exist_ok)
    return write_app(app, folder, overwrite=exist_ok, check=check_app, more=further_requirements)


def export_target(name: str | Path, folder: str | Path, **options: Any) -> Exported:
    """Open what a user names (a notebook, a Python file, ``module:attribute``) and export its graph.

    Parameters
    ----------
    name
        As :func:`graphkit.server.target.open_target` takes it. The cells of a notebook are run, without those tagged
        ``skip``; what it tests meanwhile becomes the recorded cases.
    folder, **options
        As in :func:`export_app`.
    """
    text, place = str(name), Path(folder).absolute()
    if ".ipynb" not in text:
        return export_app(open_target(text).server, place, **options)
    head, dot, attribute = text.partition(".ipynb")
    file = Path(head + dot).absolute()
    with _working_in(file.parent):
        target = open_target(f"{file}{attribute}")
        cells = [Cell(plain_python(source), f"cell {number} of {file.name}") for number, source in code_cells(file)]
        return export_app(target.server, place, cells=cells, **options)


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
    bound = getattr(graph, "_bound", None)
    server = getattr(getattr(bound, "context", None), "server", None)
    if isinstance(server, GraphServer) and server.graph is graph:
        return server
    return GraphServer(graph)


def _names(server: GraphServer, namespace: Any) -> Mapping[str, Any]:
    if namespace is not None:
        from graphkit.runtime.resolve import as_namespace

        return as_namespace(namespace)
    return server._namespace if server._namespace is not None else caller_namespace()


def _source(server: GraphServer, names: Mapping[str, Any], home: Mapping[str, Any], cells: list[Cell] | None) -> Source:
    if server.graph is None or not server.graph.get_children():
        raise GraphError("the graph has no steps, so that there is nothing to export")
    server.graph._check()
    fields = server.to_dict()
    fields.pop("graph_initializer", None)
    text, count, notes = recorded_cases(server.runs)
    frozen = freeze(server.graph)
    return Source(
        server=fields,
        initializer=server.graph_initializer,
        frozen=frozen,
        names=names,
        home=home,
        cells=cells,
        cases=(text, count),
        outline=outline(topology_of(server.graph, frozen.spec)),
        version=own_version(),
        notes=tuple(notes),
    )


def own_version() -> str:
    """Return graphkit's own version."""
    return str(getattr(sys.modules["graphkit"], "__version__", "0"))


# ---- a fresh process ----------------------------------------------------------------------------------------


def check_app(folder: Path) -> Check:
    """Let a fresh process load an app and answer its recorded cases.

    Raises
    ------
    ExportError
        If it cannot load the app, or answers otherwise than was recorded; the message shows where.
    """
    with tempfile.TemporaryDirectory(prefix="graphkit-check-") as elsewhere:
        result = Path(elsewhere) / "result.json"
        started = Path(elsewhere) / "empty"
        started.mkdir()
        command = [sys.executable, "-m", "graphkit.server.export_check", str(folder), str(result)]
        try:
            done = subprocess.run(  # noqa: S603  # this very Python
                command, cwd=started, env=_environment(), capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ExportError(f"the exported app did not answer its cases within {TIMEOUT_S:.0f} s") from None
        try:
            found = json.loads(result.read_text("utf-8"))
        except (OSError, ValueError):
            tail = done.stderr.decode(errors="replace").strip()[-2000:]
            raise ExportError(f"the exported app ended with code {done.returncode} when it was tried: {tail}") from None
    if found["problems"]:
        raise ExportError(problems=found["problems"])
    return Check(cases=found["cases"], modules=tuple(found["modules"]))


def _environment() -> dict[str, str]:
    """Return an environment in which only what is installed can be imported, and graphkit."""
    own = Path(__file__).resolve().parents[2]
    found = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSTARTUP")}
    if found.get("MPLBACKEND", "").startswith("module://"):
        del found["MPLBACKEND"]  # the notebook's own
    if not any(part in ("site-packages", "dist-packages") for part in own.parts):
        found["PYTHONPATH"] = str(own)
    return {**found, "PYTHONDONTWRITEBYTECODE": "1"}


def try_app(folder: Path) -> dict[str, Any]:
    """Load an app, answer its recorded cases, and return what came of it."""
    from graphkit.export.recorded import replayed
    from graphkit.server.app import load_app

    before = {name.partition(".")[0] for name in sys.modules}
    cases = 0
    try:
        server = load_app(folder)
        server.init()
        problems, cases = replayed(folder / CASES, server)
        server.wait_for_completion()
    except Exception as exc:
        own = exc.problems if isinstance(exc, GraphError) else [f"{type(exc).__name__}: {exc}"]
        problems = [f"the exported app cannot run: {problem}" for problem in own]
    modules = {name.partition(".")[0] for name in sys.modules} - before
    return {"problems": problems, "cases": cases, "modules": sorted(modules)}


def further_requirements(modules: Sequence[str], requirements: Mapping[str, str]) -> dict[str, str]:
    """Return the packages that an app loaded though its code does not import them: those of its models.

    Parameters
    ----------
    modules
        The modules that were loaded.
    requirements
        The packages that are known to be needed.
    """
    found, _ = requirements_of(modules)
    known = needed_by([*requirements, OWN_DISTRIBUTION])
    new = {name: version for name, version in found.items() if canonical(name) not in known}
    return {
        name: version
        for name, version in new.items()
        if not any(canonical(name) in needed_by([other]) for other in new if other != name)
    }


def main(arguments: Iterable[str]) -> None:
    """Try an app's folder, and write what came of it to a file."""
    folder, result = arguments
    Path(result).write_text(json.dumps(try_app(Path(folder))), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
