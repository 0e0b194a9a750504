"""GraphServer: a graph with its parameters, namespace and context; it answers events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.build.flow import RootFlowStep
from graphkit.build.steps import RouterStep
from graphkit.core.awaiting import is_awaitable
from graphkit.core.errors import BadRequest, GraphError, GraphkitError, StepError, is_failure
from graphkit.core.event import Event, Response
from graphkit.core.namespace import caller_namespace
from graphkit.runtime.failures import retold
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.records import RunRecord
from graphkit.runtime.resolve import as_namespace
from graphkit.runtime.told import recorder_of
from graphkit.server import dataplane
from graphkit.server.catalog import Catalog
from graphkit.server.oip.exchange import Exchange
from graphkit.server.playing import PlayMixin
from graphkit.server.recorded import new_event, record_run
from graphkit.server.work import WorkMixin


class GraphServer(PlayMixin, WorkMixin):
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
        Log errors as they happen; what :meth:`test` raises then has the engine's frames in its traceback, also in a
        script.
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
            Any object, or JSON as text or bytes. The graph gets a copy, as a request would be decoded: what steps do to
            it leaves the caller's lists and dicts as they are (objects in them, such as arrays, are shared).
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
        TypeError
            If ``path`` is no text: the body is the second argument.
        """
        event = new_event(path, body, method, content_type, headers, event_id, trigger, offset, time)
        outcome = record_run(self, event, recorder_of(event, self._secrets, self), get_body)
        return outcome.told(silent)

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
        exchange = None
        try:
            bound = self._bound
            if bound is None or bound.revision != self._graph._revision:
                bound = self._ready(check_names=False)
            shortcut = bound.shortcut
            if (
                shortcut is not None
                and type(event) is Event
                and event._trace is None
                and event._headers is None
                and not extra_args
            ):
                # nothing is to be found out about the event before (whole events in the body come without a path)
                try:
                    result = shortcut(event, event.body)
                except BaseException as exc:
                    if not is_failure(exc):
                        raise
                    bound.fail_at_once(event, exc)
                if result is not None:
                    if type(result) is not dict and is_awaitable(result):
                        result = bound.wait(result)
                    return result if get_body else dataplane.encode(result, self._response_class(context))
            if extra_args or dataplane.needs_work(event):
                event = dataplane.prepared(event, extra_args)
                exchange = self._exchange(event, bound)
            result = bound.answer(event, event._trace)
            if exchange is not None:
                result = exchange.answer(result)
            return result if get_body else dataplane.encode(result, self._response_class(context))
        except GraphkitError as exc:
            as_json = exchange is not None or dataplane.wants_json_errors(event)
            return self._error_response(self._presentable(exc, event), context, as_json)

    async def run_async(
        self, event: Any, context: Any = None, get_body: bool = False, extra_args: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer an event object on the running event loop; parameters and result as in :meth:`run`."""
        exchange = None
        try:
            bound = self._bound
            if bound is None or bound.revision != self._graph._revision:
                bound = self._ready(check_names=False)
            if extra_args or dataplane.needs_work(event):
                event = dataplane.prepared(event, extra_args)
                exchange = self._exchange(event, bound)
            lead = bound.lead
            if lead is not None and event._trace is None:
                # awaited here: one more coroutine would cost as much as three steps
                try:
                    result = await lead.run(event.body, event, None)  # type: ignore[misc]  # a straight run has it
                except BaseException as exc:
                    if not is_failure(exc):
                        raise
                    result = bound.ended(lead, event, exc)
            else:
                result = await bound.answer_async(event, event._trace)
            if exchange is not None:
                result = exchange.answer(result)
            return result if get_body else dataplane.encode(result, self._response_class(context))
        except GraphkitError as exc:
            as_json = exchange is not None or dataplane.wants_json_errors(event)
            return self._error_response(self._presentable(exc, event), context, as_json)

    def _exchange(self, event: Event, bound: BoundGraph) -> Exchange | None:
        """Make a plain request of one of the Open Inference Protocol; returns what turns the answer back."""
        return self._catalog_of(bound).exchange(event)

    def _catalog_of(self, bound: BoundGraph) -> Catalog:
        """Return the models of a bound graph."""
        catalog: Catalog | None = self._catalog
        if catalog is None or catalog.bound is not bound:
            catalog = self._catalog = Catalog(bound, self._graph.name or "")
        return catalog

    def _last_models(self) -> frozenset[int]:
        """Return the ids of the models whose answers are the graph's; none before the graph is bound."""
        bound = self._bound
        return frozenset() if bound is None else self._catalog_of(bound).last_models

    def _presentable(self, exc: GraphkitError, event: Any) -> StepError:
        """Return an error as callers may see it: with a status, and without secrets."""
        if exc.status == 500 and (why := dataplane.unusable(event)):
            # not looked at before, since nearly every event is as it should be
            plain, exc = exc, BadRequest(why)
            exc.__cause__ = plain
        error = self._concealed(exc, event)
        if isinstance(exc, StepError) and exc.of_answer and exc.step is None and (step := self._answering_step()):
            plain, error = error, StepError(f"step {step!r}: {error.message}", step=step)
            error.__cause__ = plain.__cause__
        if why := dataplane.no_json(event):
            # a step that got text where it wanted a dict fails on that, and says nothing of the bracket that is missing
            plain, error = error, retold(error, f"{error.message}; {why}")
            error.__cause__, error.__traceback__ = plain.__cause__, plain.__traceback__
        if self._on_failure is not None:
            self._on_failure(error)
        return error

    def _answering_step(self) -> str | None:
        """Return the step whose result is the answer; ``None`` where an error handler may have given it."""
        flow = None if self._bound is None else self._bound.plan.flows[""]
        return None if flow is None or flow.handlers or flow.catch is not None else flow.answer

    def _concealed(self, exc: GraphkitError, event: Any) -> StepError:
        concealed = self._secrets.conceal(exc)
        if self.context is not None and not (isinstance(exc, StepError) and exc.step is not None):
            # of no step, so that no run has written it down
            self.context.push_error(event, exc.message, source=exc.step)
        if isinstance(concealed, StepError):
            return concealed
        error = StepError(self._secrets.redact(exc.message), step=exc.step, status=exc.status)
        error.__cause__ = concealed
        return error

    def _response_class(self, context: Any) -> Any:
        """Return the class of answers: that of the caller's context, else of the server's, which may be Nuclio's."""
        return getattr(context if context is not None else self.context, "Response", Response)

    def _error_response(self, error: StepError, context: Any = None, as_json: bool = False) -> Any:
        make = self._response_class(context)
        if as_json:
            body = dataplane.to_json({"error": error.message})
            return make(body=body, content_type=dataplane.JSON, status_code=error.status)
        return make(body=error.message, content_type="text/plain", status_code=error.status)

    @property
    def last_run(self) -> RunRecord | None:
        """The record of the last :meth:`test`."""
        return self.runs.last


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

    Raises
    ------
    GraphError
        If the graph is given in the place of ``parameters``, which come first.

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
    if isinstance(parameters, (RouterStep, RootFlowStep)):
        raise GraphError(f"parameters is a dict, found the graph {parameters!r}: give it as graph=")
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
