"""Values in short readable form, for tables of runs: bounded in length, escaped, the same in every process.

Nothing here raises, whatever a value's own methods do, and nothing is consumed or changed: iterators are named, not
walked. numpy and pandas are recognised by the names of their modules and never imported.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from html import escape
from typing import Any

from graphkit.core.event import Event, Response
from graphkit.view.text import showable

#: How many items of a container are shown, by how deep it lies; what lies deeper is only counted.
_WIDTHS = (8, 6, 4, 4)
_DEPTH = len(_WIDTHS)
_ROWS = 5
_COLUMNS = 8
#: HTML that is longer than this is replaced by the one-line text.
_MOST_HTML = 20_000
_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-fA-F]+")
_CUT = "…"


def preview(value: Any, limit: int = 300) -> str:
    """Return a value as one line of text, of at most ``limit`` characters.

    Examples
    --------
    >>> preview({"inputs": [[5.1, 3.5]] * 100})
    "{'inputs': [[5.1, 3.5], [5.1, 3.5], [5.1, 3.5], [5.1, 3.5], [5.1, 3.5], [5.1, 3.5], … 94 more]}"
    >>> preview(object())
    'object()'
    """
    kind = type(value)
    if kind is int or kind is float or value is None or kind is bool:
        return _short(_number(value), limit)
    try:
        text = _text(value, 0, (), limit)
    except Exception as exc:  # a container or a text of somebody's own
        text = f"{kind.__name__} (its repr raised {type(exc).__name__})"
    return _short(showable(text).replace("\n", "↵"), limit)


def preview_html(value: Any, limit: int = 300) -> str:
    """Return a value as a piece of HTML: tables for frames and series, nested lists that open for containers.

    >>> preview_html("<b>")
    '<code>&#x27;&lt;b&gt;&#x27;</code>'
    """
    try:
        html = _rich(value, 0, (), limit)
    except Exception:  # the one-line form says what is the matter, and for all else it is enough
        return _code(preview(value, limit))
    return html if len(html) <= _MOST_HTML else _code(preview(value, limit))


# -- text --------------------------------------------------------------------------------------------------------------


def _text(value: Any, depth: int, above: tuple[int, ...], limit: int) -> str:
    if value is None or (isinstance(value, (bool, int, float, complex)) and type(value).__module__ == "builtins"):
        return _number(value)
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return _string(value, limit)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(value)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _container(value, depth, above, limit)
    try:
        return _object(value, depth, above, limit)
    except Exception as exc:  # any method of any object may raise; what it raised is part of what is shown
        return f"{type(value).__name__} (its repr raised {type(exc).__name__})"


def _number(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1024:
        return f"int of {value.bit_length():,} bits"  # Python refuses to write very large ones
    return repr(value)


def _string(value: str, limit: int) -> str:
    if len(value) <= limit:
        return str.__repr__(value)
    return f"{str.__repr__(value[: limit // 2])[:-1]}{_CUT}' ({len(value):,} characters)"


def _bytes(value: Any) -> str:
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    start = bytes(value[:24])
    return repr(start) if size <= 24 else f"{repr(start)[:-1]}{_CUT}' ({size:,} bytes)"


def _container(value: Any, depth: int, above: tuple[int, ...], limit: int) -> str:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _named_fields(value, dict(zip(value._fields, value, strict=False)), depth, above, limit)
    left, right = _brackets(value)
    count = len(value)
    if not count:
        return f"{left}{right}" if left != "{" or isinstance(value, dict) else f"{type(value).__name__}()"
    if id(value) in above:
        return f"{left}{_CUT}{right}"
    if depth >= _DEPTH:
        return f"{left}{count:,} item{'' if count == 1 else 's'}{right}"
    inside = (*above, id(value))
    parts = _parts(value, _WIDTHS[depth], lambda item: _text(item, depth + 1, inside, max(limit // 4, 40)))
    comma = "," if isinstance(value, tuple) and count == 1 else ""
    text = f"{left}{', '.join(parts)}{comma}{right}"
    name = type(value).__name__
    return text if name in ("dict", "list", "tuple", "set") else f"{name}({text})"


def _parts(value: Any, width: int, form: Callable[[Any], str]) -> list[str]:
    """Return the first items of a container as text, and how many more there are."""
    count = len(value)
    # a number that is left over is not worth a line that says so
    kept = count if count <= width + 1 else width
    if isinstance(value, dict):
        parts = [f"{form(key)}: {form(item)}" for key, item in _first(value.items(), kept)]
    elif isinstance(value, (set, frozenset)):
        # the order of a set differs between processes
        parts = sorted(form(item) for item in value)[:kept] if count <= 1000 else []
        kept = len(parts)
    else:
        parts = [form(item) for item in value[:kept]]
    if count > kept:
        parts.append(f"{_CUT} {count - kept:,} more" if kept else f"{count:,} items")
    return parts


def _object(value: Any, depth: int, above: tuple[int, ...], limit: int) -> str:
    kind = type(value)
    if kind.__name__ == "Preview" and isinstance(getattr(value, "text", None), str):
        return str(value.text)  # somebody made it when the value was still there
    root = (kind.__module__ or "").partition(".")[0]
    if root == "numpy":
        return _array(value, depth, limit)
    if root == "pandas":
        return _frame(value, depth, limit)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return str(value)
    if isinstance(value, BaseException):
        return _short(f"{kind.__name__}: {value}" if str(value) else kind.__name__, limit)
    inside = (*above, id(value))
    if isinstance(value, Event):
        if id(value) in above or depth >= _DEPTH:
            return f"{kind.__name__}({_CUT})"
        return f"{kind.__name__}({_text(value.body, depth + 1, inside, limit)}, path={_string(str(value.path), 80)})"
    if isinstance(value, Response):
        return f"{kind.__name__}({value.status_code}, {_text(value.body, depth + 1, inside, limit)})"
    if isinstance(value, Mapping) and id(value) not in above:
        return f"{kind.__name__}({_container(dict(_first(value.items(), 1000)), depth, inside, limit)})"
    if hasattr(kind, "__dataclass_fields__"):
        fields = {name: getattr(value, name, None) for name in _first(kind.__dataclass_fields__, 12)}
        return _named_fields(value, fields, depth, above, limit)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{'class' if isinstance(value, type) else 'function'} {value.__qualname__}"
    return _plain_repr(value, limit)


def _named_fields(value: Any, fields: dict[str, Any], depth: int, above: tuple[int, ...], limit: int) -> str:
    name = type(value).__name__
    if id(value) in above or depth >= _DEPTH:
        return f"{name}({_CUT})"
    inside = (*above, id(value))
    parts = [f"{key}={_text(item, depth + 1, inside, max(limit // 4, 40))}" for key, item in fields.items()]
    return f"{name}({', '.join(parts)})"


def _plain_repr(value: Any, limit: int) -> str:
    name = type(value).__name__
    if not any("__repr__" in vars(base) for base in type(value).__mro__[:-1]):
        return f"{name}()"
    text = _ADDRESS.sub("", repr(value))
    return _short(text, limit) if name in text else f"{name}: {_short(text, limit)}"


def _array(value: Any, depth: int, limit: int) -> str:
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(value, "dtype"):
        return _plain_repr(value, limit)
    if not shape:
        item = value.item()
        return _text(item, depth, (), limit) if type(item).__module__ != "numpy" else _plain_repr(value, limit)
    size = int(value.size)
    first = [_text(item, _DEPTH, (), 60) for item in _flat(value, 6 if size > 8 else 8)]
    more = f", {_CUT}" if size > len(first) else ""
    sizes = " x ".join(f"{length:,}" for length in shape)
    named = f" {', '.join(value.dtype.names)}" if getattr(value.dtype, "names", None) else ""
    return (
        f"{'array' if kind == 'ndarray' else kind} {sizes} {value.dtype if not named else 'of' + named} "
        f"[{', '.join(first)}{more}]"
    )


def _flat(value: Any, count: int) -> list[Any]:
    items: list[Any] = []
    for item in value.flat:
        if len(items) == count:
            break
        items.append(item.item() if hasattr(item, "item") else item)
    return items


def _frame(value: Any, depth: int, limit: int) -> str:
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        return _short(str(value), limit)  # a time stamp, a missing value
    if not hasattr(value, "iloc"):
        return _plain_repr(value, limit)
    kind = type(value).__name__
    if len(shape) == 2:
        names = [_label(name) for name in value.columns[:_COLUMNS]]
        more = f", {_CUT} {shape[1] - len(names):,} more" if shape[1] > len(names) else ""
        return f"{kind} {shape[0]:,} x {shape[1]:,}: {', '.join(names)}{more}"
    first = [_text(_unboxed(item), _DEPTH, (), 60) for item in value.iloc[:6]]
    more = f", {_CUT}" if shape[0] > len(first) else ""
    name = f" {_label(value.name)}" if value.name is not None else ""
    return f"{kind}{name} of {shape[0]:,} {value.dtype} [{', '.join(first)}{more}]"


# -- HTML --------------------------------------------------------------------------------------------------------------


def _rich(value: Any, depth: int, above: tuple[int, ...], limit: int) -> str:
    root = (type(value).__module__ or "").partition(".")[0]
    if root == "pandas" and hasattr(value, "iloc") and hasattr(value, "shape"):
        return _table(value)
    if isinstance(value, Event) and depth < _DEPTH and id(value) not in above:
        inner = _rich(value.body, depth + 1, (*above, id(value)), limit)
        return f"{_code(type(value).__name__ + ' ' + str(value.path))} {inner}"
    nested = isinstance(value, (dict, list, tuple)) and len(value) > 0
    line = preview(value, 80)
    if not nested or id(value) in above or depth >= _DEPTH or (len(line) < 80 and not _holds_tables(value)):
        return _code(preview(value, limit))
    inside = (*above, id(value))
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    rows = [
        f"<li>{_code(preview(key, 60))}: {_rich(item, depth + 1, inside, limit)}</li>"
        for key, item in _first(pairs, _WIDTHS[0])
    ]
    if len(value) > _WIDTHS[0]:
        rows.append(f"<li>{_CUT} {len(value) - _WIDTHS[0]:,} more</li>")
    return (
        f"<details><summary>{_code(line)}</summary>"
        f'<ul style="margin:0;padding-left:1.4em;list-style:none">{"".join(rows)}</ul></details>'
    )


def _holds_tables(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any((type(item).__module__ or "").startswith("pandas") for item in _first(items, _WIDTHS[0]))


def _table(value: Any) -> str:
    """Return the head of a frame or series as a small table."""
    head = value.iloc[:_ROWS, :_COLUMNS] if len(value.shape) == 2 else value.iloc[:_ROWS].to_frame()
    columns = [escape(_label(name)) for name in head.columns]
    style = 'style="padding:1px 8px;text-align:right"'
    rows = ["".join(f"<th {style}>{text}</th>" for text in ["", *columns])]
    for label, *cells in head.itertuples(name=None):
        texts = (escape(_cell(_unboxed(item))) for item in cells)
        rows.append(f"<th {style}>{escape(_label(label))}</th>" + "".join(f"<td {style}>{t}</td>" for t in texts))
    return (
        f"<details><summary>{_code(_frame(value, 0, 300))}</summary>"
        f'<table style="border-collapse:collapse;font-size:90%"><tr>{"</tr><tr>".join(rows)}</tr></table></details>'
    )


# -- small parts -------------------------------------------------------------------------------------------------------


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, list):
        return "[", "]"
    return ("(", ")") if isinstance(value, tuple) else ("{", "}")


def _first(items: Iterable[Any], count: int) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if len(kept) == count:
            break
        kept.append(item)
    return kept


def _cell(item: Any) -> str:
    # the quotes that tell a text from a number elsewhere are clutter in a column
    return _label(item) if isinstance(item, str) else _text(item, _DEPTH, (), 40)


def _unboxed(item: Any) -> Any:
    return item.item() if type(item).__module__ == "numpy" and hasattr(item, "item") else item


def _label(name: Any) -> str:
    return _short(showable(str(name)).replace("\n", " "), 40)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _CUT


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
