"""Logs of a headless server: one line for each record, as JSON or as text.

Lines say to which request they belong, whoever wrote them, and (where steps are looked on at) to which step.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core import jsonlike
from graphkit.core.current import CURRENT_STEP, request_id
from graphkit.runtime.user_code import own_exception, user_traceback
from graphkit.server.http.log_output import LogOutput
from graphkit.server.http.wire import REQUEST_ID
from graphkit.server.settings import Settings

# What every record has; anything else was given to it as an extra.
_USUAL = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"asctime", "message", "taskName", "graphkit"}
# uvicorn repeats its messages in colour
_UNWANTED = frozenset({"color_message"})
_NOT_READY = 503


class Lines(logging.Formatter):
    """Base of the formatters.

    Parameters
    ----------
    redact
        Takes secrets out of texts and plain data.

    Attributes
    ----------
    span
        Returns the ids of the span that a line is logged in, where there are spans.
    """

    def __init__(self, redact: Callable[[Any], Any] | None = None, fmt: str | None = None) -> None:
        super().__init__(fmt)
        self.redact = redact
        self.span: Callable[[], Mapping[str, str]] | None = None

    def fields(self, record: logging.LogRecord, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a record tells beside its message: request, step, span, and extras (``more`` among them)."""
        given = {name: value for name, value in vars(record).items() if name not in _USUAL and name not in _UNWANTED}
        span = {} if self.span is None else self.span()
        found = {"request_id": request_id(), "step": CURRENT_STEP.get() or None, **span, **given, **more}
        return {name: value for name, value in found.items() if value is not None}

    def redacted(self, value: Any) -> Any:
        """Return a text or plain data without secrets."""
        return value if self.redact is None else self.redact(value)


class JsonLines(Lines):
    """Writes a record as one line of JSON.

    ``time``, ``level``, ``logger`` and ``message``; where they are known ``request_id``, ``step``, and the span's
    ``trace_id`` and ``span_id``; then what was given as ``extra``, or as key-value pairs to ``context.logger``; the
    traceback as ``exception``.

    Examples
    --------
    >>> record = logging.LogRecord("shop", logging.INFO, "steps.py", 1, "sold %d", (3,), None)
    >>> print(JsonLines().format(record))
    {"time":"...","level":"info","logger":"shop","message":"sold 3"}
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = dt.datetime.fromtimestamp(record.created, dt.timezone.utc)
        message, values = getattr(record, "graphkit", None) or (record.getMessage(), {})
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        for name, value in self.fields(record, values).items():
            line[f"{name}_" if name in line or name == "exception" else name] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        # written and read first, so that what is in odd objects is redacted too
        text = jsonlike.snapshot(line)
        return (jsonlike.snapshot(self.redact(jsonlike.decode(text))) if self.redact else text).decode()


class TextLines(Lines):
    """Writes a record as text, with what else is known of it behind the message."""

    def __init__(self, redact: Callable[[Any], Any] | None = None) -> None:
        super().__init__(redact, "%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the text."""
        fields = self.fields(record, {})
        below = [value for value in fields.values() if isinstance(value, str) and "\n" in value]
        more = [f"{name}={value}" for name, value in fields.items() if value not in below]
        first, *trace = super().format(record).split("\n", 1)
        text = "\n".join([" ".join([first, *more]), *trace, *below])
        return str(self.redacted(text))


class AccessLog:
    """An observer of requests that logs each of them, when it was answered."""

    def began(self, scope: Any, headers: Mapping[str, str]) -> str | None:
        """Note the request's id."""
        return headers.get(REQUEST_ID)

    def trace(self, token: str | None) -> None:
        """Return nothing: steps are of no interest."""

    def ended(self, token: str | None, scope: Any, status: int, seconds: float, size: int) -> None:
        """Log the request."""
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes": size,
            "client": (scope.get("client") or (None,))[0],
        }
        if token is not None:
            told["request_id"] = token
        message = f"{scope['method']} {scope['path']} {status}"
        logging.getLogger("graphkit.access").info("%s", message, extra=told)


def log_failure(error: Any) -> None:
    """Log that a request could not be answered, with the traceback cut to the user's code.

    What the client is to blame for is not logged, nor that a model is not ready, which its load has logged.
    """
    if error.status < 500 or error.status == _NOT_READY:
        return
    trace = user_traceback(own_exception(error))
    told = {"status": error.status, "traceback": trace, **({} if error.step is None else {"step": error.step})}
    logging.getLogger("graphkit").error("%s", error.message, extra=told)


class NamesSteps:
    """An observer of requests, for logs that name the step."""

    def began(self, scope: Any, headers: Mapping[str, str]) -> None:
        """Note nothing."""

    def trace(self, token: None) -> StepNames:
        """Return what is told of the steps of a request."""
        return StepNames()

    def ended(self, token: None, scope: Any, status: int, seconds: float, size: int) -> None:
        """Note nothing."""


class StepNames:
    """Says which step of a request runs."""

    __slots__ = ()

    def enter(self, step: Any, given: Any, before: Any = None, *more: Any) -> NamedStep:
        """Note that a step runs from now on."""
        entry = NamedStep(step, CURRENT_STEP.get())
        self.resumed(entry)
        return entry

    def resumed(self, entry: NamedStep) -> None:
        """Note that a step runs from now on, in what may be another task."""
        CURRENT_STEP.set(name_of(entry.step))

    def paused(self, entry: NamedStep) -> None:
        """Note that the step around one that waits runs again, if there is one."""
        CURRENT_STEP.set(entry.around)

    def leave(self, entry: NamedStep, result: Any) -> None:
        """Note that the step around it runs again, if there is one."""
        self.paused(entry)

    def fail(self, entry: NamedStep, exc: BaseException) -> None:
        """Note that the step around it runs again, if there is one."""
        self.paused(entry)

    def came(self, event: Any, source: Any) -> None:
        """Note nothing."""


def name_of(step: Any) -> str:
    """Return how logs and spans call a step; a router that is all of a graph may have no name."""
    return str(step.path or step.name or step.kind)


class NamedStep:
    """A step that runs, and the path of the one around it."""

    __slots__ = ("around", "step")

    def __init__(self, step: Any, around: str | None) -> None:
        self.step = step
        self.around = around


def set_up_logs(settings: Settings) -> Lines:
    """Send what is logged to standard error, in the form and from the level on that are set.

    What graphkit and uvicorn log, and what the graph's own code does, unless somebody has set that up already. Returns
    the formatter, so that it can be told of secrets.
    """
    handler = LogOutput(sys.stderr)
    formatter = JsonLines() if settings.log_format == "json" else TextLines()
    handler.setFormatter(formatter)
    level = settings.log_level.upper()
    for name in ("graphkit", "uvicorn"):
        logger = logging.getLogger(name)
        for old in list(logger.handlers):
            logger.removeHandler(old)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(level)
    root = logging.getLogger()
    ours = [old for old in root.handlers if isinstance(old.formatter, Lines)]
    for old in ours:
        root.removeHandler(old)
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(level)
    return formatter
