"""Where lines of a log are written to, which may be a disk that is full."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TextIO


class LogOutput(logging.StreamHandler):  # type: ignore[type-arg]  # it takes a parameter since Python 3.11
    """Writes lines to a stream; those for which there is no room are counted, and told of when there is some again.

    A stream of Python's keeps a part of what it could not write and loses another, so that lines run into one another.

    Parameters
    ----------
    stream
        What is written to, directly where it is a file.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._descriptor = _descriptor_of(stream)
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        if self._descriptor is None:
            super().emit(record)
            return
        try:
            lines = [self.format(record)]
            if self._lost:
                lines.insert(0, self.format(self._loss()))
        except Exception:  # of the record, or of what is in it
            self.handleError(record)
            return
        try:
            with suppress(OSError, ValueError):
                self.stream.flush()  # what others have written comes first
            self._write("".join(f"{line}{self.terminator}" for line in lines))
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def _write(self, text: str) -> None:
        assert self._descriptor is not None
        rest = text.encode(self.stream.encoding or "utf-8", "backslashreplace")
        if self._torn:
            rest = self.terminator.encode() + rest
        while rest:
            written = os.write(self._descriptor, rest)
            rest = rest[written:]
            self._torn = bool(rest)

    def _loss(self) -> logging.LogRecord:
        text = "%d lines of this log could not be written"
        return logging.LogRecord("graphkit", logging.ERROR, __file__, 0, text, (self._lost,), None)


def _descriptor_of(stream: TextIO) -> int | None:
    """Return the descriptor of a stream that is a file; ``None`` where what it does is needed, as on Windows."""
    if os.name != "posix":
        return None
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):  # one of a notebook, or in memory
        return None
