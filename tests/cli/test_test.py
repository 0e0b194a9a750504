"""``graphkit test`` replays cases."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize(
    "args",
    [["app.py"], ["app.py:graph", "--cases", "cases.yaml"], ["."], ["app", "-c", "cases.yaml"], [], ["cases.yaml"]],
)
def test_cases_that_pass_end_with_0(graphkit, app, args):
    done = graphkit("test", *args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "passed one\npassed two\npassed nothing\n3 passed\n"


def test_a_case_that_fails_ends_with_1_and_says_where(graphkit, app):
    app.write_text(app.read_text().replace("* 2", "* 3"))
    done = graphkit("test", "app.py")
    assert done.returncode == 1
    assert "FAILED case 'one' failed: 1 difference\n  twice: expected 2, found 3\n" in done.stdout
    assert done.stdout.endswith("1 passed, 2 failed\n")


def test_one_can_stop_at_the_first_failure(graphkit, app):
    app.write_text(app.read_text().replace("* 2", "* 3"))
    assert graphkit("test", "app.py", "-x").stdout.endswith("\n1 failed\n".replace("1 failed", "0 passed, 1 failed"))


def test_some_cases_can_be_chosen(graphkit, app):
    assert graphkit("test", "app.py", "--only", "t*").stdout == "passed two\n1 passed\n"
    assert graphkit("test", "app.py", "--only", "*o*", "--quiet").stdout == "3 passed\n"
    done = graphkit("test", "app.py", "--only", "x*")
    assert (done.returncode, "no cases like 'x*' in" in done.stderr) == (2, True)


def test_several_files_are_replayed(graphkit, app, write):
    write("more.yaml", "cases:\n- {name: three, body: {x: 3}, answer: {twice: 6}}")
    done = graphkit("test", "app.py", "-c", "more.yaml", "-c", "cases.yaml", "-q")
    assert (done.returncode, done.stdout) == (0, "4 passed\n")


def test_a_spec_finds_its_code_in_a_module(graphkit, app, write):
    write("graph.yaml", "steps: {double: {handler: double, responder: true}}")
    assert graphkit("test", "graph.yaml", "--module", "app.py").returncode == 0
    write("cases.yaml", "graph: graph.yaml\nmodule: app.py\ncases:\n- {name: one, body: {x: 1}, answer: {twice: 2}}")
    assert graphkit("test").returncode == 0


def test_a_notebook_is_tried_without_a_kernel(graphkit, app, tmp_path):
    cells = ["%matplotlib inline", "from app import double\nimport graphkit", "graph = graphkit.new_flow()",
             "graph.to(double).respond()\nprint('hello')"]  # fmt: skip
    made = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    (tmp_path / "book.ipynb").write_text(json.dumps({"cells": made, "nbformat": 4, "metadata": {}}))
    done = graphkit("test", "book.ipynb", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 passed\n", "hello\n")


def test_without_a_graph_nothing_can_be_tried(graphkit, write):
    write("cases.yaml", "cases:\n- {name: one}")
    done = graphkit("test")
    assert (done.returncode, "does not name its graph" in done.stderr) == (2, True)


def test_broken_cases_are_named(graphkit, app, write):
    write("cases.yaml", "cases:\n- {name: one, bdy: 1}")
    done = graphkit("test", "app.py")
    assert done.returncode == 2
    assert "cases.yaml': case 'one' has the unknown key 'bdy', did you mean 'body'" in done.stderr


def test_a_graph_that_cannot_be_bound_fails_its_cases(graphkit, app):
    app.write_text("import graphkit\ngraph = graphkit.new_flow()\ngraph.to('missing', name='a').respond()\n")
    done = graphkit("test", "app.py", "--only", "one")
    assert done.returncode == 1
    assert "'missing' is not defined" in done.stdout
