"""``export`` on servers and roots: the door to a room that few programs need, opened when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.export.report import Exported


def export(graph: Any, folder: str | Path, **options: Any) -> Exported:
    """Write a server, or the root of a graph, as a folder; parameters as in ``GraphServer.export``."""
    from graphkit.server.export_graph import export_app

    return export_app(graph, folder, **options)


class Exports:
    """Gives a server its ``export``."""

    def export(
        self,
        folder: str | Path,
        *,
        artifacts: str = "copy",
        allow_pickle: bool = False,
        overwrite: bool = False,
        verify: bool = True,
        namespace: Any = None,
        cases: Any = None,
    ) -> Exported:
        """Write the graph as a folder that runs anywhere: spec, code, requirements, recorded cases.

        What the steps need is collected from the notebook's cells, or from the module that the graph was built in,
        with the newest definitions, and written as a readable module. A fresh process then loads the folder and
        replays the last runs of :meth:`test`, and the cases that :meth:`record` wrote; only if it answers as they say
        does the folder come to stand.

        Parameters
        ----------
        folder
            Where to write.
        artifacts
            ``"copy"`` puts model files into the app, ``"reference"`` leaves them where they are.
        allow_pickle
            Let the very model files load that may run code (pickles), by their hashes. skops, ONNX and safetensors
            need no permission.
        overwrite
            Replace an app that was exported before. What others put into the folder, or changed, is never lost.
        verify
            Try the app in a fresh process. Its steps are called for that: what they send or write elsewhere is sent or
            written once more.
        namespace
            The globals of the notebook or module that the code stands in; left out, the server's own.
        cases
            Files of cases that go along; ``()`` takes none. Left out, ``cases.yaml`` and ``*.cases.yaml`` beside the
            notebook or module, else here, unless they name another graph.

        Returns
        -------
        Exported
            What was written, how many recorded cases the fresh process answered as before, and where they come from.

        Raises
        ------
        ExportError
            With everything that cannot be exported, each with its cell; or with every answer that differs.

        Examples
        --------
        >>> import tempfile
        >>> import graphkit
        >>> graph = graphkit.new_flow()
        >>> _ = graph.to(name="double", handler="(event * 2)").respond()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = graph.to_mock_server().export(f"{folder}/app", verify=False)
        ...     graphkit.load_app(f"{folder}/app").test(body=21)
        42
        """
        return export(
            self,
            folder,
            artifacts=artifacts,
            allow_pickle=allow_pickle,
            overwrite=overwrite,
            verify=verify,
            namespace=namespace,
            cases=cases,
        )
