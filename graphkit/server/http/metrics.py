"""``/metrics`` in Prometheus' form: of requests, of models, and of steps where that is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from graphkit.core.extras import load
from graphkit.server.catalog import Catalog
from graphkit.server.http.logs import name_of
from graphkit.server.http.observing import ANSWERED_BY
from graphkit.server.http.wire import Answer, Scope

#: Names the folder through which several workers add up their metrics; read by prometheus_client when it is imported.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_PATHS = 1024
_MOST_UNCOUNTED = 512
_OWN = ("/v2", "/metrics", "/docs", "/openapi.json")


class Metrics:
    """Counts requests and times them, and tells the numbers.

    Parameters
    ----------
    app
        Has ``in_flight`` and ``waiting``: how many requests are being answered, and how many wait for a thread.
    catalog
        Returns the models that there are.
    steps
        Whether steps are timed, too.

    Raises
    ------
    MissingExtra
        If prometheus_client is not installed.
    """

    def __init__(self, app: Any, catalog: Callable[[], Catalog], steps: bool) -> None:
        prometheus: Any = load("prometheus_client", "/metrics", "serve")
        self._prometheus = prometheus
        self._catalog = catalog
        self._app = app
        self._shared = share_if_wanted()
        self._registry = registry = prometheus.CollectorRegistry()

        def make(kind: str, name: str, text: str, labels: tuple[str, ...] = (), **more: Any) -> Any:
            return getattr(prometheus, kind)(f"graphkit_{name}", text, labels, registry=registry, **more)

        told = ("model", "method", "status")
        self._requests = make("Counter", "requests", "Requests that were answered.", told)
        self._seconds = make("Histogram", "request_seconds", "Time to the answer.", ("model",), buckets=_SECONDS)
        self._in_flight = make(
            "Gauge", "requests_in_flight", "Requests that are being answered.", multiprocess_mode="livesum"
        )
        self._threads = make("Gauge", "requests_waiting", "Requests that wait.", multiprocess_mode="livesum")
        ready = "Whether the model is loaded."
        self._ready = make("Gauge", "model_ready", ready, ("model", "version"), multiprocess_mode="livemin")
        depth = "Entries of a queue, events that a step holds back, requests that wait to share a call."
        self._depth = make("Gauge", "queue_depth", depth, ("step",), multiprocess_mode="livemostrecent")
        self._step_seconds: Any = None
        self._step_errors: Any = None
        if steps:
            self._step_seconds = make("Histogram", "step_seconds", "Time of a step.", ("step",), buckets=_SECONDS)
            self._step_errors = make("Counter", "step_errors", "Failures of a step.", ("step",))
        self._uncounted: list[tuple[str, Any, str, int, float]] = []
        self._models: dict[tuple[str, Any], str] = {}
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    # ---- requests -------------------------------------------------------------------------------------------

    def began(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Note that a request has come."""
        if self._shared:  # else the app is asked when the numbers are
            self._in_flight.inc()

    def trace(self, token: None) -> StepTimer | None:
        """Return what times the steps of a request, ``None`` where they are not timed."""
        return None if self._step_seconds is None else StepTimer(self._step_seconds, self._step_errors)

    def ended(self, token: None, scope: Scope, status: int, seconds: float, size: int) -> None:
        """Note that a request was answered."""
        if self._shared:
            self._in_flight.dec()
            self._count(scope["path"], scope.get(ANSWERED_BY), scope["method"], status, seconds)
            return
        # counted in one go: one by one, between requests, it costs several times as much
        self._uncounted.append((scope["path"], scope.get(ANSWERED_BY), scope["method"], status, seconds))
        if len(self._uncounted) >= _MOST_UNCOUNTED:
            self._count_up()

    def _count_up(self) -> None:
        uncounted, self._uncounted = self._uncounted, []
        for request in uncounted:
            self._count(*request)

    def _count(self, path: str, answered_by: Any, asked: str, status: int, seconds: float) -> None:
        key = self._model_of(path, answered_by), asked, status
        children = self._known.get(key)
        if children is None:
            model, method, _ = key
            method = method if method in _METHODS else "other"
            children = self._requests.labels(model, method, str(status)), self._seconds.labels(model)
            if method != "other":  # clients make up methods
                self._known[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def _model_of(self, path: str, answered_by: Any) -> str:
        """Return the name of the model that a path asks for, else of the one that says that it has answered.

        Empty where there is none of that name.
        """
        asked = path, answered_by if type(answered_by) is str else None  # what is in an answer may be anything
        name = self._models.get(asked)
        if name is None:
            if len(self._models) >= _MOST_PATHS:
                self._models.clear()  # clients make up paths
            catalog = self._catalog()
            served = catalog.addressed(path)[1]
            name = served.name if served is not None else ""
            if not name and not catalog.routers and not path.startswith(_OWN):
                name = catalog.names()[0]  # a flow takes whatever path there is
            if not name and answered_by in (*catalog.names(), *(router.name for router in catalog.routers)):
                name = answered_by
            self._models[asked] = name
        return name

    # ---- telling --------------------------------------------------------------------------------------------

    def page(self) -> Answer:
        """Return the numbers, of all workers together."""
        self._look()
        registry = self._registry
        if self._shared:
            from prometheus_client import multiprocess

            _forget_the_dead(multiprocess.mark_process_dead)
            registry = self._prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        text: bytes = self._prometheus.generate_latest(registry)
        return Answer(200, text, b"text/plain; version=0.0.4; charset=utf-8")

    def _look(self) -> None:
        """Read what is not told of by itself."""
        if not self._shared:
            self._count_up()
            self._in_flight.set(self._app.in_flight)
        self._threads.set(self._app.waiting)
        catalog = self._catalog()
        for served in catalog.all():
            self._ready.labels(served.name, served.version).set(float(served.ready))
        for step in catalog.bound.steps.values():
            if step.kind == "queue" and hasattr(step.object, "__len__"):
                self._depth.labels(name_of(step)).set(len(step.object))
            elif isinstance(getattr(step.object, "pending", None), int):
                self._depth.labels(name_of(step)).set(step.object.pending)
            elif getattr(step.object, "batcher", None) is not None:
                self._depth.labels(name_of(step)).set(step.object.batcher.waiting)


class Timed:
    """A step that is being timed."""

    __slots__ = ("began", "failed", "step")

    def __init__(self, step: Any, began: float) -> None:
        self.step = step
        self.began = began
        self.failed = False


class StepTimer:
    """Times the steps of one request."""

    __slots__ = ("_errors", "_seconds")

    def __init__(self, seconds: Any, errors: Any) -> None:
        self._seconds = seconds
        self._errors = errors

    def enter(self, step: Any, given: Any, before: Any = None, *more: Any) -> Timed:
        """Note that a step begins."""
        return Timed(step, perf_counter())

    def leave(self, entry: Timed, result: Any) -> None:
        """Note that a step ended."""
        step = entry.step
        self._seconds.labels(name_of(step)).observe(perf_counter() - entry.began)

    def fail(self, entry: Timed, exc: BaseException) -> None:
        """Note that a step failed."""
        if entry.failed:  # a nested flow hands on the failure of its step
            return
        entry.failed = True
        self.leave(entry, None)
        step = entry.step
        self._errors.labels(name_of(step)).inc()

    def came(self, event: Any, source: Any) -> None:
        """Note nothing: where an event comes from does not count."""


def _forget_the_dead(forget: Callable[[int], None]) -> None:
    """Let go of what workers that are no more have told of the moment; what they have counted stays."""
    for file in Path(os.environ[FOLDER_VARIABLE]).glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        if number.isdigit() and not _is_alive(int(number)):
            forget(int(number))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def share_if_wanted() -> bool:
    """Return whether several workers add up their metrics; get ready for it, before there is any metric."""
    if FOLDER_VARIABLE not in os.environ:
        return False
    from graphkit.server.http.metric_files import use_whole_files

    use_whole_files()
    return True


def is_installed() -> bool:
    """Return whether what metrics need is there."""
    from importlib.util import find_spec

    return find_spec("prometheus_client") is not None


def are_wanted(setting: str) -> bool:
    """Return whether there are metrics with a value of the setting ``metrics``.

    >>> are_wanted("off"), are_wanted("requests")
    (False, True)
    """
    return is_installed() if setting == "auto" else setting != "off"
