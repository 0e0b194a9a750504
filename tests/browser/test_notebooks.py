"""The pages themselves: what the other tests of this folder rest on."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_cells_run_and_show_what_they_return(open_notebook: Any, app: str) -> None:
    notebook = open_notebook(f"cells-{app}", "x = 20", app=app)
    notebook.run_all()
    assert notebook.text("x + 22") == "42"


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_static_picture_is_shown(open_notebook: Any, app: str) -> None:
    notebook = open_notebook(f"static-{app}", app=app)
    shown = notebook.run(
        "import graphkit\ngraph = graphkit.new_flow()\ngraph.to(name='clean', handler='(event)')\ngraph.plot()"
    )
    picture = shown.locator("img")
    picture.wait_for()
    assert picture.bounding_box()["height"] > 60
