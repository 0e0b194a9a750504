"""The live picture has its colours from the theme, as the still pictures do."""

from __future__ import annotations

import re
from importlib import resources

from graphkit.notebook.live import LiveGraph
from graphkit.notebook.palette import palette_css
from graphkit.view import theme

SHEET = (resources.files("graphkit.notebook") / "widget" / "live.css").read_text(encoding="utf-8")
#: Of the page's bar and panels; the picture itself has none of its own.
OWN = {"#fff", "#d5dadf", "#f4f6f8", "#1976d2", "#0b63b5"}


def test_the_sheet_has_no_colours_of_the_picture_itself() -> None:
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", SHEET)) <= OWN


def test_every_variable_that_the_sheet_reads_is_set() -> None:
    whole = LiveGraph._css
    read = set(re.findall(r"var\((--gk-[\w-]+)\)", whole))
    written = set(re.findall(r"(--gk-[\w-]+):", whole))
    assert read <= written
    named = set(re.findall(r"(--gk-[\w-]+):", palette_css()))
    assert named <= set(re.findall(r"var\((--gk-[\w-]+)[,)]", whole)), "nothing is named for nobody"


def test_texts_are_known_by_the_colours_that_the_drawing_gives_them() -> None:
    sheet = palette_css()
    for color in (theme.QUIET, theme.WRONG_TEXT):
        assert f'text[fill="{color.lower()}"]' in sheet
