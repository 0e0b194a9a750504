"""Python source as HTML with one class per kind of word. Where pygments is missing, it is plain text."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from html import escape
from typing import Any

from graphkit.view.text import showable

#: Of a longer source the rest is left out.
MOST_CHARACTERS = 12_000
#: Beyond it, the source is not coloured: each word costs some forty bytes.
_MOST_COLOURED = 8_000
# The first letters of pygments' token types, and the classes that stand for them.
_CLASSES = (
    ("Comment", "gki-c"),
    ("Literal.String", "gki-s"),
    ("Literal.Number", "gki-n"),
    ("Keyword", "gki-k"),
    ("Operator.Word", "gki-k"),
    ("Name.Function", "gki-f"),
    ("Name.Class", "gki-f"),
    ("Name.Decorator", "gki-d"),
    ("Name.Builtin", "gki-b"),
    ("Name.Exception", "gki-b"),
)


def highlighted(source: str) -> str:
    """Return Python source as the content of a ``<pre>``, escaped.

    >>> highlighted("x = '<b>'")
    'x = <span class="gki-s">&#x27;&lt;b&gt;&#x27;</span>'
    """
    text = showable(source).rstrip("\n")
    if len(text) > MOST_CHARACTERS:
        cut = text[:MOST_CHARACTERS].rpartition("\n")[0] or text[:MOST_CHARACTERS]
        left = text.count("\n") - cut.count("\n")
        return f"{escape(cut)}\n… {left:,} more lines"
    if len(text) > _MOST_COLOURED:
        return escape(text)
    try:
        pygments = importlib.import_module("pygments")
        lexer = importlib.import_module("pygments.lexers.python").PythonLexer(ensurenl=False, stripnl=False)
        words: Iterable[tuple[Any, str]] = list(pygments.lex(text, lexer))
    except ImportError:
        return escape(text)
    # neighbours of one class share a tag
    pieces: list[tuple[str, list[str]]] = []
    for kind, word in words:
        name = _class_of(str(kind).removeprefix("Token."))
        if pieces and (pieces[-1][0] == name or not word.strip()):
            pieces[-1][1].append(word)
        else:
            pieces.append((name, [word]))
    return "".join(_span(name, "".join(words)) for name, words in pieces)


def _class_of(kind: str) -> str:
    return next((name for prefix, name in _CLASSES if kind.startswith(prefix)), "")


def _span(name: str, text: str) -> str:
    return f'<span class="{name}">{escape(text)}</span>' if name else escape(text)
