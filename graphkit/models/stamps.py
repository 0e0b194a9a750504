"""Time stamps of answers."""

from __future__ import annotations

import datetime as dt
import time

_MILLISECOND_NS = 10**6
#: How a stamp goes on behind its millisecond.
MICROSECONDS = tuple(f"{number:03}+00:00" for number in range(1000))


class Stamps:
    """Writes the current time in UTC as ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``.

    The part up to the millisecond is kept: formatting all of it each time would take a third of a request.

    Examples
    --------
    >>> dt.datetime.fromisoformat(Stamps().now()).tzinfo
    datetime.timezone.utc
    """

    __slots__ = ("millisecond",)

    def __init__(self) -> None:
        #: When the millisecond began, and its text: one tuple, so that no thread sees half of a change.
        self.millisecond = (0, "")

    def now(self) -> str:
        """Return the time stamp of this moment."""
        began_ns, text = self.millisecond
        microsecond = (time.time_ns() - began_ns) // 1000
        if not 0 <= microsecond < 1000:
            began_ns, text, microsecond = self._begin(began_ns // 1000 + microsecond)
        return text + MICROSECONDS[microsecond]

    def _begin(self, now_us: int) -> tuple[int, str, int]:
        """Keep the text of another millisecond; returns when it began, the text, and the microsecond within it."""
        milliseconds, microsecond = divmod(now_us, 1000)
        second, millisecond = divmod(milliseconds, 1000)
        text = dt.datetime.fromtimestamp(second, dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.")
        kept = (milliseconds * _MILLISECOND_NS, f"{text}{millisecond:03}")
        self.millisecond = kept
        return (*kept, microsecond)
