"""Copies of values as they are now: small ones whole, large ones as previews. Never raises, never changes a value."""

from __future__ import annotations

import datetime as dt
from typing import Any

#: Values that are their own snapshot; text may hold a secret, and so is looked at.
SCALARS: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, dt.date, dt.datetime, dt.time, dt.timedelta}
)
MOST_BYTES = 256 * 1024
MOST_ITEMS = 5_000
MOST_DEPTH = 40


class Preview:
    """A short readable form of a value that is too large, or cannot be copied.

    Attributes
    ----------
    type
        Name of the value's type.
    text
        The short form.
    """

    __slots__ = ("text", "type")

    def __init__(self, value: Any) -> None:
        from graphkit.view.preview import preview

        self.type = type(value).__name__
        self.text = preview(value)

    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preview) and (self.type, self.text) == (other.type, other.text)

    def __hash__(self) -> int:
        return hash((self.type, self.text))


class _TooLarge(Exception):  # noqa: N818  # internal signal
    """The value does not fit into a snapshot."""


class Snapshots:
    """Takes the snapshots of one run and counts their size in bytes, roughly."""

    __slots__ = ("_items", "_secrets", "size")

    def __init__(self, secrets: Any = None) -> None:
        self.size = 0
        self._secrets = secrets if secrets is not None and secrets.any_sources else None
        self._items = 0

    def take(self, value: Any) -> Any:
        """Return a copy of a value as it is now, or its preview."""
        if type(value) in SCALARS:
            return value
        self._items = 0
        before = self.size
        try:
            return self._copy(value, 0)
        except _TooLarge:
            self.size = before
        preview = self._preview(value)
        self.size += len(preview.text)
        return preview

    def _copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._items += 1
        if self._items > MOST_ITEMS or depth > MOST_DEPTH:
            raise _TooLarge
        if kind in SCALARS:
            return value
        if kind is str or kind is bytes:
            self._weigh(len(value))
            return self._secrets.redact(value) if kind is str and self._secrets is not None else value
        if kind is dict:
            self._weigh(64 + 16 * len(value))
            return {key: self._copy(item, depth + 1) for key, item in value.items()}
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            self._weigh(56 + 8 * len(value))
            return kind(self._copy(item, depth + 1) for item in value)
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and hasattr(value, "nbytes"):
            self._weigh(int(value.nbytes))
            return value.copy() if getattr(value, "dtype", None) != object else self._preview(value)
        if package == "pandas" and hasattr(value, "memory_usage"):
            usage = value.memory_usage(index=True, deep=False)
            self._weigh(int(usage.sum() if hasattr(usage, "sum") else usage))
            return value.copy(deep=True)
        self._weigh(200)
        return self._preview(value)

    def _preview(self, value: Any) -> Preview:
        made = Preview(value)
        if self._secrets is not None:
            made.text = self._secrets.redact(made.text)
        return made

    def _weigh(self, size: int) -> None:
        if size > MOST_BYTES:
            raise _TooLarge
        self.size += size
