"""How quick the calls of one kind were: what decides in which thread the next one runs."""

from __future__ import annotations

#: Calls that take longer than this on average, in seconds, hold up the others.
QUICK_S = 0.002
#: A single one that takes longer than this is no accident of a busy machine.
SLOW_S = 0.1
_PROBATION = 8
_MOST_WANTED = 100_000


class Pace:
    """Whether calls of one kind are quick enough to stand in one queue.

    Side by side they disturb one another, so that the quickest of several tells how quick they are; one after the
    other their average tells.
    """

    __slots__ = ("_count", "_fastest", "_mean", "_wanted", "is_quick")

    def __init__(self) -> None:
        #: Whether the next call may stand in the queue.
        self.is_quick = False
        self._count = 0
        self._wanted = _PROBATION
        self._fastest = SLOW_S
        self._mean = 0.0

    def note(self, seconds: float) -> None:
        """Count a call. After a slow one more quick ones are wanted than before, so that nothing goes to and fro."""
        if self.is_quick:
            self._mean += (seconds - self._mean) * 0.1
            if self._mean > 2 * QUICK_S or seconds > SLOW_S:
                self._wanted = min(self._wanted * 4, _MOST_WANTED)
                self._start_over()
            return
        self._count += 1
        self._fastest = min(self._fastest, seconds)
        if seconds > SLOW_S:
            self._start_over()
        elif self._count >= self._wanted:
            quick, self._mean = self._fastest <= QUICK_S, self._fastest
            self._start_over()
            self.is_quick = quick

    def _start_over(self) -> None:
        self.is_quick = False
        self._count, self._fastest = 0, SLOW_S
