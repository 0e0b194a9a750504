"""What an event carries beside its body, written down, so that the event can be made again."""

from __future__ import annotations

from typing import Any

import msgspec

from graphkit.core.event import Event
from graphkit.runtime.snapshot import Snapshots, thawed

_NOTHING: dict[str, Any] = {}


class Carried(msgspec.Struct, frozen=True):
    """What an event carries beside its body.

    Attributes
    ----------
    id, key, path, method, headers, content_type, trigger, offset, time, error, origin_state
        As on :class:`~graphkit.Event`; ``id`` and ``time`` are ``None`` where nobody has asked for them yet.
    extra
        Further attributes that somebody set.
    order
        The event's place among the branches of its request.
    items
        Of which of several events that were sent on in place of one it is a part: ``core.joins.JoinScope.items``.
    """

    id: str | None = None
    key: Any = ""
    path: str = "/"
    method: str | None = None
    headers: Any = None
    content_type: str | None = None
    trigger: Any = None
    offset: Any = None
    time: Any = None
    error: Any = None
    origin_state: str | None = None
    extra: Any = None
    order: tuple[int, ...] = ()
    items: tuple[tuple[str, int], ...] = ()


def carried_by(event: Any, snapshots: Snapshots) -> Carried:
    """Return what an event carries now; nothing of it changes with the event."""
    extra, scope = event.__dict__, event._joins
    return Carried(
        event.event_id,
        event.key,
        event.path,
        event.method,
        snapshots.take(event.headers) if event.headers else _NOTHING,
        event.content_type,
        event.trigger,
        event.offset,
        event.given_time,
        snapshots.take(event.error) if event.error else None,
        event.origin_state,
        snapshots.take(extra) if extra else _NOTHING,
        event._order,
        () if scope is None else scope.items,
    )


def event_again(carried: Carried, body: Any, event_id: str | None) -> Event:
    """Return an event that carries the same, with a body and an id.

    Raises
    ------
    Incomplete
        If something of what it carried could not be kept whole.
    """
    event = Event(
        body,
        carried.content_type,
        thawed(carried.headers, "headers") or {},
        carried.method,
        carried.path,
        event_id,
        carried.trigger,
        carried.offset,
        carried.time,
    )
    event.key = carried.key
    event.error = thawed(carried.error, "error")
    event.origin_state = carried.origin_state
    event._order = carried.order
    event.__dict__.update(thawed(carried.extra, "event") or {})
    return event
