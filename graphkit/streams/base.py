"""What every stream driver shares: messages, URLs, checks of arguments, bodies as JSON.

The contract is :class:`graphkit.core.protocols.Stream`. Every driver keeps to these rules:

- Bodies are stored as JSON, so a stream gives back what JSON gives back, and never the pusher's own object.
- Delivery is at least once. A consumer leases entries, and acknowledges them when their work is done; an entry
  whose lease ran out, or that was given back, is delivered again, with ``attempts`` one higher.
- A group is made by its first ``take`` and starts with the oldest stored entry. Each group gets every entry.
- Without a retention, an entry goes away once every group has acknowledged it; a stream that nobody takes from is
  a log and keeps everything. With ``retention_in_hours``, entries stay for that long, acknowledged or not, and then
  go away, acknowledged or not.
- Acknowledging after the lease ran out counts, if the entry is not done yet: the work was done.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from graphkit.core.errors import StreamError, choices, nearest
from graphkit.core.extras import load
from graphkit.core.jsonlike import decode, encode
from graphkit.core.urls import shown_url


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a stream as a consumer holds it.

    Parameters
    ----------
    id
        Identity within the stream; the same at each delivery.
    body
        What was pushed.
    key
        The key it was pushed with.
    attempts
        How many times it was delivered to this group, this time included.
    lease
        Names this delivery, so that giving back an old one does not end a newer one.

    Examples
    --------
    >>> Message(id="7", body={"x": 1}, attempts=1)
    Message(id='7', body={'x': 1}, key=None, attempts=1, lease='')
    """

    id: str
    body: Any
    key: str | None = None
    attempts: int = 1
    lease: str = ""


class StreamUrl(NamedTuple):
    """A stream's address, taken apart."""

    scheme: str
    place: str
    query: dict[str, str]


def split_url(url: str) -> StreamUrl:
    """Take ``scheme://place?name=value`` apart.

    The place is percent-decoded, so that ``%3F`` stands for a question mark in it.

    Raises
    ------
    StreamError
        If there is no scheme or no place, or a query item comes twice.

    Examples
    --------
    >>> split_url("file://./events.db?stream=clicks")
    StreamUrl(scheme='file', place='./events.db', query={'stream': 'clicks'})
    """
    if not isinstance(url, str) or "://" not in url:
        raise StreamError(
            f"{url!r} is not a stream's URL: it starts with a scheme, such as memory://name or file://events.db"
        )
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    if not place:
        raise StreamError(
            f"{shown_url(url, with_query=True)!r} is not a stream's URL: nothing stands after {scheme}://"
        )
    pairs = parse_qsl(query, keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise StreamError(f"{shown_url(url, with_query=True)!r} is not a stream's URL: an option stands there twice")
    return StreamUrl(scheme.lower(), unquote(place), dict(pairs))


def check_query(url: str, parsed: StreamUrl, allowed: Collection[str]) -> None:
    """Raise StreamError when a URL carries options that its driver does not have."""
    for name in parsed.query:
        if name not in allowed:
            raise StreamError(
                f"{shown_url(url, with_query=True)!r}: a {parsed.scheme}:// URL has no option {name!r}, "
                f"there is {choices(allowed)}{nearest(name, allowed)}"
            )


def encoded_bodies(data: Any, url: str) -> list[bytes]:
    """Return one body, or each body of a list, as JSON.

    Raises
    ------
    StreamError
        If a body holds what JSON cannot hold.
    """
    try:
        return [encode(body) for body in data] if isinstance(data, list) else [encode(data)]
    except TypeError as exc:
        raise StreamError(f"stream {shown_url(url, with_query=True)}: nothing was stored, {exc}") from exc


def decoded_body(body: bytes) -> Any:
    """Return a stored body."""
    return decode(body)


def frame_of(bodies: Sequence[Any]) -> Any:
    """Return bodies as a pandas DataFrame, one row each; bodies that are no dicts stand in the column ``body``.

    >>> frame_of([{"a": 1}, {"a": 2}])["a"].tolist()
    [1, 2]
    """
    pandas = load("pandas", "a stream as a DataFrame", "notebook")
    return pandas.DataFrame([body if isinstance(body, dict) else {"body": body} for body in bodies])


def new_lease() -> str:
    """Return a name for one delivery."""
    return secrets.token_hex(8)


def by_lease(messages: Iterable[Any], url: str) -> list[tuple[int, str]]:
    """Return ``(entry number, lease)`` of each message.

    Raises
    ------
    StreamError
        If something is not a message of a stream.
    """
    try:
        return [(int(message.id), message.lease) for message in messages]
    except (AttributeError, TypeError, ValueError) as exc:
        raise StreamError(
            f"stream {shown_url(url, with_query=True)}: messages come from take(), not {messages!r}"
        ) from exc


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number, or raise StreamError when it is none or less than ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise StreamError(f"{name} must be a whole number from {least} on, not {value!r}")
    return value


def check_seconds(name: str, value: Any) -> float:
    """Return a time span in seconds, or raise StreamError when it is none or negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise StreamError(f"{name} must be a number of seconds, zero or more, not {value!r}")
    return float(value)


def retention_seconds(retention_in_hours: Any) -> float | None:
    """Return how long entries are kept, in seconds; ``None`` without a limit."""
    if retention_in_hours is None:
        return None
    hours = check_seconds("retention_in_hours", retention_in_hours)
    if hours == 0:
        raise StreamError("retention_in_hours must be more than 0, or left out to keep entries without a limit")
    return hours * 3600
