"""What a step changed in the body: keys and columns that came, went, or hold something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from graphkit.view.excerpt import redacted_preview

_MOST_CHANGES = 24
_DEPTH = 4


class Change(msgspec.Struct, frozen=True):
    """One difference: ``kind`` is ``"added"``, ``"removed"`` or ``"changed"``, ``where`` a path of keys."""

    kind: str
    where: str
    before: str = ""
    after: str = ""


def differences(before: Any, after: Any, redact: Callable[[str], str] | None = None) -> list[Change]:
    """Return what differs between two values, by keys where both have keys; ``[]`` if they are equal.

    Examples
    --------
    >>> for change in differences({"a": 1, "b": 2}, {"a": 5, "c": 3}):
    ...     print(change.kind, change.where, change.before, change.after)
    changed a 1 5
    removed b 2
    added c  3
    """
    found: list[Change] = []
    for change in _walk(before, after, "", 0, lambda value: redacted_preview(value, redact, 80)):
        if len(found) == _MOST_CHANGES:
            found.append(Change("changed", "…", after="and more"))
            break
        found.append(change)
    return found


def _walk(before: Any, after: Any, where: str, depth: int, said: Callable[[Any], str]) -> Iterator[Change]:
    if before is after or _equal(before, after):
        return
    if depth < _DEPTH and type(before) is dict and type(after) is dict:
        for key in [*before, *(key for key in after if key not in before)]:
            path = f"{where}.{key}" if where else str(key)
            if key not in after:
                yield Change("removed", path, said(before[key]))
            elif key not in before:
                yield Change("added", path, after=said(after[key]))
            else:
                yield from _walk(before[key], after[key], path, depth + 1, said)
    elif is_frame(before) and is_frame(after):
        yield from _frames(before, after, where)
    else:
        yield Change("changed", where, said(before), said(after))


def _frames(before: Any, after: Any, where: str) -> Iterator[Change]:
    old, new = list(map(str, before.columns)), list(map(str, after.columns))
    prefix = f"{where}." if where else ""
    for name in old:
        if name not in new:
            yield Change("removed", f"{prefix}{name}", "column")
    for name in new:
        if name not in old:
            yield Change("added", f"{prefix}{name}", after="column")
    if len(before) != len(after):
        yield Change("changed", f"{prefix}rows", f"{len(before):,}", f"{len(after):,}")
        return
    for name in new:
        both = name in old and old.count(name) == new.count(name) == 1
        if both and not before.iloc[:, old.index(name)].equals(after.iloc[:, new.index(name)]):
            yield Change("changed", f"{prefix}{name}", "column", "column")


def is_frame(value: Any) -> bool:
    """Return whether a value is a pandas DataFrame."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _equal(before: Any, after: Any) -> bool:
    if type(before) is not type(after) or getattr(before, "shape", None) != getattr(after, "shape", None):
        return False
    try:
        if hasattr(before, "equals"):
            return bool(before.equals(after))
        same = before == after
        return bool(same.all()) if hasattr(same, "all") else bool(same)
    except Exception:  # arrays within lists have no truth value, and a user's == may raise
        return False
