"""A value in a few characters, for the small space on a picture: its shape or length, or itself when it is short."""

from __future__ import annotations

from typing import Any

from graphkit.view.preview import preview

_WIDTH = 24


def glance(value: Any, width: int = _WIDTH) -> str:
    """Return a value in at most ``width`` characters.

    Never raises, and does not change or consume the value.

    Examples
    --------
    >>> glance([1] * 150), glance({"inputs": [[5.1, 3.5]]}), glance("setosa"), glance(None)
    ('150 items', '{inputs: 1 item}', "'setosa'", 'None')
    """
    try:
        text = _glance(value, 0)
    except Exception:  # a value's own methods may raise; the preview says what it can
        text = preview(value, width)
    return text if len(text) <= width else text[: width - 1] + "…"


def _glance(value: Any, depth: int) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(size, int) for size in shape):
        kind = f" {value.dtype}" if len(shape) != 2 and hasattr(value, "dtype") else ""
        return " x ".join(f"{size:,}" for size in shape) + ("" if len(shape) > 1 else " values") + kind
    if type(value) is dict and value:
        key, inner = next(iter(value.items()))
        if len(value) > 1 or depth:
            return f"{len(value):,} key{'s' if len(value) > 1 else ''}"
        return f"{{{str(key)[:12]}: {_glance(inner, 1)}}}"
    if type(value) in (list, tuple, set, frozenset):
        return f"{len(value):,} item{'' if len(value) == 1 else 's'}"
    if isinstance(value, (bytes, bytearray)) and len(value) > 12:
        return f"{len(value):,} bytes"
    if isinstance(value, str) and len(value) > _WIDTH:
        return f"{len(value):,} characters"
    if type(value).__name__ == "Preview" and isinstance(getattr(value, "text", None), str):
        return str(value.text)
    return preview(value, _WIDTH)
