"""The logger that steps see as ``context.logger``: the standard library's, with key-value calls beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# the levels of logging, which is imported by the first context that logs
_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40


class Logger:
    """A thin face of :mod:`logging` with MLRun's call forms.

    ``info("text", key=value)`` and ``info_with("text", key=value)`` both log ``text key=value``.

    Parameters
    ----------
    name
        Name of the logger in :mod:`logging`.
    level
        Lowest level that is logged, as a name (``"debug"``, ``"info"``, ...); ``None`` leaves the level as it is.
    redact
        Takes secrets out of texts and plain data, before they are logged.
    weakly
        Leave a level that was set by other means, such as ``logging.getLogger("graphkit").setLevel(...)``.
    """

    def __init__(
        self,
        name: str = "graphkit",
        level: str | None = None,
        redact: Callable[[Any], Any] | None = None,
        weakly: bool = False,
    ) -> None:
        import logging

        from graphkit.core.log_handler import set_level, show

        self._logger = logging.getLogger(name)
        show(self._logger)
        self._redact = redact
        if level is not None:
            set_level(self._logger, level, weakly)

    def _log(self, level: int, message: object, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        exc_info = values.pop("exc_info", None)
        if self._redact is None and not values:
            text = str(message) if args else "%s"
            self._logger.log(level, text, *(args or (message,)), exc_info=exc_info, stacklevel=3)
            return
        text = plain = _formatted(str(message), args)
        if values:
            text = " ".join((text, *(f"{key}={value!r}" for key, value in values.items())))
        redact = self._redact
        if redact is not None:
            text = redact(text)
            if exc_info:
                text, exc_info = self._with_trace(text, exc_info)
        # for formatters that write the values as fields of their own
        parts = (plain if redact is None else redact(plain), values if redact is None else redact(values))
        # the place that is logged is the one that called info(), two frames up
        self._logger.log(
            level, "%s", text, exc_info=exc_info, stacklevel=3, extra={"graphkit": parts} if values else None
        )

    def _with_trace(self, text: str, exc_info: Any) -> tuple[str, Any]:
        """Return the text with the traceback in it, if that must be redacted; else leave it to the log's handlers."""
        import sys
        import traceback

        exc = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
        assert self._redact is not None
        trace = "" if exc is None else "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip()
        redacted = self._redact(trace)
        return (text, exc_info) if redacted == trace else (f"{text}\n{redacted}", None)

    def debug(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level DEBUG."""
        self._log(_DEBUG, message, args, values)

    def info(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level INFO."""
        self._log(_INFO, message, args, values)

    def warning(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level WARNING."""
        self._log(_WARNING, message, args, values)

    def error(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level ERROR."""
        self._log(_ERROR, message, args, values)

    def exception(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level ERROR with the current traceback."""
        self._log(_ERROR, message, args, {"exc_info": True, **values})

    warn = warning
    debug_with = debug
    info_with = info
    warn_with = warning
    error_with = error

    def __repr__(self) -> str:
        return f"Logger({self._logger.name!r})"


class LentLogger:
    """A Nuclio logger with the calls that steps may make of any logger, and without secrets.

    Nuclio's own has neither ``warning`` nor ``exception``, and takes no ``exc_info``; what else it has is there too.

    Parameters
    ----------
    logger
        Nuclio's.
    redact
        Takes secrets out of texts and plain data.
    """

    def __init__(self, logger: Any, redact: Callable[[Any], Any]) -> None:
        self._lent = logger
        self._redact = redact

    def _log(self, call: str, message: object, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        import logging

        exc_info = values.pop("exc_info", None)
        text = _formatted(str(message), args)
        if exc_info:
            found = _exc_info(exc_info)
            text = f"{text}\n{logging.Formatter().formatException(found)}" if found else text
        text = self._redact(text)
        if values:
            getattr(self._lent, f"{call}_with")(text, **self._redact(values))
        else:
            getattr(self._lent, call)(text)

    def debug(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level DEBUG."""
        self._log("debug", message, args, values)

    def info(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level INFO."""
        self._log("info", message, args, values)

    def warning(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level WARNING."""
        self._log("warn", message, args, values)

    def error(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level ERROR."""
        self._log("error", message, args, values)

    def exception(self, message: object, /, *args: Any, **values: Any) -> None:
        """Log at level ERROR with the current traceback."""
        self._log("error", message, args, {"exc_info": True, **values})

    warn = warning
    debug_with = debug
    info_with = info
    warn_with = warning
    error_with = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lent, name)

    def __repr__(self) -> str:
        return f"LentLogger({type(self._lent).__name__})"


def lent(logger: Any, redact: Callable[[Any], Any]) -> Any:
    """Return a logger that somebody else brings as steps may use it."""
    if logger is None or hasattr(logger, "warning"):
        return logger
    return LentLogger(logger, redact)


def _exc_info(given: Any) -> Any:
    import sys

    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    found = given if isinstance(given, tuple) else sys.exc_info()
    return found if found[0] is not None else None


def _formatted(text: str, args: tuple[Any, ...]) -> str:
    try:
        return text % args if args else text
    except (KeyError, TypeError, ValueError):  # logging, too, lets no step fail for a message that does not fit
        return f"{text} {args!r}"
