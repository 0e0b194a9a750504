"""Any text as DOT, so that it shows as the characters that it is made of. Knows nothing of graphs."""

from __future__ import annotations

import re
import textwrap
from urllib.parse import quote as percent_encoded

# What neither XML nor DOT can hold: control characters, half surrogate pairs, non-characters.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN = re.compile(r"[A-Za-z0-9_ .,/+*=()\[\]-]*")
_SCRIPT = re.compile(r"(?:java|vb)script:|(?:^|=[\"']?)data:", re.IGNORECASE)
_IGNORED_IN_URLS = re.compile(r"[\s\x00-\x20\\]+")


def showable(text: str) -> str:
    r"""Return the text with characters that no renderer takes replaced by U+FFFD; tabs become blanks.

    >>> showable("a\tb\x00")
    'a b\ufffd'
    """
    return _UNSHOWABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\t", " "))


def shortened(text: str, width: int = 60, lines: int = 4) -> str:
    """Return the text with long lines cut, and not more than some lines.

    >>> shortened("abcdefgh", width=5)
    'abcd…'
    """
    if len(text) <= width and "\n" not in text:
        return text
    kept = [line if len(line) <= width else line[: width - 1] + "…" for line in text.split("\n")]
    return "\n".join(kept if len(kept) <= lines else [*kept[: lines - 1], "…"])


def middle(text: str, width: int) -> str:
    """Return a text cut in the middle, since names and ids differ at their ends.

    >>> middle("outer/inner/very_long_name", 15)
    'outer/i…ng_name'
    """
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def quoted(text: str) -> str:
    r"""Return the text as a quoted DOT string, for labels.

    Three things would be read as more than text: a backslash begins an escape, ``&lt;`` and its like are decoded,
    and a bare ``<...>`` is HTML. ``graphviz.escape`` knows the first and the last of them.

    >>> print(quoted('<b> & "x"'))
    "<b> &amp; \"x\""
    """
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    text = showable(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def quoted_tooltip(text: str) -> str:
    """Return the text as a quoted DOT string for tooltips, in which renderers read backslashes twice."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    text = showable(text).replace("&", "&amp;").replace("\\", "\\\\\\\\").replace('"', '\\"')
    return f'"{text}"'


def html(text: str) -> str:
    """Return the text for use within a DOT label of HTML kind.

    >>> html("a<b>")
    'a&lt;b&gt;'
    """
    if _PLAIN.fullmatch(text):
        return text
    text = showable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\\", "\\\\").replace("\n", "<BR/>")


def wrapped(text: str, width: int) -> list[str]:
    """Return the text as lines of at most ``width`` characters; long words are broken.

    >>> wrapped("one two three", 8)
    ['one two', 'three']
    """
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        lines += textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    return lines


def key(*parts: str) -> str:
    """Return an id for SVG made of the parts: unique, stable and without blanks or quotes.

    >>> key("step", "models/my model")
    'step:models/my%20model'
    """
    return ":".join([parts[0], *(percent_encoded(part, errors="surrogatepass") for part in parts[1:])])


def is_script(value: str) -> bool:
    r"""Return whether an attribute's value would run code when clicked.

    >>> is_script("java\nscript:alert(1)"), is_script("https://example.org")
    (True, False)
    """
    decoded = value
    if "&" in value:
        import html as entities

        decoded = entities.unescape(value)
    return _SCRIPT.search(_IGNORED_IN_URLS.sub("", decoded)) is not None
