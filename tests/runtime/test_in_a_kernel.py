"""In a real kernel, where a loop runs already and cells are run again: the notebook is executed, as a user would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    # 0: functions of cells, found by name and given as objects
    "import asyncio, graphkit\n"
    "def clean(x):\n"
    "    return x + 1\n"
    "async def fetch(x):\n"
    "    await asyncio.sleep(0)\n"
    "    return x * 10\n"
    "class Counter:\n"
    "    def __init__(self):\n"
    "        self.count = 0\n"
    "    def do(self, x):\n"
    "        self.count += 1\n"
    "        return [x, self.count]\n"
    "graph = graphkit.new_flow()\n"
    "graph.to(clean).to(name='fetch', handler='fetch').to('Counter').respond()\n"
    "server = graph.to_mock_server()\n"
    "server.test(body=1)",
    # 1: the loop of the kernel runs; a step awaits all the same
    "assert asyncio.get_running_loop().is_running()\nserver.test(body=2)",
    # 2: a cell that is run again
    "def clean(x):\n    return x + 100",
    # 3: only the step concerned is bound again
    "server.test(body=1)",
    # 4: on the kernel's own loop
    "await server.run_async(graphkit.Event(1), get_body=True)",
    # 5: the same cell again
    "graph.to(clean).to(name='fetch', handler='fetch').to('Counter').respond()\nserver.test(body=1)",
    # 6: a run that is shown
    "server.last_run",
    # 7: a clear error
    "def clean(x):\n    raise ValueError('no ' + str(x))\nserver.test(body=1)",
    # 8: classes of cells in other processes
    "class Scaled:\n"
    "    def __init__(self, by):\n"
    "        self.by = by\n"
    "    def do(self, body):\n"
    "        return {str(self.by): body['x'] * self.by}\n"
    "router = graphkit.new_router('ParallelRun', executor_type='process')\n"
    "router.add_route('a', class_name=Scaled, by=2)\n"
    "router.add_route('b', class_name='Scaled', by=3)\n"
    "both = graphkit.create_graph_server(graph=router)\n"
    "answers = [both.test(body={'x': 1}), both.test(body={'x': 2})]\n"
    "both.wait_for_completion()\n"
    "answers",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the last output of each cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    folder = Path(__file__).resolve().parents[2]
    client = NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell.outputs[-1] if cell.outputs else {} for cell in notebook.cells]


def shown(output: dict[str, Any]) -> Any:
    assert output.get("output_type") == "execute_result", output
    return output["data"]["text/plain"]


@pytest.mark.slow
def test_a_graph_with_awaiting_steps_is_tested_inside_the_running_loop(outputs: list[dict[str, Any]]) -> None:
    assert [shown(outputs[0]), shown(outputs[1])] == ["[20, 1]", "[30, 2]"]


@pytest.mark.slow
def test_a_cell_that_is_run_again_counts_and_counters_are_kept(outputs: list[dict[str, Any]]) -> None:
    assert [shown(outputs[3]), shown(outputs[4])] == ["[1010, 3]", "[1010, 4]"]


@pytest.mark.slow
def test_the_cell_that_builds_the_graph_may_be_run_again(outputs: list[dict[str, Any]]) -> None:
    assert shown(outputs[5]) == "[1010, 5]"


@pytest.mark.slow
def test_a_run_shows_itself(outputs: list[dict[str, Any]]) -> None:
    assert "Counter" in shown(outputs[6])
    assert "<table" in outputs[6]["data"]["text/html"]


@pytest.mark.slow
def test_an_error_names_the_step_and_shows_the_users_own_line(outputs: list[dict[str, Any]]) -> None:
    assert (outputs[7]["output_type"], outputs[7]["ename"]) == ("error", "StepError")
    assert outputs[7]["evalue"] == "step 'clean' failed: ValueError: no 1"
    assert any("no 1" in line and "ValueError" in line for line in outputs[7]["traceback"])


@pytest.mark.slow
def test_classes_of_cells_run_in_other_processes(outputs: list[dict[str, Any]]) -> None:
    assert shown(outputs[8]) == "[{'2': 2, '3': 3}, {'2': 4, '3': 6}]"
