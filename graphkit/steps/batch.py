"""Collects events into batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from graphkit.core.emit import NOTHING, Emit
from graphkit.core.errors import BadRequest, GraphError
from graphkit.core.event import Event
from graphkit.core.paths import getter
from graphkit.steps.base import LibraryStep, checked_count, checked_function, checked_seconds, full_event_of


class _Bucket:
    """The events of one key that wait for their batch."""

    __slots__ = ("items", "since")

    def __init__(self, since: float) -> None:
        self.items: list[Any] = []
        self.since = since


class Batch(LibraryStep):
    """Collects bodies and sends them on as a list; one event goes on for each batch.

    A batch goes on when it has ``max_events``, when its first event has waited for ``timeout_s``, or when the graph
    is drained. At most ``max_pending`` events wait in all batches together; one more, and the oldest batch goes on
    early, so that nothing is dropped. What waits lives in memory only.

    Parameters
    ----------
    max_events
        How many events make a batch; left out, only time and draining end one.
    timeout_s
        How long the first event of a batch waits at most; ``flush_after_seconds`` is another name for it.
    key_field
        Makes a batch for each value of this field (a dotted path into the body); ``"$key"``, ``"$path"`` and the
        like name a field of the event instead.
    key
        A function in place of ``key_field``: ``key(body)``, or with ``full_event`` ``key(event)``.
    drop_key_field
        Whether the field is left out of the collected bodies.
    max_pending
        How many events wait at most.
    full_event
        Whether Events are collected instead of bodies.
    clock
        Gives the time in seconds; for tests.

    Attributes
    ----------
    pending
        How many events wait now.
    early
        How many batches went on before their time because of ``max_pending``.

    Examples
    --------
    >>> pairs = Batch(max_events=2)
    >>> pairs.do_event(Event(1)).items
    ()
    >>> pairs.do_event(Event(2)).items[0].body
    [1, 2]
    """

    emits = True

    def __init__(
        self,
        max_events: int | None = None,
        timeout_s: float | None = None,
        key_field: str | Callable[[Any], Hashable] | None = None,
        key: Callable[[Any], Hashable] | None = None,
        drop_key_field: bool = False,
        max_pending: int = 10_000,
        full_event: bool | None = None,
        flush_after_seconds: float | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, context)
        owner = "Batch"
        if timeout_s is not None and flush_after_seconds is not None:
            raise GraphError(f"{owner}: timeout_s and flush_after_seconds are the same thing; give one of them")
        timeout_s = flush_after_seconds if timeout_s is None else timeout_s
        self.max_events = None if max_events is None else checked_count("max_events", max_events, owner)
        self.timeout_s = None if timeout_s is None else checked_seconds("timeout_s", timeout_s, owner)
        self.max_pending = checked_count("max_pending", max_pending, owner)
        if self.max_events is not None and self.max_events > self.max_pending:
            raise GraphError(f"{owner}: max_events={max_events} never fit into max_pending={max_pending}")
        self._full_event = full_event_of(full_event, graph_step)
        self._key = self._key_function(key_field, key, owner)
        self._drop: Any = key_field if drop_key_field else None
        if drop_key_field and (not isinstance(key_field, str) or set("$.") & set(key_field) or self._full_event):
            raise GraphError(f"{owner}: drop_key_field needs a key_field that is a key of the body, and no full_event")
        self.early = 0
        self.pending = 0
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of their first events, so that the oldest is found first.
        self._buckets: dict[Hashable, _Bucket] = {}

    def do_event(self, event: Any) -> Emit:
        """Collect an event; return the batch that it completes, or nothing."""
        key = None if self._key is None else self._key(event)
        item = event if self._full_event else self._without_key(event.body)
        with self._lock:
            bucket = self._bucket(key)
            bucket.items.append(item)
            self.pending += 1
            if len(bucket.items) == self.max_events:
                items = self._removed(key)
            elif self.pending > self.max_pending:
                key = next(iter(self._buckets))
                items = self._removed(key)
                self.early += 1
            else:
                return NOTHING
        return Emit((_batch(event.fork(items), key),))

    def flush(self, expired_only: bool = False) -> Emit:
        """Give up the batches that wait: all of them, or those whose time has come."""
        with self._lock:
            now = self._clock()
            keys = [
                key
                for key, bucket in self._buckets.items()
                if not expired_only or (self.timeout_s is not None and bucket.since + self.timeout_s <= now)
            ]
            batches = [(key, self._removed(key)) for key in keys]
        return Emit(_batch(Event(items), key) for key, items in batches)

    def waiting_text(self, event: Any) -> str:
        """Return why nothing went on, for the record of a run."""
        return f"waits: {self.pending} collected"

    def _bucket(self, key: Hashable) -> _Bucket:
        try:
            bucket = self._buckets.get(key)
        except TypeError:
            raise BadRequest(
                f"events cannot be collected by {key!r}, since a {type(key).__name__} cannot be a key"
            ) from None
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._clock())
        return bucket

    def _removed(self, key: Hashable) -> list[Any]:
        items = self._buckets.pop(key).items
        self.pending -= len(items)
        return items

    def _key_function(self, key_field: Any, key: Any, owner: str) -> Callable[[Any], Hashable] | None:
        if key_field is not None and key is not None:
            raise GraphError(f"{owner}: give key_field or key, not both")
        if callable(key_field):
            key, key_field = key_field, None
        if key is not None:
            function = checked_function(key, owner)
            return function if self._full_event else lambda event: function(event.body)
        if key_field is None:
            return None
        if isinstance(key_field, str) and key_field.startswith("$"):
            field = key_field[1:]
            if field.startswith("_") or not hasattr(Event(), field):
                raise GraphError(f"{owner}: an event has no field {field!r} for key_field={key_field!r}")
            return lambda event: getattr(event, field)
        select = getter(key_field)
        return lambda event: select(event.body)

    def _without_key(self, body: Any) -> Any:
        if self._drop is None or not isinstance(body, Mapping):
            return body
        return {key: value for key, value in body.items() if key != self._drop}


def _batch(event: Event, key: Hashable) -> Event:
    if key is not None:
        event.key = key
    return event
