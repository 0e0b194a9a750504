"""What shows a step's log while nobody has set up logging; imported with the first logger, as logging itself is."""

from __future__ import annotations

import logging
import sys


class Shown(logging.Handler):
    """Writes to stderr what no other handler gets.

    The standard library would then show warnings only, and a notebook's user would look in vain for what a step logs.
    Once somebody sets up logging, for the record's logger or one above it, this handler is silent.
    """

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


def show(logger: logging.Logger) -> None:
    """Make a logger's records appear while nobody has set up logging."""
    if not any(isinstance(handler, Shown) for handler in logger.handlers):
        logger.addHandler(Shown())
