"""Places in an answer: written like ``outputs[0].label``, and patterns of them that are not compared."""

from __future__ import annotations

import re
from typing import Any

from graphkit.core.errors import CaseError

#: A place: keys and indexes from the outside in.
Place = tuple[Any, ...]
ANY = "*"
DEEP = "**"
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")
_PART = re.compile(r"""\*\*|\*|[^\W\d][\w-]*|\[(?:\*|\d+|"(?:[^"\\]|\\.)*")\]""")


def written(place: Place) -> str:
    """Return a place as text.

    >>> written(("outputs", 0, "first name"))
    'outputs[0]["first name"]'
    """
    text = ""
    for part in place:
        if isinstance(part, str) and _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        elif isinstance(part, str):
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f"[{part!r}]"
    return text


def pattern(text: str) -> Place:
    """Return what a pattern is made of: keys and indexes, ``*`` for any one of them, ``**`` for any number.

    Raises
    ------
    CaseError
        If the text is no pattern.

    Examples
    --------
    >>> pattern("**.timestamp"), pattern("outputs[*].id")
    (('**', 'timestamp'), ('outputs', '*', 'id'))
    """
    parts: list[Any] = []
    at = 0
    while at < len(text):
        if text[at] == "." and parts:
            at += 1
        match = _PART.match(text, at)
        if match is None:
            raise CaseError(
                f"ignore: {text!r} cannot be read from {text[at:]!r} on; write places like 'id', 'model.timestamp', "
                f"'outputs[0].id', 'outputs[*].id' or '**.timestamp'"
            )
        parts.append(_part(match[0]))
        at = match.end()
    if not parts:
        raise CaseError("ignore: an empty text names no place")
    return tuple(parts)


def _part(text: str) -> Any:
    if not text.startswith("["):
        return text
    inner = text[1:-1]
    if inner == ANY:
        return ANY
    return int(inner) if inner.isdigit() else re.sub(r"\\(.)", r"\1", inner[1:-1])


def matches(place: Place, wanted: Place) -> bool:
    """Return whether a place is one of those that a pattern names.

    >>> matches(("a", 0, "id"), pattern("**.id")), matches(("a", "id"), pattern("id"))
    (True, False)
    """
    if not wanted:
        return not place
    if wanted[0] == DEEP:
        return any(matches(place[start:], wanted[1:]) for start in range(len(place) + 1))
    return bool(place) and wanted[0] in (ANY, place[0]) and matches(place[1:], wanted[1:])
