"""The magics in a real kernel, as a user types them: what they show, what they answer, completion, and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

SETUP = """
import graphkit
%load_ext graphkit

class Model(graphkit.V2ModelServer):
    def load(self): ...
    def predict(self, request):
        return [1 / x for x in request["inputs"]]

    def explain(self, request):
        return {}

models = graphkit.new_router()
models.add_route("iris", class_name=Model)
models.add_route("double", handler="(event * 2)")
event = {"inputs": [1, 2]}
"""
TWO = """
flow = graphkit.new_flow()
flow.to(name="inc", handler="(event + 1)").respond()
server = flow.to_mock_server()
"""
COMPLETE = """
def complete(text):
    return [word for word in get_ipython().complete(None, text)[1] if not word.startswith("%")]
"""


def completed(text: str) -> str:
    return f"complete({text!r})"


#: A name for each cell.
CELLS = {
    "setup": SETUP,
    "only graph": "%graph",
    "mid cell": "%graph\n1",
    "variable": "%test iris/infer event",
    "json": '%test iris/infer {"inputs": [4]}',
    "expression": "%test iris/infer dict(inputs=[n for n in (1, 2)])",
    "get": "%test /v2/models/",
    "word": "%test iris/ready",
    "function": "%test double 21",
    "assigned": "answer = %test iris/infer event\nanswer['outputs']",
    "cell magic": "%%test iris/infer\n{'inputs': [\n    4,\n    5,\n]}",
    "failed": '%test iris/infer {"inputs": [0]}',
    "refused": "%test irs/infer event",
    "bad body": "%test iris/infer 1 +",
    "unknown body": "%test iris/infer undefined_name",
    "too much": "%%test iris/infer event\n1",
    "inspected": "models.inspect('iris')",
    "completion": f"{COMPLETE}\n[{completed('%graph ')}, {completed('%test ')}, {completed('%test iris/')}, "
    f"{completed('%test models iris/i')}, {completed('%test iris/infer ev')}, {completed('%%test do')}]",
    "two": TWO,
    "server": "%test 1",
    "named server": "%test server / 41",
    "named graph": "%test models iris/infer event",
    "several graphs": "%graph",
    "one by name": "%graph server",
    "no such graph": "%graph servr",
    "two servers": "other = flow.to_mock_server()\n%test 1",
    "nothing": "del models, flow, server, other\n%test 1",
    "nothing to show": "%graph",
    "unloaded": "%unload_ext graphkit\n%test 1",
    "reloaded": "%reload_ext graphkit\nflow = graphkit.new_flow()\n_ = flow.to(name='a', handler='(event)')\n%graph",
}


@pytest.fixture(scope="module")
def cells() -> dict[str, list[dict[str, Any]]]:
    """Return the outputs of each cell by its name."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.values()])
    folder = Path(__file__).resolve().parents[2]
    client = NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return dict(zip(CELLS, [cell.outputs for cell in notebook.cells], strict=True))


def text(outputs: list[dict[str, Any]]) -> str:
    """Return what the last output shows as text."""
    data: str = outputs[-1]["data"]["text/plain"]
    return data


def usage(outputs: list[dict[str, Any]]) -> str:
    """Return the one line of a mistake; there is no traceback with it."""
    (output,) = outputs
    assert output["output_type"] == "stream", output
    said: str = output["text"].strip()
    assert said.startswith("UsageError: ")
    return said.removeprefix("UsageError: ")


@pytest.mark.slow
def test_the_only_graph_is_shown(cells: dict[str, Any]) -> None:
    assert text(cells["only graph"]).startswith("router, 2 routes")
    assert "text/html" in cells["only graph"][-1]["data"]
    assert [output["output_type"] for output in cells["mid cell"]] == ["display_data", "execute_result"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "outputs"),
    [("variable", "[1.0, 0.5]"), ("json", "[0.25]"), ("expression", "[1.0, 0.5]"), ("cell magic", "[0.25, 0.2]")],
)
def test_a_body_is_a_variable_json_or_an_expression(cells: dict[str, Any], cell: str, outputs: str) -> None:
    assert f"'outputs': {outputs}" in text(cells[cell])


@pytest.mark.slow
def test_paths_without_a_body_and_functions(cells: dict[str, Any]) -> None:
    assert text(cells["get"]) == "{'models': ['iris', 'double']}"
    assert "status_code=200" in text(cells["word"])
    assert text(cells["function"]) == "42"
    assert text(cells["assigned"]) == "[1.0, 0.5]"


@pytest.mark.slow
def test_a_step_that_fails_shows_the_users_lines_and_no_internals(cells: dict[str, Any]) -> None:
    (output,) = cells["failed"]
    assert (output["ename"], output["evalue"]) == (
        "StepError",
        "step 'iris' failed: ZeroDivisionError: division by zero",
    )
    shown = "\n".join(output["traceback"])
    assert "predict" in shown
    assert "graphkit/" not in shown
    assert "interactiveshell" not in shown


@pytest.mark.slow
def test_a_request_that_is_refused_is_told_with_the_nearest(cells: dict[str, Any]) -> None:
    (output,) = cells["refused"]
    assert output["ename"] == "ModelNotFound"
    assert "did you mean 'iris'?" in output["evalue"]
    assert "graphkit/" not in "\n".join(output["traceback"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("bad body", "the body is neither JSON nor an expression: invalid syntax, '1 +'"),
        ("unknown body", "the body 'undefined_name' cannot be made: NameError: name 'undefined_name' is not defined"),
        ("too much", "'event' is too much: %%test takes a server and a path, and the body stands below"),
        ("several graphs", "there are several graphs, name one: 'flow', 'models', 'server'"),
        ("no such graph", "there is no graph 'servr'; there is 'flow', 'models', 'server', did you mean 'server'?"),
        ("two servers", "there are several servers, name one: 'other', 'server'"),
        ("nothing", "there is neither a server nor a graph: server = graph.to_mock_server()"),
        ("nothing to show", "there is no graph yet: graph = graphkit.new_flow()"),
    ],
)
def test_mistakes_are_one_line(cells: dict[str, Any], cell: str, message: str) -> None:
    assert usage(cells[cell]) == message


@pytest.mark.slow
def test_runs_are_there_to_be_inspected(cells: dict[str, Any]) -> None:
    assert "failed" in text(cells["inspected"])
    assert "Cell In[1], line 7, in predict" in text(cells["inspected"])
    assert "defined in Cell In[1], line 4" in text(cells["inspected"])


@pytest.mark.slow
def test_completion_knows_graphs_paths_and_values(cells: dict[str, Any]) -> None:
    graphs, tests, below, of_named, bodies, of_cell = json.loads(text(cells["completion"]).replace("'", '"'))
    assert graphs == ["models"]
    assert {"models", "/", "iris/infer", "iris/ready", "double/infer", "/v2/models/iris/infer"} <= set(tests)
    assert below == ["iris/", "iris/infer", "iris/ready"]
    assert of_named == ["iris/infer"]
    assert bodies == ["event"]
    assert "double/infer" in of_cell


@pytest.mark.slow
def test_servers_come_before_graphs_and_may_be_named(cells: dict[str, Any]) -> None:
    assert text(cells["server"]) == "2"
    assert text(cells["named server"]) == "42"
    assert "[1.0, 0.5]" in text(cells["named graph"])
    assert text(cells["one by name"]).startswith("flow, 1 step")


@pytest.mark.slow
def test_the_magics_go_and_come(cells: dict[str, Any]) -> None:
    assert "not found" in usage(cells["unloaded"])
    assert text(cells["reloaded"]).startswith("flow, 1 step")
