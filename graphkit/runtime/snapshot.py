"""Copies of values as they are now: small ones whole, large ones as previews. Never raises, never changes a value.

What was kept whole can be given out again as a value of its own: :func:`thawed`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import uuid
from enum import Enum
from pathlib import PurePath
from typing import Any

#: Values that are their own snapshot; text may hold a secret, and so is looked at.
SCALARS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, dt.date, dt.datetime, dt.time, dt.timedelta}
)
#: Of one snapshot.
MOST_BYTES = 2 * 2**20
MOST_ITEMS = 20_000
MOST_DEPTH = 40
#: Of one run; beyond it only previews are kept.
MOST_RUN_BYTES = 16 * 2**20
#: Of one excerpt, roughly.
MOST_EXCERPT_BYTES = 200 * 1024
_PICTURED = frozenset({"numpy", "pandas", "PIL", "matplotlib"})


#: Others that cannot change, and so are their own snapshot too; they are met less often.
_FROZEN: tuple[type, ...] = (
    decimal.Decimal, fractions.Fraction, uuid.UUID, dt.timezone, range, type(...), Enum, PurePath,
)  # fmt: skip
_FROZEN_PANDAS = frozenset({"Timestamp", "Timedelta", "NaTType", "NAType", "Period"})


class Preview:
    """A short readable form of a value that is too large, or cannot be copied.

    Attributes
    ----------
    type
        Name of the value's type.
    text
        The short form.
    excerpt
        More of it for an inspector, as data: the head of a table, a picture; ``None`` where there was no room.
    too_large
        Whether size is why there is no copy.
    """

    __slots__ = ("excerpt", "text", "too_large", "type")

    def __init__(self, value: Any, too_large: bool = False) -> None:
        from graphkit.view.preview import preview

        self.type = type(value).__name__
        self.text = preview(value)
        self.excerpt: Any = None
        self.too_large = too_large

    @classmethod
    def told(cls, kind: str, text: str) -> Preview:
        """Return a preview whose text says it all."""
        new = cls.__new__(cls)
        new.type, new.text, new.excerpt, new.too_large = kind, text, None, False
        return new

    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preview) and (self.type, self.text) == (other.type, other.text)

    def __hash__(self) -> int:
        return hash((self.type, self.text))


class Redacted(str):
    """A text out of which secrets were taken."""

    __slots__ = ()


class RedactedBytes(bytes):
    """Bytes out of which secrets were taken."""

    __slots__ = ()


class Incomplete(Exception):
    """A snapshot does not hold all of the value that it was taken of; the text says what is missing, and where."""


class _TooLarge(Exception):
    """The value does not fit into a snapshot."""


class Snapshots:
    """Takes the snapshots of one run and counts their size in bytes, roughly. Threads may share it."""

    __slots__ = ("_secrets", "size")

    def __init__(self, secrets: Any = None) -> None:
        self.size = 0
        self._secrets = secrets if secrets is not None and secrets.any_sources else None

    def take(self, value: Any) -> Any:
        """Return a copy of a value as it is now, or its preview."""
        if type(value) in SCALARS:
            return value
        try:
            copier = _Copier(self._secrets, min(MOST_BYTES, MOST_RUN_BYTES - self.size))
            taken = copier.copy(value, 0)
            self.size += copier.bytes
        except Exception as exc:  # too large, or what a value's own methods raise; a preview says what it can
            taken = _preview(value, self._secrets, MOST_RUN_BYTES - self.size, isinstance(exc, _TooLarge))
            self.size += len(taken.text) + (0 if taken.excerpt is None else weight_of(taken.excerpt))
        return taken

    def told(self, kind: str, text: str) -> Preview:
        """Return a text about a value as its preview."""
        text = text if self._secrets is None else self._secrets.redact(text)
        self.size += len(text)
        return Preview.told(kind, text)


class _Copier:
    """Makes one snapshot, and gives up when it grows too large."""

    __slots__ = ("_items", "_most", "_secrets", "bytes")

    def __init__(self, secrets: Any, most: int) -> None:
        self._secrets = secrets
        self._most = most
        self._items = 0
        self.bytes = 0

    def copy(self, value: Any, depth: int) -> Any:
        """Return a copy of a value; what cannot be copied is a preview in it."""
        kind = type(value)
        self._count(1)
        if depth > MOST_DEPTH:
            raise _TooLarge
        if kind in SCALARS:
            return value
        if kind is str or kind is bytes:
            self._weigh(len(value))
            return value if self._secrets is None else _redacted(value, self._secrets)
        if kind is dict:
            self._weigh(64 + 16 * len(value))
            return {self._key(key): self.copy(item, depth + 1) for key, item in value.items()}
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            self._weigh(56 + 8 * len(value))
            if SCALARS.issuperset(map(type, value)):
                self._count(len(value))
                return kind(value)
            return kind(self.copy(item, depth + 1) for item in value)
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and hasattr(value, "nbytes"):
            self._weigh(int(value.nbytes))
            # objects cannot be copied with the array; text in it cannot be looked through for secrets
            plain = not value.dtype.hasobject and (self._secrets is None or value.dtype.kind not in "US")
            return value.copy() if plain else self._preview(value)
        if package == "pandas" and hasattr(value, "memory_usage"):
            usage = value.memory_usage(index=True, deep=False)
            self._weigh(int(usage.sum() if hasattr(usage, "sum") else usage))
            if self._secrets is not None and _holds_text(value):
                return self._preview(value)
            return value.copy(deep=True)
        self._weigh(200)
        return self._other(value, package, depth)

    def _preview(self, value: Any) -> Preview:
        made = _preview(value, self._secrets, self._most - self.bytes)
        if made.excerpt is not None:
            self._weigh(weight_of(made.excerpt))
        return made

    def _other(self, value: Any, package: str, depth: int) -> Any:
        kind = type(value)
        if _is_frozen(value, package):
            return value
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return tuple.__new__(kind, [self.copy(item, depth + 1) for item in value])
        if hasattr(kind, "__dataclass_fields__") and type(getattr(value, "__dict__", None)) is dict:
            made = object.__new__(kind)
            made.__dict__.update({name: self.copy(item, depth + 1) for name, item in value.__dict__.items()})
            return made
        return self._preview(value)

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > MOST_ITEMS:
            raise _TooLarge

    def _key(self, key: Any) -> Any:
        return _redacted(key, self._secrets) if self._secrets is not None and isinstance(key, (str, bytes)) else key

    def _weigh(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self._most:
            raise _TooLarge


def _is_frozen(value: Any, package: str) -> bool:
    return isinstance(value, _FROZEN) or (package == "pandas" and type(value).__name__ in _FROZEN_PANDAS)


def _preview(value: Any, secrets: Any, room: int, too_large: bool = False) -> Preview:
    """Return a preview, with an excerpt where there is more to show than a line, and ``room`` bytes for it."""
    made = Preview(value, too_large)
    if secrets is not None:
        from graphkit.view.excerpt import redacted_preview

        made.text = redacted_preview(value, secrets.redact)
    if room > MOST_EXCERPT_BYTES and _worth_more(type(value)):
        from graphkit.view.excerpt import excerpt

        made.excerpt = excerpt(value, None if secrets is None else secrets.redact)
    return made


def _worth_more(kind: type) -> bool:
    # most of what is previewed are objects of the user's, of which a line is all that can be shown
    if issubclass(kind, (str, bytes, dict, list, tuple, set, frozenset)):
        return True
    return any(str(base.__module__).partition(".")[0] in _PICTURED for base in kind.__mro__)


def weight_of(excerpt: Any) -> int:
    """Return about how many bytes an excerpt takes."""
    from graphkit.view.excerpt import weight

    return weight(excerpt)


def _holds_text(table: Any) -> bool:
    types = table.dtypes if hasattr(table, "columns") else [table.dtype]
    return any(getattr(kind, "kind", "O") not in "biufcmM" for kind in types)


def _redacted(value: Any, secrets: Any) -> Any:
    if isinstance(value, bytes):
        told = secrets.redact(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return value if told == value else RedactedBytes(told)
    told = secrets.redact(value)
    return value if told == value else Redacted(told)


def thawed(snapshot: Any, where: str = "") -> Any:
    """Return a value of its own, equal to the one that a snapshot was taken of.

    Parameters
    ----------
    snapshot
        What :meth:`Snapshots.take` returned; it is not changed, and shares nothing that can change with the result.
    where
        Where in the whole it lies, for messages.

    Raises
    ------
    Incomplete
        If the snapshot is, or holds, a preview, or a text out of which a secret was taken.

    Examples
    --------
    >>> taken = Snapshots().take({"rows": [object()]})
    >>> thawed(taken)
    Traceback (most recent call last):
        ...
    graphkit.runtime.snapshot.Incomplete: a value of type object at 'rows[0]' could not be copied
    """
    kind = type(snapshot)
    if kind in SCALARS or kind is str or kind is bytes or _is_frozen(snapshot, kind.__module__.partition(".")[0]):
        return snapshot
    if kind is dict:
        return {
            thawed(key, where): thawed(item, f"{where}.{key}" if where else str(key)) for key, item in snapshot.items()
        }
    if kind is list or kind is tuple:
        if SCALARS.issuperset(map(type, snapshot)):
            return kind(snapshot)
        return kind([thawed(item, f"{where}[{index}]") for index, item in enumerate(snapshot)])
    if kind is set or kind is frozenset:
        return kind(thawed(item, where) for item in snapshot)
    place = f" at {where!r}" if where else ""
    if kind is Redacted or kind is RedactedBytes:
        raise Incomplete(f"a text{place} holds a secret, which is never kept")
    if kind is Preview:
        size = f"was too large to be kept whole (at most {MOST_BYTES // 2**20} MB and {MOST_ITEMS:,} items are)"
        raise Incomplete(
            f"a value of type {snapshot.type}{place} {size if snapshot.too_large else 'could not be copied'}"
        )
    if isinstance(snapshot, tuple):
        return tuple.__new__(kind, [thawed(item, f"{where}[{index}]") for index, item in enumerate(snapshot)])
    if hasattr(kind, "__dataclass_fields__"):
        made = object.__new__(kind)
        made.__dict__.update({name: thawed(item, f"{where}.{name}") for name, item in snapshot.__dict__.items()})
        return made
    return snapshot.copy()  # an array or a table
