"""Values as HTML: tables, arrays with their range and a picture, trees that open, text. All of it escaped and bounded.

A value's own ``_repr_html_`` is never asked: what passes through a graph may come from anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import Any

from graphkit.view.excerpt import Array, Excerpt, Part, Picture, Table, Text, excerpt

_MOST_NESTED_TEXT = 160
_OPEN_ITEMS = 12
_SMALL_PICTURE = 96


def value_html(value: Any, redact: Callable[[str], str] | None = None) -> str:
    """Return a value, or what a run record kept of it, as HTML.

    Parameters
    ----------
    value
        Any value.
    redact
        Applied to every text of it.

    Examples
    --------
    >>> value_html("<script>")
    '<pre class="gki-text">&lt;script&gt;</pre>'
    """
    made = excerpt(value, redact)
    if isinstance(made, Part):
        return f'<div class="gki-tree">{_part(made, opened=True)}</div>'
    if isinstance(made, Text):
        return _text(made)
    return _leaf(made)


def kind_of(value: Any) -> str:
    """Return what kind of value it is, in a few words; empty where its HTML begins with that.

    >>> kind_of([1, 2, 3]), kind_of(None), kind_of("text")
    ('list of 3', 'None', 'text')
    """
    made = excerpt(value)
    if isinstance(made, Part):
        return f"{made.type} of {made.size:,}"
    if isinstance(made, (Table, Array, Picture)):
        return ""
    names = {"NoneType": "None", "str": "text", "Preview": getattr(value, "type", "")}
    return f"{names.get(made.type, made.type)}{f' of {made.size}' if made.size else ''}"


def _leaf(made: Excerpt) -> str:
    if isinstance(made, Table):
        return _table(made)
    if isinstance(made, Array):
        return _array(made)
    if isinstance(made, Picture):
        return f"{_image(made.png, made.text)}<div class='gki-note'>{escape(made.type)} {escape(made.text)}</div>"
    assert isinstance(made, Text)
    return _inline(made)


def _text(made: Text) -> str:
    more = f'<div class="gki-note">{escape(made.size)} in all</div>' if made.size else ""
    if made.type != "str":
        return f"<code>{escape(made.text)}</code>{more}"
    return f'<pre class="gki-text">{escape(made.text)}</pre>{more}'


def _inline(made: Text) -> str:
    text = made.text if made.type != "str" else repr(made.text)
    if len(text) > _MOST_NESTED_TEXT:
        text = text[: _MOST_NESTED_TEXT - 1] + "…"
    size = f' <span class="gki-note">({escape(made.size)})</span>' if made.size else ""
    return f"<code{' class=gki-s' if made.type == 'str' else ''}>{escape(text)}</code>{size}"


def _part(made: Part, opened: bool = False) -> str:
    brackets = {"dict": "{}", "tuple": "()", "set": "{}", "frozenset": "{}"}.get(made.type, "[]")
    if not made.items:
        return f"<code>{brackets if not made.size else escape(made.summary)}</code>"
    if all(isinstance(item, Text) for item in made.items) and len(made.summary) < 72 and made.size == len(made.items):
        return f"<code>{escape(made.summary)}</code>"
    rows = [
        f"<div>{f'<span class=gki-key>{escape(key)}</span> ' if key else ''}{_item(item)}</div>"
        for key, item in zip(made.keys, made.items, strict=True)
    ]
    if made.size > len(made.items):
        rows.append(f'<div class="gki-note">… {made.size - len(made.items):,} more</div>')
    title = f"{brackets[0]}…{brackets[1]} {made.size:,} item{'' if made.size == 1 else 's'}"
    # the summary repeats what the rows say; closed, it is all that is seen
    state = " open" if opened and made.size <= _OPEN_ITEMS else ""
    return f"<details{state}><summary><code>{escape(title)}</code></summary>{''.join(rows)}</details>"


def _item(item: Excerpt) -> str:
    return _part(item) if isinstance(item, Part) else _leaf(item)


def _table(made: Table) -> str:
    head = "".join(
        f"<th>{escape(name)}<br><span class=gki-note>{escape(kind)}</span></th>"
        for name, kind in zip(made.columns, made.dtypes, strict=True)
    )
    rows = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for label, cells in zip(made.index, made.cells, strict=True)
    )
    sizes = f"{made.shape[0]:,} row{'' if made.shape[0] == 1 else 's'}"
    if len(made.shape) == 2:
        sizes += f" x {made.shape[1]:,} column{'' if made.shape[1] == 1 else 's'}"
    more = made.shape[0] > len(made.index) or (len(made.shape) == 2 and made.shape[1] > len(made.columns))
    note = f"{made.type}, {sizes}{', the first of them shown' if more else ''}"
    return (
        f'<div class="gki-note">{escape(note)}</div>'
        f'<div class="gki-scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _array(made: Array) -> str:
    facts = [f"{made.type} {' x '.join(f'{n:,}' for n in made.shape)}", made.dtype]
    if made.least:
        facts.append(f"from {made.least} to {made.most}{' (of a sample)' if made.sampled else ''}")
    picture = _image(made.png, facts[0]) if made.png else ""
    first = f"<div><code>{escape(made.first)}</code></div>" if made.first and not made.png else ""
    if made.rows:
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in made.rows)
        first = f'<div class="gki-scroll"><table>{rows}</table></div>'
    return f'<div class="gki-note">{escape(", ".join(facts))}</div>{picture}{first}'


def _image(data: bytes, alt: str) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    width = int.from_bytes(data[16:20], "big") if kind == "png" else 0
    # single pixels of a small image are looked at, so they stay sharp when it grows
    size = f"width:{_SMALL_PICTURE * 2}px;image-rendering:pixelated;" if 0 < width < _SMALL_PICTURE else ""
    source = base64.b64encode(data).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:image/{kind};base64,{source}" style="{size}max-width:100%">'
