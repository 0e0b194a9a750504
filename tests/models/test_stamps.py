from __future__ import annotations

import datetime as dt
import time

from graphkit.models.stamps import Stamps


def test_stamps_follow_the_clock_within_and_across_seconds(monkeypatch):
    moments = [
        dt.datetime(2026, 11, 22, 10, 59, 59, 0, dt.timezone.utc),
        dt.datetime(2026, 11, 22, 10, 59, 59, 7, dt.timezone.utc),
        dt.datetime(2026, 11, 22, 10, 59, 59, 999_999, dt.timezone.utc),
        dt.datetime(2026, 11, 22, 11, 0, 0, 0, dt.timezone.utc),
        dt.datetime(2026, 11, 22, 10, 59, 58, 120_000, dt.timezone.utc),  # a clock may be set back
        dt.datetime(2031, 1, 1, 0, 0, 0, 1, dt.timezone.utc),
    ]
    stamps = Stamps()
    for moment in moments:
        microseconds = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)) // dt.timedelta(microseconds=1)
        monkeypatch.setattr(time, "time_ns", lambda us=microseconds: us * 1000 + 999)
        assert stamps.now() == moment.isoformat(sep=" ", timespec="microseconds")
