"""What a page shows without widgets: pictures that can be read, and tables of runs whose columns keep their width."""

from __future__ import annotations

from typing import Any

import pytest

WIDE = """
import graphkit
graph = graphkit.new_flow()
first = graph.to(name="first", handler="(event)")
for index in range({count}):
    first.to(name=f"a_rather_long_name_{{index}}", handler="(event)")
from IPython.display import HTML
from graphkit.build.picture import drawn_topology
from graphkit.view.bundle import mime_bundle
HTML(mime_bundle(drawn_topology(graph))["text/html"])
"""
RUN = """
import graphkit
graph = graphkit.new_flow()
graph.to(name="a" * 80, handler="(event)").to(name="b", handler="(event)").respond()
server = graph.to_mock_server()
server.test(body={"id": "0123456789abcdef" * 20})
server.last_run
"""


@pytest.mark.parametrize("count", [11, 60])
def test_a_wide_fan_out_fits_into_the_page(open_notebook: Any, count: int) -> None:
    notebook = open_notebook(f"wide-{count}", app="lab")
    picture = notebook.run(WIDE.format(count=count)).locator("img")
    picture.wait_for()
    shrunk = picture.evaluate("image => image.getBoundingClientRect().width / image.naturalWidth")
    assert shrunk > 0.6
    assert picture.evaluate("image => image.getBoundingClientRect().right <= window.innerWidth")


def test_the_columns_of_a_run_keep_a_readable_width(open_notebook: Any) -> None:
    notebook = open_notebook("run-table", app="lab")
    table = notebook.run(RUN).locator("table")
    table.wait_for()
    widths = (
        table.locator("tbody tr")
        .first.locator("td")
        .evaluate_all("cells => cells.map(cell => cell.getBoundingClientRect().width)")
    )
    name, kind, time, given, returned = widths
    assert min(given, returned) > 110
    assert 70 < name < 300
    assert kind < given
    assert time < given
    assert table.evaluate("table => table.getBoundingClientRect().right <= window.innerWidth")
