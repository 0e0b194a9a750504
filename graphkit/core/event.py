"""Events and responses: what enters a graph and what leaves it. Knows nothing of steps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import msgspec

from graphkit.core.jsonlike import Unwritable
from graphkit.core.protocols import seam


class _PartOfEvent(Unwritable):
    """An event is not written as JSON, by accident or within an answer: it holds headers, and the core's own."""

    __slots__ = ()
    part_of = "Event"


class Trigger(_PartOfEvent):
    """What caused an event: ``kind`` (``"http"``, ``"stream"``, ...) and ``name``."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str = "", name: str = "") -> None:
        self.kind = kind
        self.name = name

    def __repr__(self) -> str:
        return f"Trigger(kind={self.kind!r}, name={self.name!r})"


_NO_TRIGGER = Trigger()
_UNWRITABLE = _PartOfEvent()


class _Fields(msgspec.Struct, eq=False, dict=True):
    """What an event is made with; a struct, since one is made per request, and a class of Python's takes twice as long.

    They hold what was given, if anything was: what stands for the rest is made by :class:`Event` when it is read, and
    mostly it is not.
    """

    body: Any = None
    content_type: str | None = None
    headers: Any = None
    method: str | None = None
    path: Any = None
    event_id: str | None = None
    trigger: Any = None
    offset: Any = None
    time: Any = None


#: Copies the fields, and not what stands beside them.
_copied: Callable[[Event], Event] = msgspec.Struct.__copy__  # type: ignore[attr-defined]  # its types leave it out
#: The fields below the properties of these names.
_FIELDS: Any = _Fields.__dict__
_GIVEN = _Fields.__struct_fields__


class Event(_Fields, kw_only=True, eq=False, dict=True, weakref=True):
    """One event on its way through a graph; it takes further attributes.

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
    key, error, origin_state, terminated
        The event's key in its stream; what an error handler is told; whether the event goes no further.

    Notes
    -----
    What begins with an underscore is the core's. A class below this one cannot have an ``__init__``; annotated
    attributes become parameters, by keyword.

    Examples
    --------
    >>> event = Event({"x": 1}, path="/v2/models/m/infer")
    >>> event.body, event.path, event.terminated
    ({'x': 1}, '/v2/models/m/infer', False)
    """

    key: Any = ""
    error: dict[str, str] | None = None
    origin_state: str | None = None
    terminated: bool = False
    # The event that this one was forked from, whose id and time are its own, whoever of them is asked first.
    _origin: Any = None
    # Where the event stands among the branches of its request; the core keeps it.
    _order: tuple[int, ...] = ()
    # With whose parts it is joined: a core.joins.JoinScope; and from which branch it comes to a join, by path.
    _joins: Any = None
    _branch: str | None = None
    # Of which models the answer may come in chunks, by id; a face that can send chunks says so.
    _chunked: frozenset[int] | None = None
    # What records the run that the event is in, if it is recorded.
    _trace: Any = None
    _unwritable: Any = _UNWRITABLE

    # What was given, by names of their own: half as long as the properties take, for what is asked of each event.
    _headers = _FIELDS["headers"]
    _path = _FIELDS["path"]
    _trigger = _FIELDS["trigger"]
    _offset = _FIELDS["offset"]
    _time = _FIELDS["time"]

    if TYPE_CHECKING:

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
            *,
            key: Any = "",
            error: dict[str, str] | None = None,
            origin_state: str | None = None,
            terminated: bool = False,
        ) -> None: ...

    @property
    def id(self) -> str:
        """Identity of the event; generated when first read."""
        if self.event_id is None:
            self.event_id = seam.new_id() if self._origin is None else self._origin.id
        return self.event_id

    @id.setter
    def id(self, value: str | None) -> None:
        self.event_id = value

    @property  # type: ignore[misc]  # over the field of that name, as are those that follow
    def headers(self) -> dict[str, Any]:
        """Headers of the request; a dict of the event's own."""
        given: dict[str, Any] | None = self._headers
        if given is None:
            given = self._headers = {}
        return given

    @headers.setter
    def headers(self, value: dict[str, Any] | None) -> None:
        self._headers = value

    @property  # type: ignore[misc]
    def path(self) -> str:
        """Path of the request."""
        return self._path or "/"

    @path.setter
    def path(self, value: str | None) -> None:
        self._path = value

    @property  # type: ignore[misc]
    def trigger(self) -> Any:
        """What caused the event."""
        return self._trigger or _NO_TRIGGER

    @trigger.setter
    def trigger(self, value: Any) -> None:
        self._trigger = value

    @property  # type: ignore[misc]
    def offset(self) -> Any:
        """Where the event stood in its stream."""
        return self._offset or 0

    @offset.setter
    def offset(self, value: Any) -> None:
        self._offset = value

    @property  # type: ignore[misc]
    def time(self) -> dt.datetime | str:
        """When the event happened."""
        given: dt.datetime | str | None = self._time
        if given is None:
            given = dt.datetime.now(dt.timezone.utc) if self._origin is None else self._origin.time
            self._time = given
        return given

    @time.setter
    def time(self, value: dt.datetime | str | None) -> None:
        self._time = value

    @property
    def given_time(self) -> dt.datetime | str | None:
        """When the event happened, if it was given or asked for already."""
        given: dt.datetime | str | None = self._time
        return given

    def fork(self, body: Any) -> Event:
        """Return a copy with another body: the same identity and metadata, fields and headers of its own."""
        new = _copied(self)
        extra = self.__dict__
        if extra:
            new.__dict__.update(extra)
        new.body = body
        if new._headers is not None:
            new._headers = {**new._headers}
        new.terminated = False
        if new._origin is None:
            new._origin = self
        return new

    def __copy__(self) -> Event:
        new = _copied(self)
        new.__dict__.update(self.__dict__)
        if new._origin is None:
            new._origin = self
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Event:
        new = self.__copy__()
        memo[id(self)] = new
        for name in self.__struct_fields__:
            if not name.startswith("_"):  # what is the core's is of the run, not of the event
                field = _FIELDS[name] if name in _GIVEN else getattr(type(self), name)
                field.__set__(new, deepcopy(field.__get__(self), memo))
        new.__dict__.update(deepcopy(self.__dict__, memo))
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        given = {name: _FIELDS[name].__get__(self) for name in _GIVEN}
        given.update(event_id=self.id, time=self.time)  # elsewhere nobody knows whom they are shared with
        own = {name: getattr(self, name) for name in self.__struct_fields__ if name[0] != "_" and name not in _GIVEN}
        return _again, (type(self), {**given, **own}, self._order, self.__dict__)

    def __repr__(self) -> str:
        # an id that nobody asked for yet is not generated for being shown
        identity = f"id={self.event_id!r}, " if self.event_id is not None else ""
        error = f", error={self.error!r}" if self.error else ""
        return f"Event({identity}body={self.body!r}, method={self.method!r}, path={self.path!r}{error})"


def _again(cls: type[Event], fields: dict[str, Any], order: tuple[int, ...], extra: dict[str, Any]) -> Event:
    event = cls(**fields)
    event._order = order
    event.__dict__.update(extra)
    return event


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
