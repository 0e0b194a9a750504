"""Many events at once, and what became of them: latencies and errors, as numbers that take little room."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter_ns
from typing import Any

import msgspec

#: Error messages that are kept apart; the rest is counted together.
MOST_MESSAGES = 50
_MOST_MESSAGE = 500
_OTHERS = "other errors"
_LEFT_BEHIND_S = 2.0
PERCENTILES = (50.0, 90.0, 95.0, 99.0)


class BurstReport(msgspec.Struct, frozen=True):
    """What a burst of events came to.

    Attributes
    ----------
    path
        Where the events were sent.
    n
        How many were to be sent; ``sent`` of them were, unless the burst was cancelled all of them.
    concurrency
        How many were under way at once, at most.
    duration_s
        How long the burst took.
    latencies_us
        How long each answered event took, in microseconds, in the order in which they ended.
    failed
        For each of these, 1 if it was answered with an error.
    errors
        How many events failed, by message.
    cancelled
        Whether the burst was cancelled.
    """

    path: str
    n: int
    concurrency: int
    duration_s: float
    latencies_us: Sequence[float]
    failed: bytes
    errors: dict[str, int]
    cancelled: bool = False

    @property
    def sent(self) -> int:
        """How many events were answered."""
        return len(self.latencies_us)

    @property
    def error_count(self) -> int:
        """How many events failed."""
        return sum(self.errors.values())

    @property
    def throughput(self) -> float:
        """Answered events per second."""
        return self.sent / self.duration_s if self.duration_s > 0 else 0.0

    def percentile(self, percent: float) -> float:
        """Return the latency in microseconds that so many percent of the events did not exceed (nearest rank).

        Raises
        ------
        ValueError
            If it is no percentage, or no event was answered.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile is from 0 to 100, not {percent!r}")
        if not self.latencies_us:
            raise ValueError("no event was answered, so that there are no latencies")
        ordered = sorted(self.latencies_us)
        rank = -(-percent * len(ordered) // 100)  # rounded up
        return ordered[max(int(rank), 1) - 1]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a dict, without the single latencies."""
        latency = {}
        if self.latencies_us:
            latency = {
                "min": min(self.latencies_us),
                **{f"p{percent:g}": self.percentile(percent) for percent in PERCENTILES},
                "max": max(self.latencies_us),
            }
        return {
            "path": self.path,
            "n": self.n,
            "sent": self.sent,
            "concurrency": self.concurrency,
            "duration_s": self.duration_s,
            "throughput": self.throughput,
            "latency_us": latency,
            "errors": dict(self.errors),
            "cancelled": self.cancelled,
        }

    def to_frame(self) -> Any:
        """Return one row for each event, ``latency_us`` and ``failed``, as a pandas DataFrame; needs pandas."""
        from graphkit.core.extras import load

        pandas = load("pandas", "BurstReport.to_frame", "notebook")
        return pandas.DataFrame(
            {
                "latency_us": pandas.Series(list(self.latencies_us), dtype=float),
                "failed": pandas.Series(list(map(bool, self.failed)), dtype=bool),
            }
        )

    def plot(self, bins: int = 40) -> Any:
        """Return a matplotlib figure with the histogram of the latencies; needs matplotlib."""
        from importlib import import_module

        from graphkit.core.extras import load

        load("matplotlib", "BurstReport.plot", "examples")
        figure = import_module("matplotlib.figure").Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.hist([latency / 1000 for latency in self.latencies_us], bins=bins)
        axes.set_xlabel("latency (ms)")
        axes.set_ylabel("events")
        return figure

    def __repr__(self) -> str:
        from graphkit.view.burst_table import burst_text

        return burst_text(self)

    def _repr_html_(self) -> str:
        from graphkit.view.burst_table import burst_html

        return burst_html(self)


class Burst:
    """A burst that is under way.

    Parameters
    ----------
    path
        Where the events go, for the report.
    send
        Sends one event and returns ``None``, or the message of its error. It may be called from several threads.
    n
        How many events to send.
    concurrency
        How many at once.
    """

    def __init__(self, path: str, send: Callable[[], str | None], n: int, concurrency: int) -> None:
        self._path = path
        self._send = send
        self._n = n
        self._concurrency = min(concurrency, n)
        self._lock = threading.Lock()
        self._begun = 0
        self._busy = 0
        self._latencies = array("d")
        self._failed = bytearray()
        self._errors: dict[str, int] = {}
        self._cancelled = False
        self._all_ended = threading.Event()
        self._started = monotonic()
        self._took_s: float | None = None

    def start(self) -> Burst:
        """Start sending."""
        self._started = monotonic()
        self._busy = self._concurrency
        for number in range(self._concurrency):
            threading.Thread(target=self._work, name=f"graphkit-burst-{number}", daemon=True).start()
        return self

    @property
    def ended(self) -> int:
        """How many events have been answered."""
        return len(self._latencies)

    @property
    def n(self) -> int:
        """How many events are to be sent."""
        return self._n

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over; return whether it is."""
        return self._all_ended.wait(timeout_s)

    def cancel(self) -> None:
        """Send no more events; what is under way ends by itself, and is not waited for for long."""
        with self._lock:
            if not self._all_ended.is_set():
                self._cancelled = True

    def finish(self) -> BurstReport:
        """Wait for the end and return the report; after :meth:`cancel`, what hangs is left behind."""
        while not self._all_ended.wait(0.2):
            if self._cancelled and not self._all_ended.wait(_LEFT_BEHIND_S):
                break
        return self.report()

    def report(self) -> BurstReport:
        """Return what is known by now."""
        with self._lock:
            took = self._took_s if self._took_s is not None else monotonic() - self._started
            return BurstReport(
                self._path,
                self._n,
                self._concurrency,
                took,
                array("d", self._latencies),
                bytes(self._failed),
                dict(self._errors),
                self._cancelled,
            )

    def _work(self) -> None:
        try:
            while self._takes_one():
                begun = perf_counter_ns()
                try:
                    message = self._send()
                except Exception as exc:  # of what is sent, any failure is a result
                    message = f"{type(exc).__name__}: {exc}"
                self._note((perf_counter_ns() - begun) / 1000, message)
        finally:
            with self._lock:
                self._busy -= 1
                if not self._busy:
                    self._took_s = monotonic() - self._started
                    self._all_ended.set()

    def _takes_one(self) -> bool:
        with self._lock:
            if self._cancelled or self._begun >= self._n:
                return False
            self._begun += 1
            return True

    def _note(self, latency_us: float, message: str | None) -> None:
        with self._lock:
            if self._took_s is not None:
                return
            self._latencies.append(latency_us)
            self._failed.append(message is not None)
            if message is not None:
                key = message[:_MOST_MESSAGE]
                if key not in self._errors and len(self._errors) >= MOST_MESSAGES:
                    key = _OTHERS
                self._errors[key] = self._errors.get(key, 0) + 1
