"""What decides a server's answers has marks that change with it, and with nothing else."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import graphkit
from graphkit.server.marks import marks_of
from graphkit.server.target import open_target

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """``write(name, text)``: writes a file of a project, which is the working directory; modules are forgotten."""
    monkeypatch.chdir(tmp_path)
    path, modules = [*sys.path], set(sys.modules)

    def to_file(name, text):
        forget()
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text).strip() + "\n")
        return place

    def forget():
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and str(tmp_path) in file:
                del sys.modules[name]

    yield to_file
    forget()


def code_of(target, module=None):
    return marks_of(open_target(target, module).server)["code"]


def changed(before, after):
    return sorted(name for name in {**before, **after} if before.get(name) != after.get(name))


APP = """
import graphkit
from lib import shift

def step(x):
    return shift(x)

graph = graphkit.new_flow()
graph.to(step).respond()
"""
LIB = """
from deeper import BY

def shift(x):
    import late
    return x + BY
"""


@pytest.fixture
def project(write):
    for name in ("deeper", "late", "unused", "app", "lib"):
        write(f"{name}.py", {"app": APP, "lib": LIB}.get(name, "BY = 2"))
    return write


@pytest.mark.parametrize("target", ["app.py", "app.py:graph", "app:graph"])
def test_a_file_and_the_modules_of_the_users_that_it_imports_count_whole(project, target):
    before = code_of(target)
    assert sorted(before) == ["app.py", "deeper.py", "late.py", "lib.py"]
    project("unused.py", "BY = 3")
    os.utime("app.py", (1, 1))
    assert code_of(target) == before
    for name in ("deeper.py", "late.py", "app.py"):
        project(name, Path(name).read_text() + "\nX = 1")
        after = code_of(target)
        assert changed(before, after) == [name]
        before = after


def test_modules_of_a_package_count_where_they_are_imported(write):
    write("pkg/__init__.py", "")
    write("pkg/sub/__init__.py", "from ..base import BY")
    write("pkg/base.py", "BY = 1")
    write("pkg/other.py", "")
    write(
        "pkg/sub/made.py",
        "import graphkit\nfrom . import near\ngraph = graphkit.new_flow()\ngraph.to(near.f).respond()",
    )
    write("pkg/sub/near.py", "def f(x):\n    return x")
    assert sorted(code_of("pkg.sub.made:graph")) == [
        "pkg/__init__.py", "pkg/base.py", "pkg/sub/__init__.py", "pkg/sub/made.py", "pkg/sub/near.py",
    ]  # fmt: skip


def test_a_spec_counts_with_the_module_or_the_folder_that_it_finds_its_code_in(project):
    project("graph.yaml", "steps: {a: {handler: step, responder: true}}")
    assert sorted(code_of("graph.yaml", "app.py")) == ["app.py", "deeper.py", "late.py", "lib.py"]
    assert sorted(code_of("graph.yaml", "app")) == ["app.py", "deeper.py", "late.py", "lib.py"]
    assert sorted(code_of(".")) == ["app.py", "deeper.py", "late.py", "lib.py", "unused.py"]
    project("dotted.yaml", "steps: {a: {handler: lib.shift, responder: true}}")
    assert sorted(code_of("dotted.yaml")) == ["deeper.py", "late.py", "lib.py"]


def notebook(path, *cells, output="1"):
    made = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [{"text": output}], "execution_count": 1}
        for cell in cells
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def test_of_a_notebook_the_cells_count_and_not_what_they_have_shown(project, tmp_path):
    cells = [
        "%matplotlib inline\nimport graphkit\nfrom lib import shift",
        "BY = 2",
        "def step(x): return shift(x) * BY",
        "graph = graphkit.new_flow()\ngraph.to(step).respond()",
    ]
    notebook(tmp_path / "book.ipynb", *cells)
    before = code_of("book.ipynb")
    assert sorted(before) == ["book.ipynb", "deeper.py", "late.py", "lib.py"]
    notebook(tmp_path / "book.ipynb", *cells, output="2")
    assert code_of("book.ipynb") == before
    notebook(tmp_path / "book.ipynb", *cells[:1], "BY = 3", *cells[2:])
    assert changed(before, code_of("book.ipynb")) == ["book.ipynb"]


def test_of_an_app_its_modules_and_its_files_count(write, tmp_path):
    write("app/graph.yaml", "graph: {steps: {a: {handler: steps.f, responder: true}}}")
    write("app/settings.yaml", "app: {modules: [steps, own], artifacts: [models/words.txt]}")
    write("app/steps.py", "from own.a import f")
    write("app/own/__init__.py", "")
    write("app/own/a.py", "def f(x):\n    return x")
    write("app/models/words.txt", "a")
    before = code_of("app")
    assert sorted(before) == ["app/models/words.txt", "app/own/__init__.py", "app/own/a.py", "app/steps.py"]
    write("app/own/a.py", "def f(x):\n    return -x")
    write("app/models/words.txt", "a b")
    assert changed(before, code_of("app")) == ["app/models/words.txt", "app/own/a.py"]


def test_the_files_of_models_count_by_size_and_time(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.json").write_text("1")
    server = graphkit.create_graph_server()
    server.add_model("a", class_name=graphkit.V2ModelServer, model_path=tmp_path / "m", out_file=str(tmp_path / "o"))
    server.add_model("b", class_name=graphkit.V2ModelServer, model_path="s3://bucket/x")
    before = marks_of(server)["files"]
    assert list(before) == [str(tmp_path / "m")]
    (tmp_path / "o").write_text("written by a step")
    assert marks_of(server)["files"] == before
    (tmp_path / "m" / "a.json").write_text("12")
    after = marks_of(server)["files"]
    assert after != before
    os.utime(tmp_path / "m" / "a.json", (1, 1))
    assert marks_of(server)["files"] != after


# ---- graphs of a program or notebook itself -------------------------------------------------------------------

SCRIPT = """
import functools, json, sys
import graphkit
from graphkit.server.marks import marks_of
from lib import shift

BY = 2
SEEN = []
COUNT = 0
LABELS = {"a": 1}
LABELS["b"] = 2
UNUSED = 1

def helper(x):
    global COUNT
    COUNT += 1
    SEEN.append(x)
    return x * BY

def step(x):
    return helper(x), LABELS

class Base:
    def __init__(self, by): self.by = by

class Adds(Base):
    def do(self, x): return [self.by, shift(x[0])]

def unused(x):
    return UNUSED

class Thing:
    rate = 1
thing = Thing()

class Uses:
    def __init__(self, model): self.model = model
    def do(self, x): return x

def scaled(by):
    calls = 0
    def inner(x):
        nonlocal calls
        calls += 1
        return x
    return lambda x: inner(x) * by

graph = graphkit.new_flow()
graph.to(step).to(Adds, by=1).to(Uses, model=thing).to(scaled(3), name="scaled").to(
    functools.partial(helper), name="partial").respond()
server = graph.to_mock_server()
if __name__ == "__main__":
    before = marks_of(server)
    for _ in range(3):
        server.test(body=1, silent=True)
    assert marks_of(server) == before, (before, marks_of(server))
    print(json.dumps(before["code"]))
"""


@pytest.fixture
def script(project, tmp_path):
    """``script(old, new)``: the marks of a program in which a text was replaced by another one."""

    def run(old="", new=""):
        assert old in SCRIPT
        project("job.py", SCRIPT.replace(old, new) if old else SCRIPT)
        done = subprocess.run(
            [sys.executable, "job.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_of_a_program_that_runs_the_definitions_count_that_its_steps_depend_on(script):
    before = script()
    assert {"step", "helper", "Adds", "Base", "BY", "LABELS", "Thing", "thing", "lib.py", "deeper.py"} <= set(before)
    assert "UNUSED" not in before
    assert "job.py" not in before
    assert script() == before
    for old, new, names in [
        ("UNUSED = 1", "UNUSED = 2", []),
        ("range(3)", "range(2)", []),
        ("return x * BY", "return x * BY + 1", ["helper"]),
        ("BY = 2\n", "BY = 3\n", ["BY"]),
        ('LABELS["b"] = 2', 'LABELS["b"] = 3', ["LABELS"]),
        ("rate = 1", "rate = 2", ["Thing"]),
        ("self.by = by", "self.by = by * 2", ["Base"]),
        ("scaled(3)", "scaled(4)", ["step 'scaled'"]),
    ]:
        found = changed(before, script(old, new))
        assert [name for name in found if not name.startswith("step ") or name in names] == names, (old, found)


def test_the_order_of_sets_does_not_count():
    code = (
        "import graphkit; from graphkit.server.marks import marks_of\n"
        "g = graphkit.new_flow(); exec(\"def f(x):\\n    return x in {'a', 'b', 'c', 'd', 'e'}\")\n"
        "g.to(f, name='f').respond(); print(marks_of(g.to_mock_server())['code'])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            text=True, capture_output=True, timeout=60, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(found) == 1
    assert "step 'f'" in found.pop()


def test_what_a_closure_counts_up_does_not_count():
    def counting(by):
        count = 0

        def step(x):
            nonlocal count
            count += 1
            return x * by + count

        return step

    def server(step):
        graph = graphkit.new_flow()
        graph.to(step, name="step").respond()
        return graph.to_mock_server()

    step = counting(2)
    before = marks_of(server(step))["code"]
    step(1)
    assert marks_of(server(step))["code"] == before
    assert marks_of(server(functools.partial(counting(2))))["code"] == before
    assert changed(before, marks_of(server(counting(3)))["code"]) == ["step 'step'"]


def test_a_server_without_a_graph_has_marks():
    assert set(marks_of(graphkit.GraphServer())) == {"graph", "code", "files"}
