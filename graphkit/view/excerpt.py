"""What is worth showing of a value, however large it is: the head of a table, an array's range, a small picture.

An excerpt is plain data. It is bounded, holds nothing of the value itself, and is made without consuming or changing
it. numpy, pandas, PIL and matplotlib are recognised by the names of their modules and never imported for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Union

import msgspec

from graphkit.view.png import picture_of_array
from graphkit.view.preview import preview
from graphkit.view.text import shortened, showable

#: How many items of a container are kept, by how deep it lies.
_WIDTHS = (24, 16, 10, 8, 6, 4)
_DEPTH = len(_WIDTHS)
_MOST_PARTS = 200
_MOST_PICTURES = 3
_MOST_PICTURE_BYTES = 32_000
_MOST_TEXT = 2_000
#: Of all the texts of one excerpt.
_MOST_CHARACTERS = 40_000
#: So much of a value's text is looked through for secrets before it is cut.
_MOST_REDACTED = 100_000
_ROWS, _COLUMNS = 8, 12
#: Of more elements than these, only some are looked at for the least and the greatest.
_MOST_MEASURED = 500_000
_DPI = 60
_IMAGE_FILES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class Text(msgspec.Struct, frozen=True):
    """A value as text; ``size`` is what it measures in all, such as ``12,000 characters``, where it was cut."""

    type: str
    text: str
    size: str = ""


class Table(msgspec.Struct, frozen=True):
    """The head of a DataFrame or Series: its cells as text, with all columns' types where they are known."""

    type: str
    shape: tuple[int, ...]
    columns: tuple[str, ...]
    dtypes: tuple[str, ...]
    index: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


class Array(msgspec.Struct, frozen=True):
    """An array: its shape and dtype, the least and the greatest value, its first values, and a picture if it is one.

    ``sampled`` says that least and greatest are those of evenly spaced elements; ``rows`` is the upper left corner of
    a table of numbers.
    """

    type: str
    shape: tuple[int, ...]
    dtype: str
    first: str
    least: str = ""
    most: str = ""
    sampled: bool = False
    png: bytes | None = None
    rows: tuple[tuple[str, ...], ...] = ()


class Picture(msgspec.Struct, frozen=True):
    """An image or figure as a small PNG or JPEG file."""

    type: str
    text: str
    png: bytes


class Part(msgspec.Struct, frozen=True):
    """The first items of a container, each an excerpt; ``keys`` are texts, and empty for sets."""

    type: str
    size: int
    summary: str
    keys: tuple[str, ...]
    items: tuple[Any, ...]


Excerpt = Union[Text, Table, Array, Picture, Part]  # noqa: UP007  # evaluated at import


def excerpt(value: Any, redact: Callable[[str], str] | None = None) -> Excerpt:
    """Return the excerpt of a value. Never raises, whatever the value's own methods do.

    Parameters
    ----------
    value
        Any value.
    redact
        Applied to every text that is taken over.

    Examples
    --------
    >>> excerpt({"rows": list(range(100))}).items[0].size
    100
    >>> excerpt("text")
    Text(type='str', text='text', size='')
    """
    return _Maker(redact).make(value)


def redacted_preview(value: Any, redact: Callable[[str], str] | None, limit: int = 300) -> str:
    """Return a value as one line in which ``redact`` has hidden what it hides, also where the line is cut.

    >>> redacted_preview("x" * 296 + "secret", lambda text: text.replace("secret", "***"))[-5:]
    'xx**…'
    """
    if redact is None:
        return preview(value, limit)
    return shortened(redact(preview(value, _MOST_REDACTED)), limit, 1)


def weight(made: Excerpt) -> int:
    """Return about how many bytes an excerpt takes."""
    if isinstance(made, Text):
        return 100 + len(made.text)
    if isinstance(made, Table):
        return 200 + 80 * len(made.index) * len(made.columns)
    if isinstance(made, Array):
        return 200 + len(made.png or b"") + 60 * sum(map(len, made.rows))
    if isinstance(made, Part):
        return 200 + sum(100 + weight(item) for item in made.items)
    return 200 + len(made.png)


class _Maker:
    """Makes one excerpt, within one budget of parts and pictures."""

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        self.hide = redact
        self.redact = redact or str
        self.parts = _MOST_PARTS
        self.pictures = _MOST_PICTURES
        self.characters = _MOST_CHARACTERS

    def make(self, value: Any, depth: int = 0, above: tuple[int, ...] = ()) -> Excerpt:
        try:
            return self._made(value, depth, above)
        except Exception:  # any method of any object may raise; the preview says what can be said
            return self._line(value)

    def _made(self, value: Any, depth: int, above: tuple[int, ...]) -> Excerpt:
        kind = type(value)
        if kind is float or kind is bool or value is None or (kind is int and value.bit_length() < 1024):
            return Text(kind.__name__, repr(value))  # most of what there is; a test is waiting
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(bytes(value[:_MOST_PICTURE_BYTES]), len(value))
        known = getattr(value, "excerpt", None) if kind.__name__ == "Preview" else None
        if isinstance(known, (Text, Table, Array, Picture, Part)):
            return known
        if isinstance(value, (dict, list, tuple, set, frozenset)) and depth < _DEPTH and id(value) not in above:
            return self._part(value, depth, (*above, id(value)))
        root = (kind.__module__ or "").partition(".")[0]
        if root == "pandas" and hasattr(value, "iloc") and isinstance(getattr(value, "shape", None), tuple):
            return self._table(value)
        if root == "numpy" and kind.__name__ == "ndarray" and value.ndim:
            return self._array(value)
        if root == "PIL" and callable(getattr(value, "thumbnail", None)) and callable(getattr(value, "copy", None)):
            return self._image(value)
        if callable(getattr(kind, "savefig", None)) and any(
            b.__module__.startswith("matplotlib") for b in kind.__mro__
        ):
            return self._figure(value)
        return self._line(value)

    def _line(self, value: Any) -> Text:
        return Text(type(value).__name__, self._short(value, 500))

    def _short(self, value: Any, limit: int) -> str:
        return redacted_preview(value, self.hide, limit)

    def _text(self, value: str) -> Text:
        # all of it is redacted first: the cut may go through a secret
        most = max(min(_MOST_TEXT, self.characters), 40)
        kept = showable(self.redact(value)[:most])
        self.characters -= len(kept)
        size = f"{len(value):,} characters" if len(value) > most else ""
        return Text(type(value).__name__, kept, size)

    def _bytes(self, start: bytes, size: int) -> Excerpt:
        if size <= _MOST_PICTURE_BYTES and start.startswith(_IMAGE_FILES) and self.pictures:
            self.pictures -= 1
            return Picture("bytes", f"{size:,} bytes", start)
        text = self._short(start if self.hide else start[:200], 1000)
        return Text("bytes", text, f"{size:,} bytes" if size > 24 else "")

    def _part(self, value: Any, depth: int, above: tuple[int, ...]) -> Part:
        size = len(value)
        width = min(_WIDTHS[depth], max(self.parts, 0))
        self.parts -= min(size, width)
        # a number that is left over is not worth a line that says so
        width = size if size == width + 1 else width
        pairs: Iterable[tuple[Any, Any]]
        if isinstance(value, Mapping):
            pairs = value.items()
        elif isinstance(value, (list, tuple)):
            names = getattr(value, "_fields", None)
            pairs = zip(names, value, strict=False) if names else enumerate(value)
        else:
            # the order of a set differs between processes
            pairs = (("", item) for item in (sorted(value, key=preview) if size <= 1_000 else ()))
        kept = list(islice(pairs, width))
        keys = tuple(self._key(key) for key, _ in kept)
        items = tuple(self.make(item, depth + 1, above) for _, item in kept)
        return Part(type(value).__name__, size, self._short(value, 120), keys, items)

    def _key(self, key: Any) -> str:
        if type(key) is int and key.bit_length() < 1024:
            return str(key)
        text = self.redact(key) if isinstance(key, str) else self._short(key, 60)
        return shortened(showable(text[:200]).replace("\n", "↵"), 60, 1)

    def _table(self, value: Any) -> Table:
        flat = len(value.shape) == 1
        head = value.iloc[:_ROWS].to_frame() if flat else value.iloc[:_ROWS, :_COLUMNS]
        rows = list(head.itertuples(name=None))
        return Table(
            type(value).__name__,
            tuple(map(int, value.shape)),
            ("" if value.name is None else self._key(value.name),) if flat else tuple(map(self._key, head.columns)),
            tuple(str(kind) for kind in head.dtypes),
            tuple(self._key(row[0]) for row in rows),
            tuple(tuple(map(self._cell, row[1:])) for row in rows),
        )

    def _cell(self, item: Any) -> str:
        item = item.item() if type(item).__module__ == "numpy" and hasattr(item, "item") else item
        if type(item) is float:
            return _number(item)
        text = self.redact(item) if isinstance(item, str) else self._short(item, 40)
        return shortened(showable(text[:200]).replace("\n", "↵"), 40, 1)

    def _array(self, value: Any) -> Array:
        least, most, sampled = _range(value)
        picture = None
        if self.pictures:
            picture = picture_of_array(value)
            self.pictures -= picture is not None
        hidden = self.hide is not None and value.dtype.kind not in "biufcmM"  # its texts are cut before they are seen
        sizes = f"array {' x '.join(f'{n:,}' for n in value.shape)} {value.dtype} "
        first = "" if hidden else preview(value, 300).removeprefix(sizes)
        rows: tuple[tuple[str, ...], ...] = ()
        if value.ndim == 2 and picture is None and not hidden:
            rows = tuple(tuple(map(self._cell, row)) for row in value[:_ROWS, :_COLUMNS].tolist())
        return Array("array", value.shape, str(value.dtype), first, least, most, sampled, picture, rows)

    def _image(self, value: Any) -> Excerpt:
        text = f"{value.width:,} x {value.height:,} {value.mode}"
        if not self.pictures:
            return Text(type(value).__name__, text)
        self.pictures -= 1
        for side in (240, 120, 60):
            small = value.reduce(max(min(value.size) // (2 * side), 1)) if max(value.size) > 4 * side else value.copy()
            small.thumbnail((side, side))
            data = io.BytesIO()
            (small if small.mode in ("RGB", "RGBA", "L") else small.convert("RGB")).save(data, "PNG")
            if data.tell() <= _MOST_PICTURE_BYTES:
                break
        return Picture(type(value).__name__, text, data.getvalue())

    def _figure(self, value: Any) -> Excerpt:
        width, height = value.get_size_inches()
        text = f"{width:g} x {height:g} inches, {len(value.axes)} axes"
        if not self.pictures:
            return Text(type(value).__name__, text)
        self.pictures -= 1
        data = io.BytesIO()
        value.savefig(data, format="png", dpi=min(_DPI, 480 / max(width, height)))
        if data.tell() > 2 * _MOST_PICTURE_BYTES:
            return Text(type(value).__name__, text)
        return Picture(type(value).__name__, text, data.getvalue())


def _range(array: Any) -> tuple[str, str, bool]:
    """Return the least and the greatest value as text, and whether not all were looked at."""
    if array.dtype.kind not in "biufmM" or not array.size:
        return "", "", False
    sampled = array.size > _MOST_MEASURED
    if sampled:
        # slices are views: nothing of a large array is copied
        step = max(int((array.size / _MOST_MEASURED) ** (1 / array.ndim)), 2)
        array = array[tuple(slice(None, None, step if length > step else None) for length in array.shape)]
    return _number(array.min().item()), _number(array.max().item()), sampled


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else preview(value, 40)
