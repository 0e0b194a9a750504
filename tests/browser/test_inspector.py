"""The inspector as people see it: in a cell, beside the live picture, and in a notebook that is not trusted."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

START = """
import graphkit
import numpy as np

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"

def sharpen(body):
    # a comment, "a string", 12
    return {**body, "image": np.eye(16), "evil": EVIL, "count": 2}

def fail(body):
    raise ValueError(EVIL)

graph = graphkit.new_flow()
graph.to(sharpen).to(fail)
server = graph.to_mock_server()
_ = server.test(body={"rows": [1, 2]}, silent=True)
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Any) -> Any:
    notebook = open_notebook("inspector", height=1400)
    notebook.run(START)
    return notebook


def panel(notebook: Any, step: str) -> Any:
    shown = notebook.run(f"graph.inspect({step!r})").locator(".gki-panel")
    expect(shown).to_be_visible()
    return shown


def contrast(element: Any) -> float:
    """Return the contrast of an element's text against the first ground below it, by WCAG 2.2."""
    ratio: float = element.evaluate("""element => {
        const pen = document.createElement('canvas').getContext('2d');
        const parts = colour => {
            pen.clearRect(0, 0, 1, 1);
            pen.fillStyle = colour;
            pen.fillRect(0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data];
        };
        const bright = ([red, green, blue]) => {
            const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
            return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
        };
        let ground = element;
        while (ground && parts(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
        const both = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(parts).map(bright);
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    }""")
    return ratio


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_can_be_read_in_either_theme(notebook: Any, theme: str) -> None:
    notebook.theme(theme)
    good, bad = panel(notebook, "sharpen"), panel(notebook, "fail")
    words = [".gki-title b", ".gki-note", ".gki-label", ".gki-badge", ".gki-key", ".gki-changes td"]
    words += [".gki-code", ".gki-k", ".gki-f", ".gki-s", ".gki-n" if good.locator(".gki-n").count() else ".gki-c"]
    for word in words:
        assert contrast(good.locator(word).first) >= 4.5, word
    assert contrast(bad.locator(".gki-error")) >= 4.5


def test_it_shows_what_it_says(notebook: Any) -> None:
    shown = panel(notebook, "sharpen")
    expect(shown).to_contain_text("array 16 x 16, float64, from 0 to 1")
    expect(shown).to_contain_text("def sharpen(body):")
    box = shown.locator("img").bounding_box()
    assert box["width"] == box["height"] > 100
    spec = shown.locator("details", has_text="Spec").last
    expect(spec.get_by_text("handler")).to_be_hidden()
    spec.locator("summary").click()
    expect(spec.get_by_text("handler")).to_be_visible()


def test_markup_in_values_sources_and_errors_is_text(notebook: Any) -> None:
    expect(panel(notebook, "sharpen")).to_contain_text("<script>window.hacked = 1</script>")
    expect(panel(notebook, "fail")).to_contain_text("ValueError: <script>window.hacked = 1</script>")
    assert notebook.page.evaluate("window.hacked") is None
    assert notebook.page.locator(".gki-panel script, .gki-panel [onerror]").count() == 0


def test_it_is_the_same_beside_the_live_picture(notebook: Any) -> None:
    live = notebook.run("graph").locator(".gk-live")
    live.locator("g.node[data-id='step:fail']").click()
    aside = live.locator(".gk-aside .gki-panel")
    expect(aside).to_contain_text("ValueError: <script>window.hacked = 1</script>")
    expect(aside).to_contain_text("def fail(body):")
    live.locator("g.edge[data-id='flow:sharpen:fail']").click(force=True)
    expect(live.locator(".gk-aside .gki-panel")).to_contain_text("array 16 x 16")
    notebook.page.keyboard.press("Escape")


def test_in_a_notebook_that_is_not_trusted_it_can_be_read(notebook: Any, open_notebook: Any) -> None:
    panel(notebook, "fail")
    book = notebook.save()
    book.cells[0].source += "# from somewhere else"  # what is written differs from what was signed
    strange = open_notebook("inspector-strange", book=book, height=1400)
    output = strange.page.locator(".jp-RenderedHTMLCommon", has_text="bound").last
    expect(output).to_contain_text("ValueError: <script>window.hacked = 1</script>")
    expect(output).to_contain_text("def fail(body):")
    expect(output.locator("img").first).to_be_visible()
    assert contrast(output.locator("pre").last) >= 4.5
    assert strange.page.evaluate("window.hacked") is None
