"""Bodies as JSON: what streams store, remote calls send and tracking records hold.

Arrays, tables and their scalars are known by their shape, not by import, so that this module needs none of them.
NaN and infinities, which JSON lacks, become null; bytes become base64; times become ISO 8601.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import msgspec

from graphkit.core.awaiting import PLAIN_TYPES

_MOST_SHOWN = 200


class Unwritable:
    """What keeps a struct that holds it from being written: msgspec writes structs without asking.

    ``part_of`` is the name of the struct's type, for the message.
    """

    __slots__ = ()
    part_of: ClassVar[str]


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
    try:
        return _STRICT.encode(value)
    except _REFUSALS as exc:
        raise _unwritable(value, exc) from exc


def encode_msgpack(value: Any) -> bytes:
    r"""Return a value as MessagePack, which holds bytes as they are.

    Raises
    ------
    TypeError
        If the value holds something that MessagePack cannot hold; the message names its type.

    Examples
    --------
    >>> encode_msgpack({"x": b"a"})
    b'\x81\xa1x\xc4\x01a'
    """
    try:
        return _PACKED.encode(value)
    except _REFUSALS as exc:
        raise _unwritable(value, exc) from exc


def snapshot(value: Any) -> bytes:
    r"""Return a value as JSON whatever it holds: what JSON cannot hold becomes a short text about it.

    For records of errors and requests, which must not get lost because of an odd body.

    >>> snapshot({"x": range})
    b'{"x":"<class \'range\'>"}'
    """
    try:
        return _LENIENT.encode(value)
    except (TypeError, *_REFUSALS):
        return msgspec.json.encode(_shown(value))


def decode(data: bytes | str) -> Any:
    """Return the value that JSON text describes.

    >>> decode(b'{"x": 1}')
    {'x': 1}
    """
    return msgspec.json.decode(data)


def place_of(value: Any) -> str:
    """Return where in an answer the first value stands that cannot be written; an empty text if it is all of it.

    >>> place_of({"outputs": [1, object()]})
    "['outputs'][1]"
    """
    place = ""
    for _ in range(_DEEPEST_PLACE):
        items = value.items() if type(value) is dict else enumerate(value) if type(value) in (list, tuple) else ()
        found = next(((key, item) for key, item in items if not _is_writable(item)), None)
        if found is None:
            break
        key, value = found
        place += f"[{key!r}]"
    return place


def _is_writable(value: Any) -> bool:
    try:
        encode(value)
    except TypeError:
        return False
    return True


def why_not(data: bytes | str, exc: Exception) -> str:
    """Return why text is no usable JSON, given what decoding it raised.

    >>> why_not("[1, NaN]", ValueError("JSON is malformed"))
    'JSON has no NaN; a tensor holds null for it, one in binary form NaN itself'
    """
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    try:
        json.loads(data, parse_constant=no_constant)
    except _NoConstant as found:
        return str(found)
    except (ValueError, RecursionError):
        pass  # as was known
    return str(exc)


def no_constant(name: str) -> Any:
    """Refuse what Python's own decoder takes beyond JSON: for its ``parse_constant``."""
    told = "holds null for it, one in binary form NaN itself" if name == "NaN" else "in binary form holds it"
    raise _NoConstant(f"JSON has no {name}; a tensor {told}")


class _NoConstant(ValueError):
    """A number that JSON does not have."""


def _unwritable(value: Any, exc: Exception | None = None) -> TypeError:
    name = value.part_of if isinstance(value, Unwritable) else type(value).__name__
    return TypeError(f"a value of type {name} cannot be written as JSON{f': {exc}' if exc else ''}")


def _plain(value: Any) -> Any:
    """Return the JSON-like form of one value that msgspec does not know."""
    if isinstance(value, str):
        return str.__str__(value)
    if type(value) in _KNOWN:
        # msgspec knows this one; it asks only because the value is the key of a dict
        return _as_key(value)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return dt.timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, type):
        raise _unwritable(value)
    try:
        return _of_shape(value)
    except TypeError:
        raise
    except Exception as exc:  # whatever a value's own methods raise
        raise _unwritable(value, exc) from exc


def _as_key(value: Any) -> str:
    """Return a key of a dict as the standard library writes it: ``True`` as ``"true"``."""
    if value is None or value is True or value is False:
        return "null" if value is None else str(value).lower()
    raise TypeError(f"a value of type {type(value).__name__} cannot be a key in JSON")


def _of_shape(value: Any) -> Any:
    """Return the plain form of tables, arrays, and objects that can tell their fields."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        if not getattr(value.columns, "is_unique", True):
            raise TypeError("a table with two columns of one name cannot be written as JSON: one would be lost")
        return value.to_dict("records")
    if callable(getattr(value, "tolist", None)):
        if str(getattr(value, "dtype", "")).endswith("64[ns]"):
            value = value.astype(f"{value.dtype.kind}8[us]")  # NumPy would list nanoseconds as bare integers
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    for method in ("model_dump", "to_dict"):
        if callable(getattr(value, method, None)):
            return getattr(value, method)()
    if isinstance(value, Collection):
        return list(value)
    raise _unwritable(value)


def _plain_or_shown(value: Any) -> Any:
    try:
        return _plain(value)
    except TypeError:
        if isinstance(value, Unwritable):
            raise  # the whole is shown instead
        return _shown(value)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as exc:  # a record about an odd object must not fail because of the object's own repr
        text = f"<{type(value).__name__}: its repr raised {type(exc).__name__}>"
    text = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return text.encode("utf-8", "backslashreplace").decode()


_DEEPEST_PLACE = 20
#: What msgspec raises for values that it knows and yet cannot write: lone surrogates, loops.
_REFUSALS = (OverflowError, RecursionError, ValueError, msgspec.MsgspecError)
_KNOWN = PLAIN_TYPES - {complex}
_STRICT = msgspec.json.Encoder(enc_hook=_plain)
_PACKED = msgspec.msgpack.Encoder(enc_hook=_plain)
_LENIENT = msgspec.json.Encoder(enc_hook=_plain_or_shown)
