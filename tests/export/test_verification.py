"""A fresh process tries what was written, and only what answers as the notebook did comes to stand."""

from __future__ import annotations

import pytest

from graphkit import ExportError, load_app
from graphkit.cases.file import CaseFile

START = "import graphkit\ngraph = graphkit.new_flow()\nserver = graph.to_mock_server()"
SCALE = "def scale(x): return x * 2\ngraph.to(scale).respond()"


def test_recorded_runs_become_cases_that_are_answered_alike(ran):
    notebook = ran(START, SCALE, "server.test(body=[1, 2])\nserver.test('/some/path', {'a': 1}, silent=True)")
    done = notebook.export()
    assert (done.cases, done.checked, done.notes) == (2, 2, ())
    cases = CaseFile.load(notebook.app / "cases.yaml")
    assert [(case.path, case.body, case.status) for case in cases] == [
        ("/", [1, 2], 200),
        ("/some/path", {"a": 1}, 500),
    ]
    assert str(done).endswith("a fresh process answers all 2 recorded cases as before")


def test_ids_and_times_that_are_made_anew_do_not_count(ran):
    notebook = ran(
        START,
        "class M(graphkit.V2ModelServer):\n    def load(self): ...\n    def predict(self, request): return [1]",
        "graph.to('*', name='r').respond().add_route('m', class_name=M)",
        "server.test('m/infer', {'inputs': [1]})\nserver.test('m/infer', {'inputs': [1], 'id': 'mine'})",
    )
    assert notebook.export().checked == 2
    first, second = CaseFile.load(notebook.app / "cases.yaml")
    assert (first.ignore, second.ignore) == (("id", "timestamp"), ("timestamp",))


@pytest.mark.parametrize(
    "answer",
    [
        "np.array(request['inputs'])[:, 0]",
        "pd.Series([row[0] for row in request['inputs']])",
        "pd.DataFrame(request['inputs'], columns=['a', 'b'])",
        "[np.array([1, 2]), {'deep': pd.Series([1, 2])}]",
    ],
)
def test_arrays_and_tables_in_answers_are_recorded(ran, answer):
    notebook = ran(
        START,
        "import numpy as np\nimport pandas as pd",
        f"class M(graphkit.V2ModelServer):\n    def load(self): ...\n    def predict(self, request): return {answer}",
        "graph.to('*', name='r').respond().add_route('m', class_name=M)",
        "server.test('m/infer', {'inputs': [[1, 2], [3, 4]]})",
    )
    assert notebook.export().checked == 1
    [case] = CaseFile.load(notebook.app / "cases.yaml")
    assert case.ignore == ("id", "timestamp")


def test_a_different_answer_is_an_error_that_shows_it_and_nothing_is_written(ran):
    notebook = ran(
        START,
        "counter = 0\ndef count(x):\n    global counter\n    counter += x\n    return {'so_far': counter}",
        "graph.to(count).respond()\ncounter = 10",
        "server.test(body=1)",
        "counter = 0",
        "server.test(body=5)",
    )
    with pytest.raises(ExportError) as caught:
        notebook.export()
    assert "POST / with 1: so_far: expected 11, found 1" in caught.value.problems[0]
    assert "server.runs.clear()" in caught.value.problems[-1]
    assert not notebook.app.exists()
    assert [path.name for path in notebook.app.parent.iterdir()] == ["notebook.ipynb"]


def test_runs_of_an_earlier_version_of_the_graph_are_left_out(ran):
    notebook = ran(
        START,
        SCALE,
        "server.test(body=3)",
        "def scale(x): return x * 100",
        "server.test(body=4)",
        "server.test(body=4)",
    )
    runs = len(notebook.namespace["server"].runs)
    done = notebook.export()
    assert (done.cases, done.checked) == (2, 2)
    assert done.notes == ("runs that an earlier version of the graph answered are left out: 1",)
    assert [case.body for case in CaseFile.load(notebook.app / "cases.yaml")] == [4, 4]
    assert len(notebook.namespace["server"].runs) == runs


def test_an_app_that_reads_files_of_the_notebooks_folder_is_refused(ran):
    notebook = ran(
        START,
        "from pathlib import Path\n_ = Path('labels.txt').write_text('a')",
        "def f(x): return Path('labels.txt').read_text()",
        "graph.to(f).respond()\nserver.test(body=1)",
    )
    with pytest.raises(ExportError, match=r"labels\.txt"):
        notebook.export()


def test_a_step_that_ends_the_process_is_told(ran):
    notebook = ran(START, SCALE, "server.test(body=1)")
    dying = ran(START, "import os\ndef f(x): os._exit(7)", "graph.to(f).respond()")
    dying.namespace["server"].runs.add(notebook.namespace["server"].last_run, 100)
    with pytest.raises(ExportError, match="ended with code 7 when it was tried"):
        dying.export()


def test_requests_that_no_case_can_hold_are_told(ran):
    notebook = ran(
        START, "def f(x): return 1\ngraph.to(f).respond()", "server.test(body=object())\nserver.test(body=2)"
    )
    done = notebook.export()
    assert done.cases == 1
    [note] = done.notes
    assert note.startswith("a run of '/' is no case: ")


def test_the_app_of_a_root_takes_the_runs_of_the_server_that_was_bound_last(ran):
    notebook = ran(START, SCALE, "server.test(body=3)")
    assert notebook.export("graph").checked == 1
    assert load_app(notebook.app).test(body=4) == 8
