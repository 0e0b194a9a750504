"""Values as plain data that YAML holds, and back. What would not come back as it was is refused.

Plain data stand for themselves. Anything else is a dict with one key that begins with ``$``: ``{$bytes: aGk=}``,
``{$datetime: 2026-01-31T12:00:00}``, ``{$array: [[1.5]], dtype: float64}``.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.cases import tables
from graphkit.core.errors import CaseError, nearest
from graphkit.runtime.snapshot import Preview, Redacted, RedactedBytes

_PLAIN = frozenset({type(None), bool, int, float})


def encode(value: Any, where: str, natural: bool = False) -> Any:
    """Return a value as plain data.

    Parameters
    ----------
    value
        Any value.
    where
        What the value is, for messages: ``"body"``.
    natural
        Write what compares alike in its simplest form: tuples as lists, NumPy scalars as numbers. For answers, which
        are compared and never sent.

    Raises
    ------
    CaseError
        If the value holds something that could not be read back as it is.

    Examples
    --------
    >>> encode({"x": (1, b"hi")}, "body")
    {'x': {'$tuple': [1, {'$bytes': 'aGk='}]}}
    >>> encode({"x": [object()]}, "body")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.CaseError: body.x[0] is of type object, which a case cannot hold
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is str:
        return _text(value, where)
    if kind is list or (natural and kind is tuple):
        return [encode(item, f"{where}[{index}]", natural) for index, item in enumerate(value)]
    if kind is dict:
        return _encode_dict(value, where, natural)
    if kind in _WRITERS:
        return _WRITERS[kind](value, where)
    if kind is Preview:
        raise CaseError(
            f"{where} is of type {value.type}, of which a run keeps only a preview ({_cut(value.text)}): it is too "
            f"large, or cannot be copied; send something smaller or plainer, and record that run"
        )
    if kind is Redacted or kind is RedactedBytes:
        raise CaseError(f"{where} holds a secret, which is never written down")
    written = tables.encode(value, where, encode, natural)
    if written is tables.UNKNOWN:
        raise CaseError(f"{where} is of type {kind.__name__}, which a case cannot hold")
    return written


def decode(data: Any, where: str) -> Any:
    """Return the value that plain data stand for.

    Raises
    ------
    CaseError
        If a form is not known, or what stands in it is wrong.

    Examples
    --------
    >>> decode({"x": {"$tuple": [1, {"$bytes": "aGk="}]}}, "body")
    {'x': (1, b'hi')}
    """
    if isinstance(data, list):
        return [decode(item, f"{where}[{index}]") for index, item in enumerate(data)]
    if not isinstance(data, Mapping):
        return data
    marks = [key for key in data if isinstance(key, str) and key.startswith("$")]
    if not marks:
        return {key: decode(item, f"{where}.{key}") for key, item in data.items()}
    mark = marks[0]
    reader = _READERS.get(mark)
    if reader is None or len(marks) > 1:
        raise CaseError(f"{where}: {mark!r} is no form that a case knows{nearest(mark, _READERS)}; there is {_KNOWN}")
    try:
        return reader(data, where)
    except CaseError:
        raise
    except Exception as exc:  # whatever numpy, pandas and the rest make of what somebody wrote
        raise CaseError(f"{where}: {mark} cannot be read: {type(exc).__name__}: {exc}") from exc


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise CaseError(f"{where} is a text that UTF-8 cannot hold: {exc.reason}") from exc
    return value


def _encode_dict(value: dict[Any, Any], where: str, natural: bool) -> dict[str, Any]:
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {_text(key, where): encode(item, f"{where}.{key}", natural) for key, item in value.items()}
    pairs = [
        [encode(key, f"{where}: the key {key!r}"), encode(item, f"{where}[{key!r}]", natural)]
        for key, item in value.items()
    ]
    return {"$dict": pairs}


def _encode_datetime(value: dt.datetime, where: str) -> dict[str, Any]:
    zone = value.tzinfo
    if value.fold:
        raise CaseError(f"{where} is a time with fold=1, which a case cannot hold")
    if zone is None or type(zone) is dt.timezone:
        return {"$datetime": value.isoformat()}
    key = getattr(zone, "key", None)
    if not isinstance(key, str):
        raise CaseError(f"{where} is a time in the zone {zone!r}, which a case cannot hold; use zoneinfo or UTC")
    return {"$datetime": value.replace(tzinfo=None).isoformat(), "zone": key}


def _decode_datetime(data: Mapping[str, Any], where: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(str(data["$datetime"]))
    if "zone" not in data:
        return value
    from zoneinfo import ZoneInfo

    return value.replace(tzinfo=ZoneInfo(data["zone"]))


def _encode_time(value: dt.time, where: str) -> dict[str, Any]:
    if value.tzinfo is not None or value.fold:
        raise CaseError(f"{where} is a time of day in a zone, which a case cannot hold")
    return {"$time": value.isoformat()}


def _encode_set(value: Any, where: str) -> dict[str, Any]:
    # in an order that does not depend on the process
    items = sorted(value, key=lambda item: (type(item).__name__, repr(item)))
    return {f"${type(value).__name__}": [encode(item, f"an item of {where}") for item in items]}


def _decode_dict(data: Mapping[str, Any], where: str) -> dict[Any, Any]:
    return {decode(key, where): decode(item, f"{where}[{key!r}]") for key, item in data["$dict"]}


def _items(mark: str, make: Callable[[list[Any]], Any]) -> Callable[[Mapping[str, Any], str], Any]:
    return lambda data, where: make(decode(list(data[mark]), where))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


_WRITERS: Mapping[type, Callable[[Any, str], Any]] = {
    bytes: lambda value, where: {"$bytes": base64.b64encode(value).decode()},
    tuple: lambda value, where: {"$tuple": encode(list(value), where)},
    set: _encode_set,
    frozenset: _encode_set,
    complex: lambda value, where: {"$complex": [value.real, value.imag]},
    dt.datetime: _encode_datetime,
    dt.date: lambda value, where: {"$date": value.isoformat()},
    dt.time: _encode_time,
    decimal.Decimal: lambda value, where: {"$decimal": str(value)},
    uuid.UUID: lambda value, where: {"$uuid": str(value)},
    dt.timedelta: lambda value, where: {"$timedelta": [value.days, value.seconds, value.microseconds]},
}

_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "$bytes": lambda data, where: base64.b64decode(data["$bytes"], validate=True),
    "$tuple": _items("$tuple", tuple),
    "$set": _items("$set", set),
    "$frozenset": _items("$frozenset", frozenset),
    "$complex": lambda data, where: complex(*data["$complex"]),
    "$datetime": _decode_datetime,
    "$date": lambda data, where: dt.date.fromisoformat(str(data["$date"])),
    "$time": lambda data, where: dt.time.fromisoformat(str(data["$time"])),
    "$decimal": lambda data, where: decimal.Decimal(str(data["$decimal"])),
    "$uuid": lambda data, where: uuid.UUID(str(data["$uuid"])),
    "$timedelta": lambda data, where: dt.timedelta(*data["$timedelta"]),
    "$dict": _decode_dict,
    "$array": lambda data, where: tables.decode_array(data, decode),
    "$scalar": lambda data, where: tables.decode_scalar(data, decode),
    "$frame": lambda data, where: tables.decode_frame(data, decode),
    "$series": lambda data, where: tables.decode_series(data, decode),
}

_KNOWN = ", ".join(_READERS)
