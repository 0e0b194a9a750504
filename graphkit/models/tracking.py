"""The log of a model's requests: a record each, sampled, collected, and pushed to a stream in batches."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from typing import Any

import msgspec

from graphkit.core.errors import GraphError, told
from graphkit.core.extras import load
from graphkit.core.jsonlike import decode, snapshot


class ModelLog:
    """Writes a record of each request of a model to the context's output stream.

    Parameters of the server rule it:

    - ``sampling_percentage`` (100): how many of the requests are recorded, in percent, chosen at random; failed
      requests always are. ``sampling_seed`` makes the choice repeatable.
    - ``tracking_batch`` (100; 1 in the mock server, where one looks at the stream right away): how many records are
      pushed at once.
    - ``tracking_delay_s`` (1): how long a record waits at most for its batch to fill.

    At most a batch of records waits; the request that fills it pushes it. A record is JSON from the start, so that
    nothing of a request or an answer is held. A push that fails is logged and counted, and its records are given
    up: tracking never fails a request.

    Parameters
    ----------
    model
        The model: its ``name``, ``version``, ``labels`` and ``metrics`` stand in the records.
    context
        The graph's context.

    Attributes
    ----------
    failed
        How many records could not be pushed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from graphkit.core.context import GraphContext, StreamContext
    >>> class Pushed(list):
    ...     push = list.extend
    >>> context = GraphContext()
    >>> context.stream = StreamContext(Pushed())
    >>> model = SimpleNamespace(name="iris", version="", labels={}, metrics={"drift": 0.1})
    >>> log = ModelLog(model, context)
    >>> log.push({"inputs": [[5.1]]}, {"outputs": [0]}, "infer", time.perf_counter_ns())
    >>> log.flush()
    >>> (record,) = context.stream.output_stream
    >>> record["model"], record["request"], record["resp"], record["metrics"]
    ('iris', {'inputs': [[5.1]]}, {'outputs': [0]}, {'drift': 0.1})
    """

    def __init__(self, model: Any, context: Any) -> None:
        self.failed = 0
        self._model = model
        self._context = context
        self._stream = context.stream.output_stream
        self._percentage = _number(context, "sampling_percentage", 100.0, most=100.0)
        self._batch = max(1, int(_number(context, "tracking_batch", 1.0 if context.is_mock else 100.0)))
        self._delay_s = _number(context, "tracking_delay_s", 1.0)
        self._random = random.Random(context.get_param("sampling_seed"))  # noqa: S311  # chooses samples, no secrets
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._timer: threading.Timer | None = None

    def push(self, request: Any, response: Any, op: str, started_ns: int, error: Any = None) -> None:
        """Record one request.

        Parameters
        ----------
        request, response
            What came in and went out; with an error, no response.
        op
            The operation.
        started_ns
            When the request came in, on the clock ``time.perf_counter_ns``.
        error
            The exception that the request failed with, or a text.
        """
        took_us = (time.perf_counter_ns() - started_ns) // 1000
        if error is None and self._percentage < 100.0 and self._random.random() * 100.0 >= self._percentage:
            return
        record = self._record(request, response, op, took_us, error)
        with self._lock:
            self._waiting.append(record)
            full = len(self._waiting) >= self._batch
            if not full and self._timer is None:
                # Not a daemon: a program that ends without draining writes its last records before it goes.
                self._timer = threading.Timer(self._delay_s, self.flush)
                self._timer.start()
        if full:
            self.flush()

    def flush(self) -> None:
        """Push the records that wait."""
        with self._lock:
            records, self._waiting = self._waiting, []
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if not records:
            return
        try:
            self._stream.push([self._context.redact(decode(record)) for record in records])
        except Exception as exc:  # whatever the stream raises: the requests were answered
            with self._lock:
                self.failed += len(records)
            self._context.logger.error(
                f"model {self._model.name!r}: {len(records)} tracking records could not be pushed: {told(exc)}"
            )

    def _record(self, request: Any, response: Any, op: str, took_us: int, error: Any) -> bytes:
        context, model = self._context, self._model
        when = dt.datetime.now(dt.timezone.utc) - dt.timedelta(microseconds=took_us)
        record: dict[str, Any] = {
            "class": type(model).__name__,
            "worker": context.worker_id,
            "model": model.name,
            "version": model.version,
            "host": context.stream.hostname,
            "function_uri": context.stream.function_uri,
            "sampling_percentage": self._percentage,
            "labels": _raw(model.labels),
            "request": _raw(request),
            "op": op,
            "resp": _raw(response),
            "when": when.isoformat(timespec="microseconds"),
            "microsec": took_us,
            "metrics": _raw(model.metrics),
        }
        if error is not None:
            record["error"] = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
        return snapshot(record)


def tracking_frame(stream: Any) -> Any:
    """Return the tracking records of a stream as a pandas DataFrame with a row for each request.

    Inputs and outputs are columns of their own, and so is each metric (``metrics.<name>``) and label
    (``labels.<name>``); ``when`` is a time.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> record = {"model": "iris", "request": {"inputs": [[1]]}, "resp": {"outputs": [0]}, "metrics": {"drift": 0.1}}
    >>> frame = tracking_frame(SimpleNamespace(read=lambda: [record]))
    >>> frame[["model", "inputs", "outputs", "metrics.drift"]].to_dict("records")
    [{'model': 'iris', 'inputs': [[1]], 'outputs': [0], 'metrics.drift': 0.1}]
    """
    pandas = load("pandas", "tracking records as a DataFrame", "notebook")
    frame = pandas.DataFrame([_row(record) for record in stream.read()])
    if "when" in frame:
        frame["when"] = pandas.to_datetime(frame["when"])
    return frame


def _row(record: dict[str, Any]) -> dict[str, Any]:
    row = {key: value for key, value in record.items() if key not in ("request", "resp", "metrics", "labels")}
    for key, inner in (("request", "inputs"), ("resp", "outputs")):
        value = record.get(key)
        row[inner] = value.get(inner) if isinstance(value, dict) else value
    for key in ("metrics", "labels"):
        row.update({f"{key}.{name}": value for name, value in (record.get(key) or {}).items()})
    return row


def _raw(value: Any) -> msgspec.Raw:
    # Each on its own: one part that JSON cannot hold must not cost the others.
    return msgspec.Raw(snapshot(value))


def _number(context: Any, name: str, default: float, most: float = float("inf")) -> float:
    value = context.get_param(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= most:
        limit = f" from 0 to {most:g}" if most < float("inf") else ", zero or more"
        raise GraphError(f"the server's parameter {name!r} must be a number{limit}, not {value!r}")
    return number
