"""Bodies as JSON: what streams store, remote calls send and tracking records hold.

Arrays, tables and their scalars are known by their shape, not by import, so that this module needs none of them.
NaN and infinities, which JSON lacks, become null; bytes become base64; times become ISO 8601.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from graphkit.core.awaiting import PLAIN_TYPES

_MOST_SHOWN = 200


def encode(value: Any) -> bytes:
    """Return a value as JSON.

    Raises
    ------
    TypeError
        If the value holds something that JSON cannot hold; the message names its type.

    Examples
    --------
    >>> encode({"x": [1, 2.5, None], "at": {3}})
    b'{"x":[1,2.5,null],"at":[3]}'
    >>> encode({"x": object()})
    Traceback (most recent call last):
        ...
    TypeError: a value of type object cannot be written as JSON
    """
    return _encoded(value, _STRICT)


def snapshot(value: Any) -> bytes:
    r"""Return a value as JSON whatever it holds: what JSON cannot hold becomes a short text about it.

    For records of errors and requests, which must not get lost because of an odd body.

    >>> snapshot({"x": range})
    b'{"x":"<class \'range\'>"}'
    """
    try:
        return _encoded(value, _LENIENT)
    except TypeError:
        return msgspec.json.encode(_shown(value))


def decode(data: bytes | str) -> Any:
    """Return the value that JSON text describes.

    >>> decode(b'{"x": 1}')
    {'x': 1}
    """
    return msgspec.json.decode(data)


def _encoded(value: Any, encoder: msgspec.json.Encoder) -> bytes:
    try:
        return encoder.encode(value)
    except (OverflowError, RecursionError, UnicodeEncodeError) as exc:
        raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON: {exc}") from exc


def _plain(value: Any) -> Any:
    """Return the JSON-like form of one value that msgspec does not know."""
    if isinstance(value, str):
        return str.__str__(value)
    if type(value) in PLAIN_TYPES:
        # msgspec knows this one; it asks only because the value is the key of a dict
        raise TypeError(f"a value of type {type(value).__name__} cannot be a key in JSON")
    package = type(value).__module__.partition(".")[0]
    if package == "pandas" and hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict("records")
    if package in ("numpy", "pandas") and hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection) and not isinstance(value, type):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


def _plain_or_shown(value: Any) -> Any:
    try:
        return _plain(value)
    except TypeError:
        return _shown(value)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as exc:  # a record about an odd object must not fail because of the object's own repr
        text = f"<{type(value).__name__}: its repr raised {type(exc).__name__}>"
    text = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return text.encode("utf-8", "backslashreplace").decode()


_STRICT = msgspec.json.Encoder(enc_hook=_plain)
_LENIENT = msgspec.json.Encoder(enc_hook=_plain_or_shown)
