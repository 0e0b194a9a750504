"""Recorded cases travel with an app: which files count, how they meet the recorded runs, and what is left out."""

from __future__ import annotations

import pytest

from graphkit import ExportError
from graphkit.cases.case import Case
from graphkit.cases.file import CaseFile, put_case
from graphkit.export.recorded import Found, app_cases

START = "import graphkit\ngraph = graphkit.new_flow()\nserver = graph.to_mock_server()"
SCALE = "def scale(x): return x * 2\ngraph.to(scale).respond()"
ROUTER = (
    "import graphkit\nclass M(graphkit.V2ModelServer):\n    def load(self): ...\n"
    "    def predict(self, request): return [sum(row) for row in request['inputs']]",
    "server = graphkit.create_graph_server()\nserver.add_model('m', class_name=M)\nASK = {'inputs': [[1, 2]]}",
)


def written(notebook):
    file = notebook.app / "cases.yaml"
    return [case.name for case in CaseFile.load(file)] if file.exists() else []


def test_recorded_cases_go_along_and_are_answered_alike(ran):
    notebook = ran(
        START,
        SCALE,
        "server.test(body=1)\nserver.test(body=2)\nserver.record('two')\nserver.test(body=3)",
        "server.runs.clear()",
        "server.test(body=4)",
    )
    done = notebook.export()
    assert written(notebook) == ["run 1: POST /", "two"]
    assert (done.cases, done.checked, done.origins) == (2, 2, {"runs": 1, "cases.yaml": 1})
    assert str(done).endswith("a fresh process answers all 2 recorded cases as before (1 run, 1 of 'cases.yaml')")
    assert "| `cases.yaml` | requests that were recorded (2)" in (notebook.app / "README.md").read_text()


def test_a_run_that_a_case_describes_is_that_case_at_its_place(ran):
    notebook = ran(
        START,
        SCALE,
        "for body in (1, 2, 3, 2): server.test(body=body)\nserver.record('two', ignore=['anything'])",
    )
    put_case("cases.yaml", Case(name="before all", body=9, answer=18.0000001))
    done = notebook.export()
    assert written(notebook) == ["run 1: POST /", "two", "run 2: POST /", "before all"]
    assert CaseFile.load(notebook.app / "cases.yaml")["two"].ignore == ("anything",)
    assert done.origins == {"runs": 2, "cases.yaml": 2}


def test_a_case_that_says_less_than_the_run_does_not_replace_it(ran):
    notebook = ran(START, SCALE, "server.test(body=2)")
    CaseFile(cases=(Case(name="only the status", body=2),)).save("cases.yaml")
    notebook.export()
    assert written(notebook) == ["run 1: POST /", "only the status"]


def test_a_case_that_is_answered_otherwise_is_an_error_that_shows_it(ran):
    notebook = ran(
        START, SCALE, "server.test(body=2)\nserver.record('two')", "def scale(x): return x * 100", "server.test(body=3)"
    )
    with pytest.raises(ExportError) as caught:
        notebook.export()
    [problem, advice] = caught.value.problems
    assert problem == (
        "case 'two' of 'cases.yaml': the graph as it is now, here and in a fresh process, answers POST / with 2: "
        "the answer: expected 4, found 200"
    )
    assert "server.record" in advice
    assert "cases=() leaves" in advice
    assert not notebook.app.exists()
    assert notebook.export(cases=()).origins == {"runs": 1}


def test_a_case_that_only_a_fresh_process_answers_otherwise_says_so(ran):
    notebook = ran(
        START,
        "import sys\ndef step(x): return 'pytest' in sys.modules",
        "graph.to(step).respond()\nserver.test(body=1)\nserver.record('here')\nserver.runs.clear()",
    )
    with pytest.raises(ExportError) as caught:
        notebook.export()
    assert "case 'here' of 'cases.yaml': a fresh process answers POST / with 1: the answer" in caught.value.problems[0]


def test_which_files_count(ran):
    notebook = ran(START, SCALE, "other = graphkit.new_flow()\nother.to(name='o', handler='(event + 1)').respond()")
    two = (Case(name="two", body=2, answer=4),)
    odd = (Case(name="odd", body=2, answer=3),)
    folder = notebook.path.parent
    for name, graph, cases in [
        ("whole.cases.yaml", "notebook.ipynb:graph", two),
        ("bound.cases.yml", "notebook.ipynb:server", two),
        ("plain.cases.yaml", None, two),
        ("elsewhere.cases.yaml", "other.ipynb", odd),
        ("second.cases.yaml", "notebook.ipynb:other", odd),
        ("lost.cases.yaml", "notebook.ipynb:lost", odd),
        ("nothing.cases.yaml", "missing.py:graph", odd),
        ("plain.yaml", None, odd),
    ]:
        CaseFile(cases=cases, graph=graph).save(folder / name)
    (folder / "other.ipynb").write_text(notebook.path.read_text())
    (folder / "strange.cases.yaml").write_text("entries: [1, 2]\n")
    (folder / "deep").mkdir()
    CaseFile(cases=odd).save(folder / "deep" / "cases.yaml")
    notebook.namespace["__session__"] = str(notebook.path)
    done = notebook.export()
    # the same case in three files is one
    assert (written(notebook), done.origins) == (["two"], {"bound.cases.yml": 1})
    [note] = done.notes
    assert note == (
        "cases of another graph are left out: 'elsewhere.cases.yaml' (graph: other.ipynb), 'lost.cases.yaml' (graph: "
        "notebook.ipynb:lost), 'nothing.cases.yaml' (graph: missing.py:graph), 'second.cases.yaml' (graph: "
        "notebook.ipynb:other)"
    )


def test_a_notebook_that_does_not_know_its_file_is_the_only_one_there(ran):
    notebook = ran(START, SCALE)
    CaseFile(cases=(Case(name="two", body=2, answer=4),), graph="notebook.ipynb").save("cases.yaml")
    assert notebook.export().origins == {"cases.yaml": 1}
    (notebook.path.parent / "other.ipynb").write_text(notebook.path.read_text())
    assert notebook.export(overwrite=True).notes[0].startswith("cases of another graph are left out: 'cases.yaml'")


def test_files_can_be_named(ran, tmp_path):
    notebook = ran(START, SCALE)
    CaseFile(cases=(Case(name="two", body=2, answer=4),), graph="x.ipynb").save(tmp_path / "mine.yaml")
    CaseFile(cases=(Case(name="three", body=3, answer=6),)).save("cases.yaml")
    assert notebook.export(cases=tmp_path / "mine.yaml").origins == {"mine.yaml": 1}
    with pytest.raises(ExportError, match=r"lost\.yaml': the file cannot be read"):
        notebook.export(cases=["lost.yaml"])


def test_cases_of_another_graph_of_the_notebook_are_left_out(ran):
    notebook = ran(
        START,
        SCALE,
        "other = graphkit.new_flow()\nother.to(name='o', handler='(event + 1)').respond()",
        "second = other.to_mock_server()",
        "server.test(body=5)\nserver.record('mine')\nsecond.test(body=5)\nsecond.record('not mine')",
    )
    done = notebook.export()
    assert (written(notebook), done.origins) == (["mine"], {"cases.yaml": 1})
    assert done.notes == ("cases that are not this graph's are left out: 'not mine' of 'cases.yaml'",)
    named = CaseFile.load("cases.yaml")
    CaseFile(cases=named.cases, graph="notebook.ipynb:graph").save("cases.yaml")
    with pytest.raises(ExportError, match=r"case 'not mine' of 'cases\.yaml': the graph as it is now"):
        notebook.export(overwrite=True)


def test_cases_that_ask_for_what_the_graph_does_not_have_are_left_out(ran):
    notebook = ran(*ROUTER, "server.test('m/infer', ASK)\nserver.record('mine')")
    put_case("cases.yaml", Case(name="tree", path="tree/infer", body={"inputs": [[1]]}, answer={"outputs": [0]}))
    put_case("cases.yaml", Case(name="no such model", path="oak/infer", body={"inputs": [[1]]}, status=404))
    done = notebook.export()
    assert written(notebook) == ["mine", "no such model"]
    assert done.notes == ("cases that are not this graph's are left out: 'tree' of 'cases.yaml'",)
    assert "requests that were recorded (2)" in (notebook.app / "README.md").read_text()


def test_a_broken_file_of_cases_is_named(ran):
    notebook = ran(START, SCALE)
    (notebook.path.parent / "cases.yaml").write_text("cases:\n- {name: a, bdy: 1}\n")
    with pytest.raises(ExportError, match=r"(?s)cases\.yaml': case 'a' has the unknown key 'bdy'.*cases=\(\)"):
        notebook.export()


def test_runs_are_recorded_as_the_caller_asked(ran):
    # what is beside path and body counted for nothing, and an answer as text ended the export
    notebook = ran(
        START,
        "def step(event): return [dict(event.headers), event.content_type, event.body]",
        "graph.to(step, full_event=True).respond()",
        "server.test(body='[1]', headers={'a': 'b'}, content_type='text/plain')\nserver.test(body=1, get_body=False)",
    )
    done = notebook.export()
    assert (done.cases, done.notes) == (2, ())
    first, second = CaseFile.load(notebook.app / "cases.yaml")
    assert (first.headers, first.content_type, first.body) == ({"a": "b"}, "text/plain", "[1]")
    assert second.answer == [{}, None, 1]


def test_names_that_two_files_give_to_different_cases_are_told_apart():
    one, two = Case(name="a", body=1, answer=1), Case(name="a", body=2, answer=2)
    made = app_cases([], [Found("x.yaml", (one,)), Found("y.yaml", (two,)), Found("z.yaml", (one, two))])
    assert [(case.name, case.body) for case in made.cases] == [("a", 1), ("a (y.yaml)", 2), ("a (z.yaml)", 2)]


def test_a_run_never_takes_the_name_of_a_case(ran):
    notebook = ran(START, SCALE, "server.test(body=2)\nserver.test(body=3)")
    CaseFile(cases=(Case(name="run 1: POST /", body=7, answer=14),)).save("cases.yaml")
    notebook.export()
    assert written(notebook) == ["run 2: POST /", "run 3: POST /", "run 1: POST /"]
