"""The way from a root to a server for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.core.errors import GraphError
from graphkit.core.protocols import seam


class MockServerMixin:
    """``to_mock_server``, for root flows and routers."""

    kind: ClassVar[str]
    name: str | None
    _parent: Any

    def to_mock_server(
        self,
        namespace: Any = None,
        current_function: str | None = "*",
        parameters: Mapping[str, Any] | None = None,
        track_models: bool = False,
        secret_sources: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return a server over this graph for tests; it sees steps that are added later.

        Parameters
        ----------
        namespace
            Where names are looked up; left out, the caller's globals, by reference.
        current_function
            The child function that the server is: ``"*"`` for all of them, ``""`` for the root. With ``"*"`` an event
            goes through queues in one request, so that a failure behind a queue fails it, and names its function.
        parameters, track_models, secret_sources, **kwargs
            As in :class:`~graphkit.GraphServer`.

        Raises
        ------
        GraphError
            If this is no root, but stands in another graph.

        Examples
        --------
        >>> import graphkit
        >>> router = graphkit.new_router()
        >>> server = router.to_mock_server()
        >>> _ = router.add_route("double", handler="(event['x'] * 2)")
        >>> server.test("double", {"x": 21})
        42
        """
        if self._parent is not None:
            raise GraphError(
                f"{self.kind} {self.name!r} stands in a graph: call to_mock_server() of that graph, or of a copy of "
                f"the {self.kind} (copy.copy)"
            )
        return seam.mock_server(
            self,
            namespace=namespace,
            current_function=current_function,
            parameters=parameters,
            track_models=track_models,
            secret_sources=secret_sources,
            **kwargs,
        )

    def run_frame(self, table: Any, path: str = "/", **options: Any) -> Any:
        """Send the rows of a table through this graph, and return the answers as a table with the same index.

        Parameters
        ----------
        table
            A pandas DataFrame.
        path, **options
            As in :meth:`graphkit.GraphServer.run_frame`.

        Examples
        --------
        >>> import pandas
        >>> import graphkit
        >>> graph = graphkit.new_flow()
        >>> _ = graph.to(lambda table: table["x"] * 2, name="double").respond()
        >>> graph.run_frame(pandas.DataFrame({"x": [1, 2]}, index=["a", "b"])).to_dict("index")
        {'a': {'x': 2}, 'b': {'x': 4}}
        """
        server = self.to_mock_server()
        try:
            return server.run_frame(table, path, **options)
        finally:
            server.wait_for_completion()  # closes what the server has opened

    def export(self, folder: str | Path, **options: Any) -> Any:
        """Write the graph as a folder that runs anywhere: spec, code, requirements, recorded cases.

        The parameters and the recorded runs are those of the server that was bound last.

        Parameters
        ----------
        folder
            Where to write.
        **options
            ``artifacts``, ``allow_pickle``, ``overwrite``, ``verify`` and ``namespace``, as in
            :meth:`graphkit.GraphServer.export`.

        Raises
        ------
        ExportError
            With everything that cannot be exported; or with every answer that a fresh process gives differently.
        GraphError
            If this is no root, but stands in another graph.
        """
        if self._parent is not None:
            raise GraphError(
                f"{self.kind} {self.name!r} stands in a graph: export that graph, or a copy of the {self.kind} "
                f"(copy.copy)"
            )
        return seam.export(self, folder, **options)
