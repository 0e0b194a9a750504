"""The live graph as people use it: in a notebook of JupyterLab that stays open, and a look at Notebook 7."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from graphkit.view import theme

START = """
import threading, time
import graphkit

def clean(rows): return [float(row) for row in rows]
def scale(rows): return [row * 2 for row in rows]
def label(rows): return {"label": "setosa", "rows": len(rows)}

graph = graphkit.new_flow("shop")
"""
STEPS = """
models = graph.to(clean).to(scale).to("*ParallelRun", name="models")
_ = models.add_route("iris", handler=label)
_ = models.add_route("wine", handler=label)
_ = models.to(name="answer", handler="(event)").respond()
_ = graph.error_handler(name="oops", handler="(event)")
server = graph.to_mock_server()
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Any) -> Any:
    notebook = open_notebook("live", height=1000)
    notebook.run(START + "graph")
    notebook.run(STEPS)
    expect(node(notebook, "answer")).to_be_visible(timeout=20_000)
    expect(notebook.page.locator(".gk-static").first).to_be_hidden()
    return notebook


def view(notebook: Any, index: int = 0) -> Any:
    return notebook.page.locator(".gk-live").nth(index)


def node(notebook: Any, path: str, index: int = 0) -> Any:
    return view(notebook, index).locator(f"g.node[data-id='step:{path}']")


def edge(notebook: Any, name: str) -> Any:
    return view(notebook).locator(f"g.edge[data-id='{name}']")


def aside(notebook: Any, index: int = 0) -> Any:
    return view(notebook, index).locator(".gk-aside")


def has_class(name: str) -> re.Pattern[str]:
    return re.compile(rf"(^|\s){name}(\s|$)")


def becomes(notebook: Any, code: str, wanted: str) -> bool:
    """Return whether an expression comes to be a text in the kernel; what a page says may reach it after a cell."""
    return any(notebook.text(code) == wanted for _ in range(20))


def contrast(notebook: Any, element: Any, ground: Any) -> float:
    """Return the contrast of an element's fill or colour against another's fill, by WCAG 2.2."""
    colours = [
        item.evaluate(
            "(e, name) => { const s = getComputedStyle(e); return e.ownerSVGElement ? s.fill : s[name]; }", name
        )
        for item, name in ((element, "color"), (ground, "backgroundColor"))
    ]
    # a canvas turns whatever way of writing a colour into numbers
    bright = [
        notebook.page.evaluate(
            """colour => {
                const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
                pen.fillStyle = colour;
                pen.fillRect(0, 0, 1, 1);
                const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
                const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map(part);
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
            }""",
            colour,
        )
        for colour in colours
    ]
    return (max(bright) + 0.05) / (min(bright) + 0.05)


def test_steps_of_later_cells_appear_in_the_picture_that_is_there(notebook: Any) -> None:
    assert notebook.page.locator(".gk-live").count() == 1
    for path in ("clean", "scale", "models", "models/iris", "oops"):
        expect(node(notebook, path)).to_be_visible()


def test_a_step_appears_while_the_cell_that_adds_it_is_still_running(notebook: Any) -> None:
    seen = notebook.file.with_name("seen")
    notebook.run(
        "import pathlib\n"
        "_ = graph['scale'].to(name='late', handler='(event)')\n"
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.02)\n"
        "graph.clear_children('late')",
        wait=False,
    )
    expect(node(notebook, "late")).to_be_visible(timeout=15_000)
    seen.touch()
    expect(node(notebook, "late")).to_have_count(0)


def test_a_run_lights_its_path(notebook: Any) -> None:
    notebook.run("server.test(body=['1', '2', '3'])")
    expect(view(notebook)).to_have_attribute("data-run", "ok")
    for path in ("clean", "scale", "models", "models/wine", "answer"):
        expect(node(notebook, path)).to_have_class(has_class("gk-ok"))
    expect(edge(notebook, "flow:clean:scale")).to_have_class(has_class("gk-taken"))
    expect(edge(notebook, "flow:clean:scale").locator(".gk-chip")).to_have_text("3 items")
    expect(node(notebook, "oops")).to_have_class(has_class("gk-idle"))
    expect(node(notebook, "clean").locator(".gk-pill")).to_contain_text(re.compile("[µm]s"))
    expect(view(notebook).locator(".gk-badge")).to_have_text("200")


def test_a_failed_step_is_red_and_says_why(notebook: Any) -> None:
    notebook.run("server.test(body=['1', 'x'], silent=True)")
    expect(node(notebook, "clean")).to_have_class(has_class("gk-bad"))
    expect(node(notebook, "oops")).to_have_class(has_class("gk-ok"))
    expect(view(notebook).locator(".gk-error")).to_contain_text("could not convert string to float: 'x'")
    notebook.run("server.test(body=['1'])")
    expect(node(notebook, "clean")).to_have_class(has_class("gk-ok"))


def test_it_moves_while_a_run_is_going(notebook: Any) -> None:
    notebook.run(
        "waiting = threading.Event()\n"
        "def wait(rows):\n"
        "    waiting.wait(20)\n"
        "    return rows\n"
        "slow = graphkit.new_flow('slow')\n"
        "_ = slow.to(name='first', handler='(event)').to(wait).respond()\n"
        "slow"
    )
    expect(node(notebook, "wait", 1)).to_be_visible()
    notebook.run(
        "run = threading.Thread(target=slow.to_mock_server(namespace=globals()).test, kwargs={'body': 1})\nrun.start()"
    )
    expect(node(notebook, "wait", 1)).to_have_class(has_class("gk-run"))
    expect(node(notebook, "first", 1)).to_have_class(has_class("gk-ok"))
    expect(view(notebook, 1).locator(".gk-badge")).to_have_text("running")
    notebook.run("waiting.set()\nrun.join()")
    expect(node(notebook, "wait", 1)).to_have_class(has_class("gk-ok"))


def test_a_click_opens_the_inspector_and_escape_closes_it(notebook: Any) -> None:
    node(notebook, "scale").click()
    expect(aside(notebook)).to_be_visible()
    expect(aside(notebook).locator(".gk-aside-body")).to_contain_text("row * 2")
    expect(node(notebook, "scale")).to_have_class(has_class("gk-selected"))
    assert becomes(notebook, "graphkit.seam.display.live(graph).selected", "'scale'")
    node(notebook, "scale").focus()
    notebook.page.keyboard.press("Escape")
    expect(aside(notebook)).to_be_hidden()
    assert becomes(notebook, "graphkit.seam.display.live(graph).selected", "''")


def test_the_keyboard_goes_from_node_to_node_and_opens_the_inspector(notebook: Any) -> None:
    cells = notebook.page.locator(".jp-Notebook .jp-Cell").count()
    node(notebook, "clean").focus()
    notebook.page.keyboard.press("ArrowDown")
    expect(node(notebook, "scale")).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(aside(notebook).locator(".gk-aside-title")).to_have_text("scale")
    expect(aside(notebook).locator(".gk-aside-body")).to_contain_text("row * 2")
    notebook.page.keyboard.press("ArrowUp")
    expect(node(notebook, "clean")).to_be_focused()
    notebook.page.keyboard.press("e")
    expect(edge(notebook, "flow:clean:scale")).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(aside(notebook).locator(".gk-aside-title")).to_have_text("clean → scale")
    expect(aside(notebook).locator(".gk-aside-body")).to_contain_text("1.0")
    notebook.page.keyboard.press("Escape")
    expect(aside(notebook)).to_be_hidden()
    # keys that mean something to a notebook were the picture's
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_step_can_be_selected_from_the_kernel(notebook: Any) -> None:
    notebook.page.locator(".jp-Notebook .jp-Cell").last.click()
    notebook.run("graphkit.seam.display.live(graph).selected = 'models/iris'")
    expect(aside(notebook).locator(".gk-aside-title")).to_have_text("iris")
    notebook.run("graphkit.seam.display.live(graph).selected = ''")
    expect(aside(notebook)).to_be_hidden()


def test_two_views_of_a_graph_move_together_and_share_no_id(notebook: Any) -> None:
    shown = notebook.run("graph").locator(".gk-live")
    expect(shown.locator("g.node[data-id='step:clean']")).to_be_visible()
    other = notebook.page.locator(".gk-live").count() - 1
    notebook.run("_ = graph['scale'].to(name='twice', handler='(event)')")
    for index in (0, other):
        expect(node(notebook, "twice", index)).to_be_visible()
    ids = notebook.page.evaluate("[...document.querySelectorAll('.gk-live [id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    # opened in one view, only marked in the other
    node(notebook, "clean", other).click()
    expect(aside(notebook, other)).to_be_visible()
    expect(node(notebook, "clean")).to_have_class(has_class("gk-selected"))
    expect(aside(notebook, 0)).to_be_hidden()
    notebook.page.keyboard.press("Escape")
    notebook.run("graph.clear_children('twice')")
    expect(node(notebook, "twice")).to_have_count(0)


def test_a_router_is_folded_and_opened_with_mouse_and_keyboard(notebook: Any) -> None:
    view(notebook).get_by_role("button", name="Fold models").click()
    expect(node(notebook, "models/iris")).to_have_count(0)
    expect(node(notebook, "models")).to_have_attribute("aria-expanded", "false")
    expect(node(notebook, "models")).to_contain_text("2 routes")
    node(notebook, "models").focus()
    notebook.page.keyboard.press("Space")
    expect(node(notebook, "models/iris")).to_be_visible()
    expect(node(notebook, "models")).to_be_focused()


def test_a_large_graph_begins_folded(notebook: Any) -> None:
    shown = notebook.run(
        "large = step = graphkit.new_flow()\n"
        "for i in range(200):\n    step = step.to(name=f's{i}', handler='(event)')\n"
        "large"
    ).locator(".gk-live")
    expect(shown.locator("g.node")).to_have_count(10)
    expect(shown.locator(".gk-note")).to_have_text("200 steps, drawn as 9.")
    shown.get_by_role("button", name="Unfold all").click()
    expect(shown.locator("g.node")).to_have_count(201)


def test_a_step_is_found_by_its_name(notebook: Any) -> None:
    search = view(notebook).get_by_role("searchbox")
    search.fill("iri")
    expect(view(notebook).locator(".gk-found")).to_have_text("1 of 1")
    expect(node(notebook, "models/iris")).to_have_class(has_class("gk-match"))
    search.press("Enter")
    expect(aside(notebook).locator(".gk-aside-title")).to_have_text("iris")
    search.press("Escape")
    search.press("Escape")
    expect(aside(notebook)).to_be_hidden()


def test_the_picture_is_zoomed_and_fitted(notebook: Any) -> None:
    def width() -> float:
        return float(node(notebook, "clean").bounding_box()["width"])

    before = width()
    view(notebook).get_by_role("button", name="Zoom in").click()
    notebook.page.wait_for_function(
        "([id, least]) => document.querySelector(id).getBoundingClientRect().width > least",
        arg=[".gk-live g.node[data-id='step:clean']", before * 1.15],
    )
    view(notebook).get_by_role("button", name="Show the whole graph").click()
    notebook.page.wait_for_function(
        "([id, most]) => document.querySelector(id).getBoundingClientRect().width < most",
        arg=[".gk-live g.node[data-id='step:clean']", before * 1.05],
    )


def test_it_is_named_for_those_who_do_not_see_it(notebook: Any) -> None:
    notebook.run("server.test(body=['1'])")
    picture = view(notebook).locator(".gk-svg")
    expect(picture).to_have_attribute("role", "group")
    expect(picture).to_have_attribute(
        "aria-label", re.compile("Flow 'shop' with 5 steps: clean; scale; models, a router")
    )
    expect(node(notebook, "clean")).to_have_attribute("aria-label", re.compile("clean, task, took "))
    assert view(notebook).locator("[tabindex='0'][data-id]").count() == 1


def test_a_changed_step_and_a_new_one_are_told_apart(notebook: Any) -> None:
    notebook.run("def scale(rows): return [row * 3 for row in rows]")
    expect(node(notebook, "scale")).to_have_class(has_class("gk-stale"))
    notebook.run("_ = graph['scale'].to(name='new', handler='(event)')")
    expect(node(notebook, "new")).to_have_class(has_class("gk-unbound"))
    expect(view(notebook).locator(".gk-legend")).to_contain_text("changed since bound")
    notebook.run("server.test(body=['1'])")
    expect(node(notebook, "scale")).to_have_class(has_class("gk-ok"))
    expect(node(notebook, "scale")).not_to_have_class(has_class("gk-stale"))
    notebook.run("graph.clear_children('new')")
    expect(node(notebook, "new")).to_have_count(0)


@pytest.mark.parametrize("name", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_can_be_read_in_either_theme(notebook: Any, name: str) -> None:
    notebook.theme(name)
    notebook.run("server.test(body=['1', 'x'], silent=True)")
    expect(node(notebook, "clean")).to_have_class(has_class("gk-bad"))
    notebook.page.wait_for_timeout(400)  # colours fade into one another
    for path in ("clean", "scale", "models", "models/iris", "oops"):
        shown = node(notebook, path)
        ground = shown.locator("ellipse, polygon").first
        assert contrast(notebook, shown.locator("text").first, ground) >= 4.5, path
    ground = view(notebook)
    node(notebook, "clean").click()
    for text in (".gk-error", ".gk-request", ".gk-aside-title", ".gk-aside-kind"):
        assert contrast(notebook, view(notebook).locator(text), ground) >= 4.5, text
    notebook.page.keyboard.press("Escape")


def test_a_run_has_the_colours_of_its_still_picture(notebook: Any) -> None:
    notebook.theme("JupyterLab Light")
    notebook.run("server.test(body=['1', 'x'], silent=True)")
    expect(node(notebook, "clean")).to_have_class(has_class("gk-bad"))
    notebook.page.wait_for_timeout(400)  # colours fade into one another
    failed = node(notebook, "clean").locator("ellipse").first
    taken = edge(notebook, "start:clean").locator("path:not(.gk-hit)")
    handled = node(notebook, "oops").locator("ellipse").first
    for shape, name, color in (
        (failed, "fill", theme.mixed(theme.WRONG, theme.FAILED_FILL)),
        (failed, "stroke", theme.FAILED.color),
        (taken, "stroke", theme.TAKEN.color),
        (view(notebook).locator(".gk-legend .gk-heat4"), "backgroundColor", theme.mixed(theme.HOT, theme.HEAT[4])),
        (handled, "stroke", theme.PASSED.color),
    ):
        found, wanted = pixel(notebook, shape, name), list(bytes.fromhex(color[1:]))
        # the page's ink is not quite that of a still picture
        assert max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= 8, (name, color, found)
    assert failed.evaluate("e => getComputedStyle(e).strokeWidth") == f"{theme.FAILED.width}px"


def pixel(notebook: Any, element: Any, name: str) -> list[int]:
    """Return what a colour of an element's style looks like, as numbers."""
    color = element.evaluate("(e, name) => getComputedStyle(e)[name]", name)
    found: list[int] = notebook.page.evaluate(
        """colour => {
            const pen = document.createElement('canvas').getContext('2d');
            pen.fillStyle = 'white';
            pen.fillRect(0, 0, 1, 1);
            pen.fillStyle = colour;
            pen.fillRect(0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }""",
        color,
    )
    return found


def test_markup_in_names_values_and_errors_is_text(notebook: Any) -> None:
    evil = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    notebook.run(
        f"evil = {evil!r}\n"
        "def fails(event): raise ValueError(evil)\n"
        "bad = graphkit.new_flow(evil[:20])\n"
        "first = bad.to(name='a' + evil.replace('/', ''), handler='(event)')\n"
        "first.comment = evil\n"
        "_ = first.to(name='fails', handler=fails).respond()\n"
        "bad"
    )
    last = notebook.page.locator(".gk-live").count() - 1
    notebook.run("bad.to_mock_server(namespace={}).test(body={evil: evil}, silent=True)")
    expect(node(notebook, "fails", last)).to_have_class(has_class("gk-bad"))
    for shown in (view(notebook, last).locator("g.node").nth(1), node(notebook, "fails", last)):
        shown.hover()
        expect(view(notebook, last).locator(".gk-tip")).to_be_visible()
        shown.click()
        expect(aside(notebook, last).locator(".gki-title")).to_be_visible()
    expect(aside(notebook, last)).to_contain_text("ValueError: <img src=x")
    edge_ids = view(notebook, last).locator("g.edge")
    edge_ids.first.focus()
    notebook.page.keyboard.press("Enter")
    expect(aside(notebook, last)).to_contain_text("<img src=x")
    notebook.page.keyboard.press("Escape")
    assert notebook.page.evaluate("window.hacked") is None
    assert view(notebook, last).locator("script, img, a, foreignObject").count() == 0


def test_what_a_kernel_could_send_is_built_anew_from_what_is_harmless(notebook: Any) -> None:
    """The page trusts neither the picture nor the panel, whoever made them."""
    notebook.run("shown = graphkit.seam.display.live(graph)\nkept = dict(shown._picture)")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1"><script>window.hacked=1</script>'
        '<g class="graph"><g id="start" class="node start" onclick="window.hacked=1"><a href="javascript:hacked=1">'
        '<ellipse cx="9" cy="9" rx="9" ry="9" style="fill:url(http://192.0.2.1/x)"/></a>'
        "<text>safe</text><foreignObject><iframe/></foreignObject></g></g></svg>"
    )
    notebook.run(f"shown._picture = {{**kept, 'svg': {svg!r}, 'revision': 900}}")
    expect(view(notebook)).to_have_attribute("data-revision", "900")
    expect(view(notebook).locator("g.node ellipse")).to_have_count(1)  # once the old picture has faded
    assert view(notebook).locator(".gk-svg :is(script, a, foreignObject, iframe, [style*=url], [onclick])").count() == 0
    notebook.run("shown._picture = kept")
    node(notebook, "clean").click()
    html = (
        "<p>kept</p><script>window.hacked=1</script><img src='http://192.0.2.1/x.png' onerror='window.hacked=1'>"
        "<a href='javascript:hacked=1'>link</a><style>@import 'http://192.0.2.1/x.css'</style>"
        "<iframe src='//192.0.2.1'></iframe><div style='background:url(http://192.0.2.1/y)'>x</div>"
        "<form action='/'><input></form>"
    )
    notebook.run(f"shown.send({{'type': 'panel', 'id': 'step:clean', 'html': {html!r}}})")
    body = aside(notebook).locator(".gk-aside-body")
    expect(body).to_contain_text("kept")
    assert body.locator("script, a, style, iframe, form, input, [src], [style], [onerror]").count() == 0
    notebook.page.keyboard.press("Escape")
    assert notebook.page.evaluate("window.hacked") is None


def test_with_less_motion_nothing_moves(notebook: Any) -> None:
    notebook.page.emulate_media(reduced_motion="reduce")
    notebook.run("_ = graph['scale'].to(name='calm', handler='(event)')")
    expect(node(notebook, "calm")).to_be_visible()
    running = "document.querySelector('.gk-live').getAnimations({subtree: true}).length"
    assert notebook.page.evaluate(running) == 0
    notebook.page.emulate_media(reduced_motion="no-preference")
    notebook.run("graph.clear_children('calm')")


def test_after_a_restart_of_the_kernel_the_picture_stays_and_says_so(notebook: Any) -> None:
    """The last test of this notebook."""
    notebook.restart_kernel()
    expect(node(notebook, "clean")).to_be_visible()
    node(notebook, "clean").click()
    expect(aside(notebook)).to_contain_text("it was restarted", timeout=10_000)
    expect(aside(notebook)).to_contain_text("failed")  # what the page knows of the last run
    notebook.run(START + STEPS + "graph")
    last = notebook.page.locator(".gk-live").count() - 1
    expect(node(notebook, "answer", last)).to_be_visible()


def test_in_notebook_7_it_is_live_too(open_notebook: Any) -> None:
    notebook = open_notebook("live-7", app="notebook")
    notebook.run(START + "graph")
    notebook.run(STEPS)
    expect(node(notebook, "answer")).to_be_visible(timeout=20_000)
    notebook.run("server.test(body=['1'])")
    expect(node(notebook, "scale")).to_have_class(has_class("gk-ok"))
    node(notebook, "scale").click()
    expect(aside(notebook).locator(".gk-aside-body")).to_contain_text("row * 2")


@pytest.fixture(scope="module")
def saved(open_notebook: Any) -> Any:
    """Return a saved notebook with a graph and a run."""
    made = open_notebook("made")
    made.run(START + STEPS)
    made.run("graph")
    expect(node(made, "answer")).to_be_visible(timeout=20_000)
    made.run("server.test(body=['1'])\nserver.last_run")
    book = made.save()
    made.page.close()
    return book


def test_a_notebook_that_is_not_trusted_shows_picture_and_table(open_notebook: Any, saved: Any) -> None:
    strange = copy.deepcopy(saved)
    strange.cells[0].source += "# from somewhere else"  # so that it differs from what was signed
    notebook = open_notebook("strange", book=strange)
    picture = notebook.page.locator(".jp-OutputArea-output img[alt^='Flow']").first
    expect(picture).to_be_visible()
    assert picture.bounding_box()["height"] > 200
    expect(notebook.page.locator(".jp-OutputArea-output table")).to_contain_text("scale")
    assert notebook.page.locator(".gk-live").count() == 0


def test_a_notebook_of_ones_own_shows_the_picture_before_its_cells_are_run_again(
    open_notebook: Any, saved: Any
) -> None:
    notebook = open_notebook("mine", book=saved)
    expect(notebook.page.locator(".gk-static img[alt^='Flow']")).to_be_visible(timeout=20_000)
    expect(notebook.page.get_by_text("Error displaying widget")).to_be_hidden()
    notebook.run_all()
    expect(node(notebook, "answer")).to_be_visible(timeout=20_000)
    expect(notebook.page.locator(".gk-static")).to_be_hidden()
