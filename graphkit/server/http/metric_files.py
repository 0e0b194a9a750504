"""The files through which several workers add up their metrics, on a disk that may be full.

prometheus_client maps files that have holes into memory. Where the disk has no room for what is written into a hole,
the system kills the process, by a signal that no Python code can take.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from time import monotonic

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

_FIRST_BYTES = 1 << 16
_AGAIN_S = 1.0


def use_whole_files() -> None:
    """Have prometheus_client use files without holes from now on, for the metrics of the graph's own code, too."""
    values.MmapedDict = PatientFile  # type: ignore[assignment, attr-defined]  # no parameter of its own names the class


class PatientFile:
    """A worker's file of values by key; what finds no room waits in memory, and is written when there is some.

    Parameters
    ----------
    filename
        Its name; workers have one each, for every kind of metric.
    """

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._file: _WholeFile | None = None
        self._waiting: dict[str, tuple[float, float]] = {}
        self._again = 0.0

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a value and its time; both are 0 for a new one, which takes its place."""
        if key in self._waiting:
            return self._waiting[key]
        if self._file is not None and key in self._file:
            found: tuple[float, float] = self._file.read_value(key)  # type: ignore[no-untyped-call]
            return found
        self.write_value(key, 0.0, 0.0)
        return 0.0, 0.0

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set a value and its time."""
        if self._file is not None and key in self._file:
            self._file.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
        else:
            self._waiting[key] = value, timestamp
        if self._waiting and monotonic() >= self._again:
            self._write_what_waits()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()  # type: ignore[no-untyped-call]

    def _write_what_waits(self) -> None:
        try:
            if self._file is None:
                self._file = _WholeFile(self._filename)
            for key in [*self._waiting]:
                self._file.write_value(key, *self._waiting[key])  # type: ignore[no-untyped-call]
                del self._waiting[key]
        except OSError as exc:
            if not self._again:
                self._tell(logging.ERROR, f"metrics cannot be written and wait in memory: {exc}")
            self._again = monotonic() + _AGAIN_S
        else:
            if self._again:
                self._tell(logging.INFO, "metrics are written again")
            self._again = 0.0

    def _tell(self, level: int, text: str) -> None:
        # prometheus_client holds its lock meanwhile, and there are log handlers that count
        threading.Thread(target=logging.getLogger("graphkit").log, args=(level, text), daemon=True).start()


class _WholeFile(MmapedDict):
    """prometheus_client's file, without holes.

    Raises
    ------
    OSError
        When it is made, or a value is new, and there is no room.
    """

    def __init__(self, filename: str) -> None:
        if not Path(filename).exists():
            beside = f"{filename}.new"  # whoever adds up must not find a file without its head
            try:
                _extend(beside, _FIRST_BYTES)
                Path(beside).replace(filename)
            except OSError:
                Path(beside).unlink(missing_ok=True)
                raise
        super().__init__(filename)  # type: ignore[no-untyped-call]

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def _init_value(self, key: str) -> None:
        size = self._capacity
        while self._used + len(key.encode()) + 32 > size:  # beside the key there are its length, two numbers, padding
            size *= 2
        _extend(self._fname, size)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _extend(filename: str, size: int) -> None:
    """Write zeros behind the end of a file until it has a size."""
    descriptor = os.open(filename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        try:
            while (left := size - os.fstat(descriptor).st_size) > 0:
                os.write(descriptor, bytes(left))
        except OSError:
            os.ftruncate(descriptor, before)  # others may need what was left
            raise
    finally:
        os.close(descriptor)
