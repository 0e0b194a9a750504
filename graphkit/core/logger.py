"""The logger that steps see as ``context.logger``: the standard library's, with key-value calls beside."""

from __future__ import annotations

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
    """

    def __init__(self, name: str = "graphkit", level: str | None = None) -> None:
        import logging

        self._logger = logging.getLogger(name)
        if level is not None:
            self._logger.setLevel(level.upper())

    def _log(self, level: int, message: object, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        exc_info = values.pop("exc_info", None)
        text = str(message)
        if values:
            text = text.replace("%", "%%") if not args else text
            pairs = " ".join(f"{key}={value!r}" for key, value in values.items())
            self._logger.log(level, "%s %s", text % args if args else str(message), pairs, exc_info=exc_info)
        else:
            self._logger.log(level, text, *args, exc_info=exc_info)

    def debug(self, message: object, *args: Any, **values: Any) -> None:
        """Log at level DEBUG."""
        self._log(_DEBUG, message, args, values)

    def info(self, message: object, *args: Any, **values: Any) -> None:
        """Log at level INFO."""
        self._log(_INFO, message, args, values)

    def warning(self, message: object, *args: Any, **values: Any) -> None:
        """Log at level WARNING."""
        self._log(_WARNING, message, args, values)

    def error(self, message: object, *args: Any, **values: Any) -> None:
        """Log at level ERROR."""
        self._log(_ERROR, message, args, values)

    def exception(self, message: object, *args: Any, **values: Any) -> None:
        """Log at level ERROR with the current traceback."""
        self._log(_ERROR, message, args, {"exc_info": True, **values})

    warn = warning
    debug_with = debug
    info_with = info
    warn_with = warning
    error_with = error

    def __repr__(self) -> str:
        return f"Logger({self._logger.name!r})"
