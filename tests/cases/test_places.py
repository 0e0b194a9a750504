"""Places in answers, and patterns of them."""

from __future__ import annotations

import pytest

from graphkit.cases.places import matches, pattern, written
from graphkit.core.errors import CaseError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("id",), "id"),
        (("outputs", 0, "label"), "outputs[0].label"),
        ((3, "a"), "[3].a"),
        (("first name", 'a"b'), '["first name"]["a\\"b"]'),
        (("größe",), "größe"),
        (("x-y",), "x-y"),
    ],
)
def test_a_place_is_written_so_that_it_can_be_ignored(place, text):
    assert written(place) == text
    if place:
        assert matches(place, pattern(text))


@pytest.mark.parametrize(
    ("text", "place", "is_one"),
    [
        ("id", ("id",), True),
        ("id", ("a", "id"), False),
        ("id", ("id", "x"), False),
        ("*.id", ("a", "id"), True),
        ("*.id", ("id",), False),
        ("outputs[*].id", ("outputs", 4, "id"), True),
        ("outputs[1]", ("outputs", 1), True),
        ("outputs[1]", ("outputs", "1"), False),
        ("**.id", ("id",), True),
        ("**.id", ("a", 0, "b", "id"), True),
        ("a.**.id", ("a", "id"), True),
        ("a.**", ("a",), True),
        ("**", (), True),
        ("[*].x", (7, "x"), True),
    ],
)
def test_a_pattern_names_places(text, place, is_one):
    assert matches(place, pattern(text)) is is_one


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", "a[", "a[x]", "a b", "[-1]", "a[1"])
def test_what_is_no_pattern_is_refused_with_examples(text):
    with pytest.raises(CaseError, match="ignore: "):
        pattern(text)
