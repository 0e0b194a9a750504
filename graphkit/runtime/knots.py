"""Threads that wait for one another in a circle: whether a thread, such as an event loop's, waits for this one.

Nobody asks before nothing has come for a while. Only what is sure is told: that somebody waits, without a limit, for a
thread to end, for a job that a thread of a pool does, or for what code of the engine says itself. Who is to set an
event, or to let go of a lock, cannot be seen.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from types import CodeType, FrameType, MappingProxyType
from typing import Any

_THREADING = threading.__file__
_FUTURES = str(Path(futures.__file__).parent / "_base.py")
_WORKERS = str(Path(futures.__file__).parent / "thread.py")
_ENGINE = str(Path(__file__).parent.parent)
#: Functions of the module threading in which a thread waits for another one.
WAITS = frozenset({"_wait_for_tstate_lock", "join", "wait"})
#: Code that waits, and which thread its frame waits for, told by its variables.
Told = Mapping[CodeType, Callable[[Mapping[str, Any]], "threading.Thread | None"]]


def wait_until(event: threading.Event, thread: threading.Thread, timeout_s: float | None = None) -> bool:
    """Wait for an event that a thread is to set, so that it can be seen which; returns whether it was set."""
    return event.wait(timeout_s)


def is_waiting(frame: FrameType | None) -> bool:
    """Return whether a thread that is in a frame waits for another one: to end, to answer, to let go."""
    return frame is not None and frame.f_code.co_filename == _THREADING and frame.f_code.co_name in WAITS


def knot_with(thread: threading.Thread | None, told: Told = MappingProxyType({})) -> str:
    """Return where code of the user waits in a thread, if it waits for this one, directly or not; else nothing.

    Parameters
    ----------
    thread
        The thread.
    told
        Further code that waits, beside that of the standard library and :func:`wait_until`.

    Examples
    --------
    >>> knot_with(threading.Thread())  # it does nothing at all
    ''
    """
    frames = sys._current_frames()
    me = threading.get_ident()
    frame = frames.get(thread.ident or 0) if thread is not None else None
    place = _place(frame)
    met: set[int] = set()
    ident = _awaited(frame, frames, told)
    while ident is not None and ident not in met:
        if ident == me:
            return place
        met.add(ident)
        ident = _awaited(frames.get(ident), frames, told)
    return ""


def _awaited(frame: FrameType | None, frames: Mapping[int, FrameType], told: Told) -> int | None:
    """Return which thread one waits for that is in a frame, and waits without end."""
    if not is_waiting(frame):
        return None
    while frame is not None:
        code, variables = frame.f_code, frame.f_locals
        file, name = code.co_filename, code.co_name
        awaited: threading.Thread | None = None
        if code is wait_until.__code__ and variables["timeout_s"] is None:
            awaited = variables["thread"]
        elif code in told:
            awaited = told[code](variables)
        elif file == _THREADING and name == "join" and variables["timeout"] is None:
            awaited = variables["self"]
        elif file == _FUTURES and name == "result":
            if frame.f_back is None or frame.f_back.f_code not in told:
                return _doer(variables["self"], frames) if variables["timeout"] is None else None
        elif file != _THREADING or name == "join":
            return None
        if awaited is not None:
            return awaited.ident
        frame = frame.f_back
    return None


def _doer(future: Any, frames: Mapping[int, FrameType]) -> int | None:
    """Return the thread of a pool that does a job."""
    for ident, frame in frames.items():
        within: FrameType | None = frame
        while within is not None:
            is_job = within.f_code.co_filename == _WORKERS and within.f_code.co_name == "run"
            if is_job and getattr(within.f_locals.get("self"), "future", None) is future:
                return ident
            within = within.f_back
    return None


def _place(frame: FrameType | None) -> str:
    """Return the innermost line of a user's code: neither of what waits, nor of the engine."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file not in (_THREADING, _FUTURES, _WORKERS) and not file.startswith(_ENGINE):
            return f"{frame.f_code.co_name} ({Path(file).name}, line {frame.f_lineno})"
        frame = frame.f_back
    return "a step"
