"""Apps are loaded within the bounds that their settings set."""

from __future__ import annotations

import pickle
import sys
import textwrap

import pytest

import graphkit
from graphkit import GraphError, SpecError, TrustError, load_app
from graphkit.core.trust import file_hash
from graphkit.server.target import open_target

STEPS = """
    import os
    import functools
    from os import system
    from pathlib import Path
    from graphkit import V2ModelServer
    import helpers
    from helpers import shout

    RATE = 3
    alias = os

    class Holder:
        tools = os

    def _inner(x):
        return x + 1

    def triple(x):
        return x * RATE

    class Adder:
        def __init__(self, by=1):
            self.by = by
        def do(self, x):
            return x + self.by

    class Model(V2ModelServer):
        def load(self):
            self.model = Path(self.get_model()[0]).read_bytes()
        def predict(self, request):
            return [len(self.model)]
"""
HELPERS = """
    import subprocess
    def shout(x):
        return str(x) + "!"
"""


@pytest.fixture
def app(tmp_path):
    """Write an app of a graph's steps, and forget its modules afterwards."""
    path, modules = [*sys.path], set(sys.modules)

    def write(steps, settings="", folder="app", more=""):
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        (place / "steps.py").write_text(textwrap.dedent(STEPS) + textwrap.dedent(more))
        (place / "helpers.py").write_text(textwrap.dedent(HELPERS))
        (place / "settings.yaml").write_text("app:\n  modules: [steps, helpers]\n" + settings)
        (place / "graph.yaml").write_text(f"graph:\n  steps:\n{textwrap.indent(textwrap.dedent(steps), '    ')}")
        return place

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("steps", "helpers"):
            del sys.modules[name]


def one(handler):
    return f"a: {{handler: {handler!r}, responder: true}}\n"


def refused(folder):
    with pytest.raises(TrustError) as caught:
        load_app(folder)
    return caught.value.problems


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        ("triple", 6),
        ("_inner", 3),
        ("steps.triple", 6),
        ("shout", "2!"),
        ("helpers.shout", "2!"),
        ("steps.helpers.shout", "2!"),
        ("str", "2"),
        ("(triple(event) + RATE)", 9),
        ("(shout(event))", "2!"),
    ],
)
def test_what_the_apps_modules_define_may_be_named(app, handler, answer):
    assert load_app(app(one(handler))).test(body=2) == answer


@pytest.mark.parametrize(
    "handler",
    [
        "os.system",
        "system",
        "steps.os.system",
        "steps.system",
        "helpers.subprocess.run",
        "subprocess.run",
        "shutil.rmtree",
        "functools.partial",
        "triple.__globals__.get",
        "__builtins__.get",
        "builtins.eval",
        "(system(event))",
        "graphkit.core.ids.secrets.choice",
        "alias.system",
        "Holder.tools.system",
        "steps.alias.path.join",
        "_inner.__code__.replace",
    ],
)
def test_anything_else_is_refused_when_the_app_is_loaded(app, handler):
    [problem] = refused(app(one(handler)))
    assert problem.startswith("step 'a': handler: ")
    assert "may not be named by this app" in problem


def test_the_message_says_how_to_allow_a_name(app):
    [problem] = refused(app(one("os.path.basename")))
    assert problem == (
        "step 'a': handler: 'os.path.basename' may not be named by this app: it is 'os.path.basename', which is "
        "neither of the app's own modules ('helpers', 'steps') nor a step of graphkit; to allow it, add "
        "'os.path.basename' to app.allow in settings.yaml"
    )


@pytest.mark.parametrize("entry", ["os.path.basename", "os.path"])
def test_what_the_settings_list_may_be_named(app, entry):
    server = load_app(app(one("os.path.basename"), f"  allow: [{entry}]\n"))
    assert server.test(body="/a/b") == "b"


@pytest.mark.parametrize("handler", ["shutil.os.system", "shutil.sys.exit", "json.decoder.scanner.re.compile"])
def test_an_allowed_package_leads_to_no_other_one(app, handler):
    [problem] = refused(app(one(handler), "  allow: [shutil, json]\n"))
    assert "may not be named by this app" in problem


def test_all_refusals_are_told_at_once(app):
    problems = refused(
        app(
            """
            a: {handler: os.system}
            b: {class_name: Map, class_args: {_fn: subprocess.run}, after: [a]}
            c: {class_name: subprocess.Popen, class_args: {args: ls}, after: [b]}
            d: {class_name: Map, class_args: {_fn: '(system(event))'}, after: [c]}
            r:
              kind: router
              after: [d]
              class_name: http.server.HTTPServer
              routes: {m: {class_name: pickle.Unpickler}}
            """
        )
    )
    assert [problem.split(": ")[0] for problem in problems] == [
        "step 'a'", "step 'b'", "step 'c'", "step 'd'", "step 'r'", "step 'r/m'",
    ]  # fmt: skip


def test_graphkits_own_steps_may_be_named(app):
    steps = """
    a: {class_name: Map, class_args: {_fn: triple}}
    b: {class_name: storey.Filter, after: [a], class_args: {_fn: (event > 3)}, responder: true}
    """
    assert load_app(app(steps)).test(body=2) == 6


def test_steps_that_are_added_later_by_name_keep_to_the_bounds(app):
    server = load_app(app(one("triple")))
    server.graph["a"].responder = None
    server.graph["a"].to(name="b", handler="os.system")
    with pytest.raises(graphkit.StepError, match="may not be named by this app"):
        server.test(body=2)


def test_steps_that_a_program_adds_as_objects_are_the_programs_own(app):
    server = load_app(app(one("triple")))
    server.graph["a"].responder = None
    server.graph["a"].to(lambda x: x + 1, name="b")
    assert server.test(body=2) == 7


def test_the_initializer_keeps_to_the_bounds(app):
    folder = app(one("triple"))
    (folder / "graph.yaml").write_text("graph_initializer: os.system\n" + (folder / "graph.yaml").read_text())
    [problem] = refused(folder)
    assert problem.startswith("graph_initializer: 'os.system' may not be named")


def test_a_graph_of_a_program_has_no_bounds():
    graph = graphkit.new_flow()
    graph.to(name="a", handler="os.path.basename").respond()
    assert graph.to_mock_server(namespace={}).test(body="/a/b") == "b"


# ---- files --------------------------------------------------------------------------------------------------


def model(path):
    return f"""
    r:
      kind: router
      responder: true
      routes: {{m: {{class_name: Model, class_args: {{model_path: {path}}}}}}}
    """


def test_a_pickled_model_needs_its_hash(app):
    folder = app(model("model.pkl"))
    (folder / "model.pkl").write_bytes(pickle.dumps([1, 2]))
    [problem] = refused(folder)
    known = file_hash(folder / "model.pkl")
    assert problem.startswith("step 'r/m': model_path: the model file 'model.pkl' may run code")
    assert f"model.pkl: {known}" in problem
    app(model("model.pkl"), f"  allow_pickle: {{model.pkl: {known}}}\n")
    assert load_app(folder).test("m/infer", {"inputs": [1]})["outputs"] == [len(pickle.dumps([1, 2]))]


def test_a_model_that_is_changed_after_loading_the_app_is_refused_when_it_loads(app):
    folder = app(model("model.pkl"))
    (folder / "model.pkl").write_bytes(b"one")
    app(model("model.pkl"), f"  allow_pickle: {{model.pkl: {file_hash(folder / 'model.pkl')}}}\n")
    server = load_app(folder)
    (folder / "model.pkl").write_bytes(b"two")
    with pytest.raises(graphkit.ModelNotReady, match=r"is not the one that settings\.yaml allows"):
        server.test("m/infer", {"inputs": [1]})


@pytest.mark.parametrize("path", ["../secret.json", "/etc/hostname", "file:///etc/hostname"])
def test_a_model_path_out_of_the_app_is_refused(app, tmp_path, path):
    (tmp_path / "secret.json").write_text("{}")
    [problem] = refused(app(model(path)))
    assert "is outside of the app" in problem


def test_other_files_out_of_the_app_are_refused_unless_they_are_listed(app, tmp_path):
    steps = "a: {class_name: Adder, class_args: {by: 1, words_file: ../words.txt, url_path: /v2/x}, responder: true}"
    more = "class Adder:\n    def __init__(self, by, words_file, url_path): ...\n    def do(self, x): return x"
    [problem] = refused(app(steps, more=more))
    assert problem.startswith("step 'a': words_file: '../words.txt' is outside of the app")
    assert load_app(app(steps, f"  outside: [{tmp_path / 'words.txt'}]\n", more=more)).test(body=1) == 1


def test_relative_model_paths_count_from_the_app(app, tmp_path, monkeypatch):
    folder = app(model("model.json"))
    (folder / "model.json").write_bytes(b"12345")
    monkeypatch.chdir(tmp_path)
    assert load_app(folder).test("m/infer", {"inputs": [1]})["outputs"] == [5]


# ---- folders and modules ------------------------------------------------------------------------------------


def test_a_folder_without_a_graph_is_no_app(tmp_path):
    with pytest.raises(SpecError, match=r"is no app: an app is a folder with 'graph\.yaml' and 'settings\.yaml'"):
        load_app(tmp_path)


def test_unknown_settings_are_told_with_the_nearest(app):
    with pytest.raises(SpecError, match="unknown key 'alow', did you mean 'allow'"):
        load_app(app(one("triple"), "  alow: []\n"))


def test_a_module_that_fails_is_named(app):
    with pytest.raises(GraphError, match=r"module 'steps' in .* cannot be imported: ZeroDivisionError"):
        load_app(app(one("triple"), more="1 / 0"))
    assert "steps" not in sys.modules


def test_a_module_that_lies_elsewhere_is_refused(app):
    folder = app(one("triple"))
    (folder / "settings.yaml").write_text("app: {modules: [steps, colorsys]}")
    with pytest.raises(TrustError, match="module 'colorsys' is not in its folder"):
        load_app(folder)


@pytest.mark.parametrize("name", ["os", "../steps", "sys", "a.b", "", "json"])
def test_modules_of_odd_names_are_refused_and_pythons_own_stay(app, name):
    folder = app(one("triple"))
    (folder / "json.py").write_text("evil = 1")
    (folder / "settings.yaml").write_text(f"app: {{modules: [{name!r}]}}")
    before = dict(sys.modules)
    with pytest.raises(TrustError, match=r"named plainly|not in its folder|one of Python's own"):
        load_app(folder)
    assert {key: sys.modules.get(key) for key in ("os", "sys", "json")} == {
        key: before.get(key) for key in ("os", "sys", "json")
    }


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "app: 3", "app: {modules: steps}", "app: {allow: {a: 1}}", "app: [", "app: {allow_pickle: [a]}", "\0"],
)
def test_broken_settings_are_told(app, text):
    folder = app(one("triple"))
    (folder / "settings.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"settings\.yaml"):
        load_app(folder)


@pytest.mark.parametrize(
    "text", ["", "- 1", "graph: 3", "graph: {steps: {a: 3}}", "grahp: {}", "kind: [", "graph: null"]
)
def test_a_broken_graph_is_told(app, text):
    folder = app(one("triple"))
    (folder / "graph.yaml").write_text(text)
    with pytest.raises(GraphError):
        load_app(folder).init()


def test_two_apps_with_modules_of_the_same_name_keep_to_themselves(app):
    first = load_app(app(one("triple")))
    second = load_app(app(one("triple"), folder="other", more="RATE = 100"))
    assert [first.test(body=2), second.test(body=2), first.test(body=2)] == [6, 200, 6]
    third = load_app(app(one("steps.triple"), folder="third", more="RATE = 1000"))
    assert third.test(body=2) == 2000
    assert sys.modules["steps"].RATE == 3


def test_an_app_that_was_written_anew_is_loaded_anew(app):
    assert load_app(app(one("triple"))).test(body=2) == 6
    assert load_app(app(one("triple"), more="RATE = 1000")).test(body=2) == 2000


def test_a_modules_of_the_program_stays_what_it_is(app, monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "helpers.py").write_text("mine = 1")
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    import helpers

    assert load_app(app(one("shout"))).test(body=2) == "2!"
    assert sys.modules["helpers"] is helpers
    del sys.modules["helpers"]


def test_opening_a_folder_keeps_to_the_apps_bounds(app):
    assert open_target(app(one("triple"))).server.test(body=2) == 6
    with pytest.raises(GraphError, match="may not be named by this app"):
        open_target(app(one("os.system")))


def test_processes_keep_to_the_bounds(app):
    folder = app(
        "r: {kind: router, class_name: ParallelRun, class_args: {executor_type: process}, responder: true, routes: "
        "{m: {class_name: Adder, class_args: {by: 2}}, n: {class_name: Adder}}}\n",
        more="class Adder(Adder):\n    def do(self, x):\n        return {str(self.by): self.by}\n",
    )
    server = load_app(folder)
    assert server.test(body={"x": 1}) == {"2": 2, "1": 1}
    server.wait_for_completion()
