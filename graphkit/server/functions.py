"""Serving functions as MLRun's users make them: ``new_function(kind="serving")``, ``code_to_function``.

What concerns a cluster (images, resources, triggers) means nothing here: keywords for it are taken and dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from graphkit.core.errors import GraphError, nearest
from graphkit.core.namespace import caller_namespace
from graphkit.server.code_files import import_file
from graphkit.server.graph_server import GraphServer, mock_server
from graphkit.server.notebook_file import run_notebook
from graphkit.server.roots import new_root

#: Keywords of MLRun's that say how a function is built and run in a cluster.
_OF_CLUSTERS = frozenset(
    {
        "args",
        "categories",
        "code_output",
        "command",
        "description",
        "embed_code",
        "ignored_tags",
        "image",
        "kfp",
        "labels",
        "mode",
        "requirements",
        "requirements_file",
        "runtime",
        "source",
        "with_doc",
    }
)


class ServingFunction(GraphServer):
    """A server with the methods that MLRun's serving functions have; made by :func:`new_function`.

    Examples
    --------
    >>> function = new_function("double", kind="serving")
    >>> graph = function.set_topology("flow", engine="async")
    >>> graph.to(name="twice", handler="(event * 2)").respond()
    TaskStep('twice')
    >>> function.to_mock_server().test(body=4)
    8
    """

    @property
    def spec(self) -> ServingFunction:
        """What the function consists of: ``spec.graph``, ``spec.parameters``, ``spec.load_mode`` and the like."""
        return self

    @property
    def metadata(self) -> SimpleNamespace:
        """``name`` and ``project`` of the function."""
        project, _, name = (self.function_uri or "").rpartition("/")
        return SimpleNamespace(name=name, project=project)

    def set_topology(
        self,
        topology: str | Any = None,
        class_name: Any = None,
        engine: str | None = None,
        exist_ok: bool = False,
        **class_args: Any,
    ) -> Any:
        """Start a new graph and return its root; a router where nothing else is said.

        Parameters
        ----------
        topology, class_name, engine, exist_ok, **class_args
            As in :meth:`GraphServer.set_topology`.
        """
        return super().set_topology(topology or "router", class_name, engine, exist_ok, **class_args)

    def add_model(
        self, key: str, model_path: Any = None, class_name: Any = None, router_step: Any = None, **class_args: Any
    ) -> Any:
        """Add a model as a route and return the route; without a topology, the function becomes a router.

        Parameters
        ----------
        key, model_path, class_name, router_step
            As in :meth:`GraphServer.add_model`.
        **class_args
            Arguments of the class, ``handler``, and ``child_function``, the function that the model runs in.
        """
        if class_args.pop("model_url", None) is not None:
            raise GraphError(
                f"the model {key!r} is elsewhere: add it as add_route({key!r}, class_name='$remote', url=...)"
            )
        class_args.pop("creation_strategy", None)  # of records in MLRun's database
        child = class_args.pop("child_function", None)
        if self.graph is None:
            self.graph = new_root("router", None, None, {})
        if child is not None:
            class_args["function"] = child
        return super().add_model(key, model_path, class_name, router_step, **class_args)

    def set_tracking(self, stream_path: str | None = None, **options: Any) -> None:
        """Record each request of each model, in a stream if one is named (``file://``, ``memory://``).

        Parameters
        ----------
        stream_path
            URL of the stream.
        **options
            ``sampling_percentage``, ``stream_args``; MLRun's others mean nothing here.
        """
        self.track_models = True
        if stream_path is not None:
            self.parameters["log_stream"] = stream_path
        kept = {key: options[key] for key in ("sampling_percentage", "stream_args") if options.get(key) is not None}
        self.parameters.update(kept)

    def with_secrets(self, kind: str, source: Any) -> ServingFunction:
        """Add a source of secrets, such as ``("env", "KEY_A,KEY_B")``; returns the function."""
        self._secrets.add({"kind": kind, "source": source})
        return self

    def add_child_function(self, name: str, url: str | None = None, image: str | None = None, **settings: Any) -> None:
        """Note the settings of a child function, by the name that steps call it (``function=name``)."""
        given = {"url": url, "image": image, **settings}
        self.functions[name] = {key: value for key, value in given.items() if value is not None}

    def to_mock_server(
        self,
        namespace: Any = None,
        current_function: str | None = "*",
        track_models: bool = False,
        **kwargs: Any,
    ) -> GraphServer:
        """Return a server over the same graph for tests; it sees steps that are added later.

        Parameters
        ----------
        namespace
            Where names are looked up; left out, the function's own file or else the caller's globals.
        current_function
            The child function that the server is: ``"*"`` for all of them, ``""`` for the root.
        track_models
            Record the requests of models here too; ``set_tracking`` alone counts for production.
        **kwargs
            As in :class:`GraphServer`.
        """
        if self.graph is None:
            raise GraphError("the function has no graph yet: set_topology('flow') or add_model(...) starts one")
        given = {
            "load_mode": self.load_mode,
            "function_uri": self.function_uri,
            "verbose": self.verbose,
            "functions": self.functions,
            "graph_initializer": self.graph_initializer,
            "error_stream": self.error_stream,
            "parameters": self.parameters,
            **kwargs,
        }
        where = namespace if namespace is not None else self._namespace or caller_namespace()
        server = mock_server(
            self.graph, namespace=where, current_function=current_function, track_models=track_models, **given
        )
        server._secrets = self._secrets
        return server

    def deploy(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: there is no cluster behind this function.

        Raises
        ------
        GraphError
            Always.
        """
        raise GraphError(
            "graphkit deploys nothing to a cluster: function.save('graph.yaml') writes what GraphServer.load() serves "
            "anywhere, and function.to_mock_server() tests it here"
        )


def new_function(
    name: str = "", project: str = "", tag: str = "", kind: str = "serving", **more: Any
) -> ServingFunction:
    """Return a serving function without a graph, for code that was written for MLRun.

    Parameters
    ----------
    name, project
        What the function is called in error and tracking records.
    tag
        Means nothing here.
    kind
        ``"serving"``; there is no other kind.
    **more
        Keywords of MLRun's that concern a cluster, such as ``image``, mean nothing here.

    Raises
    ------
    GraphError
        If the kind or a keyword is not known.

    Examples
    --------
    >>> function = new_function("models", kind="serving", image="python:3.11")
    >>> _ = function.add_model("same", class_name="graphkit.V2ModelServer", model="any")
    >>> list(function.spec.graph)
    ['same']
    """
    _check_keywords(kind, more)
    return ServingFunction(function_uri=f"{project}/{name}" if project else name or None)


def code_to_function(
    name: str = "",
    project: str = "",
    tag: str = "",
    filename: str | Path = "",
    handler: str = "",
    kind: str = "serving",
    **more: Any,
) -> ServingFunction:
    """Return a serving function whose names are looked up in a file; without one, in the notebook that calls.

    Parameters
    ----------
    name, project, tag, kind, **more
        As in :func:`new_function`.
    filename
        A Python file or a notebook (whose cells are run).
    handler
        Means nothing here: the graph says what is called.

    Raises
    ------
    GraphError
        If the file cannot be read or fails, or the kind or a keyword is not known.
    """
    function = new_function(name, project, tag, kind, **more)
    if filename:
        path = Path(filename)
        found: Mapping[str, Any] = run_notebook(path) if path.suffix == ".ipynb" else vars(import_file(path))
        function._set_namespace(found)
    return function


def _check_keywords(kind: str, more: Mapping[str, Any]) -> None:
    if kind != "serving":
        raise GraphError(f"graphkit makes functions of the kind 'serving' only, not {kind!r}")
    for key in more:
        if key not in _OF_CLUSTERS:
            raise GraphError(f"a function takes no keyword {key!r}{nearest(key, _OF_CLUSTERS)}")
