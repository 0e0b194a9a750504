"""A router whose models vote. How votes are counted stands in ``voting``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from graphkit.core.awaiting import then
from graphkit.core.errors import BadRequest, GraphError, GraphkitError, StepError, choices, either, nearest, told
from graphkit.core.event import Event
from graphkit.models.addresses import Address
from graphkit.models.at_once import vote_at_once
from graphkit.models.parallel import ExecutorType, ParallelRun
from graphkit.models.requests import check_inputs, with_id
from graphkit.models.stamps import Stamps
from graphkit.models.v2 import V2ModelServer
from graphkit.models.voting import (
    Decided,
    VoteType,
    are_numbers,
    check_numbers,
    check_weights,
    column_of,
    matrix,
    plain_kinds,
    row_of,
    shares_of,
    too_large,
    vote,
)

_OPERATIONS = frozenset({"infer", "predict", "infer_dict", "predict_dict", "explain"})

# the event, the operation, the log, when it started (perf_counter_ns), the time stamp
_Call = tuple[Any, str, Any, int, str]


class VotingEnsemble(ParallelRun):
    """Asks every model and answers with their vote.

    ``<prefix>/infer`` and ``<prefix>/<ensemble name>/infer`` ask every model, ``<prefix>/<model>/infer`` asks one.
    A model that fails, or answers with something that cannot be voted on, fails the request.

    Parameters
    ----------
    context, name, routes, protocol, url_prefix, health_prefix
        As for every router.
    vote_type
        ``"classification"``: the label with the largest sum of weights wins, the smallest label if several have it
        (numbers before texts). ``"regression"``: the weighted mean. Left out, each request decides: with integers
        (or labels that are no numbers) in every prediction it is a classification, with floats a regression.
    executor_type
        ``"thread"``, ``"process"`` or ``"array"`` (one by one).
    prediction_col_name
        The key of the predictions, in models whose outputs are a dict.
    weights
        ``{model: weight}``; they are normalised, and a model that is not there counts nothing. Left out, all models
        count the same.
    format_response_with_col_name_flag
        Answer with ``{prediction_col_name: votes}`` as outputs, otherwise with the votes.
    input_path, result_path
        As for every router.
    **kwargs
        As for every router, and ``allow_partial``: with it, models that fail are left out of the vote, the weights
        of the others are normalised, and the answer has ``"partial": {"failed": {model: message}}``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> def model(label):
    ...     def run(event):
    ...         event.body = {"outputs": [label for _ in event.body["inputs"]]}
    ...         return event
    ...
    ...     return SimpleNamespace(name=label, run=run)
    >>> routes = {"a": model("cat"), "b": model("dog"), "c": model("cat")}
    >>> ensemble = VotingEnsemble(routes=routes)
    >>> ensemble.do_event(Event({"inputs": [1, 2]}, path="/v2/models/infer")).body["outputs"]
    ['cat', 'cat']
    """

    _closed_args: ClassVar[bool] = True
    _further_args: ClassVar[tuple[str, ...]] = (*ParallelRun._further_args, "allow_partial")

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        routes: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        url_prefix: str | None = None,
        health_prefix: str | None = None,
        vote_type: VoteType | str | None = None,
        executor_type: ExecutorType | str | None = None,
        prediction_col_name: str | None = None,
        weights: Mapping[str, float] | None = None,
        format_response_with_col_name_flag: bool = False,
        input_path: str | None = None,
        result_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            context,
            name or "VotingEnsemble",
            routes,
            protocol,
            url_prefix,
            health_prefix,
            executor_type=executor_type,
            input_path=input_path,
            result_path=result_path,
            **kwargs,
        )
        self.vote_type = _vote_type(vote_type, self.name)
        self.prediction_col_name = prediction_col_name or "prediction"
        self.weights = weights
        self.format_response_with_col_name_flag = format_response_with_col_name_flag
        self.allow_partial = bool(self.kwargs.get("allow_partial"))
        self._who = f"ensemble {self.name!r}"
        self._stamps = Stamps()
        cls = type(self)
        self._has_own_logic = cls.logic is not VotingEnsemble.logic
        hooks = (cls.logic, cls.validate, cls.extract_results_from_response)
        usual = (VotingEnsemble.logic, VotingEnsemble.validate, VotingEnsemble.extract_results_from_response)
        self._direct = self._direct and hooks == usual and self.protocol == "v2"
        # the routes that were there last, the weights of then, the shares made of both and what was decided with those
        self._shares_known: tuple[tuple[str, ...], Any, tuple[list[float], Decided]] = ((), None, ([], Decided()))

    def post_init(self, mode: str = "sync", **kwargs: Any) -> None:
        """Check the weights against the models.

        Raises
        ------
        GraphError
            If weights are negative, not finite, all zero, or for unknown models, which it names all; or if a route has
            the ensemble's own name.
        """
        super().post_init(mode, **kwargs)
        check_weights(self.weights, self.routes, self._who)
        if self.name in self.routes:
            raise GraphError(
                f"{self._who} has a route of its own name, so that a path with it could mean either; rename one of them"
            )

    # ---- what subclasses override ---------------------------------------------------------------------------

    def validate(self, request: Any, method: str | None = None) -> Any:
        """Return the request if it is valid; whatever an override raises is answered with status 400."""
        return check_inputs(request, self._who) if self.protocol == "v2" and method != "GET" else request

    def extract_results_from_response(self, response: Any) -> Any:
        """Return the predictions within a model's outputs: a list or array as it is, of a dict the column.

        Parameters
        ----------
        response
            The field ``outputs`` of a model's answer.
        """
        if not isinstance(response, dict):
            return response
        if self.prediction_col_name not in response:
            raise StepError(
                f"the outputs have no column {self.prediction_col_name!r} (prediction_col_name), there is "
                f"{choices(response)}{nearest(self.prediction_col_name, response)}"
            )
        return response[self.prediction_col_name]

    def logic(self, predictions: Any, weights: Any) -> Any:
        """Return the votes, one per sample.

        Parameters
        ----------
        predictions
            Array ``(n_samples, n_models)``; of dtype object where models disagree on numbers or texts.
        weights
            Array ``(n_models,) float64``; they sum to 1.
        """
        rows = predictions.tolist() if hasattr(predictions, "tolist") else predictions
        return vote(list(zip(*rows, strict=True)), [float(weight) for weight in weights], self.vote_type)

    def _unrolled(self) -> Callable[[Any, Any], Any]:
        return vote_at_once(self, self._addresses)

    # ---- whom a request goes to -----------------------------------------------------------------------------

    def _route(self, event: Any, address: Address) -> Any:
        model, operation = address.model, address.operation
        if not model:
            if event.method == "GET":
                return self._end(event, {"models": self._names(), "weights": self.weights})
            model = self._text_in(event.body, "model") or self.name
        elif not operation and model in _OPERATIONS:
            model, operation = self.name, model
        if not operation and event.method != "GET":
            operation = self._text_in(event.body, "operation")
        route = self.routes.get(model)
        if route is not None:
            return route.run(self._forked(event, operation))
        if model != self.name:
            raise self._unknown(model, address, event.path)
        if event.method == "GET" and operation in ("", "ready"):
            return self._end(event, self._about() if operation == "" else self._readiness())
        return self._ask_ensemble(event, operation or "infer")

    def _names(self) -> list[str]:
        return [*self.routes, self.name]

    def _about(self) -> dict[str, Any]:
        """Return the ensemble's metadata; its schema is that of the first model which has one."""
        about: dict[str, Any] = {"name": self.name, "version": self.version, "inputs": [], "outputs": []}
        for model in self._models().values():
            of_model = model.get_metadata()
            for part in ("inputs", "outputs"):
                about[part] = about[part] or of_model[part]
        return about

    def _readiness(self) -> Any:
        waiting = [key for key, model in self._models().items() if not model.ready]
        if waiting:
            return self._response(408, f"{self._who} is not ready: it waits for {choices(waiting)}")
        return self._response(200, f"{self._who} is ready")

    def _models(self) -> dict[str, V2ModelServer]:
        objects = {key: getattr(route, "async_object", None) for key, route in self.routes.items()}
        return {key: model for key, model in objects.items() if isinstance(model, V2ModelServer)}

    # ---- the vote -------------------------------------------------------------------------------------------

    def _ask_ensemble(self, event: Any, operation: str) -> Any:
        if operation not in _OPERATIONS:
            raise BadRequest(
                f"{self._who} has no operation {operation!r}{nearest(operation, _OPERATIONS)}; "
                f"there is {choices(_OPERATIONS)}"
            )
        if not self.routes:
            raise StepError(f"{self._who} has no models")
        log = self._log
        if log is not None:
            log = self._open_log()
        call = (event, operation, log, 0 if log is None else time.perf_counter_ns(), self._stamps.now())
        self._validated(event, operation)
        return then(self._ask_all(event, operation), partial(self._voted, call))

    def _validated(self, event: Any, operation: str) -> None:
        if operation.endswith("_dict") and type(event.body) is dict and isinstance(event.body.get("inputs"), dict):
            return  # one row by name; its models check it against their schema
        try:
            request = self.validate(event.body, event.method)
        except GraphkitError:
            raise
        except Exception as exc:
            raise BadRequest(f"{self._who} refuses the request: {told(exc)}") from exc
        if request is not None:
            event.body = request

    def _voted(self, call: _Call, answers: Mapping[str, Any]) -> Any:
        event, operation, log, started_ns, _ = call
        failed: dict[str, Exception] = {}
        try:
            votes = self._count(event.body, answers, failed)
        except Exception as exc:
            error = self._agreed(exc, answers)
            if log is not None:
                log.push(with_id(event.body, self._id(event, event.body)), None, operation, started_ns, error=error)
            if error is exc:
                raise
            raise error from error.__cause__
        return then(votes, partial(self._answer, call, failed))

    def _agreed(self, exc: Exception, answers: Mapping[str, Any]) -> Exception:
        """Return what to raise for the first failure, in view of what the other models said."""
        if not isinstance(exc, BadRequest) or not exc.in_hindsight:
            return exc
        from graphkit.models.blame import unless_contradicted

        named = [self._failed(key, said) if isinstance(said, BaseException) else said for key, said in answers.items()]
        return unless_contradicted(exc, named, self._who)

    def _count(self, request: Any, answers: Mapping[str, Any], failed: dict[str, Exception]) -> Any:
        """Return the votes; models that are left out, where that is allowed, are put into ``failed``."""
        columns = self._kept(answers, self._found, failed)
        kinds = plain_kinds(columns.values())
        if kinds is None or (self.vote_type == "regression" and not are_numbers(kinds)):
            columns, kinds = self._kept(columns, self._checked, failed), None
        if not columns:
            raise next(iter(failed.values()))
        inputs = request.get("inputs") if isinstance(request, dict) else None
        if self.allow_partial and isinstance(inputs, list):
            columns = self._kept(columns, partial(self._complete, len(inputs)), failed)
            if not columns:
                raise next(iter(failed.values()))
        values = list(columns.values())
        lengths = set(map(len, values))
        if len(lengths) > 1 or (0 in lengths and isinstance(inputs, list) and inputs):
            raise StepError(f"{self._who}: {_odd_lengths(columns, inputs)}")
        shares, _ = self._shares(tuple(columns))
        if not self._has_own_logic:
            try:
                return vote(values, shares, self.vote_type, kinds)
            except OverflowError as exc:
                raise too_large(columns, self._who) from exc
        return self.logic(matrix(values), row_of(shares))

    def _kept(
        self, items: Mapping[str, Any], read: Callable[[str, Any], Any], failed: dict[str, Exception]
    ) -> dict[str, Any]:
        kept = {}
        for key, item in items.items():
            try:
                kept[key] = read(key, item)
            except Exception as exc:
                if not self.allow_partial:
                    raise
                failed[key] = exc
        return kept

    def _found(self, key: str, answer: Any) -> Any:
        """Return the predictions in a route's answer: an event, the outputs of a plain model, or an exception."""
        if isinstance(answer, BaseException):
            raise self._failed(key, answer)
        outputs = answer
        if isinstance(answer, Event):
            outputs = answer.body
            if isinstance(outputs, dict):
                if "outputs" not in outputs:
                    raise StepError(f"{self._model(key)} answered without 'outputs', there is {choices(outputs)}")
                outputs = outputs["outputs"]
        try:
            return self.extract_results_from_response(outputs)
        except Exception as exc:
            raise StepError(f"{self._model(key)}: {told(exc)}") from exc

    def _checked(self, key: str, predictions: Any) -> list[Any]:
        column = column_of(predictions, self._model(key))
        if self.vote_type == "regression":
            check_numbers(column, self._model(key))
        return column

    def _complete(self, count: int, key: str, column: Any) -> Any:
        """Return a column if it has a prediction for each input."""
        if len(column) != count:
            raise StepError(f"{self._model(key)} answered {len(column)} predictions for {count} inputs")
        return column

    def _model(self, key: str) -> str:
        return f"{self._who}: model {key!r}"

    def _shares(self, models: tuple[str, ...]) -> tuple[list[float], Decided]:
        """Return the models' shares, and what was decided with them."""
        known_models, known_weights, known = self._shares_known
        if known_models != models or known_weights != self.weights:
            check_weights(self.weights, self.routes, self._who)  # they may have been changed in place
            known = shares_of(self.weights, models, self._who), Decided()
            self._shares_known = (models, None if self.weights is None else dict(self.weights), known)
        return known

    def _answer(self, call: _Call, failed: Mapping[str, Exception], votes: Any) -> Any:
        event, operation, log, started_ns, stamp = call
        votes = votes.tolist() if hasattr(votes, "tolist") else votes
        request = event.body
        response = self._response_to(event, request, votes, stamp)
        if failed:
            response["partial"] = {"failed": {key: told(exc) for key, exc in failed.items()}}
        if log is not None:
            log.push(with_id(request, response["id"]), response, operation, started_ns)
        event.body = response
        return event

    def _response_to(self, event: Any, request: Any, votes: Any, stamp: str) -> dict[str, Any]:
        return {
            "id": self._id(event, request),
            "model_name": self.name,
            "outputs": {self.prediction_col_name: votes} if self.format_response_with_col_name_flag else votes,
            "timestamp": stamp,
        }

    def _id(self, event: Any, request: Any) -> Any:
        given = request.get("id") if isinstance(request, dict) else None
        return event.id if given is None else given


def _vote_type(value: VoteType | str | None, name: str) -> str | None:
    try:
        return None if value is None else VoteType(value).value
    except ValueError:
        known = [str(item) for item in VoteType]
        raise GraphError(
            f"ensemble {name!r}: vote_type is {either(known)}, found {value!r}{nearest(str(value), known)}"
        ) from None


def _odd_lengths(columns: Mapping[str, list[Any]], inputs: Any) -> str:
    counted = ", ".join(f"{key!r} {len(column)}" for key, column in columns.items())
    asked = f" for {len(inputs)} inputs" if isinstance(inputs, list) else ""
    if any(columns.values()):
        return f"its models answered different numbers of predictions{asked}: {counted}"
    return f"no model answered a prediction{asked}: {counted}"
