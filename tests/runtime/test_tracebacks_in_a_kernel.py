"""What a notebook shows of an error: the line that failed and the cell that asked, nothing of what is in between."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "setup": "import asyncio, json, graphkit\n"
    "def clean(x):\n"
    "    wanted = 'a number'\n"
    "    raise ValueError('no ' + str(x))\n"
    "async def fetch(x):\n"
    "    await asyncio.sleep(0)\n"
    "    raise KeyError(x)\n"
    "def server_of(*steps, **fields):\n"
    "    graph = graphkit.new_flow()\n"
    "    last = graph\n"
    "    for step in steps:\n"
    "        last = last.to(step, **fields)\n"
    "    return graph.to_mock_server()",
    "plain": "server_of(clean).test(body=1)  # the cell's own line",
    "awaiting": "server_of(fetch).test(body=1)  # the cell's own line",
    "on the loop": "bound = server_of(fetch)\n"
    "(await bound.run_async(graphkit.Event(1))).status_code, bound.graph['fetch'].run(graphkit.Event(1))",
    "bind": "server_of('clan').test(body=1)  # the cell's own line",
    "library": "server_of(json.loads).test(body='{', content_type='text/plain')  # the cell's own line",
    "expression": "server_of('(event[0] + 1)', name='e').test(body='x')  # the cell's own line",
    "build": "graphkit.new_flow(engine='asnc')  # the cell's own line",
    "whole": "try:\n"
    "    server_of(clean).test(body=1)\n"
    "except graphkit.StepError as exc:\n"
    "    exc._render_traceback_()\n"
    "    import traceback\n"
    "    print('machine.py' in ''.join(traceback.format_exception(exc)))",
    "verbose": "%xmode Verbose\nserver_of(clean).test(body=1)",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the last output of each cell as text without colours."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.values()])
    folder = Path(__file__).resolve().parents[2]
    client = NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return {name: text_of(cell.outputs) for name, cell in zip(CELLS, notebook.cells, strict=True)}


def text_of(outputs: list[Any]) -> str:
    if not outputs:
        return ""
    last = outputs[-1]
    text = "\n".join(last["traceback"]) if last["output_type"] == "error" else str(last.get("text"))
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def assert_only_the_users(text: str) -> None:
    assert "the cell's own line" in text
    assert "graphkit/" not in text
    assert "<graphkit run>" not in text
    assert not re.search(r"File .*(asyncio|concurrent|simpleeval|threading)", text), text


@pytest.mark.slow
def test_a_failing_step_shows_its_line_and_the_cell(shown: dict[str, str]) -> None:
    text = shown["plain"]
    assert_only_the_users(text)
    assert "raise ValueError('no ' + str(x))" in text
    assert "ValueError: no 1" in text
    assert text.rstrip().endswith("StepError: step 'clean' failed: ValueError: no 1")


@pytest.mark.slow
def test_a_failing_step_that_awaits_shows_its_line_and_the_cell(shown: dict[str, str]) -> None:
    text = shown["awaiting"]
    assert_only_the_users(text)
    assert "raise KeyError(x)" in text


@pytest.mark.slow
def test_a_step_on_its_own_shows_its_line(shown: dict[str, str]) -> None:
    text = shown["on the loop"]
    assert "raise KeyError(x)" in text
    assert "graphkit/" not in text


@pytest.mark.slow
def test_what_is_wrong_with_the_graph_is_said_once(shown: dict[str, str]) -> None:
    text = shown["bind"]
    assert_only_the_users(text)
    assert text.count("'clan' is not defined") == 1
    assert "did you mean 'clean'" in text


@pytest.mark.slow
def test_frames_of_other_libraries_are_the_users_business(shown: dict[str, str]) -> None:
    text = shown["library"]
    assert_only_the_users(text)
    assert "decoder.py" in text


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["expression", "build"])
def test_errors_with_no_line_of_the_user_but_the_cells(shown: dict[str, str], cell: str) -> None:
    assert_only_the_users(shown[cell])


@pytest.mark.slow
def test_the_exception_itself_stays_whole(shown: dict[str, str]) -> None:
    assert shown["whole"].strip() == "True"
    assert "graphkit/runtime/" in shown["verbose"]
