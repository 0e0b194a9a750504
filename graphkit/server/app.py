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
from graphkit.export.artifacts import is_file_key
from graphkit.export.references import references, steps_of
from graphkit.export.settings import FILE as SETTINGS
from graphkit.export.settings import AppSettings
from graphkit.models.store import local_path
from graphkit.runtime.resolve import Unresolved
from graphkit.runtime.trusted import check_expression, resolve_trusted
from graphkit.server.app_modules import import_modules
from graphkit.server.graph_server import GraphServer
from graphkit.spec import codec
from graphkit.spec.steps import Task


def load_app(folder: str | Path) -> GraphServer:
    """Return the server of an app that :meth:`GraphServer.export` wrote.

    The graph may name what the app's own modules define, graphkit's steps, and what ``settings.yaml`` lists under
    ``app: allow``. Model files that may run code (pickles) load only if their SHA-256 stands under
    ``app: allow_pickle``. The app's modules are trusted: they are imported here.

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
    server = GraphServer.from_dict(data) if "graph" in data else GraphServer(data)
    server.set_current_function("*")
    server._trust = trust
    # "steps.clean" means this app's steps, whatever another app's are called
    own = {name: modules[name] for name in settings.modules}
    server._namespace = ChainMap(vars(own[settings.modules[0]]), own) if own else {}
    problems = [*_untrusted_names(server, trust), *_untrusted_files(server, trust)]
    if problems:
        raise TrustError(problems=problems)
    return server


def is_app(folder: str | Path) -> bool:
    """Return whether a folder is an app's, as ``export`` writes it."""
    return (Path(folder) / GRAPH).is_file() and (Path(folder) / SETTINGS).is_file()


def _placed(data: Any, settings: AppSettings, folder: Path) -> dict[str, Any]:
    """Return a spec in which the app's files have their places on this machine."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{GRAPH}: a graph is written as a dict, found {type(data).__name__}")
    places = {name: str(folder / name) for name in settings.artifacts}

    def placed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: placed(item, str(name)) for name, item in value.items()}
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


def _untrusted_files(server: GraphServer, trust: Trust) -> Iterator[str]:
    """Return which files of a graph are outside of the app, and which models may run code and are not listed."""
    if server.graph is None:
        return
    for path, record in steps_of(freeze(server.graph).spec):
        for key, value in record.class_args.items() if isinstance(record, Task) else ():
            if not is_file_key(key) or not isinstance(value, str) or _is_remote(value):
                continue
            try:
                exists = trust.locate(local_path(value)).exists()
                if exists and key == "model_path":
                    trust.check_file(local_path(value))
            except TrustError as exc:
                yield f"step {path!r}: {key}: {exc.message}"


def _is_remote(url: str) -> bool:
    return "://" in url and not url.lower().startswith("file://")
