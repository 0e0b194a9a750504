"""One model behind the V2 dialect: load it, ask it, say how it is. It knows nothing of routers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable, then
from graphkit.core.errors import BadRequest, GraphError, GraphkitError, StepError, choices, nearest, told
from graphkit.core.yielded import STREAMS, is_stream
from graphkit.models.addresses import BY_ROW
from graphkit.models.batched import ARGUMENTS, Batched
from graphkit.models.component import Component
from graphkit.models.loading import Loaded
from graphkit.models.requests import check_inputs, kind, rows_in_order, with_id
from graphkit.models.stamps import Stamps
from graphkit.models.yielding import answers, response_of, taken

_BY_NAME = frozenset({"infer_dict", "predict_dict"})

# the event, the operation, the request's id, the time stamp, the log, when it started (perf_counter_ns)
_Call = tuple[Any, str, Any, str, Any, int]


class V2ModelServer(Loaded, Batched, Component):
    """Base class of models: override :meth:`load` and :meth:`predict`.

    ``preprocess``, ``validate``, ``postprocess``, ``explain`` and ``logged_results`` may be overridden too, and a
    method ``op_xx(event)`` answers ``<model>/xx``. Each of them but ``load`` and ``logged_results`` may be
    ``async def``.

    Parameters
    ----------
    context, name
        Given by the graph. A name ``"iris:3"`` is split into the name ``iris`` and the version ``3``.
    model_path
        Where the model is stored; read by :meth:`get_model` and not checked before.
    model
        A model object that is ready to use; ``load`` is not called then.
    protocol
        ``"v2"`` (the default) asks for ``{"inputs": [...]}``; any other leaves the request unchecked.
    input_path, result_path
        Where in the body the request stands, and where the answer goes.
    **class_args
        Parameters of the model, for :meth:`get_param`. Three of them rule micro-batching, where concurrent requests
        share one call of ``predict``: ``max_batch_size`` turns it on and says how many inputs a call may have,
        ``max_delay_ms`` (5) how long a request waits for others, and ``max_waiting`` (2048) how many requests may
        wait, before more are refused with status 429. See the notes.

    Notes
    -----
    With micro-batching, ``predict`` runs in a thread of the model's own, one call at a time, and must answer with one
    prediction for each input. Requests that differ in other fields than ``inputs`` and ``id`` do not share a call, and
    ``predict`` gets them without ``id``. If a shared call fails, each of its requests is asked alone, so that only the
    one at fault fails. The other hooks run for each request, and tracking has a record of each.

    A ``predict`` or ``explain`` may yield, plainly or asynchronously, but not with micro-batching. Its chunks are the
    list of ``outputs``. Over HTTP, a client that accepts ``text/event-stream`` or ``application/x-ndjson`` gets each
    chunk when it is yielded, as an answer of its own: ``{"id", "model_name", "outputs": [chunk], "timestamp"}``, with
    tensors for tensors. That is so where the model's answer is the graph's: it is the last step itself, or behind a
    ModelRouter that is, without ``result_path``. A failure is the last event, time limits count for each chunk,
    tracking has one record of all, and ``postprocess`` gets each of the answers (where it is ``async def`` and
    ``predict`` yields plainly, there is one answer as ever).

    Attributes
    ----------
    ready, error
        Whether the model is loaded, and the exception that ended its last load.
    model_spec
        What :meth:`get_model` found out about the model: its parameters, inputs and outputs.
    metrics, labels
        What tracking records carry beside the request.
    oip_inputs
        How the model wants tensors of the Open Inference Protocol as ``request["inputs"]``: as nested ``"lists"``,
        which is what the plain dialect sends, or as NumPy ``"arrays"`` of the tensors' own types. One tensor is given
        itself, several as a dict by name. A class attribute; override it. In JSON, null stands for NaN both ways, and
        in answers for the infinities as well; clients that need them ask for binary tensors.

    Examples
    --------
    >>> from graphkit import create_graph_server
    >>> class Doubler(V2ModelServer):
    ...     def predict(self, request):
    ...         return [2 * x for x in request["inputs"]]
    >>> server = create_graph_server()
    >>> _ = server.add_model("doubler:1", class_name=Doubler)
    >>> answer = server.test("doubler/versions/1/infer", {"inputs": [1, 2]})
    >>> answer["model_name"], answer["model_version"], answer["outputs"]
    ('doubler', '1', [2, 4])
    """

    _further_args: ClassVar[tuple[str, ...]] = ARGUMENTS
    oip_inputs: ClassVar[str] = "lists"

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        model_path: str | None = None,
        model: Any = None,
        protocol: str | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **class_args: Any,
    ) -> None:
        super().__init__(context, name, protocol, input_path, result_path)
        self.name, _, self.version = self.name.partition(":")
        self.model_path = model_path
        self.model = model
        self.model_spec: Any = None
        self.ready = model is not None
        self.error: BaseException | None = None
        self._params = {key: value for key, value in class_args.items() if key != "graph_step"}
        self._files: Any = None  # what the model's files were when they were loaded
        self._stamps = Stamps()
        if not self._params.keys().isdisjoint(ARGUMENTS):
            self._collect(self._params)
        # which hooks there are: those that are not overridden are not called, which saves a tenth of a request
        cls = type(self)
        self._prepares = cls.preprocess is not V2ModelServer.preprocess
        self._validates = cls.validate is not V2ModelServer.validate
        self._finishes = cls.postprocess is not V2ModelServer.postprocess
        self._explains = cls.explain is not V2ModelServer.explain
        self._direct = not (
            self._prepares
            or self._validates
            or self._finishes
            or self._select
            or self._put
            or self.version
            or self.batcher
        ) and (self.protocol == "v2")

    # ---- loading --------------------------------------------------------------------------------------------

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Load the model: at once, or with ``mode="async"`` in a background thread.

        A load that fails is kept in :attr:`error` and logged, so that the other models of a graph serve all the
        same; requests for this one are refused with it.
        """
        try:
            self._check_made()
        except GraphError as exc:
            # so that it can say what is wrong with it, while the other models serve
            V2ModelServer.__init__(self, self.__dict__.get("context"), self.__dict__.get("name"))
            self._not_loaded(exc)
            return
        self._renew_log()
        if self.ready:
            return
        if mode == "async":
            threading.Thread(target=self._load, name=f"load-{self.name}", daemon=True).start()
        else:
            self._load()

    # ---- what subclasses override ---------------------------------------------------------------------------

    def preprocess(self, request: Any, operation: str) -> Any:
        """Return the request to validate; override it to reshape what comes in."""
        return request

    def validate(self, request: Any, operation: str) -> Any:
        """Return the request if it is valid; whatever an override raises is answered with status 400."""
        if self.protocol != "v2":
            return request
        return check_inputs(request, f"model {self.name!r}", self.oip_inputs == "arrays")

    def predict(self, request: Any) -> Any:
        """Return the predictions for ``request["inputs"]``; must be overridden.

        What it raises is answered with status 500; with 400 where the request is known to be at fault: rows of another
        length than the model takes, values that are no numbers.
        """
        raise StepError(
            f"model {self.name!r}: class {type(self).__name__} has no predict method: override predict(self, request)",
        )

    def explain(self, request: Any) -> Any:
        """Return the explanations for ``request["inputs"]``; a model without it has no operation ``explain``."""
        raise self._unknown("explain")

    def postprocess(self, response: Any) -> Any:
        """Return the answer to send; override it to reshape what goes out."""
        return response

    def logged_results(self, request: Any, response: Any, op: str) -> tuple[Any, Any]:
        """Return other inputs and outputs for the tracking record; ``(None, None)`` keeps those of the request."""
        return None, None

    # ---- requests -------------------------------------------------------------------------------------------

    def do_event(self, event: Any) -> Any:
        """Answer one event, whose path is the operation; the answer, or an awaitable of it, is the event itself."""
        operation = event.path
        body = event.body
        if self._select is not None:
            body = self._selected(event)
        if operation not in BY_ROW:
            operation = self._operation(event, body)
        if operation in BY_ROW or operation in _BY_NAME or (operation == "explain" and self._explains):
            return self._infer(event, operation, body)
        return self._about(event, operation, body)

    @property
    def is_plain(self) -> bool:
        """Whether a valid request needs nothing of this model but ``predict``, once it is ready, while not tracked."""
        return self._direct and type(self).do_event is V2ModelServer.do_event

    @property
    def shortcut(self) -> Callable[[Any], Any] | None:
        """What a plain model's requests come to; see :mod:`~graphkit.models.shortcut`."""
        return self.predict if self.is_plain else None

    def _operation(self, event: Any, body: Any) -> str:
        """Return the URL's operation, else the body's, else ``infer`` (on GET none, which asks about the model)."""
        operation = event.path.strip("/")
        if operation or event.method == "GET":
            return str(operation)
        operation = body.get("operation") if isinstance(body, dict) else None
        if operation is None:
            return "infer"
        if not isinstance(operation, str):
            raise BadRequest(f"model {self.name!r}: 'operation' is a text, found {kind(operation)}")
        return operation.strip("/") or "infer"

    def _infer(self, event: Any, operation: str, body: Any) -> Any:
        if not self.ready:
            raise self._not_ready()
        log = self._log
        if log is not None:
            log = self._open_log()
        started_ns = 0 if log is None else time.perf_counter_ns()
        request_id = None
        if isinstance(body, dict):
            request_id = body.get("id")
            body = body.copy()  # what a hook does to its request is not done to the caller's
        if request_id is None:
            request_id = event.id
        if operation in _BY_NAME:
            body = self._rows(body)
        return self._go_on((event, operation, request_id, self._stamps.now(), log, started_ns), 0, body)

    def _go_on(self, call: _Call, stage: int, request: Any, result: Any = None) -> Any:
        """Run an inference from a stage on.

        The stages fall through to the next. Where a hook returns an awaitable, an awaitable is returned that goes on
        at the next stage. So hooks may be async, and plain ones pay for it with one comparison a stage.
        """
        event, operation, request_id, stamp, log, _ = call
        if stage < 1 and self._prepares:
            request = self.preprocess(request, operation)
            if type(request) is not dict and is_awaitable(request):
                return then(request, partial(self._go_on, call, 1))
        if request is None and self._prepares and stage < 2:
            self._check_given_back(event, "preprocess")
        if stage < 2 and (self._validates or type(request) is not dict or type(request.get("inputs")) is not list):
            try:
                request = self.validate(request, operation)
            except GraphkitError:
                raise
            except Exception as exc:
                raise self._refusal(exc) from exc
            if type(request) is not dict and is_awaitable(request):
                return then(self._validated_later(request), partial(self._go_on, call, 2))
        if request is None and self._validates and stage < 3:
            self._check_given_back(event, "validate")
        if stage < 3:
            try:
                if operation == "explain":
                    result = self.explain(request)
                else:
                    result = self.predict(request) if self.batcher is None else self.batcher.ask(request)
                if type(result) in STREAMS:
                    result = taken(self, event, result)
            except Exception as exc:
                self._raise_tracked(call, request, exc)
                raise
            if type(result) not in PLAIN_TYPES:
                if is_awaitable(result):
                    return then(self._asked_later(call, request, result), partial(self._asked, call, request))
                if is_stream(result):
                    return self._asked(call, request, result)
        if stage < 4:
            result = response_of(self, request_id, result, stamp)
            if self._finishes:
                result = self.postprocess(result)
                if type(result) is not dict and is_awaitable(result):
                    return then(result, partial(self._go_on, call, 4, request))
        if log is not None:
            self._track(call, request, result)
        original, event.body = event.body, result
        return event if self._put is None else self._placed(original, event)

    def _diagnosed(self, exc: Exception, *requests: Any) -> Exception:
        """Return what to raise for what ``predict`` or ``explain`` raised, asked with one of the requests."""
        from graphkit.models.blame import diagnosed  # only failures need it

        return diagnosed(self, exc, requests, type(self).load is not V2ModelServer.load)

    def _raise_tracked(self, call: _Call, request: Any, exc: Exception) -> None:
        """Track a failure, and raise an exception that says more, if there is one."""
        hooked = self._prepares or self._validates
        error = self._diagnosed(exc, request, *([self._selected(call[0])] if hooked else []))
        self._track_failure(call, request, error)
        if error is not exc:
            raise error from exc

    def _check_given_back(self, event: Any, hook: str) -> None:
        """Refuse a request that a hook has lost; a body that was nothing from the start is the caller's fault."""
        if event.body is not None:
            raise StepError(f"model {self.name!r}: {hook} returned nothing, it must return the request")

    async def _validated_later(self, request: Any) -> Any:
        try:
            return await request
        except GraphkitError:
            raise
        except Exception as exc:
            raise self._refusal(exc) from exc

    async def _asked_later(self, call: _Call, request: Any, outputs: Any) -> Any:
        try:
            outputs = taken(self, call[0], await outputs)
            return await outputs if is_awaitable(outputs) else outputs
        except Exception as exc:
            self._raise_tracked(call, request, exc)
            raise

    def _asked(self, call: _Call, request: Any, result: Any) -> Any:
        """Go on with a result for which more was to be done: one that was awaited, or comes chunk by chunk."""
        if not is_stream(result):
            return self._go_on(call, 3, request, result)
        event, _, request_id, _, log, _ = call
        event.body = answers(
            self, request_id, request, result, None if log is None else partial(self._track_chunks, call, request)
        )
        return event

    def _refusal(self, exc: Exception) -> BadRequest:
        return BadRequest(f"model {self.name!r} refuses the request: {told(exc)}")

    def _track(self, call: _Call, request: Any, response: Any) -> None:
        _, operation, request_id, _, log, started_ns = call
        inputs, outputs = self.logged_results(request, response, operation)
        if inputs is None and outputs is None:
            log.push(with_id(request, request_id), response, operation, started_ns)
        else:
            instead = {"id": request_id, "inputs": [] if inputs is None else inputs}
            log.push(instead, {"outputs": [] if outputs is None else outputs}, operation, started_ns)

    def _track_failure(self, call: _Call, request: Any, exc: Exception) -> None:
        _, operation, request_id, _, log, started_ns = call
        if log is not None:
            log.push(with_id(request, request_id), None, operation, started_ns, error=exc)

    def _track_chunks(self, call: _Call, request: Any, chunks: list[Any], why: BaseException | None) -> None:
        _, operation, request_id, stamp, log, started_ns = call
        response = response_of(self, request_id, chunks, stamp)
        if why is None:
            self._track(call, request, response)
        elif isinstance(why, Exception):
            self._track_failure(call, request, why)
        else:
            error = f"nobody wanted more than {len(chunks)} chunks"
            log.push(with_id(request, request_id), response, operation, started_ns, error=error)

    def _rows(self, request: Any) -> Any:
        """Return a copy of the request whose rows are lists in the order of the model's schema."""
        who = f"model {self.name!r}"
        if self.model_spec is None or not self.model_spec.inputs:
            raise BadRequest(
                f"{who} cannot read inputs by name: it has no schema of inputs (get_model() of a model_path whose "
                f"model_spec.yaml lists them gives it one)"
            )
        if not isinstance(request, dict):
            raise BadRequest(f"{who} expects a dict with 'inputs', found {kind(request)}")
        names = [feature.name for feature in self.model_spec.inputs]
        return {**request, "inputs": rows_in_order(request.get("inputs"), names, who)}

    # ---- questions about the model --------------------------------------------------------------------------

    def get_metadata(self) -> dict[str, Any]:
        """Return what ``GET <model>`` answers: name, version, and the schema of inputs and outputs."""
        spec = self.model_spec
        return {
            "name": self.name,
            "version": self.version,
            "inputs": [] if spec is None else [feature.to_dict() for feature in spec.inputs],
            "outputs": [] if spec is None else [feature.to_dict() for feature in spec.outputs],
        }

    def _about(self, event: Any, operation: str, body: Any) -> Any:
        if event.method == "GET" and operation in ("", "ready"):
            if operation == "":
                event.body = self.get_metadata()
            elif self.ready:
                event.body = self._response(200, f"model {self.name} is ready (event_id = {event.id})")
            else:
                event.body = self._response(408, self._why_not_ready())
            event.terminated = True
            return event
        custom = getattr(self, "op_" + operation, None)
        if custom is None:
            raise self._unknown(operation)
        if not self.ready:
            raise self._not_ready()
        original, event.body = event.body, body
        return then(custom(event), partial(self._customized, event, original))

    def _customized(self, event: Any, original: Any, result: Any) -> Any:
        event.body = result
        return self._placed(original, event)

    def _unknown(self, operation: str) -> BadRequest:
        known = {name[3:] for name in dir(type(self)) if name.startswith("op_")} | BY_ROW | _BY_NAME
        if self._explains:
            known.add("explain")
        return BadRequest(
            f"model {self.name!r} has no operation {operation!r}{nearest(operation, known | {'ready'})}; "
            f"there is {choices(known)}, and 'ready' by GET",
        )
