from __future__ import annotations

import pytest

from graphkit.view.text import html, is_script, key, quoted, shortened, showable, wrapped


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert showable("a\x00b\x1bc\ud800d\ufffe") == "a�b�c�d�"


def test_line_ends_and_tabs_become_plain() -> None:
    assert showable("a\r\nb\tc") == "a\nb c"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain name", '"plain name"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("&lt;", '"&amp;lt;"'),
        ("<lambda>", '"<lambda>"'),
    ],
)
def test_quoted_text_holds_no_markup(given: str, expected: str) -> None:
    assert quoted(given) == expected


def test_html_labels_hold_no_markup() -> None:
    assert html('<b>&"\\N"\n') == "&lt;b&gt;&amp;&quot;\\\\N&quot;<BR/>"


def test_long_lines_and_many_lines_are_cut() -> None:
    assert shortened("x" * 100, width=10) == "x" * 9 + "…"
    assert shortened("a\nb\nc\nd\ne", lines=3) == "a\nb\n…"
    assert shortened("a\nb", lines=3) == "a\nb"


def test_wrapping_keeps_empty_lines_and_breaks_long_words() -> None:
    assert wrapped("a\n\n" + "x" * 12, 8) == ["a", "", "x" * 8, "x" * 4]


def test_keys_of_different_paths_differ() -> None:
    names = ["a b", "a%20b", "a_b", "a:b", "a/b", "ä", "\ud800", '"', "<"]
    keys = {key("step", name) for name in names}
    assert len(keys) == len(names)
    assert not any(set(found) & set(' "<>&\n') for found in keys)


def test_parts_of_a_key_cannot_run_into_each_other() -> None:
    assert key("flow", "a:b", "c") != key("flow", "a", "b:c")


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " java\nscript:x",
        "java&#115;cript:x",
        "vbscript:x",
        "data:text/html,<script>",
        "<<TABLE HREF='javascript:x'>>",
        '<<TABLE HREF="data:text/html,x">>',
    ],
)
def test_what_would_run_is_recognised(value: str) -> None:
    assert is_script(value)


@pytest.mark.parametrize("value", ["https://example.org/javascript", "metadata: x", "mailto:a@b", "#top"])
def test_plain_links_are_no_scripts(value: str) -> None:
    assert not is_script(value)
