"""What a cell shows of a graph: in a kernel, with and without a page that looks on, and outside of one."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

import graphkit
from graphkit.notebook.display import Display

WIDGET = "application/vnd.jupyter.widget-view+json"
STATIC = {"text/html", "image/svg+xml", "image/png", "text/plain"}
ROOT = Path(__file__).resolve().parents[2]


class Kernel:
    """A kernel of Jupyter's that runs cells, as a page does (it takes input) or as a program (it does not)."""

    def __init__(self) -> None:
        self._manager = KernelManager(kernel_name="python3")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._manager.start_kernel(env={**os.environ, "PYTHONPATH": path})
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, page: bool = True) -> dict[str, Any]:
        """Return the forms of what the cell returns."""
        shown: dict[str, Any] = {}
        self.live: list[Any] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["header"]["msg_type"] == "display_data":
                assert set(content["data"]) == {WIDGET}
                self.live.append(content["data"][WIDGET]["model_id"])
            assert message["header"]["msg_type"] != "error", "\n".join(content["traceback"])
            shown.update(content.get("data", {}) if message["header"]["msg_type"] == "execute_result" else {})

        self._client.execute_interactive(
            code, allow_stdin=page, output_hook=hear, stdin_hook=lambda _: None, timeout=120
        )
        return shown

    def stop(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel() -> Any:
    kernel = Kernel()
    kernel.run("import graphkit\ngraph = graphkit.new_flow()\n_ = graph.to(name='clean', handler='(event)')")
    yield kernel
    kernel.stop()


def test_outside_of_a_kernel_a_graph_is_a_picture() -> None:
    graph = graphkit.new_flow()
    graph.to(name="clean", handler="(event)")
    assert set(graph._repr_mimebundle_()) == STATIC
    assert set(graph._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}


@pytest.mark.slow
def test_no_widget_is_loaded_before_a_page_shows_a_graph(kernel: Kernel) -> None:
    loaded = "[name for name in ('anywidget', 'ipywidgets') if name in __import__('sys').modules]"
    assert kernel.run(loaded)["text/plain"] == "[]"
    assert set(kernel.run("graph", page=False)) == STATIC
    assert kernel.run(loaded)["text/plain"] == "[]"


@pytest.mark.slow
def test_a_page_gets_the_live_view_and_the_static_forms_as_the_result(kernel: Kernel) -> None:
    shown = kernel.run("graph")
    assert set(shown) == STATIC
    assert shown["text/plain"] == "flow, 1 step\n  start -> clean (answers)"
    assert f'class="gk-static gk-twin-{kernel.live[0]}"' in shown["text/html"]
    assert len(kernel.live) == 1


@pytest.mark.slow
def test_the_views_of_a_graph_are_one(kernel: Kernel) -> None:
    kernel.run("graph")
    first = kernel.live
    kernel.run("graph")
    assert kernel.live == first
    kernel.run("other = graphkit.new_flow()\nother")
    assert kernel.live != first


@pytest.mark.slow
def test_part_of_a_graph_is_a_picture(kernel: Kernel) -> None:
    kernel.run(
        "inner = graph.add_step(graphkit.FlowStep('inner'), name='inner')\n_ = inner.to(name='x', handler='(event)')"
    )
    assert set(kernel.run("inner")) == STATIC
    assert kernel.live == []


@pytest.mark.slow
def test_a_graph_is_drawn_while_the_cell_that_builds_it_is_still_running(kernel: Kernel) -> None:
    shown = kernel.run(
        "import time\n"
        "long = graphkit.new_flow()\n"
        "live = graphkit.seam.display.live(long)\n"
        "_ = long.to(name='first', handler='(event)')\n"
        "end = time.monotonic() + 30\n"
        "while 'first' not in live.nodes and time.monotonic() < end: time.sleep(0.01)\n"
        "list(live.nodes)"
    )
    assert shown["text/plain"] == "['first']"


@pytest.mark.slow
def test_a_cell_that_is_run_again_marks_the_steps_of_its_code(kernel: Kernel) -> None:
    kernel.run("def f(x): return x\ncoded = graphkit.new_flow()\n_ = coded.to(f).respond()\ncoded")
    kernel.run("server = coded.to_mock_server()\nserver.test(body=1)")
    kernel.run("def f(x): return x + 1")
    marks = "live = graphkit.seam.display.live(coded)\nlive.settle()\nlive._paint['bound']"
    assert kernel.run(marks)["text/plain"] == "{'step:f': 'stale'}"
    kernel.run("server.test(body=1)")
    assert kernel.run(marks)["text/plain"] == "{}"


@pytest.mark.slow
def test_without_anywidget_there_is_the_picture_and_a_line_that_says_what_to_install(kernel: Kernel) -> None:
    kernel.run("import sys\nkept = sys.modules.pop('anywidget', None)\nsys.modules['anywidget'] = None")
    try:
        shown = kernel.run("graph")
    finally:
        kernel.run("sys.modules.pop('anywidget')\nif kept: sys.modules['anywidget'] = kept")
    assert set(shown) == STATIC
    assert "<img" in shown["text/html"]
    assert "pip install &#x27;graphkit-serving[notebook]&#x27;" in shown["text/html"]


def test_each_display_remembers_the_pictures_of_graphs_that_are_alive() -> None:
    display, graph = Display(), graphkit.new_flow()
    live = display.live(graph)
    assert display.live(graph) is live
    assert display.live(graphkit.new_flow()) is not live
    gc.collect()
    display._after_cell()
    assert len(display._pictures) == 1
