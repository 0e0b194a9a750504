"""Events as stream entries: the body, with what else belongs to the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.event import Event

#: Key that marks an entry as a whole event.
MARK = "graphkit_event"


def wrap(event: Event) -> dict[str, Any]:
    """Return an event as a plain dict.

    >>> wrap(Event({"x": 1}, event_id="e1", path="/a"))["body"]
    {'x': 1}
    """
    return {
        MARK: 1,
        "id": event.id,
        "key": event.key,
        "path": event.path,
        "method": event.method,
        "headers": dict(event.headers),
        "content_type": event.content_type,
        "time": str(event.time),
        "body": event.body,
    }


def is_wrapped(body: Any) -> bool:
    """Return whether a body is a whole event."""
    return isinstance(body, Mapping) and body.get(MARK) == 1 and "body" in body


def unwrap(event: Event) -> Event:
    """Return the event that stands in another one's body."""
    data = event.body
    new = event.fork(data["body"])
    new.id = data.get("id")
    new.key = data.get("key", "")
    new.path = data.get("path") or "/"
    new.method = data.get("method")
    new.headers = dict(data.get("headers") or {})
    new.content_type = None
    new.time = data.get("time")
    return new
