"""GraphServer: a graph with its parameters, namespace and context; it answers events."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.build.flow import RootFlowStep
from graphkit.build.steps import RouterStep
from graphkit.core.context import GraphContext, StreamContext
from graphkit.core.errors import GraphError, GraphkitError, StepError
from graphkit.core.event import Event, Response, as_event
from graphkit.core.held import Held
from graphkit.core.namespace import caller_namespace
from graphkit.core.protocols import seam
from graphkit.runtime.envelope import MARK, unwrap
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.records import Recorder, RunRecord, Runs
from graphkit.runtime.resolve import as_namespace
from graphkit.server import dataplane
from graphkit.server.binding import Binding
from graphkit.server.roots import as_root, find_router, initializer_of, new_root
from graphkit.server.secrets import SecretStore
from graphkit.spec import codec
from graphkit.streams.memory import MemoryStream


class GraphServer:
    """A graph that answers events: in tests, and wherever it is served.

    Parameters
    ----------
    graph
        The graph: a router or a root flow, or its dict.
    parameters
        Read by steps through ``context.get_param``. graphkit reads ``max_events`` (events that one request may give
        rise to, 10,000), ``keep_runs`` (run records that are kept, 50), ``log_stream``, ``sampling_percentage``.
    load_mode
        ``"sync"`` loads models when they are bound, ``"async"`` in the background.
    function_uri
        ``project/name`` of the function, for error and tracking records.
    verbose
        Log errors as they happen.
    version
        Version of the protocol, ``"v2"``.
    functions
        Settings of child functions by name.
    graph_initializer
        Called with the server before its graph is bound: a callable, its name or dotted path.
    error_stream
        URL of the stream that errors are written to.
    track_models
        Record each request of each model.
    secret_sources
        Sources of secrets; see :class:`~graphkit.server.secrets.SecretStore`.

    Examples
    --------
    >>> server = GraphServer()
    >>> graph = server.set_topology("flow")
    >>> graph.to(name="double", handler="(event * 2)").respond()
    TaskStep('double')
    >>> server.test(body=21)
    42
    """

    kind: ClassVar[str] = "server"

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
        self._namespace: Mapping[str, Any] | None = None
        self._current_function: str | None = None
        self._error_stream_object: Any = None
        self._initialized_by: Any = None
        self._is_mock = False
        self._graph: Any = None
        self.parameters: dict[str, Any] = dict(parameters or {})
        self.load_mode = _checked_mode(load_mode)
        self.function_uri = function_uri
        self.verbose = verbose
        self.version = version or "v2"
        self.functions: dict[str, Any] = dict(functions or {})
        self.graph_initializer = graph_initializer
        self.error_stream = error_stream
        self.track_models = track_models
        self.context: Any = None
        self._secrets = SecretStore(secret_sources)
        #: The last runs of :meth:`test`, oldest first.
        self.runs = Runs(int(self.parameters.get("keep_runs", 50)))
        self.graph = graph

    # ---- the graph ----------------------------------------------------------------------------------------

    @property
    def graph(self) -> Any:
        """The root of the graph: a router or a flow."""
        return self._graph

    @graph.setter
    def graph(self, graph: Any) -> None:
        self._graph = as_root(graph)
        self._drop()

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
            raise GraphError(f"the model {key!r} needs a class_name")
        if model_path is not None:
            class_args["model_path"] = model_path
        return router.add_route(key, class_name=class_name, **class_args)

    # ---- binding ------------------------------------------------------------------------------------------

    def set_current_function(self, name: str | None) -> None:
        """Say which child function this server is: ``""`` or ``None`` the root, ``"*"`` all of them."""
        self._current_function = name
        self._drop()

    def set_error_stream(self, path: str | None) -> None:
        """Set and open the stream that errors are written to; ``None`` for none."""
        self.error_stream = path
        self._error_stream_object = seam.open_stream(path) if path else None

    def init(self, context: Any = None, namespace: Any = None) -> None:
        """Make the context and bind the graph: :meth:`init_states`, then :meth:`init_object`."""
        namespace = caller_namespace() if namespace is None else namespace
        self.init_states(context, namespace)
        self.init_object(namespace)

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
            if namespace is not None:
                self._namespace = as_namespace(namespace)
            if isinstance(context, GraphContext):
                new = context
                new.server = self
            else:
                new = GraphContext(logger=logger, server=self, nuclio_context=context)
            new.verbose = self.verbose
            new.is_mock = is_mock
            new.current_function = self._current_function
            new.resource_cache = resource_cache
            new.stream = self._tracking_stream()
            if self.error_stream and self._error_stream_object is None:
                self.set_error_stream(self.error_stream)
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
            if namespace is not None:
                self._namespace = as_namespace(namespace)
            if self._binding is None:
                self.init_states(None, self._namespace)
            self._bind(check_names=True)

    def _initialize(self) -> None:
        """Call the initializer, once for each that is set."""
        given = self.graph_initializer
        if given is None or given is self._initialized_by:
            return
        self._initialized_by = given
        initializer_of(given, self._namespace or {})(self)

    def _tracking_stream(self) -> StreamContext:
        path = self.parameters.get("log_stream")
        if not path and not self.track_models:
            return StreamContext(None, self.function_uri)
        if not path:
            return StreamContext(MemoryStream("memory://tracking", drop_oldest=True), self.function_uri)
        url = str(path).format(project=(self.function_uri or "").partition("/")[0])
        options = self.parameters.get("stream_args") or {}
        return StreamContext(seam.open_stream(url, **options), self.function_uri)

    def _ready(self, check_names: bool) -> BoundGraph:
        """Return the bound graph, bound again where the draft (or what a name means) has changed."""
        bound = self._bound
        if bound is not None and bound.revision == self._graph._revision:
            if not check_names or not bound.watch.changed():
                return bound
        with self._lock:
            if self._namespace is None:
                self._namespace = caller_namespace()
            if self._binding is None:
                self.init_states(None, None, is_mock=self._is_mock)
            return self._bind(check_names)

    def _bind(self, check_names: bool) -> BoundGraph:
        if self._graph is None or not self._graph.get_children():
            raise GraphError(
                "the graph has no steps: add some with graph.to(...), router.add_route(...) or server.add_model(...)"
            )
        assert self._binding is not None
        bound = self._bound
        if bound is None or bound.revision != self._graph._revision or (check_names and bound.watch.changed()):
            bound = self._binding.bind(self._graph, self._namespace or {}, self._current_function)
            self._bound = bound
        return bound

    def _drop(self) -> None:
        self._bound = None

    def _close_binding(self) -> None:
        self._bound = None
        if self._binding is not None:
            self._binding.close()
            self._binding = None

    # ---- answering ----------------------------------------------------------------------------------------

    def test(
        self,
        path: str = "/",
        body: Any = None,
        method: str = "",
        content_type: str | None = None,
        silent: bool = False,
        get_body: bool = True,
        headers: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        trigger: Any = None,
        offset: Any = None,
        time: Any = None,
    ) -> Any:
        """Send one event through the graph, the way that production takes, and record the run.

        Parameters
        ----------
        path
            Path of the request.
        body
            Any object, or JSON as text or bytes.
        method
            Left out: POST with a body, GET without.
        content_type
            MIME type; JSON must decode, other types are left alone; without one JSON is decoded if it is JSON.
        silent
            Return an answer of status 300 and more as a Response rather than raise it.
        get_body
            Return the answer as an object, rather than as a serialised Response.
        headers, event_id, trigger, offset, time
            More of the event.

        Returns
        -------
        object
            The answer; a :class:`Response` with ``get_body=False``, or where a step returned one.

        Raises
        ------
        StepError
            For an answer of status 300 and more; it has the ``status``, names the ``step``, and chains the step's
            own exception.
        """
        event = Event(
            body,
            content_type,
            dict(headers) if headers else {},
            method or ("GET" if body is None else "POST"),
            path,
            event_id,
            trigger,
            offset,
            time,
        )
        recorder = Recorder(event, self._secrets)
        error: StepError | None = None
        try:
            bound = self._ready(check_names=True)
            event = self._prepared(event)
            event._trace = recorder
            result = bound.answer(event, recorder)
            answer = result if get_body else self._encoded(result)
        except GraphkitError as exc:
            error = self._presentable(exc)
            answer = self._error_response(error)
        status = answer.status_code if _is_response(answer) else 200
        self.runs.add(*recorder.finish(status, answer.body if _is_response(answer) else answer))
        if status >= 300 and not silent:
            if error is None:
                raise StepError(f"failed ({status}): {_text(answer.body)}", status=status)
            cause = error.__cause__
            raise error from cause
        return answer

    def run(
        self, event: Any, context: Any = None, get_body: bool = False, extra_args: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer an event object; blocks, and works inside a running event loop.

        Parameters
        ----------
        event
            An :class:`Event`, or any object with ``body``, ``path``, ``method`` and the like. It is not changed.
        context
            A Nuclio context whose Response class is used for the answer.
        get_body
            Return the answer as an object rather than as a serialised Response.
        extra_args
            Given to ``full_event`` steps as ``event.extra_args``.

        Returns
        -------
        object
            The answer; an error is a Response with its status.
        """
        try:
            bound = self._bound
            if bound is None or bound.revision != self._graph._revision:
                bound = self._ready(check_names=False)
            if extra_args or _needs_work(event):
                event = self._prepared(event, extra_args)
            result = bound.answer(event)
            if get_body:
                return result
            return dataplane.encode(result, Response if context is None else context.Response)
        except GraphkitError as exc:
            return self._error_response(self._presentable(exc), context)

    async def run_async(
        self, event: Any, context: Any = None, get_body: bool = False, extra_args: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer an event object on the running event loop; parameters and result as in :meth:`run`."""
        try:
            bound = self._bound
            if bound is None or bound.revision != self._graph._revision:
                bound = self._ready(check_names=False)
            if extra_args or _needs_work(event):
                event = self._prepared(event, extra_args)
            result = await bound.answer_async(event)
            if get_body:
                return result
            return dataplane.encode(result, Response if context is None else context.Response)
        except GraphkitError as exc:
            return self._error_response(self._presentable(exc), context)

    def _prepared(self, event: Any, extra_args: Mapping[str, Any] | None = None) -> Event:
        """Return an event of our own, with its body decoded."""
        own = as_event(event)
        if own.headers:
            dataplane.apply_headers(own)
        if isinstance(own.body, (str, bytes)):
            dataplane.decode(own)
        if isinstance(own.body, dict) and own.body.get(MARK) == 1:
            own = unwrap(own)
        if extra_args:
            own.extra_args = dict(extra_args)  # type: ignore[attr-defined]
        return own

    def _encoded(self, result: Any) -> Any:
        return dataplane.encode(result, self.context.Response if self.context is not None else Response)

    def _presentable(self, exc: GraphkitError) -> StepError:
        """Return an error as callers may see it: with a status, and without secrets."""
        message = self._secrets.redact(exc.message)
        if isinstance(exc, StepError) and message == exc.message:
            return exc
        kind = type(exc) if isinstance(exc, StepError) else StepError
        new = kind(message, step=exc.step, status=exc.status)
        new.__cause__ = exc.__cause__ if isinstance(exc, StepError) else exc
        return new

    def _error_response(self, error: StepError, context: Any = None) -> Any:
        response = getattr(context, "Response", None) or Response
        return response(body=error.message, content_type="text/plain", status_code=error.status)

    @property
    def last_run(self) -> RunRecord | None:
        """The record of the last :meth:`test`."""
        return self.runs.last

    def wait_for_completion(self) -> None:
        """Send on what batches and joins hold back, write what is buffered, and close the pools.

        The server can be used again afterwards.
        """
        if self._binding is not None:
            self._binding.drain(self._bound)

    # ---- pictures and forms -------------------------------------------------------------------------------

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Return the picture of the graph; parameters as in the graph's own ``plot``."""
        return self._graph.plot(*args, **kwargs)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if self._graph is None:
            return {"text/plain": repr(self)}
        return self._graph._repr_mimebundle_(include, exclude)

    @property
    def secret_sources(self) -> list[dict[str, Any]]:
        """The sources of secrets; inline ones as names only."""
        return self._secrets.to_list()

    @secret_sources.setter
    def secret_sources(self, sources: Any) -> None:
        self._secrets = SecretStore(sources)

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
        return {
            "kind": self.kind,
            **{key: value for key, value in fields.items() if value not in (None, {}, [], False)},
        }

    @classmethod
    def from_dict(cls, struct: Mapping[str, Any]) -> GraphServer:
        """Return the server that a dict describes; raises SpecError with every problem found."""
        record = codec.server_from_dict(struct)
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        graph = fields.pop("graph")
        return cls(graph=None if graph is None else codec.to_dict(graph), **fields)

    def to_json(self) -> str:
        """Return the spec as JSON."""
        return codec.to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> GraphServer:
        """Return the server that a JSON text describes; raises SpecError."""
        return cls.from_dict(codec.from_json(text))

    def to_yaml(self) -> str:
        """Return the spec as YAML."""
        return codec.to_yaml(self.to_dict())

    @classmethod
    def from_yaml(cls, text: str | bytes) -> GraphServer:
        """Return the server that a YAML text describes; raises SpecError."""
        return cls.from_dict(codec.from_yaml(text))

    def save(self, path: str | Path) -> None:
        """Write the spec to a ``.yaml`` or ``.json`` file, after checking the graph's structure."""
        if self._graph is not None:
            self._graph._check()
        codec.write(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> GraphServer:
        """Return the server that a ``.yaml`` or ``.json`` file describes; raises SpecError."""
        return cls.from_dict(codec.read(path))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GraphServer):
            return NotImplemented
        return self is other or self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # compares by its spec, which can change

    def __repr__(self) -> str:
        function = f", function={self._current_function!r}" if self._current_function else ""
        return f"GraphServer({self._graph!r}{function})"


def create_graph_server(
    parameters: Mapping[str, Any] | None = None,
    load_mode: str | None = None,
    graph: Any = None,
    verbose: bool = False,
    current_function: str | None = None,
    **kwargs: Any,
) -> GraphServer:
    """Return a local server for tests and local runs; without a graph it has an empty router.

    Parameters
    ----------
    parameters, load_mode, graph, verbose, **kwargs
        As in :class:`GraphServer`.
    current_function
        The child function that the server is.

    Examples
    --------
    >>> from graphkit import V2ModelServer
    >>> class Twice(V2ModelServer):
    ...     def load(self): ...
    ...     def predict(self, request):
    ...         return [2 * x for x in request["inputs"]]
    >>> server = create_graph_server()
    >>> _ = server.add_model("my", class_name=Twice)
    >>> server.test("my/infer", {"inputs": [1, 2]})["outputs"]
    [2, 4]
    """
    server = GraphServer(graph if graph is not None else RouterStep(), parameters, load_mode, verbose=verbose, **kwargs)
    server.set_current_function(current_function)
    return server


def mock_server(
    root: RootFlowStep,
    *,
    namespace: Any = None,
    current_function: str | None = "*",
    parameters: Mapping[str, Any] | None = None,
    track_models: bool = False,
    secret_sources: Any = None,
    **kwargs: Any,
) -> GraphServer:
    """Return a server for tests over a draft that others may hold too."""
    server = GraphServer(root, parameters, track_models=track_models or None, secret_sources=secret_sources, **kwargs)
    server.set_current_function(current_function)
    server._is_mock = True
    server._namespace = as_namespace(namespace) if namespace is not None else caller_namespace()
    return server


def _checked_mode(mode: str | None) -> str:
    if mode not in (None, "sync", "async"):
        raise GraphError(f"load_mode is 'sync' or 'async', found {mode!r}")
    return mode or "sync"


def _needs_work(event: Any) -> bool:
    """Whether an event must be copied and looked at before it is run: it is foreign, or text, or has headers."""
    if type(event) is not Event or event.headers:
        return True
    kind = type(event.body)
    return kind is str or kind is bytes or (kind is dict and MARK in event.body)


def _is_response(value: Any) -> bool:
    return isinstance(value, Response) or (hasattr(value, "status_code") and hasattr(value, "body"))


def _text(body: Any) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)
