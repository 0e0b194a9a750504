"""Who wants to know what happens to a graph: weakly held listeners of a draft's changes and of its recorded runs.

A listener is any object with any of these methods; what it does not have is not called:

- ``changed()``: the draft, or anything below it, has changed. One call of the user's may change it several times, and
  a listener is told in the middle of that: it makes a note and looks later.
- ``run_started(server, run_id, path, method)``: a recorded run begins.
- ``step_started(server, run_id, step_path, kind)``: a step of it begins.
- ``step_ended(server, run_id, record)``: a step has ended, or failed; ``record`` is its ``StepRecord``.
- ``run_ended(server, record)``: the run has ended; ``record`` is its ``RunRecord``. It comes for each run once.

They are called in the thread in which it happens, which may be any. What a listener raises is logged, and nothing else.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any


class Watch:
    """The listeners of one draft, weakly held.

    Examples
    --------
    >>> class Counter:
    ...     count = 0
    ...
    ...     def changed(self):
    ...         self.count += 1
    >>> watch, counter = Watch(), Counter()
    >>> watch.add(counter)
    >>> watch.tell("changed")
    >>> counter.count, bool(watch)
    (1, True)
    """

    __slots__ = ("__weakref__", "_lock", "_refs")

    def __init__(self) -> None:
        # replaced, never changed in place, so that whoever walks it needs no lock
        self._refs: tuple[weakref.ref[Any], ...] = ()
        # may be entered again: a listener can be collected, and so removed, at any allocation
        self._lock = threading.RLock()

    def add(self, listener: Any) -> None:
        """Tell a listener from now on, for as long as somebody else holds it."""
        with self._lock:
            if not any(ref() is listener for ref in self._refs):
                self._refs = (*self._refs, weakref.ref(listener, _Forget(self)))

    def remove(self, listener: Any) -> None:
        """Tell a listener no more."""
        with self._lock:
            self._refs = tuple(ref for ref in self._refs if ref() is not listener)

    def tell(self, method: str, *args: Any) -> None:
        """Call a method of every listener that has it."""
        for ref in self._refs:
            listener = ref()
            if listener is None:
                continue
            try:
                call = getattr(listener, method, None)
                if call is not None:
                    call(*args)
            except Exception as exc:  # whoever looks on must not disturb what it looks at
                _log(listener, method, exc)

    def __bool__(self) -> bool:
        return bool(self._refs)

    def __reduce__(self) -> Any:
        return Watch, ()  # a copy, in this process or another, is watched by nobody yet

    def __repr__(self) -> str:
        return f"Watch({len(self._refs)} listeners)"

    def _forget(self, gone: weakref.ref[Any]) -> None:
        with self._lock:
            self._refs = tuple(ref for ref in self._refs if ref is not gone)


class _Forget:
    """Takes a reference out of its watch when what it refers to is gone; it does not keep the watch alive."""

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch) -> None:
        self._watch = weakref.ref(watch)

    def __call__(self, gone: weakref.ref[Any]) -> None:
        watch = self._watch()
        if watch is not None:
            watch._forget(gone)


def _log(listener: Any, method: str, exc: Exception) -> None:
    from graphkit.core.logger import Logger  # here, since logging is not loaded before it is needed

    where = f"{type(listener).__name__}.{method}"
    Logger().error(f"a listener of the graph failed in {where}: {type(exc).__name__}: {exc}", exc_info=exc)
