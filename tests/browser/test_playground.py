"""The playground on a real page: asking, the history, steps, replays after a cell was run again, bursts, cancelling."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

GRAPH = """
import time, graphkit

def clean(body):
    return {"x": body["x"] * 2}

def label(body):
    return {"y": body["x"] + 1}

graph = graphkit.new_flow()
graph.to(clean).to(label).respond()
server = graph.to_mock_server()
playground = server.playground()
playground
"""
#: Memory that the kernel holds, in MB.
MEMORY = "__import__('psutil').Process().memory_info().rss / 2**20"
NASTY = "<img src=x onerror=window.owned=1>"


class Page:
    """The playground in a cell, by what a user sees of it."""

    def __init__(self, notebook: Any, code: str = GRAPH) -> None:
        self.notebook = notebook
        self.cell = notebook.run(code)
        self.box = self.cell.locator(".graphkit-playground")
        self.box.wait_for()

    def button(self, name: str) -> Any:
        return self.box.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Any:
        return self.box.get_by_label(name, exact=True)

    def ask(self, body: str) -> None:
        self.field("Body").fill(body)
        self.button("Run").click()

    def view(self, name: str) -> None:
        self.button(name).click()


@pytest.fixture(scope="module", params=["lab", "notebook"])
def page(request: pytest.FixtureRequest, open_notebook: Any) -> Page:
    """Return a playground in each application; the tests of this module use it one after the other."""
    return Page(open_notebook(f"playground-{request.param}", app=request.param))


def test_a_request_is_sent_with_the_keyboard_and_its_run_is_shown(page: Page) -> None:
    body = page.field("Body")
    body.click()
    body.fill('{"x": 3}')
    page.button("Run").focus()
    page.notebook.page.keyboard.press("Enter")
    expect(page.box.get_by_text("Done: POST /")).to_be_visible()
    expect(page.box.locator("table").first).to_contain_text("label")
    expect(page.box).to_contain_text("'y': 7")
    assert page.notebook.text("server.last_run.answer") == "{'y': 7}"


def test_a_body_that_is_not_json_is_said_as_it_is_typed(page: Page) -> None:
    page.field("Body").fill('{"x": }')
    expect(page.box.get_by_role("alert")).to_contain_text("line 1, column 7")
    expect(page.button("Run")).to_be_disabled()
    page.field("Body").fill('{"x": 1}')
    expect(page.button("Run")).to_be_enabled()


def test_the_history_has_the_runs_of_cells_too_and_a_choice_shows_one(page: Page) -> None:
    page.notebook.run('_ = [server.test(body={"x": n}) for n in (100, 200)]')
    history = page.field("Runs")
    expect(history.locator("option").first).to_contain_text("POST /")
    expect(page.box).to_contain_text("'y': 401")
    history.select_option(index=1)
    expect(page.box).to_contain_text("'y': 201")


def test_a_run_is_walked_through_step_by_step(page: Page) -> None:
    page.ask('{"x": 5}')
    expect(page.box).to_contain_text("'y': 11")
    page.view("Steps")
    expect(page.box.get_by_text("Before the first of 2 steps.")).to_be_visible()
    page.button("Forward ▶").click()
    expect(page.box).to_contain_text("1 of 2: clean")
    page.button("Forward ▶").click()
    expect(page.box).to_contain_text("2 of 2: label")
    page.button("◀ Back").click()
    expect(page.box).to_contain_text("1 of 2: clean")


def test_a_replay_after_a_cell_was_run_again_uses_the_new_code_and_is_compared(page: Page) -> None:
    runs = int(page.notebook.text("len(server.runs)"))
    page.ask('{"x": 5}')
    # an earlier run is done too: this one must be, before its code changes
    expect(page.box).to_contain_text(f"{runs + 1}. POST /")
    expect(page.box.get_by_text("Done: POST /")).to_be_visible()
    page.notebook.run("def label(body):\n    return {'y': body['x'] + 1000}")
    page.view("Steps")
    page.field("Replay from").select_option("label")
    page.button("Replay").click()
    expect(page.box.get_by_text("replay from label").first).to_be_visible()
    assert page.notebook.text("server.last_run.answer") == "{'y': 1010}"
    assert page.notebook.text("[step.replayed for step in server.last_run.steps]") == "[True, False]"
    page.view("Compare")
    page.button("Compare runs").click()
    expect(page.box).to_contain_text("y: 11 -> 1010")
    page.view("Result")


def test_a_burst_has_a_progress_bar_and_a_plot_and_keeps_file_and_kernel_small(page: Page) -> None:
    before = float(page.notebook.text(MEMORY))
    page.view("Burst")
    page.field("Body").fill('{"x": 1}')
    page.field("Events").fill("10000")
    page.field("Events").press("Tab")
    page.button("Start burst").click()
    expect(page.box.locator(".widget-hprogress, .jupyter-widget-hprogress")).to_be_visible()
    expect(page.box.get_by_text("10,000 events to /")).to_be_visible(timeout=120_000)
    expect(page.box.get_by_role("img", name="histogram of 10,000 latencies")).to_be_visible()
    assert float(page.notebook.text(MEMORY)) - before < 50
    page.notebook.save()
    assert page.notebook.file.stat().st_size < 200_000
    page.view("Result")


def test_a_run_that_hangs_is_cancelled_while_the_kernel_stays_usable(page: Page) -> None:
    page.notebook.run("def label(body):\n    time.sleep(600)")
    page.ask('{"x": 1}')
    expect(page.box.get_by_text("Running …")).to_be_visible()
    assert page.notebook.text("1 + 1") == "2"
    page.button("Cancel").click()
    expect(page.box.get_by_text("Cancelled: POST /")).to_be_visible()
    expect(page.box).to_contain_text("cancelled in step 'label'")
    page.notebook.run("def label(body):\n    return 'well again'")
    page.ask('{"x": 1}')
    expect(page.box).to_contain_text("well again")


def test_what_users_write_is_shown_as_text_and_never_runs(page: Page) -> None:
    page.notebook.run(f"def label(body):\n    raise ValueError({NASTY!r})")
    page.field("Path").fill(f"/{NASTY}")
    page.field("Path").press("Tab")
    page.ask(f'{{"x": "{NASTY}"}}')
    expect(page.box.get_by_text("Failed: POST /<img")).to_be_visible()
    page.view("Steps")
    page.button("Forward ▶").click()
    page.view("Compare")
    page.button("Compare runs").click()
    page.view("Result")
    assert page.notebook.page.evaluate("window.owned === undefined && !document.querySelector('img[src=x]')")
    page.field("Path").fill("/")
    page.field("Path").press("Tab")


def test_after_a_restart_of_the_kernel_the_page_fails_nowhere_and_the_cell_works_again(page: Page) -> None:
    page.notebook.restart_kernel()
    # the controls stay, each with a sign that nobody listens any more
    expect(page.box.locator("button.jupyter-widgets-disconnected").first).to_be_visible()
    page.box.get_by_text("Run", exact=True).click()
    again = Page(page.notebook)
    again.ask('{"x": 20}')
    expect(again.box).to_contain_text("'y': 41")
    assert page.notebook.own_errors() == []


def test_the_controls_stand_beside_the_graph_and_both_are_in_view_with_what_is_seen_of_a_run(
    open_notebook: Any,
) -> None:
    page = Page(open_notebook("playground-wide", width=1400, height=950))
    page.ask('{"x": 3}')
    expect(page.box.get_by_text("Done: POST /")).to_be_visible()
    page.view("Steps")
    live = page.box.locator(".gk-live")
    live.scroll_into_view_if_needed()
    graph = live.bounding_box()
    for name in ("Run", "Cancel"):
        place = page.button(name).bounding_box()
        assert place["x"] > graph["x"] + graph["width"]
    for name in ("Run", "Cancel", "Forward ▶"):
        expect(page.button(name)).to_be_in_viewport(ratio=1)
    expect(live).to_be_in_viewport(ratio=1)
    page.notebook.page.set_viewport_size({"width": 900, "height": 950})
    page.notebook.page.wait_for_function(
        "() => document.querySelector('.gk-live').getBoundingClientRect().bottom"
        " <= document.querySelector('.gk-play-ask').getBoundingClientRect().top"
    )


def test_opened_again_without_its_kernel_there_is_the_picture_with_the_last_run(open_notebook: Any) -> None:
    book = open_notebook("playground-saved")
    book.run(GRAPH.replace("playground = ", "_ = server.test(body={'x': 1})\nplayground = "))
    cell = book.cell(-1)
    cell.locator(".graphkit-playground .gk-live").wait_for()
    expect(cell.locator(".gk-static")).to_be_hidden()
    saved = book.save()
    book.page.close()
    # what was saved here is trusted; another file has another kernel, which knows none of its widgets
    again = open_notebook("playground-reopened", book=saved)
    cell = again.cell(-1)
    expect(cell.locator(".gk-static img")).to_be_visible()
    expect(cell.locator(".gk-static table")).to_contain_text("label")
    expect(cell.get_by_text("Loading widget")).to_be_hidden(timeout=20_000)
    expect(cell.get_by_text("Error displaying widget")).to_be_hidden()
