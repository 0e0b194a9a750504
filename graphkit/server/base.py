"""A graph with its parameters, namespace and context, bound when it is needed and again when it has changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphkit.core.context import GraphContext, StreamContext
from graphkit.core.errors import GraphError, GraphkitError, told
from graphkit.core.namespace import caller_namespace
from graphkit.core.protocols import seam
from graphkit.core.trust import Trust
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.records import Runs
from graphkit.runtime.resolve import as_namespace
from graphkit.server.binding import Binding
from graphkit.server.model_words import is_model, named, no_class
from graphkit.server.parameters import OWN_LOG, check_parameters, checked_mode, count_of, log_stream_of
from graphkit.server.roots import as_root, find_router, initializer_of, new_root
from graphkit.server.secrets import SecretStore
from graphkit.streams.memory import MemoryStream


class ServerBase:
    """What a server is made of, and how it gets ready to answer."""

    def __init__(
        self,
        graph: Any = None,
        parameters: Mapping[str, Any] | None = None,
        load_mode: str | None = None,
        function_uri: str | None = None,
        verbose: bool = False,
        version: str | None = None,
        functions: Mapping[str, Any] | None = None,
        graph_initializer: Any = None,
        error_stream: str | None = None,
        track_models: bool | None = None,
        secret_sources: Any = None,
    ) -> None:
        self._lock = threading.RLock()
        self._bound: BoundGraph | None = None
        self._binding: Binding | None = None
        self._catalog: Any = None  # the models of the bound graph, once somebody asked for them
        self._namespace: Mapping[str, Any] | None = None
        self._trust: Trust | None = None  # an app's bounds; a program's own graph has none
        self._sources: tuple[Path, ...] = ()  # the files that made it, where somebody named them
        self._home = caller_namespace()  # where the server was made, for callers that cannot be seen
        self._current_function: str | None = None
        self._error_stream: str | None = None
        self._error_stream_object: Any = None
        self._on_failure: Any = None  # is told of every error that a caller gets, once a face has set it
        self._tracking_output: Any = None
        self._initialized_by: Any = None
        self._is_mock = False
        self._graph: Any = None
        self.context: Any = None
        self.parameters: dict[str, Any] = dict(parameters or {})
        self.load_mode = checked_mode(load_mode)
        self.function_uri = function_uri
        self.verbose = verbose
        self.version = version or "v2"
        self.functions: dict[str, Any] = dict(functions or {})
        self.graph_initializer = graph_initializer
        self.error_stream = error_stream
        self.track_models = track_models
        self._secrets = SecretStore(secret_sources)
        #: The last runs of :meth:`~graphkit.GraphServer.test`, oldest first.
        self.runs = Runs(count_of(self.parameters, "keep_runs", 50))
        self.graph = graph

    # ---- the graph ----------------------------------------------------------------------------------------

    @property
    def graph(self) -> Any:
        """The root of the graph: a router or a flow."""
        return self._graph

    @graph.setter
    def graph(self, graph: Any) -> None:
        self._graph = as_root(graph)
        self._bound = None

    @property
    def verbose(self) -> bool:
        """Whether errors are logged as they happen."""
        return self._verbose

    @verbose.setter
    def verbose(self, value: bool) -> None:
        self._verbose = bool(value)
        if self.context is not None:
            self.context.verbose = self._verbose

    def set_topology(
        self,
        topology: str | Any = "flow",
        class_name: Any = None,
        engine: str | None = None,
        exist_ok: bool = False,
        **class_args: Any,
    ) -> Any:
        """Start a new graph and return its root.

        Parameters
        ----------
        topology
            ``"router"`` or ``"flow"``.
        class_name, **class_args
            The router's class and its arguments.
        engine
            The flow's engine, ``"sync"`` or ``"async"``.
        exist_ok
            Replace a graph that has steps.

        Raises
        ------
        GraphError
            If there is a graph with steps and ``exist_ok`` is false, or the topology is not known.
        """
        if self._graph is not None and self._graph.get_children() and not exist_ok:
            raise GraphError("the server has a graph with steps; set_topology(..., exist_ok=True) replaces it")
        self.graph = new_root(topology, class_name, engine, class_args)
        return self._graph

    def add_model(
        self, key: str, model_path: Any = None, class_name: Any = None, router_step: Any = None, **class_args: Any
    ) -> Any:
        """Add a model as a route and return the route.

        Parameters
        ----------
        key
            Name of the route; ``"name:version"`` names a version.
        model_path
            Where the model's file is.
        class_name
            The model's class, its name or dotted path.
        router_step
            The router, or its name; needed where a flow has several.
        **class_args
            Arguments of the class.

        Raises
        ------
        GraphError
            If there is no router, or several; or no class.
        """
        router = find_router(self._graph, router_step)
        if class_name is None and "handler" not in class_args:
            raise GraphError(no_class(key, model_path, class_args))
        if is_model(model_path):
            raise GraphError(
                f"the model {key!r}: model_path is an address, found {named(model_path)}: give it as model="
            )
        if model_path is not None:
            class_args["model_path"] = model_path
        return router.add_route(key, class_name=class_name, **class_args)

    @property
    def secret_sources(self) -> list[dict[str, Any]]:
        """The sources of secrets; inline ones as names only."""
        return self._secrets.to_list()

    @secret_sources.setter
    def secret_sources(self, sources: Any) -> None:
        self._secrets = SecretStore(sources)

    # ---- getting ready ------------------------------------------------------------------------------------

    def set_current_function(self, name: str | None) -> None:
        """Say which child function this server is: ``""`` or ``None`` the root, ``"*"`` all of them."""
        self._current_function = name
        self._bound = None
        if self.context is not None:
            self.context.current_function = name

    @property
    def error_stream(self) -> str | None:
        """URL of the stream that errors are written to; it is opened when the server gets ready."""
        return self._error_stream

    @error_stream.setter
    def error_stream(self, path: str | None) -> None:
        if self._binding is not None or self._error_stream_object is not None:
            self.set_error_stream(path)
        self._error_stream = path or None

    def set_error_stream(self, path: str | None) -> None:
        """Set and open the stream that errors are written to; ``None`` for none.

        Raises
        ------
        StreamError
            If the stream cannot be opened; the one before stays.
        """
        stream = seam.open_stream(path) if path else None
        before, self._error_stream_object = self._error_stream_object, stream
        self._error_stream = path or None
        if before is not None and before is not stream:
            before.close()

    def init(self, context: Any = None, namespace: Any = None) -> None:
        """Make the context and bind the graph: :meth:`init_states`, then :meth:`init_object`."""
        self.init_states(context, namespace)
        self.init_object()

    def init_states(
        self,
        context: Any = None,
        namespace: Any = None,
        resource_cache: Any = None,
        logger: Any = None,
        is_mock: bool = False,
    ) -> None:
        """Make the context that steps get, open the streams and call the graph's initializer.

        Parameters
        ----------
        context
            A Nuclio context to borrow logger, Response and worker id from, or a GraphContext to use.
        namespace
            Where names are looked up: a dict, a module or a list of them.
        resource_cache
            For steps that share resources; kept as ``context.resource_cache``.
        logger
            The logger that steps get.
        is_mock
            Whether this is a server for tests.
        """
        with self._lock:
            self._set_namespace(namespace)
            check_parameters(self.parameters)
            if isinstance(context, GraphContext):
                new = context
                new.server = self
                new.logger = logger or new._logger
            else:
                new = GraphContext(logger=logger, server=self, nuclio_context=context)
            new.verbose = self.verbose
            new.is_mock = self._is_mock = is_mock or self._is_mock
            new.current_function = self._current_function
            new.resource_cache = resource_cache
            new.stream = self._tracking_stream()
            if self._error_stream and self._error_stream_object is None:
                self.set_error_stream(self._error_stream)
            self._close_binding()
            self.context = new
            self._initialize()
            new.root = self._graph
            self._binding = Binding(self, new)

    def init_object(self, namespace: Any = None) -> None:
        """Bind the graph: look its names up and construct its classes.

        Raises
        ------
        GraphError
            With everything that is wrong with the graph.
        """
        with self._lock:
            self._set_namespace(namespace)
            if self._binding is None:
                self.init_states()
            self._bind(check_names=True)

    def _set_namespace(self, namespace: Any) -> None:
        if namespace is None:
            if self._namespace is None:
                self._namespace = caller_namespace(self._home)
            return
        given = as_namespace(namespace)
        if given is not self._namespace:
            self._namespace = given
            self._bound = None

    def _remember_caller(self) -> None:
        """Take the caller's globals as the namespace, if there is none yet; later, in a thread, they cannot be seen."""
        if self._namespace is None:
            self._namespace = caller_namespace(self._home)

    def _leave_binding(self) -> None:
        """Bind anew from now on, since a constructor or load does not come back and holds what others wait for."""
        self._lock = threading.RLock()
        self._bound = self._binding = None

    def _initialize(self) -> None:
        """Call the initializer, once for each that is set; one that failed is called again."""
        given = self.graph_initializer
        if given is None or given is self._initialized_by:
            return
        self._initialized_by = given
        try:
            initializer_of(given, self._namespace or {}, self._trust)(self)
        except GraphkitError:
            self._initialized_by = None
            raise
        except Exception as exc:
            self._initialized_by = None
            raise GraphError(f"graph_initializer failed: {told(exc)}") from exc

    def _tracking_stream(self) -> StreamContext:
        """Return where tracking writes; what was tracked before the server got ready again is still there."""
        url = log_stream_of(self.parameters, self.function_uri)
        if url is None and not self.track_models:
            return StreamContext(None, self.function_uri)
        before = self._tracking_output
        if url is not None:
            stream = seam.open_stream(url, **(self.parameters.get("stream_args") or {}))
        else:
            own = before is not None and before.url == OWN_LOG
            stream = before if own else MemoryStream(OWN_LOG, drop_oldest=True)
        if before is not None and before is not stream:
            before.close()
        self._tracking_output = stream
        return StreamContext(stream, self.function_uri)

    def _ready(self, check_names: bool) -> BoundGraph:
        """Return the bound graph, bound again where the draft (or what a name means) has changed."""
        bound = self._bound
        if bound is not None and bound.revision == self._graph._revision and not (check_names and bound.is_outdated()):
            return bound
        with self._lock:
            if self._binding is None:
                self.init_states()
            return self._bind(check_names)

    def _bind(self, check_names: bool) -> BoundGraph:
        if self._graph is None or all(step.kind == "error_step" for step in self._graph.get_children()):
            raise GraphError(
                "the graph has no steps: add some with graph.to(...), router.add_route(...) or server.add_model(...)"
            )
        assert self._binding is not None
        bound = self._bound
        if bound is None or bound.revision != self._graph._revision or (check_names and bound.is_outdated()):
            try:
                bound = self._binding.bind(self._graph, self._namespace or {}, self._current_function)
            except GraphkitError as exc:
                self._secrets.conceal(exc)
                raise
            self._bound = bound
        return bound

    def _close_binding(self) -> None:
        self._bound = None
        if self._binding is not None:
            self._binding.close()
            self._binding = None

    def wait_for_completion(self) -> None:
        """Send on what batches and joins hold back, write what is buffered, and close the pools.

        The server can be used again afterwards.
        """
        if self._binding is None:
            return
        try:
            self._binding.drain()
        except GraphkitError as exc:
            self._secrets.conceal(exc)
            raise
        finally:
            for stream in (self._error_stream_object, self.context.stream.output_stream):
                if stream is not None:
                    stream.close()  # it opens again when it is written to
            if self._binding.rests:
                self._bound = None
