"""Time stamps of answers."""

from __future__ import annotations

import datetime as dt
import time

_SECOND_NS = 10**9
_TWO_SECONDS_NS = 2 * 10**9


class Stamps:
    """Writes the current time in UTC as ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``.

    The part up to the second is kept: formatting all of it each time would take a third of a request.

    Examples
    --------
    >>> dt.datetime.fromisoformat(Stamps().now()).tzinfo
    datetime.timezone.utc
    """

    __slots__ = ("_second",)

    def __init__(self) -> None:
        # when the second began, less one second, and its text: one tuple, so that no thread sees half of a change
        self._second = (0, "")

    def now(self) -> str:
        """Return the time stamp of this moment."""
        base_ns, text = self._second
        since_ns = time.time_ns() - base_ns
        if not _SECOND_NS <= since_ns < _TWO_SECONDS_NS:
            second, fraction_ns = divmod(base_ns + since_ns, _SECOND_NS)
            text = dt.datetime.fromtimestamp(second, dt.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.")
            self._second = ((second - 1) * _SECOND_NS, text)
            since_ns = fraction_ns + _SECOND_NS
        # the first digit, always 1, keeps the zeros behind it
        return f"{text}{str(since_ns)[1:7]}+00:00"
