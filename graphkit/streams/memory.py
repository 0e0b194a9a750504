"""Streams in the memory of this process: ``memory://name``. They know nothing of files."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from graphkit.core.errors import StreamError
from graphkit.streams.base import (
    Message,
    by_lease,
    check_count,
    check_seconds,
    decoded_body,
    encoded_bodies,
    frame_of,
    new_lease,
    retention_seconds,
)


class _Entry(msgspec.Struct, frozen=True):
    body: bytes
    key: str | None
    pushed: float


class _Lease(msgspec.Struct):
    until: float
    attempts: int
    lease: str


class _Group:
    """Where one group stands: the last entry it got, and what it has not acknowledged yet.

    ``earliest`` is never later than the first lease to run out, so that most calls need not look through them.
    """

    __slots__ = ("earliest", "last", "leases")

    def __init__(self) -> None:
        self.last = 0
        self.leases: dict[int, _Lease] = {}
        self.earliest = math.inf

    def expired(self, now: float, count: int) -> list[int]:
        if now < self.earliest:
            return []
        numbers = list(itertools.islice((n for n, held in self.leases.items() if held.until <= now), count))
        if len(numbers) < count:  # all were looked at
            self.earliest = min((held.until for held in self.leases.values() if held.until > now), default=math.inf)
        return numbers

    def is_done_with(self, number: int) -> bool:
        return number <= self.last and number not in self.leases


class MemoryStream:
    """A stream in the memory of this process; thread-safe.

    It holds at most ``maxlen`` entries. A push that does not fit raises and stores nothing: an entry that somebody
    still needs is never dropped in silence. Entries that every group has acknowledged make room first.

    Parameters
    ----------
    url
        The stream's address, ``memory://name``.
    maxlen
        How many entries it holds at most.
    retention_in_hours
        How long entries are kept; left out, until every group has acknowledged them.
    drop_oldest
        Let the oldest entries go when it is full, instead of raising; they are counted in ``dropped``. For logs that
        only the latest entries of are looked at.
    shards
        Taken for the sake of other drivers; a stream in memory is one sequence.
    clock
        Gives the time in seconds; for tests.

    Examples
    --------
    >>> stream = MemoryStream("memory://clicks")
    >>> stream.push([{"x": 1}, {"x": 2}])
    >>> (first,) = stream.take()
    >>> first.body, first.attempts, len(stream)
    ({'x': 1}, 1, 2)
    >>> stream.ack([first])
    >>> stream.read()
    [{'x': 2}]
    """

    #: Options that the opener hands over.
    options = frozenset({"drop_oldest", "maxlen", "retention_in_hours", "shards"})
    #: One instance per URL: whoever opens the name again, in the same opener, means the same stream.
    shared = True

    def __init__(
        self,
        url: str = "memory://",
        *,
        maxlen: int = 100_000,
        retention_in_hours: float | None = None,
        shards: int | None = None,
        drop_oldest: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.dropped = 0
        self._drop_oldest = bool(drop_oldest)
        self.maxlen = check_count("maxlen", maxlen)
        if shards is not None:
            check_count("shards", shards)
        self._retention_s = retention_seconds(retention_in_hours)
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._numbers = itertools.count(1)
        self._groups: dict[str, _Group] = {}

    def push(self, data: Any, *, key: str | None = None) -> None:
        """Append one body, or each body of a list: all of them or, when they do not fit, none.

        Raises
        ------
        StreamError
            If the stream is full, or a body cannot be written as JSON.
        """
        bodies = encoded_bodies(data, self.url)
        with self._lock:
            now = self._clock()
            self._drop_expired(now)
            self._make_room(len(bodies))
            for body in bodies:
                self._entries[next(self._numbers)] = _Entry(body, key, now)

    def read(self, start: int = 0, limit: int | None = None) -> list[Any]:
        """Return stored bodies in order without taking them; ``start`` skips that many of the oldest."""
        check_count("start", start, 0)
        end = None if limit is None else start + check_count("limit", limit, 0)
        with self._lock:
            self._drop_expired(self._clock())
            entries = list(itertools.islice(self._entries.values(), start, end))
        return [decoded_body(entry.body) for entry in entries]

    def take(self, count: int = 1, *, group: str = "default", lease_s: float = 30.0) -> list[Message]:
        """Lease up to ``count`` entries: first those that come again, then new ones.

        Parameters
        ----------
        count
            How many at most; none waiting gives an empty list at once.
        group
            The consumers that share the work.
        lease_s
            How long, in seconds, the entries are this consumer's alone.
        """
        check_count("count", count)
        check_seconds("lease_s", lease_s)
        with self._lock:
            now = self._clock()
            self._drop_expired(now)
            at = self._groups.setdefault(group, _Group())
            numbers = at.expired(now, count)
            fresh = self._numbers_after(at.last)[: count - len(numbers)]
            if fresh:
                at.last = fresh[-1]
            until, lease = now + lease_s, new_lease()
            at.earliest = min(at.earliest, until)
            return [self._lease(at, number, until, lease) for number in (*numbers, *fresh)]

    def ack(self, messages: Iterable[Any], *, group: str = "default") -> None:
        """Mark entries as done for this group; those that are done already are passed over."""
        leases = by_lease(messages, self.url)
        with self._lock:
            at = self._known_group(group)
            for number, _ in leases:
                at.leases.pop(number, None)
                if self._retention_s is None and self._is_done(number):
                    self._entries.pop(number, None)

    def nack(self, messages: Iterable[Any], *, group: str = "default", delay_s: float = 0.0) -> None:
        """Give entries back, to be delivered again after ``delay_s``; only the current holder can."""
        leases = by_lease(messages, self.url)
        check_seconds("delay_s", delay_s)
        with self._lock:
            at = self._known_group(group)
            until = self._clock() + delay_s
            for number, lease in leases:
                held = at.leases.get(number)
                if held is not None and held.lease == lease:
                    held.until = until
                    at.earliest = min(at.earliest, until)

    def as_df(self) -> Any:
        """Return the stored bodies as a pandas DataFrame, one row each."""
        return frame_of(self.read())

    def close(self) -> None:
        """Do nothing: the entries belong to the process, and others may use the same name."""

    def __len__(self) -> int:
        with self._lock:
            self._drop_expired(self._clock())
            return len(self._entries)

    def __repr__(self) -> str:
        return f"MemoryStream({self.url!r})"

    def _numbers_after(self, last: int) -> range:
        # Entries go away at the old end, or once every group had them: what lies after `last` has no gaps.
        oldest = next(iter(self._entries), 1)
        newest = next(reversed(self._entries), 0)
        return range(max(last + 1, oldest), newest + 1)

    def _lease(self, at: _Group, number: int, until: float, lease: str) -> Message:
        held = at.leases.pop(number, None)
        attempts = held.attempts + 1 if held else 1
        # Taken out and put in again: what was delivered last is looked at last.
        at.leases[number] = _Lease(until, attempts, lease)
        entry = self._entries[number]
        return Message(id=str(number), body=decoded_body(entry.body), key=entry.key, attempts=attempts, lease=lease)

    def _known_group(self, group: str) -> _Group:
        if group not in self._groups:
            raise StreamError(f"stream {self.url}: the group {group!r} has taken nothing")
        return self._groups[group]

    def _drop_expired(self, now: float) -> None:
        if self._retention_s is None:
            return
        while self._entries:
            number, entry = next(iter(self._entries.items()))
            if entry.pushed + self._retention_s > now:
                break
            self._forget(number)

    def _make_room(self, count: int) -> None:
        missing = len(self._entries) + count - self.maxlen
        if missing <= 0:
            return
        done = list(itertools.islice(filter(self._is_done, self._entries), missing))
        if self._drop_oldest and len(done) < missing and count <= self.maxlen:
            done = list(itertools.islice(self._entries, missing))
            self.dropped += missing
        if len(done) < missing:
            raise StreamError(
                f"stream {self.url} is full: it holds {len(self._entries)} of {self.maxlen} entries, {count} more do "
                f"not fit; {self._slowest()}"
            )
        for number in done:
            self._forget(number)

    def _is_done(self, number: int) -> bool:
        # Without a group nobody has had it yet.
        return bool(self._groups) and all(at.is_done_with(number) for at in self._groups.values())

    def _forget(self, number: int) -> None:
        del self._entries[number]
        for at in self._groups.values():
            at.leases.pop(number, None)

    def _slowest(self) -> str:
        if not self._groups:
            return "nobody takes from it; open it with a larger maxlen or with retention_in_hours"
        waiting = {name: sum(not at.is_done_with(n) for n in self._entries) for name, at in self._groups.items()}
        name = max(waiting, key=waiting.__getitem__)
        return f"the group {name!r} is behind by {waiting[name]}"
