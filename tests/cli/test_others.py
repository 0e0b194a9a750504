"""The other commands: init, validate, describe, plot, completion."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
import yaml

from graphkit.cases.file import CaseFile


def test_a_new_project_works_at_once(graphkit, tmp_path):
    done = graphkit("init", "demo")
    assert (done.returncode, "demo is ready" in done.stdout) == (0, True)
    demo = tmp_path / "demo"
    assert sorted(path.name for path in demo.iterdir()) == [
        "README.md", "cases.yaml", "flowers.json", "graph.py", "model.py", "rows.csv",
    ]  # fmt: skip
    assert not [path for path in demo.iterdir() if "{{" in path.read_text()]
    assert graphkit("test", "demo", "-q").stdout == "2 passed\n"
    assert graphkit("validate", "demo").returncode == 0


def test_every_command_of_the_new_projects_readme_works(graphkit, tmp_path, environment):
    graphkit("init", "demo")
    demo = tmp_path / "demo"
    commands = re.findall(r"^graphkit (.*?)(?: +#.*)?$", (demo / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        done = graphkit(*command.split(), cwd=demo)
        assert done.returncode == 0, (command, done.stderr)
    assert (demo / "scored.csv").read_text().splitlines()[1:3] == ["first,setosa", "second,versicolor"]
    code = re.search(r"```python\n(.*?)```", (demo / "README.md").read_text(), re.DOTALL)
    subprocess.run([sys.executable, "-c", code[1]], cwd=demo, env=environment, check=True, capture_output=True)
    assert CaseFile.load(demo / "cases.yaml")["a small one"].answer == {"outputs": ["setosa"]}
    assert graphkit("test", "-q", cwd=demo).stdout == "3 passed\n"


def test_an_empty_folder_may_be_filled(graphkit, tmp_path):
    (tmp_path / "demo").mkdir()
    assert graphkit("init", "demo").returncode == 0


# ---- validate -------------------------------------------------------------------------------------------------


def test_a_right_graph_is_right(graphkit, app):
    done = graphkit("validate", "app.py")
    assert (done.returncode, done.stdout) == (0, "app.py is right\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("graph.to('missing', name='a')\ngraph.to('gone', name='b')", ["'missing' is", "'gone' is", "2 problems"]),
        ("graph.to('(event', name='a')", ["1 problem"]),
        ("graph.to(Model, name='a', nonsense=1)", ["nonsense"]),
        ("graph.to('*', name='r').add_route('m', class_name=Broken)", ["could not be loaded: ValueError: no file"]),
        ("", ["has no graph"]),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_is_listed(graphkit, write, text, words):
    head = textwrap.dedent(
        """
        import graphkit
        from graphkit import V2ModelServer

        class Model:
            def __init__(self, factor=1):
                pass
            def do(self, body):
                return body

        class Broken(V2ModelServer):
            def load(self):
                raise ValueError("no file")

        graph = graphkit.new_flow()
        """
    )
    write("app.py", head + text)
    done = graphkit("validate", "app.py")
    assert done.returncode == (1 if text else 2)
    for each in words:
        assert each in done.stderr


def test_the_structure_can_be_checked_without_the_code(graphkit, write):
    write("graph.yaml", "steps: {a: {handler: missing}, b: {handler: missing, after: [a]}}")
    assert graphkit("validate", "graph.yaml").returncode == 1
    assert graphkit("validate", "graph.yaml", "--structure").returncode == 0
    write("graph.yaml", "steps: {a: {handler: missing, after: [b]}, b: {handler: missing, after: [a]}}")
    assert graphkit("validate", "graph.yaml", "--structure").returncode == 1


# ---- describe and plot ----------------------------------------------------------------------------------------


def test_a_graph_is_told_in_words(graphkit, app):
    done = graphkit("describe", "app.py")
    assert done.returncode == 0
    assert "flow 'doubling', 1 step\n  start -> double" in done.stdout
    assert "cases: one, two, nothing" in done.stdout


def test_settings_are_told_and_secrets_are_not(graphkit, app):
    more = "server = graph.to_mock_server(parameters={'factor': 3}, secret_sources=[{'kind': 'inline', 'source': "
    app.write_text(app.read_text() + more + "{'TOKEN': 'abracadabra'}}])\n")
    for form in ([], ["--json"], ["--yaml"]):
        done = graphkit("describe", "app.py", *form)
        assert "factor" in done.stdout
        assert "TOKEN" in done.stdout
        assert "abracadabra" not in done.stdout + done.stderr


def test_the_forms_for_programs_are_whole(graphkit, app):
    data = json.loads(graphkit("describe", "app.py", "--json").stdout)
    assert (data["kind"], data["cases"], [*data["graph"]["steps"]]) == ("server", ["one", "two", "nothing"], ["double"])
    assert yaml.safe_load(graphkit("describe", "app.py", "--yaml").stdout)["graph"]["steps"]["double"]["responder"]


@pytest.mark.parametrize(("name", "begins"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.dot", b"")])
def test_a_graph_is_drawn(graphkit, app, tmp_path, name, begins):
    done = graphkit("plot", "app.py", "-o", name, "-a", "rankdir=LR")
    assert (done.returncode, done.stdout) == (0, f"{name} is written\n")
    content = (tmp_path / name).read_bytes()
    assert content.startswith(begins)
    assert b"double" in content or name == "a.png"


def test_an_attribute_without_a_value_is_refused(graphkit, app):
    assert graphkit("plot", "app.py", "-a", "rankdir").returncode == 2


# ---- completion -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(graphkit, shell):
    done = graphkit("completion", shell)
    assert done.returncode == 0
    assert "_GRAPHKIT_COMPLETE" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_commands_options_and_values_complete_in_bash(environment, tmp_path, graphkit):
    script = tmp_path / "complete.sh"
    program = tmp_path / "bin" / "graphkit"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c \'from graphkit.cli.main import main; main(prog_name="graphkit")\' "$@"\n'
    )
    program.chmod(0o755)
    script.write_text(graphkit("completion", "bash").stdout)

    def completed(*words):
        line = " ".join(f"'{word}'" for word in words)
        code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _graphkit_completion graphkit; "
        done = subprocess.run(
            ["bash", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'], text=True, capture_output=True, check=True,
            env={**environment, "PATH": f"{program.parent}:{environment['PATH']}"},
        )  # fmt: skip
        return done.stdout.split()

    assert completed("graphkit", "de") == ["describe"]
    assert "--keep" in completed("graphkit", "run", "--k")
    assert completed("graphkit", "run", "--as", "fr") == ["frame"]
