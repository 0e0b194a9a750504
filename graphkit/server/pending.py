"""A recorded run in a thread of its own: the caller goes on, may wait for it, and may cancel it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from graphkit.core.errors import RunCancelled
from graphkit.core.stop import CURRENT_STOP, Stop, Stopped
from graphkit.runtime.knots import wait_until
from graphkit.runtime.records import RunRecord
from graphkit.runtime.stopping import StoppableRecorder, stop_thread
from graphkit.server.recorded import Outcome


class PendingRun:
    """A run that was submitted; see :meth:`graphkit.GraphServer.submit`.

    Attributes
    ----------
    id
        Id of the event.

    Examples
    --------
    >>> from graphkit import new_flow
    >>> graph = new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)")
    >>> pending = graph.to_mock_server().submit(body=21)
    >>> pending.result(timeout_s=60)
    42
    >>> pending.done(), pending.status, pending.cancel()
    (True, 'done', False)
    """

    def __init__(
        self, server: Any, recorder: StoppableRecorder, job: Callable[[], Outcome], silent: bool = False
    ) -> None:
        self.id: str = recorder.event.id
        self._server = server
        self._recorder = recorder
        self._job: Callable[[], Outcome] | None = job
        self._silent = silent
        self._stop = Stop()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._calls: list[Callable[[PendingRun], None]] = []
        self._outcome: Outcome | None = None
        self._failure: BaseException | None = None
        self._record: RunRecord | None = None
        self._thread = threading.Thread(target=self._run, name=f"graphkit-run-{self.id[:8]}", daemon=True)

    def start(self) -> PendingRun:
        """Start the run."""
        self._thread.start()
        return self

    def _run(self) -> None:
        CURRENT_STOP.set(self._stop)
        job, self._job = self._job, None
        assert job is not None
        try:
            self._outcome = job()
            self._record = self._outcome.record
        except Stopped:
            return  # it was cancelled, and whoever did that has told so
        except BaseException as exc:  # of a run that nobody waits for any more, an error is nobody's
            if not self._stop.asked:
                self._failure = exc
        self._end()

    def _end(self) -> None:
        with self._lock:
            self._ended.set()
            calls, self._calls = self._calls, []
        for call in calls:
            call(self)

    def when_done(self, call: Callable[[PendingRun], None]) -> None:
        """Call a function with this run when it has ended, in whatever thread that happens; at once if it has."""
        with self._lock:
            if not self._ended.is_set():
                self._calls.append(call)
                return
        call(self)

    # ---- what became of it --------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``."""
        if not self._ended.is_set():
            return "running"
        if self._outcome is None:
            return "failed" if self._failure is not None else "cancelled"
        return "done" if self._outcome.record.status < 300 else "failed"

    @property
    def record(self) -> RunRecord | None:
        """The record of the run, once it has ended."""
        return self._record if self._ended.is_set() else None

    def done(self) -> bool:
        """Return whether the run has ended, or was cancelled."""
        return self._ended.is_set()

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the answer and return it, or raise the error as :meth:`graphkit.GraphServer.test` would.

        Parameters
        ----------
        timeout_s
            How long to wait at most, in seconds; the run goes on after that.

        Raises
        ------
        TimeoutError
            If the run has not ended by then.
        RunCancelled
            If it was cancelled.
        StepError
            If it failed.
        """
        if not wait_until(self._ended, self._thread, timeout_s):
            raise TimeoutError(f"run {self.id} has not ended within {timeout_s} s; it goes on, and can be cancelled")
        if self._outcome is not None:
            return self._outcome.told(self._silent)
        if self._failure is not None:
            raise self._failure
        assert self._record is not None
        running = next((step.name for step in reversed(self._record.steps) if step.error == "cancelled"), None)
        raise RunCancelled(f"run {self.id} was {self._record.answer}", step=running)

    def cancel(self) -> bool:
        """End the run; return whether there was still something to end.

        Whoever waits for the run is freed at once, and its record says in which step it was. The step itself is ended
        as soon as it can be: where it awaits, in the midst of its Python code, or when its call into C comes back.
        The server goes on serving, and what the step has done by then is done.
        """
        told = self._recorder.cancel()
        if told is None:
            return False
        begun = self._recorder.has_begun
        self._record, size = told
        self._server.runs.add(self._record, size)
        self._stop.asked = True
        self._recorder.end(self._record)
        self._end()
        threading.Thread(target=self._clear_up, args=(begun,), name="graphkit-stop", daemon=True).start()
        return True

    def _clear_up(self, begun: bool) -> None:
        if not stop_thread(self._thread, self._recorder, self._stop) and not begun:
            self._server._leave_binding()

    def __repr__(self) -> str:
        return f"PendingRun({self.status})"
