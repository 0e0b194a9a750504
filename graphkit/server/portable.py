"""A server, written down so that other processes make one like it: the graph, its objects, and the names it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphkit.build.freeze import Frozen, freeze, thaw
from graphkit.core.errors import GraphError
from graphkit.core.held import PLACEHOLDER, Held
from graphkit.server.graph_server import GraphServer
from graphkit.spec import codec

_NAME = re.compile(r"[^\W\d]\w*")
_SETTINGS = ("parameters", "load_mode", "function_uri", "verbose", "version", "functions", "graph_initializer")


class Portable:
    """Makes a server like another one, also in another process.

    Parameters
    ----------
    server
        The server as it is now. Its objects are copied, functions and classes of a notebook with their code; those of
        modules are imported again.

    Raises
    ------
    GraphError
        If something in it cannot be sent to another process.

    Examples
    --------
    >>> import graphkit
    >>> graph = graphkit.new_flow()
    >>> _ = graph.to(lambda x: x * 2, name="double").respond()
    >>> Portable(graph.to_mock_server())().test(body=21)
    42
    """

    def __init__(self, server: GraphServer) -> None:
        import cloudpickle  # type: ignore[import-untyped]  # ships no types

        namespace = server._namespace or {}
        frozen = freeze(server.graph)
        parts = {
            "spec": frozen.spec,
            "objects": {place: (held.name, held.current(namespace)) for place, held in frozen.held.items()},
            "values": {path: dict(values) for path, values in frozen.values.items()},
            "names": _names_in(codec.to_dict(frozen.spec), namespace),
            "settings": {name: getattr(server, name) for name in _SETTINGS},
            "track_models": server.track_models,
            "error_stream": server.error_stream,
            "secrets": server._secrets,
            "trust": server._trust,
            "function": server._current_function,
            "is_mock": server._is_mock,
        }
        try:
            self._parts: bytes = cloudpickle.dumps(parts)
        except Exception as exc:  # whatever the parts of a user's objects raise
            raise GraphError(
                f"the graph cannot be sent to worker processes: {type(exc).__name__}: {exc}; use threads"
            ) from exc

    def __call__(self) -> GraphServer:
        """Make the server."""
        import cloudpickle

        parts = cloudpickle.loads(self._parts)
        held = {place: _held(name, value) for place, (name, value) in parts["objects"].items()}
        frozen = Frozen(parts["spec"], held, parts["values"], {})
        server = GraphServer(
            thaw(parts["spec"], frozen=frozen),
            track_models=parts["track_models"],
            error_stream=parts["error_stream"],
            **parts["settings"],
        )
        server._secrets = parts["secrets"]
        server._trust = parts["trust"]
        server._is_mock = parts["is_mock"]
        server._namespace = parts["names"]
        server.set_current_function(parts["function"])
        return server


def _held(name: str, value: Any) -> Held:
    held = Held(value, {})
    # the object itself counts: the names of the process that it comes from are not here
    held.name, held.home, held.text = name, None, PLACEHOLDER + name
    return held


def _names_in(spec: Any, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the names that a spec speaks of mean: in names, dotted paths and expressions."""
    words = {word for text in _texts(spec) for word in _NAME.findall(text)}
    return {word: namespace[word] for word in sorted(words) if word in namespace}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
