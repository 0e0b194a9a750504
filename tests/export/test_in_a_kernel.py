"""Exports from a real kernel: cells that ran again, failed, awaited, or held commands."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "import graphkit, asyncio\nfrom math import *\nimport numpy as np\n%load_ext autoreload",
    "def clean(x):\n    return x.strip()",
    "%%time\nRATES = np.array([0.5, 2.0])  # a comment\n\n"
    "class Scale:\n    def __init__(self, by):\n        self.by = by\n\n"
    "    def do(self, x):\n        # how much\n        return [float(r) * len(x) * self.by * factor() for r in RATES]",
    "async def load():\n    await asyncio.sleep(0)\n    return {'limit': 3}\nSETTINGS = await load()",
    "!echo hello\nfiles = !echo a b\nfiles",
    "def factor():\n    return floor(pi) + SETTINGS['limit']",
    "graph = graphkit.new_flow()\ngraph.to(clean).to(Scale, by=2).to(lambda v: [round(x, 3) for x in v], name='round')"
    ".respond()\nserver = graph.to_mock_server()\ngraph",
    "server.test(body='  ab ')",
    # again, in another version; the cell before it fails halfway
    "def clean(x):\n    return x.strip() * 2\nraise ValueError('not yet')\ndef clean(x):\n    return 'never'",
    "display(server.test(body='  ab '))",
    "async def step(x):\n    await asyncio.sleep(0)\n    return len(files) + x\nother = graphkit.new_flow()\n"
    "other.to(step).respond()\nsecond = other.to_mock_server()\nsecond.test(body=4)",
    "one = graph.export('app')\none",
    "two = second.export('second')\ntwo",
    "import json\nprint(json.dumps([graphkit.load_app('app').test(body=' abc'), server.test(body=' abc')]))",
    "def clean(x):\n    %time y = x.strip()\n    return y",
    "graph.export('third')",
]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """Run the notebook; returns its folder, and the outputs of its cells."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    client = NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment["PYTHONPATH"])
        client.execute()
    return folder, [cell.outputs for cell in notebook.cells]


def shown(outputs):
    [result] = [output for output in outputs if output["output_type"] == "execute_result"]
    return result["data"]["text/plain"]


@pytest.mark.slow
def test_a_kernels_graph_is_exported_and_answers_alike_in_a_fresh_process(kernel):
    _, outputs = kernel
    assert shown(outputs[11]).splitlines() == [
        f"app/: 9 files, needs numpy=={version('numpy')}; a fresh process answers the recorded case as before",
        "  note: runs that an earlier version of the graph answered are left out: 1",
    ]
    app, here = json.loads(outputs[13][0]["text"])
    assert app == here == [36.0, 144.0]


@pytest.mark.slow
def test_the_module_holds_the_definitions_as_they_were_written(kernel):
    folder, _ = kernel
    assert (folder / "app" / "steps.py").read_text().splitlines()[2:] == [
        "from math import floor, pi",
        "import numpy as np",
        "",
        "RATES = np.array([0.5, 2.0])  # a comment",
        "",
        "",
        "class Scale:",
        "    def __init__(self, by):",
        "        self.by = by",
        "",
        "    def do(self, x):",
        "        # how much",
        "        return [float(r) * len(x) * self.by * factor() for r in RATES]",
        "",
        "",
        "SETTINGS = {'limit': 3}  # SETTINGS = await load()",
        "",
        "",
        "def factor():",
        "    return floor(pi) + SETTINGS['limit']",
        "",
        "",
        "def clean(x):",
        "    return x.strip() * 2",
        "",
        "",
        "def round_2(v):",
        "    return [round(x, 3) for x in v]",
    ]


@pytest.mark.slow
def test_what_a_command_gave_is_written_down(kernel):
    folder, outputs = kernel
    assert "a fresh process answers the recorded case as before" in shown(outputs[12])
    assert "files = ['a b']" in (folder / "second" / "steps.py").read_text()


@pytest.mark.slow
def test_a_command_within_a_function_is_told_with_its_cell(kernel):
    folder, outputs = kernel
    [error] = [output for output in outputs[15] if output["output_type"] == "error"]
    assert error["ename"] == "ExportError"
    assert "'clean' in cell 15 uses 'get_ipython', which only a notebook has" in error["evalue"]
    assert not (folder / "third").exists()


RUN = "server.run_file('rows.csv', 'out.csv', shape='row', chunk=2, column='y'{options})"
BATCH = [
    "import graphkit\nfrom pathlib import Path\n_ = Path('rows.csv').write_text('x\\n1\\n2\\n3\\n4\\n')",
    "BY, STOP = 2, True\ndef factor(): return BY",
    "def step(row):\n    if STOP and row['x'] > 2: raise ValueError('stop')\n    return row['x'] * factor()",
    "graph = graphkit.new_flow()\ngraph.to(step).respond()\nserver = graph.to_mock_server()",
    RUN.format(options=", max_errors=0"),
    "def factor(): return BY * 10",
    RUN.format(options=""),
    "def factor(): return BY",
    "unused = 1\n" + RUN.format(options="").replace("server.", "done = server."),
    "print(done.resumed, Path('out.csv').read_text().split())",
]


@pytest.mark.slow
def test_a_batch_that_was_interrupted_in_a_kernel_notices_that_a_cell_was_changed(tmp_path, monkeypatch):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in BATCH])
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert "more than the 0 that are allowed" in outputs[4][-1]["evalue"]
    assert "what answers has changed since (code 'factor')" in outputs[6][-1]["evalue"]
    assert [output.get("text") for output in outputs[9]] == ["4 ['y', '2', '4', '\"\"', '\"\"']\n"]
