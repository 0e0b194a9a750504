"""Ending a run from outside: at its next step, out of an await, or out of a step that loops.

A run that is cancelled is over at once for whoever waits for it, and its record says in which step. Its thread is then
stopped as well as can be: an asynchronous exception ends Python code; code in C that does not come back is left behind.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns, sleep
from types import FrameType
from typing import Any

from graphkit.core.stop import Stop, Stopped
from graphkit.core.watch import Watch
from graphkit.runtime.records import _SAME, Entry, RunRecord
from graphkit.runtime.told import ToldRecorder

#: Status of a run that was cancelled: what nginx uses where the client has gone.
CANCELLED = 499
_CANCELLED_TEXT = "cancelled"
_PACKAGE = str(Path(__file__).parent.parent) + os.sep
_OWN_RUNS = "<graphkit run>"
# Machinery that must not be interrupted: it holds locks, or serves other runs too.
_MACHINERY = frozenset(
    {"asyncio", "concurrent", "threading", "selectors", "queue", "_weakrefset", "logging", "contextlib"}
)
_LOOK_S = 0.1
# Looks, not a time: a process that was held up in the meantime has looked at nothing yet.
_LOOKS, _AGAIN = 15, 5


class StoppableRecorder(ToldRecorder):
    """A recorder of a run that can be cancelled: after that it notes nothing more, and the next step does not begin."""

    __slots__ = ("_closed", "_finishing")

    def __init__(self, event: Any, secrets: Any, server: Any) -> None:
        super().__init__(event, secrets, server, server.graph.watch if server.graph is not None else Watch())
        self._closed = False
        self._finishing = threading.Lock()

    @property
    def has_begun(self) -> bool:
        """Whether the graph was bound and the event is on its way."""
        return self._begun

    def enter(self, step: Any, given: Any, before: Entry | None = None, event: Any = None, body: Any = _SAME) -> Entry:
        """Note that a step gets a value, or end the run if it was cancelled."""
        if self._closed:
            raise Stopped
        return super().enter(step, given, before, event, body)

    def leave(self, entry: Entry, result: Any) -> None:
        """Note what a step returned."""
        if not self._closed:
            super().leave(entry, result)

    def fail(self, entry: Entry, exc: BaseException) -> None:
        """Note how a step failed."""
        if not self._closed:
            super().fail(entry, exc)

    def finish(self, status: int, answer: Any) -> tuple[RunRecord, int]:
        """Return the record; a run that was cancelled in the meantime has one already."""
        if not self._close():
            raise Stopped
        return super().finish(status, answer)

    def cancel(self) -> tuple[RunRecord, int] | None:
        """Return the record of the run as far as it came; ``None`` if it has ended."""
        if not self._close():
            return None
        running = [entry for entry in self._entries if entry.duration_us < 0]
        for entry in running:
            entry.duration_us = (perf_counter_ns() - entry.started) / 1000
            entry.error = _CANCELLED_TEXT
            super().tell_end(entry)
        if running:
            text = f"cancelled in step {running[-1].step.path or running[-1].step.name!r}"
        else:
            text = "cancelled between two steps" if self._entries else "cancelled before the first step"
        return super().finish(CANCELLED, text)

    def _close(self) -> bool:
        with self._finishing:
            closed, self._closed = self._closed, True
        return not closed


def stop_thread(thread: threading.Thread, recorder: StoppableRecorder, stop: Stop) -> bool:
    """End a run's thread, and the threads in which its steps run; return whether they ended.

    Waits between its looks, at most for about two seconds.
    """
    stop.ask()
    told: dict[int, int] = {}
    thread.join(_LOOK_S)
    for look in range(_LOOKS):
        busy = False
        for ident in _threads_of(recorder, thread):
            busy = True
            if look - told.get(ident, -_AGAIN) >= _AGAIN:
                told[ident] = look
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Stopped))
        if not busy and not thread.is_alive():
            break
        sleep(_LOOK_S)
    stop.leave()
    return not thread.is_alive()


def _threads_of(recorder: StoppableRecorder, own: threading.Thread) -> Iterator[int]:
    """Yield the threads that are in a step of a run just now, and in no machinery that others need too."""
    for ident, frame in sys._current_frames().items():
        # the number of a thread that has ended is given to another one
        is_own = ident == own.ident and own.is_alive()
        if not _in_machinery(frame) and (is_own or _is_in_run(frame, recorder)):
            yield ident


def _in_machinery(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return frame.f_code.co_filename.startswith(_PACKAGE) or module.partition(".")[0] in _MACHINERY


def _is_in_run(frame: FrameType | None, recorder: StoppableRecorder) -> bool:
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _OWN_RUNS and frame.f_locals.get("tr") is recorder:
            return True
        if file.startswith(_PACKAGE) and frame.f_locals.get("trace") is recorder:
            return True
        frame = frame.f_back
    return False
