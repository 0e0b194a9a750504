"""What a user names: a folder, a spec, ``module:attribute`` or a notebook. It is opened as a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from graphkit.build.flow import FlowStep
from graphkit.build.steps import RouterStep
from graphkit.core.errors import GraphError, GraphkitError, SpecError, choices, nearest
from graphkit.export.app import GRAPH
from graphkit.server.app import has_bounds, is_app, load_app
from graphkit.server.code_files import import_file, import_module, importing_from
from graphkit.server.graph_server import GraphServer
from graphkit.server.notebook_file import run_notebook
from graphkit.spec import codec

CASES = "cases.yaml"
_SPECS = (".yaml", ".yml", ".json")
_SPEC_NAMES = ("graph.yaml", "graph.yml", "graph.json")
_CODE_NAMES = ("graph.py", "app.py")
_ATTRIBUTE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_KINDS = "a folder, a spec (.yaml, .json), a Python file, a notebook, or module:attribute"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A graph that was opened.

    Attributes
    ----------
    name
        As the user named it.
    server
        The server over the graph; it is not bound yet.
    folder
        Where its files lie, if it has files.
    cases
        Its recorded cases, if there is such a file.
    file
        The file that holds the graph, if one does: a spec, a Python file, a notebook.
    attribute
        What the graph is called in that file, if the user named it.
    """

    name: str
    server: GraphServer
    folder: Path | None = None
    cases: Path | None = None
    file: Path | None = None
    attribute: str | None = None


def open_target(name: str | Path, module: str | None = None, *, base: str | Path | None = None) -> Target:
    """Open what a user names as a server.

    Parameters
    ----------
    name
        - a folder, such as one that was exported: with ``graph.yaml`` and the modules that it names, or with a
          ``graph.py`` (or ``app.py``) that makes the graph;
        - a spec, ``graph.yaml``;
        - ``module:attribute`` or ``file.py:attribute``: a graph, a server, or a function that makes one. Without the
          attribute, the only graph in the module;
        - a notebook, ``notebook.ipynb`` or ``notebook.ipynb:attribute``: its cells are run, without those tagged
          ``skip`` and without commands that only a notebook knows.
    module
        Where a spec finds its functions and classes: a module or a Python file.
    base
        Folder that relative names count from; left out, the working directory.

    Raises
    ------
    GraphError
        If there is no such thing, or no graph in it; the message names what there is.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "double.yaml").write_text("steps: {double: {handler: (event * 2), responder: true}}")
    >>> open_target(folder / "double.yaml").server.test(body=21)
    42
    """
    start = Path(base) if base is not None else Path.cwd()
    text = str(name)
    path, attribute = _parted(text, start)
    try:
        if path is not None and path.is_dir():
            return _open_folder(text, path, attribute, module)
        suffix = path.suffix.lower() if path is not None else ""
        if path is not None and module is None and path.name == GRAPH and has_bounds(path.parent):
            return _of(text, load_app(path.parent), path)  # the app's settings count for its spec, too
        if path is not None and suffix in _SPECS:
            return _of(text, _from_spec(path, module, start), path)
        if module is not None:
            raise GraphError(f"--module says where a spec finds its code; {text!r} is no spec")
        if path is not None and suffix == ".ipynb":
            with importing_from(path.parent):  # as in a kernel, which runs in the notebook's folder
                return _of(text, _found(run_notebook(path), attribute, path.name), path, attribute)
        if path is not None:
            return _of(text, _found(vars(import_file(path)), attribute, path.name), path, attribute)
        head = text.partition(":")[0]
        loaded = import_module(head, start)
        file = getattr(loaded, "__file__", None)
        return _of(text, _found(vars(loaded), attribute, head), Path(file) if file else None, attribute)
    except GraphError as exc:
        if repr(text) in exc.message:
            raise
        raise GraphError(f"{text!r}: {exc.message}") from (exc.__cause__ or exc)


def _parted(text: str, start: Path) -> tuple[Path | None, str | None]:
    """Return the path that a text names, if it is one, and the attribute behind the colon."""
    head, colon, attribute = text.rpartition(":")
    if not colon or not _ATTRIBUTE.fullmatch(attribute):
        head, attribute = text, ""
    path = start / head
    suffix = path.suffix.lower()
    if path.exists() or suffix in (*_SPECS, ".ipynb", ".py") or "/" in head or "\\" in head:
        if not path.exists():
            near = nearest(path.name, [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else [])
            raise GraphError(f"there is no {head!r}{near}; name {_KINDS}")
        if path.is_file() and suffix not in (*_SPECS, ".ipynb", ".py"):
            raise GraphError(f"{head!r} is none of the files that hold a graph; name {_KINDS}")
        return path, attribute or None
    if not _ATTRIBUTE.fullmatch(head):
        raise GraphError(f"there is no {text!r}; name {_KINDS}")
    return None, attribute or None


def _of(name: str, server: GraphServer, file: Path | None, attribute: str | None = None) -> Target:
    folder = file.parent if file is not None else None
    cases = folder / CASES if folder is not None else None
    found = cases if cases and cases.exists() else None
    if file is not None and file.suffix not in _SPECS:
        server._sources = (file,)
    return Target(name=name, server=server, folder=folder, cases=found, file=file, attribute=attribute)


def named_file(name: str, base: Path) -> tuple[Path, str | None]:
    """Return the file of the graph that a user names, and what the graph is called in it; nothing is opened.

    Raises
    ------
    GraphError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "app.py").touch()
    >>> [named_file(name, folder)[0].name for name in ("app.py:graph", ".", "app:graph")]
    ['app.py', 'app.py', 'app.py']
    """
    path, attribute = _parted(name, base)
    if path is not None:
        return (path if path.is_file() else _file_in(path, name, attribute)), attribute
    place = base.joinpath(*name.partition(":")[0].split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file, attribute
    raise GraphError(f"there is no file of a module {name!r}")


# ---- folders and specs ----------------------------------------------------------------------------------------


def _open_folder(name: str, folder: Path, attribute: str | None, module: str | None) -> Target:
    if attribute is None and module is None and is_app(folder):
        return _of(name, load_app(folder), folder / GRAPH)
    file = _file_in(folder, name, attribute)
    if file.suffix in _SPECS:
        return _of(name, _from_spec(file, module, folder, folder_code=True), file)
    return _of(name, _found(vars(import_file(file)), attribute, file.name), file, attribute)


def _file_in(folder: Path, name: str, attribute: str | None) -> Path:
    """Return the file that holds the graph of a folder."""
    names: tuple[str, ...] = (*_SPEC_NAMES, *_CODE_NAMES) if attribute is None else _CODE_NAMES
    for each in names:
        if (folder / each).exists():
            return folder / each
    there = choices([each.name for each in folder.iterdir() if not each.name.startswith((".", "_"))])
    raise GraphError(
        f"the folder {name!r} has no graph: it needs a {_SPEC_NAMES[0]}, or a {_CODE_NAMES[0]} that makes one; "
        f"there is {there}"
    )


def _from_spec(path: Path, module: str | None, start: Path, folder_code: bool = False) -> GraphServer:
    try:
        data = codec.read(path)
        is_server = isinstance(data, Mapping) and data.get("kind") == "server"
        server = GraphServer.from_dict(data) if is_server else GraphServer(data)
        server.set_current_function("*")
    except SpecError as exc:
        raise GraphError(exc.message if str(path) in exc.message else f"{path.name}: {exc.message}") from exc
    if module is not None:
        file = start / module
        found = import_file(file) if file.suffix == ".py" else import_module(module, start)
        server._sources = (Path(found.__file__),) if found.__file__ else ()
        return _ready(server, vars(found))
    with importing_from(path.parent):
        server._sources = tuple(_code_in(path.parent)) if folder_code else ()
        return _ready(server, _folder_namespace(path.parent) if folder_code else {})


def _code_in(folder: Path) -> list[Path]:
    names = sorted(folder.glob("*.py"))
    return [path for path in names if not path.stem.startswith(("_", "test_")) and path.stem != "conftest"]


def _folder_namespace(folder: Path) -> dict[str, Any]:
    """Return what the modules of a folder define; a name that two of them define differently is refused."""
    found: dict[str, Any] = {}
    homes: dict[str, str] = {}
    modules: dict[str, Any] = {}
    for path in _code_in(folder):
        module = import_file(path)
        # "steps.add" means this folder's steps, whatever another folder's module is called
        modules[path.stem] = module
        for key, value in vars(module).items():
            if key.startswith("__"):
                continue
            own = getattr(value, "__module__", path.stem) == path.stem
            if key in found and found[key] is not value and own and homes[key] != "":
                raise GraphError(f"{key!r} is defined in {homes[key]} and in {path.name}; a step could mean either")
            if key not in found or own:
                found[key], homes[key] = value, path.name if own else ""
    return {**modules, **found}


# ---- graphs in a namespace ------------------------------------------------------------------------------------


def _found(namespace: dict[str, Any], attribute: str | None, where: str) -> GraphServer:
    if attribute is None:
        attribute = _only_graph(namespace, where)
    value = value_in(namespace, attribute, where)
    if is_graph(value):
        return _ready(value, namespace)
    if callable(value) and not isinstance(value, type):
        return _ready(_made(value, attribute, where), namespace)
    graphs = _graphs_in(namespace)
    raise GraphError(
        f"{attribute!r} in {where} is a value of type {type(value).__name__}, not a graph, a server or a function that "
        f"makes one{f'; the graphs there are {choices(graphs)}' if graphs else ''}"
    )


def value_in(namespace: Mapping[str, Any], attribute: str, where: str) -> Any:
    """Return what a dotted name means in a namespace.

    Raises
    ------
    GraphError
        If it means nothing; the message names what is near, and the graphs that there are.
    """
    value: Any = namespace
    for number, part in enumerate(attribute.split(".")):
        known = value if number == 0 else dict.fromkeys(dir(value))
        if part not in known:
            public = [key for key in known if not str(key).startswith("_")]
            hint = nearest(part, public)
            graphs = _graphs_in(namespace)
            there = f"; the graphs there are {choices(graphs)}" if graphs else ""
            raise GraphError(f"{where} has no {part!r}{hint}{there}")
        value = value[part] if number == 0 else getattr(value, part)
    return value


def _made(make: Any, name: str, where: str) -> Any:
    try:
        made = make()
    except GraphkitError as exc:
        raise GraphError(f"{name}() in {where} failed: {exc.message}") from exc
    except Exception as exc:
        raise GraphError(f"{name}() in {where} failed: {type(exc).__name__}: {exc}") from exc
    if not is_graph(made):
        raise GraphError(f"{name}() in {where} returned a value of type {type(made).__name__}, not a graph or a server")
    return made


def is_graph(value: Any) -> bool:
    """Return whether a value is a graph or a server."""
    if isinstance(value, GraphServer):
        return True
    return isinstance(value, (FlowStep, RouterStep)) and value.parent is None


def _graphs_in(namespace: Mapping[str, Any]) -> list[str]:
    return [name for name, value in namespace.items() if not name.startswith("_") and is_graph(value)]


def _only_graph(namespace: Mapping[str, Any], where: str) -> str:
    """Return the name of the one graph; of a graph and a server over it, that of the server."""
    by_root: dict[int, str] = {}
    for name in _graphs_in(namespace):
        value = namespace[name]
        root = _root_id(value)
        if root is not None and (root not in by_root or isinstance(value, GraphServer)):
            by_root[root] = name
    if len(by_root) == 1:
        return next(iter(by_root.values()))
    if not by_root:
        raise GraphError(
            f"{where} has no graph: a value made by graphkit.new_flow(), graphkit.new_router() or GraphServer(), "
            f"with steps; a function that makes one is named as {where}:function"
        )
    names = sorted(name for name in _graphs_in(namespace) if _root_id(namespace[name]) in by_root)
    usual = next((name for name in ("server", "graph") if name in names), names[0])
    raise GraphError(f"{where} has several graphs ({choices(names)}): name one, such as {where}:{usual}")


def _root_id(value: Any) -> int | None:
    """Return which graph a graph or server is of; ``None`` if it has no steps."""
    root = value.graph if isinstance(value, GraphServer) else value
    return id(root) if root is not None and root.get_children() else None


def _ready(value: Any, namespace: Mapping[str, Any]) -> GraphServer:
    """Return a server that looks names up in a namespace; one that the user made is otherwise left as it is."""
    if isinstance(value, GraphServer):
        server = value
    else:
        server = GraphServer(value)
        server.set_current_function("*")
    if server._namespace is None:
        server._set_namespace(namespace)
    return server
