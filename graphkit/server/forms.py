"""A server as a picture, and as a dict, JSON or YAML and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from graphkit.build.forms import warn_of_lost
from graphkit.build.freeze import freeze
from graphkit.core.errors import GraphError, SpecError
from graphkit.core.held import PLACEHOLDER, Held
from graphkit.core.namespace import caller_namespace
from graphkit.core.protocols import seam
from graphkit.server.base import ServerBase
from graphkit.server.exporting import Exports
from graphkit.spec import codec
from graphkit.spec.lost import lost_objects

if TYPE_CHECKING:
    from typing_extensions import Self


class ServerForms(Exports, ServerBase):
    """Adds pictures and saved forms to a server."""

    kind: ClassVar[str] = "server"

    def inspect(self, path: str = "") -> Any:
        """Return all there is to say of a step of the graph, with what it did in this server's last runs.

        Parameters
        ----------
        path
            Full name of the step, such as ``"models/iris"``; left out, the graph itself.

        Raises
        ------
        GraphError
            If there is no graph, or no such step.
        """
        if self._graph is None:
            raise GraphError("the server has no graph yet: set_topology starts one")
        return seam.inspect(self._graph, self, path)

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Return the picture of the graph; parameters as in the graph's own ``plot``.

        Raises
        ------
        GraphError
            If there is no graph, or its structure is wrong.
        """
        if self._graph is None:
            raise GraphError("the server has no graph yet: set_topology('flow') or set_topology('router') starts one")
        return self._graph.plot(*args, **kwargs)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self._graph is None:
            return {"text/plain": repr(self)}
        return self._graph._repr_mimebundle_(include, exclude)

    def to_dict(self) -> dict[str, Any]:
        """Return the server's spec as a plain dict. Inline secrets are written as names only."""
        given = self.graph_initializer
        fields = {
            "graph": None if self._graph is None else self._graph.to_dict(),
            "parameters": codec.plain(self.parameters),
            "load_mode": self.load_mode,
            "function_uri": self.function_uri,
            "verbose": self.verbose,
            "version": self.version,
            "functions": codec.plain(self.functions),
            "graph_initializer": Held(given, caller_namespace()).text if callable(given) else given,
            "error_stream": self.error_stream,
            "track_models": self.track_models,
            "secret_sources": self.secret_sources,
        }
        written = {key: value for key, value in fields.items() if value not in (None, {}, [], False)}
        return {"kind": self.kind, **written}

    @classmethod
    def from_dict(cls, struct: Mapping[str, Any]) -> Self:
        """Return the server that a dict describes.

        Raises
        ------
        SpecError
            With every problem found: unknown keys (with the nearest match), values of the wrong type.
        """
        kind = struct.get("kind", cls.kind) if isinstance(struct, Mapping) else cls.kind
        handle = codec.handle_of_graph(struct)
        if handle:
            raise SpecError(
                f"this is a graph, not a server: graphkit.{handle}.load(path) (or .from_dict, .from_yaml) reads it, "
                f"and GraphServer(graph) serves it"
            )
        if kind != cls.kind:
            raise SpecError(f"a server is of the kind {cls.kind!r}, found {kind!r}")
        record = codec.server_from_dict(struct)
        try:
            return cls(**{name: getattr(record, name) for name in record.__struct_fields__})
        except SpecError:
            raise
        except GraphError as exc:
            raise SpecError(problems=exc.problems) from exc

    def to_json(self) -> str:
        """Return the spec as JSON."""
        return codec.to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the server that a JSON text describes; raises SpecError."""
        return cls.from_dict(codec.from_json(text))

    def to_yaml(self) -> str:
        """Return the spec as YAML."""
        return codec.to_yaml(self.to_dict())

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Self:
        """Return the server that a YAML text describes; raises SpecError."""
        return cls.from_dict(codec.from_yaml(text))

    def save(self, path: str | Path) -> None:
        """Write the spec to a ``.yaml`` or ``.json`` file, after checking the graph's structure.

        A lambda, a closure or another object that no name leads to cannot be saved: a SpecWarning names its step.
        """
        lost: list[str] = []
        values: Mapping[str, Any] = {}
        if self._graph is not None:
            self._graph._check()
            frozen = freeze(self._graph)
            lost, values = lost_objects(frozen.spec), frozen.values
        struct = self.to_dict()
        initializer = struct.get("graph_initializer") or ""
        if initializer.startswith(PLACEHOLDER):
            lost.append(f"graph_initializer ({initializer.removeprefix(PLACEHOLDER)})")
        codec.write(path, struct)
        warn_of_lost(path, lost, values)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the server that a ``.yaml`` or ``.json`` file describes; raises SpecError."""
        struct = codec.read(path)
        try:
            return cls.from_dict(struct)
        except SpecError as exc:
            if codec.handle_of_graph(struct):
                raise SpecError(f"{str(path)!r}: {exc.message}") from None
            raise

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerForms):
            return NotImplemented
        return self is other or self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # compares by its spec, which can change

    def __repr__(self) -> str:
        function = f", function={self._current_function!r}" if self._current_function else ""
        return f"{type(self).__name__}({self._graph!r}{function})"
