"""What a graph's last run did, step by step, while it happens: told by the graph's watch, read by pictures.

Only the newest record of each step is held, so that a burst of runs takes no more room than one. Runs that overlap are
counted together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import msgspec


class Did(msgspec.Struct):
    """What one step did.

    Attributes
    ----------
    order
        When it last began, counted over the run.
    active
        How often it is running at this moment.
    count, failed
        How often it ended, and how often in a failure.
    total_us
        Its time in all, in microseconds.
    record
        The record of its last end.
    """

    order: int = 0
    active: int = 0
    count: int = 0
    failed: int = 0
    total_us: float = 0.0
    record: Any = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The run as a whole: ``state`` is ``running``, ``ok`` or ``bad``."""

    id: str = ""
    request: str = ""
    state: str = ""
    status: int | None = None
    duration_us: float | None = None
    answer: Any = None
    runs: int = 0


class Tally:
    """Listens to a graph's runs.

    Parameters
    ----------
    changed
        Called after each event; it should return at once.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.run_started(None, "7f", "/", "POST")
    >>> tally.step_started(None, "7f", "clean", "task")
    >>> tally.seen()[0].state, tally.seen()[1]["clean"].active
    ('running', 1)
    """

    def __init__(self, changed: Any = None) -> None:
        self._changed = changed or _nothing
        self._lock = threading.Lock()
        self._active: set[str] = set()
        self._steps: dict[str, Did] = {}
        self._outcome = Outcome()
        self._order = 0

    # ---- what the graph's watch tells ---------------------------------------------------------------------

    def run_started(self, server: Any, run_id: str, path: str, method: str) -> None:
        """Note that a run begins; if no other is under way, it is the one to show."""
        with self._lock:
            if not self._active:
                self._steps, self._order = {}, 0
                self._outcome = Outcome(id=run_id, request=f"{method} {path or '/'}".strip(), state="running")
            self._active.add(run_id)
        self._changed()

    def step_started(self, server: Any, run_id: str, step_path: str, kind: str) -> None:
        """Note that a step begins."""
        with self._lock:
            did = self._steps.setdefault(step_path, Did())
            did.active += 1
            self._order += 1
            did.order = self._order
        self._changed()

    def step_ended(self, server: Any, run_id: str, record: Any) -> None:
        """Note that a step ended."""
        with self._lock:
            self._end(self._steps.setdefault(record.name, Did()), record)
        self._changed()

    def run_ended(self, server: Any, record: Any) -> None:
        """Note that a run is over."""
        with self._lock:
            self._active.discard(record.id)
            bad = record.status >= 300 or self._outcome.state == "bad"
            self._outcome = Outcome(
                id=record.id,
                request=f"{record.method} {record.path or '/'}".strip(),
                state="running" if self._active and not bad else "bad" if bad else "ok",
                status=record.status,
                duration_us=record.duration_us,
                answer=record.answer,
                runs=self._outcome.runs + 1,
            )
            if not self._active:
                for did in self._steps.values():
                    did.active = 0
        self._changed()

    # ---- showing a record ---------------------------------------------------------------------------------

    def show(self, record: Any, steps: int | None = None) -> None:
        """Take a recorded run as the one to show; with ``steps`` only its first ones, the next as running."""
        if record is None:
            self.clear()
            return
        ended = record.steps if steps is None else record.steps[: max(steps, 0)]
        with self._lock:
            self._steps, self._order, self._active = {}, 0, set()
            for step in ended:
                self._end(self._begin(step.name), step)
            whole = len(ended) == len(record.steps)
            if not whole:
                self._begin(record.steps[len(ended)].name).active = 1
            self._outcome = Outcome(
                id=record.id,
                request=f"{record.method} {record.path or '/'}".strip(),
                state=("bad" if record.status >= 300 else "ok") if whole else "running",
                status=record.status if whole else None,
                duration_us=record.duration_us if whole else None,
                answer=record.answer if whole else None,
                runs=1,
            )
        self._changed()

    def clear(self) -> None:
        """Forget the run."""
        with self._lock:
            self._steps, self._order, self._active, self._outcome = {}, 0, set(), Outcome()
        self._changed()

    def seen(self) -> tuple[Outcome, dict[str, Did]]:
        """Return the run as a whole and what each step did, as they are at this moment."""
        with self._lock:
            return self._outcome, {path: msgspec.structs.replace(did) for path, did in self._steps.items()}

    def _begin(self, path: str) -> Did:
        did = self._steps.setdefault(path, Did())
        self._order += 1
        did.order = self._order
        return did

    def _end(self, did: Did, record: Any) -> None:
        did.active = max(did.active - 1, 0)
        did.count += 1
        did.failed += record.error is not None
        did.total_us += record.duration_us or 0.0
        did.record = record


def together(parts: Iterable[Did]) -> Did:
    """Return what several steps did as if they were one: the last of them speaks, unless another failed.

    >>> together([Did(order=1, count=1, total_us=2.0), Did(order=2, count=3, total_us=5.0)]).total_us
    7.0
    """
    whole = Did()
    for did in sorted(parts, key=lambda did: did.order):
        whole.active += did.active
        whole.count = max(whole.count, did.count)
        whole.total_us += did.total_us
        whole.order = did.order
        if did.record is not None and (did.record.error is not None or not whole.failed):
            whole.record = did.record
        whole.failed += did.failed
    return whole


def _nothing() -> None:
    """Nobody wants to know."""
