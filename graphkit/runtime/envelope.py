"""Events as stream entries: the body, with what else belongs to the event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from graphkit.core.errors import BadRequest
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
    return isinstance(body, Mapping) and body.get(MARK) == 1


class _Envelope(msgspec.Struct):
    """What an entry must look like to stand for an event; a client may have written it."""

    body: Any
    id: str | None = None
    key: Any = ""
    path: str | None = None
    method: str | None = None
    headers: dict[str, Any] | None = None
    time: str | None = None


def unwrap(event: Event) -> Event:
    """Return the event that stands in another one's body.

    Raises
    ------
    BadRequest
        If what stands there is no event.
    """
    try:
        data = msgspec.convert(event.body, _Envelope)
    except msgspec.ValidationError as exc:
        raise BadRequest(f"the body is marked as a whole event ({MARK!r}), but is none: {exc}") from exc
    new = event.fork(data.body)
    new.id = data.id
    new.key = data.key
    new.path = data.path or "/"
    new.method = data.method
    new.headers = data.headers or {}
    new.content_type = None
    new.time = data.time
    return new
