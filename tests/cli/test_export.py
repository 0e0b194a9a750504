"""``graphkit export``: from a notebook or a module to a folder, without a notebook."""

from __future__ import annotations

import json

import pytest

CELLS = [
    (["skip"], "raise RuntimeError('not for everyone')"),
    ([], "import graphkit\nfrom lib import shift"),
    ([], "def scale(x):\n    return shift(x) * 2"),
    ([], "%%time\ngraph = graphkit.new_flow()\ngraph.to(scale).respond()\nserver = graph.to_mock_server()"),
    ([], "!echo hello\nprint([server.test(body=x) for x in (1, 2)])"),
]


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook in a folder of its own, with a module beside it."""

    def write(*cells):
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        made = [
            {"cell_type": "code", "source": source, "metadata": {"tags": tags}, "outputs": [], "execution_count": None}
            for tags, source in cells
        ]
        (folder / "lib.py").write_text("def shift(x):\n    return x + 1\n")
        (folder / "demo.ipynb").write_text(
            json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        )
        return "work/demo.ipynb"

    return write


def test_a_notebook_becomes_an_app_that_answers_alike(graphkit, notebook, tmp_path):
    done = graphkit("export", notebook(*CELLS), "app")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        f"{tmp_path / 'app'}/: 10 files; a fresh process answers all 2 recorded cases as before",
    ), done.stderr
    tested = graphkit("test", "app", "-q")
    assert (tested.returncode, tested.stdout) == (0, "2 passed\n"), tested.stderr
    text = (tmp_path / "app" / "steps.py").read_text()
    assert "def scale" in text
    assert "echo" not in text
    assert "new_flow" not in text
    assert sorted(path.name for path in (tmp_path / "app").iterdir() if path.name[0] != ".") == [
        "README.md", "cases.yaml", "deploy", "graph.yaml", "lib.py", "requirements.txt", "settings.yaml", "steps.py",
    ]  # fmt: skip


def test_runs_of_the_servers_of_a_named_graph_are_recorded(graphkit, notebook, tmp_path):
    name = notebook(
        ([], "import graphkit\ng, other = graphkit.new_flow(), graphkit.new_flow()"),
        ([], "def scale(x):\n    return x * 2\ng.to(scale).respond()\nother.to(scale).respond()"),
        ([], "s = g.to_mock_server()\ns.test(body=1)\nt = other.to_mock_server()\nt.test(body=7)"),
        ([], "s2 = g.to_mock_server()\ns2.test(body=2)\ng.to_mock_server(track_models=False).test(body=3)"),
    )
    done = graphkit("export", f"{name}:g", "app")
    assert (done.returncode, "all 3 recorded cases" in done.stdout) == (0, True), (done.stdout, done.stderr)
    text = (tmp_path / "app" / "cases.yaml").read_text()
    assert [f"body: {body}\n" in text for body in (1, 2, 3, 7)] == [True, True, True, False]
    unclear = graphkit("export", name, "app2")
    assert "has several graphs ('g', 'other', 's', 's2', 't'): name one" in unclear.stderr
    readme = (tmp_path / "app" / "README.md").read_text()
    assert "Where no package index has `graphkit-serving[serve]==" in readme
    assert "pip install '<checkout of graphkit>[serve]'" in readme


def test_the_app_is_described_validated_and_exported_again(graphkit, notebook, tmp_path):
    graphkit("export", notebook(*CELLS), "app")
    assert graphkit("validate", "app").returncode == 0
    assert "scale" in graphkit("describe", "app").stdout
    refused = graphkit("export", notebook(*CELLS), "app")
    assert (refused.returncode, "; --overwrite replaces an app" in refused.stderr) == (1, True), refused.stderr
    assert graphkit("export", notebook(*CELLS), "app", "--overwrite").returncode == 0
    (tmp_path / "app" / "steps.py").write_text("# mine")
    again = graphkit("export", notebook(*CELLS), "app", "--overwrite")
    assert (again.returncode, "changed since it was exported: 'steps.py'" in again.stderr) == (1, True)


def test_a_module_is_exported(graphkit, write, tmp_path):
    write(
        "train.py",
        """
        import graphkit
        BY = 3
        def scale(x):
            return x * BY
        def make():
            graph = graphkit.new_flow()
            graph.to(scale).respond()
            return graph
        if __name__ == "__main__":
            print(make())
        """,
    )
    done = graphkit("export", "train.py:make", "app")
    assert done.returncode == 0, done.stderr
    assert "there are no recorded cases" in done.stdout
    assert "BY = 3" in (tmp_path / "app" / "steps.py").read_text()


def test_what_cannot_be_exported_is_listed_with_its_cells(graphkit, notebook, tmp_path):
    name = notebook(
        ([], "import graphkit\ngraph = graphkit.new_flow()"),
        ([], "def one(x):\n    return missing(x)"),
        ([], "def two(x):\n    return one(x) + lost"),
        ([], "graph.to(two).to(object().__str__, name='three').respond()"),
    )
    done = graphkit("export", name, "app")
    assert done.returncode == 1
    assert "'one' in cell 2 uses 'missing', which is not defined" in done.stderr
    assert "'two' in cell 3 uses 'lost', which is not defined" in done.stderr
    assert "step 'three'" in done.stderr
    assert "nothing was written" in done.stderr
    assert not (tmp_path / "app").exists()


def test_hints_name_the_flags(graphkit, notebook, tmp_path):
    # they named the keywords of Python's export
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "m.pkl").write_bytes(b"")
    name = notebook(
        ([], "import graphkit, time\ngraph = graphkit.new_router()\nserver = graph.to_mock_server()"),
        ([], "class M(graphkit.V2ModelServer):\n    def load(self): ...\n    def predict(self, request): return [1]"),
        ([], "graph.add_route('m', class_name=M, model_path='m.pkl')"),
    )
    done = graphkit("export", name, "app")
    assert "form): --allow-pickle lets this very file load" in done.stderr, done.stderr
    chance = ([], "import graphkit, time\ngraph = graphkit.new_flow()\ndef now(x):\n    return time.time_ns()")
    done = graphkit("export", notebook(chance, ([], "graph.to(now).respond()\ngraph.to_mock_server().test()")), "app")
    assert "forgets the runs, --no-verify does not try them" in done.stderr, done.stderr


def test_a_target_that_cannot_be_opened_ends_with_two(graphkit, notebook):
    assert graphkit("export", "nothing.ipynb", "app").returncode == 2
    failing = graphkit("export", notebook(([], "1 / 0")), "app")
    assert (failing.returncode, "ZeroDivisionError" in failing.stderr) == (2, True)


def test_cases_that_the_notebook_recorded_go_along(graphkit, notebook, write, tmp_path):
    cell = ([], "server.test(body=5)\nserver.record('five')\nserver.runs.clear()")
    write("work/more.cases.yaml", "graph: demo.ipynb:server\ncases:\n- {name: seven, body: 7, answer: 16}")
    write("work/other.cases.yaml", "graph: other.py\ncases:\n- {name: eight, body: 8, answer: 0}")
    done = graphkit("export", notebook(*CELLS, cell), "app")
    assert done.returncode == 0, done.stderr
    assert "answers all 2 recorded cases as before (1 of 'cases.yaml', 1 of 'more.cases.yaml')" in done.stdout
    assert "note: cases of another graph are left out: 'other.cases.yaml' (graph: other.py)" in done.stdout
    tested = graphkit("test", "app")
    assert (tested.returncode, tested.stdout) == (0, "passed five\npassed seven\n2 passed\n"), tested.stderr
    without = graphkit("export", "work/demo.ipynb", "app2", "--no-cases")
    assert "there are no recorded cases" in without.stdout
    one = graphkit("export", "work/demo.ipynb", "app3", "--cases", "work/more.cases.yaml")
    assert "the recorded case as before (1 of 'more.cases.yaml')" in one.stdout
    assert graphkit("export", "work/demo.ipynb", "app4", "--no-cases", "-c", "work/cases.yaml").returncode == 2
    write("work/more.cases.yaml", "graph: demo.ipynb:server\ncases:\n- {name: seven, body: 7, answer: 17}")
    differs = graphkit("export", "work/demo.ipynb", "app5")
    assert differs.returncode == 1
    assert "case 'seven' of 'more.cases.yaml'" in differs.stderr
    assert "expected 17, found 16" in differs.stderr
    assert "; --no-cases leaves the cases of all files out" in differs.stderr
    assert not (tmp_path / "app5").exists()


def test_the_cases_of_modules_and_apps_go_along(graphkit, app, tmp_path):
    for name, target in (("one", "app.py"), ("two", "app:graph"), ("three", "app.py:graph")):
        done = graphkit("export", target, name)
        assert done.returncode == 0, done.stderr
        assert "all 3 recorded cases as before (3 of 'cases.yaml')" in done.stdout
    again = graphkit("export", "one", "four")
    assert (again.returncode, "all 3 recorded cases" in again.stdout) == (0, True), again.stdout + again.stderr
    (tmp_path / "cases.yaml").write_text((tmp_path / "cases.yaml").read_text().replace("app.py", "other.py"))
    assert "note: cases of another graph are left out: 'cases.yaml'" in graphkit("export", "app.py", "five").stdout
