"""The examples in the commands' help are run, in a folder that has what they name."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from graphkit.cli.main import COMMANDS, main

CODE = """
import graphkit

class Sum(graphkit.V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return [sum(row) for row in request["inputs"]]

graph = graphkit.new_router()
graph.add_route("tree", class_name=Sum)
"""
CASES = """
graph: graph.py
cases:
- name: flower one
  path: tree/infer
  body: {inputs: [[1, 2, 3]]}
  answer: {model_name: tree, outputs: [6]}
  ignore: [id, timestamp]
"""


def examples(name: str) -> list[str]:
    """Return the lines of a command's examples, without comments and what happens to their output."""
    epilog = importlib.import_module(f"graphkit.cli.{name}").command.epilog
    (block,) = re.findall(r"^Examples\n(.*?)(?:\n\n|\Z)", epilog, re.DOTALL | re.MULTILINE)
    lines = [re.split(r" +#| [>|] ", line)[0].strip() for line in block.splitlines()]
    return [re.sub(r"^(bash|zsh|fish): +", "", line) for line in lines if not line.startswith("curl")]


def every(*names: str) -> list[str]:
    return [line for name in names for line in examples(name)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the examples name."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("examples")
    cells = [CODE, "server = graph.to_mock_server()", "server.test('tree/infer', {'inputs': [[1, 2, 3]]})"]
    cells = [{"cell_type": "code", "source": cell, "metadata": {}, "outputs": []} for cell in cells]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    files = dict.fromkeys(("graph.py", "train.py", "steps.py"), CODE)
    files |= {"cases.yaml": CASES, "notebook.ipynb": json.dumps(notebook)}
    files["texts.jsonl"] = json.dumps({"inputs": [[1, 2, 3]]}) + "\n"
    for name, text in files.items():
        (folder / name).write_text(text)
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]})
    rows.to_parquet(folder / "rows.parquet")
    rows.assign(id=["x", "y"]).to_csv(folder / "rows.csv", index=False)
    program = folder / "bin" / "graphkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m graphkit "$@"\n')
    program.chmod(0o755)
    save = "from steps import graph; graph.save('graph.yaml')"
    subprocess.run([sys.executable, "-c", save], cwd=folder, env=environment(folder), check=True)
    done = run("graphkit export notebook.ipynb app/", folder)
    assert done.returncode == 0, done.stderr
    return folder


def environment(folder: Path) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120
    )


def test_every_command_has_examples() -> None:
    assert [name for name in COMMANDS if not examples(name)] == []


@pytest.mark.parametrize("line", every("test", "validate", "describe", "plot", "run", "completion"))
def test_examples_work(world: Path, line: str) -> None:
    done = run(line, world)
    assert done.returncode == 0, done.stderr


def test_examples_of_a_new_project_work_one_after_the_other(world: Path) -> None:
    done = run(" && ".join(examples("init")), world)
    assert done.returncode == 0, done.stderr
    assert (world / "demo" / "scored.csv").read_text().splitlines()[1] == "first,setosa"


@pytest.mark.parametrize("line", examples("export"))
def test_examples_of_an_export_work(world: Path, tmp_path: Path, line: str) -> None:
    line = line.replace("app/", f"{tmp_path}/app/", 1) if " export " in line else line.partition(" && ")[0]
    done = run(line, world)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", examples("serve"))
def test_examples_of_a_server_are_understood(line: str) -> None:
    arguments = shlex.split(line.removeprefix("GRAPHKIT_API_KEYS=s3cret "))
    command = importlib.import_module("graphkit.cli.serve").command
    assert arguments[:2] == ["graphkit", "serve"]
    # below its group, whose options for help a command takes over once and for all
    command.make_context("serve", arguments[2:], parent=main.make_context("graphkit", ["serve", "--help"]))
