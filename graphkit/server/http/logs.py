"""Logs of a headless server: one line for each record, as JSON or as text."""

from __future__ import annotations

import datetime as dt
import logging
import sys

from graphkit.core import jsonlike
from graphkit.server.settings import Settings

#: Fields of a record that are logged if they are there.
EXTRA = ("request_id", "method", "path", "status", "duration_ms", "bytes", "client", "model")


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = dt.datetime.fromtimestamp(record.created, dt.timezone.utc)
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name in EXTRA if (value := getattr(record, name, None)) is not None},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return jsonlike.snapshot(line).decode()


class TextLines(logging.Formatter):
    """Writes a record as one line of text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        more = " ".join(f"{name}={value}" for name in EXTRA if (value := getattr(record, name, None)) is not None)
        text = super().format(record)
        return f"{text} {more}" if more else text


def set_up_logs(settings: Settings) -> None:
    """Send what graphkit and uvicorn log to standard error, in the form and from the level on that are set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
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
