"""What shows a step's log while nobody has set up logging; imported with the first logger, as logging itself is."""

from __future__ import annotations

import logging
import sys


class Shown(logging.Handler):
    """Writes to stderr what no other handler gets.

    The standard library would then show warnings only, and a notebook's user would look in vain for what a step logs.
    Once somebody sets up logging, for the record's logger or one above it, this handler is silent.

    Attributes
    ----------
    level_set
        The level that graphkit gave to the handler's logger last; a level that is not this one is somebody else's.
    """

    level_set: int = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if it would be lost."""
        above: logging.Logger | None = logging.getLogger(record.name)
        shown: list[Shown] = []
        while above is not None:
            if not all(isinstance(handler, Shown) for handler in above.handlers):
                return
            shown += (handler for handler in above.handlers if isinstance(handler, Shown))
            above = above.parent if above.propagate else None
        if shown[:1] != [self]:
            return  # a logger above another one shows nothing twice
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # logging's own rule: what cannot be logged fails nobody
            self.handleError(record)


def show(logger: logging.Logger) -> Shown:
    """Make a logger's records appear while nobody has set up logging; returns the handler that does it."""
    for handler in logger.handlers:
        if isinstance(handler, Shown):
            return handler
    shown = Shown()
    logger.addHandler(shown)
    return shown


def set_level(logger: logging.Logger, level: str, weakly: bool) -> None:
    """Give a logger a level by name; ``weakly`` only if nobody else has given it one."""
    shown = show(logger)
    if not weakly or logger.level in (logging.NOTSET, shown.level_set):
        logger.setLevel(level.upper())
        shown.level_set = logger.level
