"""An app's folder, as ``export`` writes it, as a server: within the bounds that its settings set."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.core.errors import SpecError, TrustError
from graphkit.core.expr import is_expression
from graphkit.core.trust import Trust
from graphkit.export.app import GRAPH
from graphkit.export.named import check_depth, replaced
from graphkit.export.references import references
from graphkit.export.settings import FILE as SETTINGS
from graphkit.export.settings import AppSettings
from graphkit.runtime.resolve import Unresolved
from graphkit.runtime.trusted import check_expression, resolve_trusted
from graphkit.server.app_bounds import Bounds
from graphkit.server.app_modules import import_modules
from graphkit.server.graph_server import GraphServer
from graphkit.spec import codec


def load_app(folder: str | Path) -> GraphServer:
    """Return the server of an app that :meth:`GraphServer.export` wrote.

    The graph may name what the app's own modules define, graphkit's steps, files below the app's folder, and what
    ``settings.yaml`` lists: code under ``app: allow``, files and folders elsewhere under ``outside``, streams under
    ``allow_streams``, variables of the environment under ``allow_env``, addresses of services under ``allow_urls``.
    Model files that may run code (pickles) load only if their SHA-256 stands under ``allow_pickle``. The app's modules
    are trusted: they are imported here. Relative paths in the graph count from the app.

    Parameters
    ----------
    folder
        The app's folder.

    Raises
    ------
    SpecError
        If it is no app's folder, or its files are broken.
    TrustError
        With everything that the graph names and the settings do not allow.
    GraphError
        If a module of the app cannot be imported.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "settings.yaml").write_text("app: {}")
    ...     _ = (Path(folder) / "graph.yaml").write_text(
    ...         "graph: {steps: {double: {handler: (event * 2), responder: true}}}"
    ...     )
    ...     load_app(folder).test(body=21)
    42
    """
    place = Path(folder).resolve()
    if not is_app(place):
        raise SpecError(
            f"{str(folder)!r} is no app: an app is a folder with {GRAPH!r} and {SETTINGS!r}, as graph.export(...) "
            f"writes it"
        )
    settings = AppSettings.load(place)
    data = codec.read(place / GRAPH)
    modules = import_modules(place, settings.modules)
    trust = settings.trust(place, modules)
    data = _placed(data, settings, place)
    server = _server(data)  # what is wrong with its form is told first
    bounds = Bounds(trust)
    within = replaced(data, bounds.see)
    if within != data:
        server = _server(within)
    server._trust = trust
    server._sources = tuple(_sources(place, settings))
    # "steps.clean" means this app's steps, whatever another app's are called
    own = {name: modules[name] for name in settings.modules}
    server._namespace = ChainMap(vars(own[settings.modules[0]]), own) if own else {}
    problems = [*_untrusted_names(server, trust), *bounds.problems]
    if problems:
        raise TrustError(problems=problems)
    return server


def _sources(folder: Path, settings: AppSettings) -> Iterator[Path]:
    """Return the files that decide what an app answers, its graph aside."""
    for name in settings.modules:
        package = folder / name
        yield from sorted(package.rglob("*.py")) if package.is_dir() else [folder / f"{name}.py"]
    yield from (folder / name for name in settings.artifacts)


def _server(data: Mapping[str, Any]) -> GraphServer:
    server = GraphServer.from_dict(data) if "graph" in data else GraphServer(data)
    server.set_current_function("*")
    return server


def is_app(folder: str | Path) -> bool:
    """Return whether a folder is an app's, as ``export`` writes it."""
    return (Path(folder) / GRAPH).is_file() and (Path(folder) / SETTINGS).is_file()


def has_bounds(folder: str | Path) -> bool:
    """Return whether a folder is an app's whose settings say what it may name; others have only the server's."""
    if not is_app(folder):
        return False
    settings = codec.read(Path(folder) / SETTINGS)
    return isinstance(settings, Mapping) and "app" in settings


def _placed(data: Any, settings: AppSettings, folder: Path) -> dict[str, Any]:
    """Return a spec in which the app's files have their places on this machine."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{GRAPH}: a graph is written as a dict, found {type(data).__name__}")
    places = {name: str(folder / name) for name in settings.artifacts}

    def placed(value: Any, depth: int = 0) -> Any:
        if isinstance(value, dict):
            check_depth(depth)
            return {name: placed(item, depth + 1) for name, item in value.items()}
        return places.get(value, value) if isinstance(value, str) and not is_expression(value) else value

    found: dict[str, Any] = placed(dict(data)) if places else dict(data)
    return found


def _untrusted_names(server: GraphServer, trust: Trust) -> Iterator[str]:
    """Return what is wrong with the names of a graph, before any of it is made."""
    namespace = server._namespace or {}
    if isinstance(server.graph_initializer, str):
        yield from _refusal("graph_initializer", server.graph_initializer, namespace, trust)
    if server.graph is None:
        return
    for reference in references(freeze(server.graph)):
        if isinstance(reference.value, str):
            yield from _refusal(f"{reference.user}: {reference.field}", reference.value, namespace, trust)


def _refusal(where: str, text: str, namespace: Mapping[str, Any], trust: Trust) -> Iterator[str]:
    if is_expression(text):
        reason = check_expression(text, namespace, trust)
        if reason is not None:
            yield f"{where}: {reason}"
        return
    try:
        resolve_trusted(text, namespace, trust)
    except Unresolved as exc:
        yield f"{where}: {exc.args[0]}"
