"""Events and responses: what enters a graph and what leaves it. Knows nothing of steps."""

from __future__ import annotations

import datetime as dt
from typing import Any

from graphkit.core.protocols import seam


class Trigger:
    """What caused an event: ``kind`` (``"http"``, ``"stream"``, ...) and ``name``."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str = "", name: str = "") -> None:
        self.kind = kind
        self.name = name

    def __repr__(self) -> str:
        return f"Trigger(kind={self.kind!r}, name={self.name!r})"


_NO_TRIGGER = Trigger()


class Event:
    """One event on its way through a graph.

    Parameters
    ----------
    body
        Any object; ``None`` is legal.
    content_type
        MIME type of a body given as text or bytes.
    headers, method, path
        As in HTTP; the path defaults to ``"/"``.
    event_id
        Identity of the event; left out, one is generated when it is first read.
    trigger, offset
        What caused the event, and where it stood in its stream.
    time
        When it happened; left out, the moment when it is first read (UTC).

    Examples
    --------
    >>> event = Event({"x": 1}, path="/v2/models/m/infer")
    >>> event.body, event.path, event.terminated
    ({'x': 1}, '/v2/models/m/infer', False)
    """

    __slots__ = (
        "__dict__",
        "_id",
        "_order",
        "_origin",
        "_time",
        "_trace",
        "body",
        "content_type",
        "error",
        "headers",
        "key",
        "method",
        "offset",
        "origin_state",
        "path",
        "terminated",
        "trigger",
    )

    def __init__(
        self,
        body: Any = None,
        content_type: str | None = None,
        headers: dict[str, Any] | None = None,
        method: str | None = None,
        path: str | None = None,
        event_id: str | None = None,
        trigger: Any = None,
        offset: Any = None,
        time: dt.datetime | str | None = None,
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.headers = headers if headers is not None else {}
        self.method = method
        self.path = path or "/"
        self.trigger = trigger or _NO_TRIGGER
        self.offset = offset or 0
        self.key: Any = ""
        self.error: dict[str, str] | None = None
        self.origin_state: str | None = None
        self.terminated = False
        self._id = event_id
        self._time = time
        # The event that this one was forked from, whose id and time are its own, whoever of them is asked first.
        self._origin: Event | None = None
        # Where the event stands among the branches of its request; the core keeps it.
        self._order: tuple[int, ...] = ()
        # What records the run that the event is in, if it is recorded.
        self._trace: Any = None

    @property
    def id(self) -> str:
        """Identity of the event; generated when first read."""
        if self._id is None:
            self._id = seam.new_id() if self._origin is None else self._origin.id
        return self._id

    @id.setter
    def id(self, value: str | None) -> None:
        self._id = value

    @property
    def time(self) -> dt.datetime | str:
        """When the event happened."""
        if self._time is None:
            self._time = dt.datetime.now(dt.timezone.utc) if self._origin is None else self._origin.time
        return self._time

    @time.setter
    def time(self, value: dt.datetime | str | None) -> None:
        self._time = value

    def fork(self, body: Any) -> Event:
        """Return a copy with another body: the same identity and metadata, fields and headers of its own."""
        new = object.__new__(type(self))
        new.body = body
        new.content_type = self.content_type
        new.headers = {**self.headers} if self.headers else {}
        new.method = self.method
        new.path = self.path
        new.trigger = self.trigger
        new.offset = self.offset
        new.key = self.key
        new.error = self.error
        new.origin_state = self.origin_state
        new.terminated = False
        new._id = self._id
        new._time = self._time
        new._origin = self if self._origin is None else self._origin
        new._order = self._order
        new._trace = self._trace
        extra = self.__dict__
        if extra:
            new.__dict__.update(extra)
        return new

    def __repr__(self) -> str:
        # an id that nobody asked for yet is not generated for being shown
        identity = f"id={self._id!r}, " if self._id is not None else ""
        error = f", error={self.error!r}" if self.error else ""
        return f"Event({identity}body={self.body!r}, method={self.method!r}, path={self.path!r}{error})"


MockEvent = Event


def as_event(event: Any) -> Event:
    """Return a working copy of any event-like object (``body``, ``path``, ``method``, ``headers``, ...).

    The caller's object is never changed by a run.
    """
    if isinstance(event, Event):
        return event.fork(event.body)
    headers = getattr(event, "headers", None)
    new = Event(
        getattr(event, "body", None),
        getattr(event, "content_type", None),
        dict(headers) if headers else {},
        getattr(event, "method", None),
        getattr(event, "path", None),
        getattr(event, "id", None) or None,
        getattr(event, "trigger", None),
        getattr(event, "offset", None),
        # Nuclio writes 0 where it knows no time
        getattr(event, "time", None) or getattr(event, "timestamp", None) or None,
    )
    new.key = getattr(event, "key", "") or ""
    for name, value in getattr(event, "__dict__", {}).items():
        if not name.startswith("_") and not hasattr(Event, name):
            setattr(new, name, value)  # such as the fields and the topic of a Nuclio event
    return new


class Response:
    """A complete answer: returned by a terminal step or a router, it is sent as it is.

    Parameters
    ----------
    headers, body, content_type
        As in HTTP; ``content_type`` defaults to ``"text/plain"``.
    status_code
        HTTP status.

    Examples
    --------
    >>> Response(body="busy", status_code=503)
    Response(status_code=503, content_type='text/plain', body='busy')
    """

    __slots__ = ("body", "content_type", "headers", "status_code")

    def __init__(
        self,
        headers: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        status_code: int = 200,
    ) -> None:
        self.headers = headers if headers is not None else {}
        self.body = body
        self.content_type = content_type or "text/plain"
        self.status_code = status_code

    def __repr__(self) -> str:
        headers = f", headers={self.headers!r}" if self.headers else ""
        return (
            f"Response(status_code={self.status_code}, content_type={self.content_type!r}, body={self.body!r}{headers})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Response):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # mutable, like the answer that it stands for
