"""What a user names is opened as a server; what cannot be opened is named, with what there is."""

from __future__ import annotations

import json
import sys
import textwrap

import pytest

import graphkit
from graphkit.core.errors import GraphError
from graphkit.server.notebook_file import plain_python
from graphkit.server.target import open_target

ADDS = """
    import graphkit

    def add(body):
        return body + {number}

    graph = graphkit.new_flow()
    graph.to(add).respond()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = [*sys.path], set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file and str(tmp_path) in file:
            del sys.modules[name]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).strip() + "\n")


def notebook(path, *cells):
    made = [
        {"cell_type": "code", "source": textwrap.dedent(source).strip().splitlines(keepends=True),
         "metadata": {"tags": tags}, "outputs": [], "execution_count": None}
        for source, *tags in (cell if isinstance(cell, tuple) else (cell,) for cell in cells)
    ]  # fmt: skip
    made.insert(0, {"cell_type": "markdown", "source": "# A title", "metadata": {}})
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


def test_the_graph_of_a_file_is_found(here):
    write(here / "app.py", ADDS.format(number=1))
    target = open_target("app.py")
    assert target.server.test(body=1) == 2
    assert (target.name, target.folder, target.cases) == ("app.py", here, None)
    assert open_target("app.py:graph").server.test(body=1) == 2


def test_a_module_is_found_in_the_working_directory(here):
    write(here / "pack" / "__init__.py", "")
    write(here / "pack" / "made.py", ADDS.format(number=2))
    assert open_target("pack.made:graph").server.test(body=1) == 3
    assert open_target("pack.made").server.test(body=1) == 3


def test_cases_beside_the_code_are_found(here):
    write(here / "app.py", ADDS.format(number=1))
    write(here / "cases.yaml", "cases: []")
    assert open_target("app.py").cases == here / "cases.yaml"


def test_a_notebook_imports_the_modules_beside_it(here):
    write(here / "book" / "beside.py", "def add(body):\n    return body + 7")
    notebook(
        here / "book" / "a.ipynb",
        "import graphkit\nfrom beside import add",
        "graph = graphkit.new_flow()\ngraph.to(add).respond()",
    )
    assert open_target("book/a.ipynb").server.test(body=1) == 8


def test_a_server_keeps_its_settings(here):
    write(here / "app.py", ADDS.format(number=1) + "\n    server = graphkit.GraphServer(graph, {'a': 5})")
    target = open_target("app.py")
    assert target.server.parameters == {"a": 5}
    assert target.server.test(body=1) == 2


@pytest.mark.parametrize("returns", ["graph", "graphkit.GraphServer(graph)"])
def test_a_function_that_makes_a_graph_is_called(here, returns):
    body = textwrap.indent(textwrap.dedent(ADDS.format(number=1)), "    ")
    (here / "app.py").write_text(f"def make():\n{body}\n    return {returns}\n")
    assert open_target("app.py:make").server.test(body=1) == 2


def test_an_attribute_of_an_object_is_found(here):
    write(here / "app.py", ADDS.format(number=1) + "\n    class Box:\n        graph = graph\n    del graph")
    assert open_target("app.py:Box.graph").server.test(body=1) == 2


def test_a_router_is_a_graph_too(here):
    write(
        here / "app.py",
        """
        import graphkit

        router = graphkit.new_router()
        router.add_route("twice", handler="(event['x'] * 2)")
        """,
    )
    assert open_target("app.py").server.test("/twice", {"x": 4}) == 8


def test_a_spec_finds_its_code_in_a_module(here):
    write(here / "code" / "steps.py", "def add(body):\n    return body + 10")
    write(here / "graph.yaml", "steps: {add: {handler: add, responder: true}}")
    assert open_target("graph.yaml", "code/steps.py").server.test(body=1) == 11
    sys.path.insert(0, str(here / "code"))
    assert open_target("graph.yaml", "steps").server.test(body=1) == 11


def test_the_spec_of_a_server_keeps_its_parameters(here):
    server = graphkit.GraphServer(graphkit.new_flow(), {"factor": 3})
    server.graph.to(name="times", handler="(event * 3)").respond()
    server.save("server.yaml")
    target = open_target("server.yaml")
    assert target.server.parameters == {"factor": 3}
    assert target.server.test(body=2) == 6


def test_a_folder_holds_a_spec_and_the_modules_that_it_names(here):
    write(here / "app" / "steps.py", "import more\n\ndef add(body):\n    return body + more.NUMBER")
    write(here / "app" / "more.py", "NUMBER = 5")
    write(here / "app" / "graph.yaml", "steps: {add: {handler: add, responder: true}}")
    write(here / "app" / "cases.yaml", "cases: []")
    target = open_target("app/")
    assert target.server.test(body=1) == 6
    assert (target.folder, target.cases) == (here / "app", here / "app" / "cases.yaml")


def test_a_folder_may_make_its_graph_in_python(here):
    write(here / "app" / "graph.py", ADDS.format(number=1))
    assert open_target("app").server.test(body=1) == 2
    assert open_target("app:graph").server.test(body=1) == 2


def test_two_folders_with_modules_of_the_same_name_do_not_mix(here):
    for name, number in (("one", 1), ("two", 2)):
        write(here / name / "steps.py", "from values import NUMBER\n\ndef add(body):\n    return body + NUMBER")
        write(here / name / "values.py", f"NUMBER = {number}")
        write(here / name / "graph.yaml", "steps: {add: {handler: steps.add, responder: true}}")
    one, two = open_target("one"), open_target("two")
    assert (one.server.test(body=10), two.server.test(body=10)) == (11, 12)


def test_names_count_from_the_base(here):
    write(here / "deep" / "app.py", ADDS.format(number=1))
    write(here / "deep" / "graph.yaml", "steps: {add: {handler: add, responder: true}}")
    assert open_target("app.py", base=here / "deep").server.test(body=1) == 2
    assert open_target("app:graph", base=here / "deep").server.test(body=1) == 2
    assert open_target("graph.yaml", "app.py", base=here / "deep").server.test(body=1) == 2


# ---- notebooks ------------------------------------------------------------------------------------------------


def test_the_cells_of_a_notebook_are_run(here, capsys):
    notebook(
        here / "book.ipynb",
        "%matplotlib inline\nimport graphkit\n!pip list",
        "def add(body):\n    return body + one",
        "%%bash\nexit 1",
        "%%time\none = 1",
        "graph = graphkit.new_flow()\ngraph.to(add).respond()\ngraph",
        ("raise SystemExit", "skip"),
        "print('seen'); display(graph)\ngraph?",
        "%time two = 2\nif True:\n    !ls\nfiles = !ls\nassert two == 2",
        "text = '''\n%not a command\n'''\nassert '%' in text",
        "import asyncio\nawait asyncio.sleep(0)\nserver = graph.to_mock_server()\nserver.test(body=1)",
    )
    before = sys.modules["__main__"]
    target = open_target("book.ipynb")
    assert target.server.test(body=5) == 6
    assert open_target("book.ipynb:graph").server.test(body=5) == 6
    assert sys.modules["__main__"] is before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%pip install x\ntext = '''\n%not\n!one\n'''", "pass\ntext = '''\n%not\n!one\n'''"),
        ("!ls\nx = (7\n% 4)\ny = [\n1,\n]", "pass\nx = (7\n% 4)\ny = [\n1,\n]"),
        ("!ls\nx = 7 \\\n% 4", "pass\nx = 7 \\\n% 4"),
        ("!echo one \\\n  two\nx = 1", "pass\n\nx = 1"),
        ("for x in y:\n    %time z = x\n    a, b = !ls\n    x.y??", "for x in y:\n    z = x\n    pass\n    pass"),
        ('def f():\n    """Doc\n    %x\n    """\n!ls', 'def f():\n    """Doc\n    %x\n    """\npass'),
        ("%%html\n<b>", ""),
        ("%%writefile a.py\nx = 1", ""),
        ("\n%%capture out\nx = 1\n!ls", "\n\nx = 1\npass"),
    ],
)
def test_only_commands_are_left_out_of_a_cell(source, plain):
    assert plain_python(source) == plain


def test_what_code_asks_of_the_shell_does_nothing(here):
    notebook(
        here / "book.ipynb",
        "shell = get_ipython()\nshell.run_line_magic('matplotlib', 'inline')\nif shell:\n    1 / 0",
        ADDS.format(number=1),
    )
    assert open_target("book.ipynb").server.test(body=1) == 2


def test_a_cell_that_fails_is_named_with_its_line(here):
    notebook(here / "book.ipynb", "x = 1", "y = 2\nz = x / 0")
    with pytest.raises(GraphError, match=r"book\.ipynb\[2\] failed in line 2: ZeroDivisionError: division by zero"):
        open_target("book.ipynb")


def test_a_cell_that_is_not_python_is_named(here):
    notebook(here / "book.ipynb", "x = = 1")
    with pytest.raises(GraphError, match=r"book\.ipynb\[1\] cannot be run: line 1: invalid syntax"):
        open_target("book.ipynb")


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"cells": [1]}'])
def test_what_is_no_notebook_is_refused(here, text):
    (here / "book.ipynb").write_text(text)
    with pytest.raises(GraphError, match=r"book\.ipynb' is no notebook"):
        open_target("book.ipynb")


# ---- what cannot be opened ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("appp.py", "there is no 'appp.py', did you mean 'app.py'"),
        ("no/folder", "there is no 'no/folder'"),
        ("app.txt", "there is no module 'app.txt'|there is no 'app.txt'"),
        ("nothing:graph", "there is no module 'nothing'"),
        ("app.py:grap", "app.py has no 'grap', did you mean 'graph'.*the graphs there are 'graph', 'other'"),
        ("app.py", "app.py has several graphs .'graph', 'other'.: name one, such as app.py:graph"),
        ("app.py:number", "'number' in app.py is a value of type int, not a graph.*'graph', 'other'"),
        ("app.py:Model", "'Model' in app.py is a value of type type, not a graph"),
        ("app.py:fails", "fails.. in app.py failed: ValueError: on purpose"),
        ("app.py:makes_number", "makes_number.. in app.py returned a value of type int"),
        ("empty.py", "empty.py has no graph: a value made by"),
        ("broken.py", "broken.py' cannot be imported: ZeroDivisionError"),
        ("needs.py", "needs.py' cannot be imported: No module named 'not_installed_anywhere'"),
        ("bad-name.py", "'bad-name.py' cannot be imported: 'bad-name' is no name of a module"),
        ("json.py", "'json.py' has the name of another module"),
        ("wrong.yaml", "wrong.yaml.*unknown key 'handlr'.*did you mean 'handler'"),
        ("notes.md", "'notes.md' is none of the files that hold a graph"),
        ("bare", "the folder 'bare' has no graph: it needs a graph.yaml, or a graph.py.*there is 'data.csv'"),
        ("a b:c", "there is no 'a b:c'; name a folder"),
    ],
)
def test_what_cannot_be_opened_is_named(here, name, words):
    write(
        here / "app.py",
        """
        import graphkit

        graph, other = graphkit.new_flow(), graphkit.new_flow()
        graph.to(name="a", handler="(event)")
        other.to(name="a", handler="(event)")
        number = 3

        class Model:
            pass

        def fails():
            raise ValueError("on purpose")

        def makes_number():
            return 3
        """,
    )
    write(here / "empty.py", "import graphkit\ngraph = graphkit.new_flow()")
    write(here / "broken.py", "1 / 0")
    write(here / "needs.py", "import not_installed_anywhere")
    write(here / "bad-name.py", "")
    write(here / "json.py", "graph = None")
    write(here / "wrong.yaml", "steps: {a: {handlr: x}}")
    write(here / "notes.md", "")
    write(here / "bare" / "data.csv", "")
    with pytest.raises(GraphError, match=words):
        open_target(name)


def test_a_module_for_something_that_is_no_spec_is_refused(here):
    write(here / "app.py", ADDS.format(number=1))
    with pytest.raises(GraphError, match=r"'app\.py' is no spec"):
        open_target("app.py", "app.py")


def test_a_name_that_two_modules_of_a_folder_define_is_refused(here):
    for name in ("one", "two"):
        write(here / "app" / f"{name}.py", f"def add(body):\n    return '{name}'")
    write(here / "app" / "graph.yaml", "steps: {add: {handler: add, responder: true}}")
    with pytest.raises(GraphError, match=r"'add' is defined in one\.py and in two\.py; a step could mean either"):
        open_target("app")
