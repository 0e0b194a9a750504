"""Notebooks that are exported, and apps that are asked in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphkit.export.cells import Cell
from graphkit.export.report import Exported
from graphkit.server.export_graph import export_app
from graphkit.server.notebook_file import code_cells, plain_python, run_notebook

PACKAGE = Path(__file__).resolve().parents[2]
_PROGRAM = """
import json, sys
from graphkit.server.app import load_app
server = load_app(sys.argv[1])
print(json.dumps([server.test(*args) for args in json.loads(sys.argv[2])]))
"""


def notebook(path: Path, *cells: Any) -> Path:
    """Write a notebook; a cell is its source, or the source and its tags."""
    made = []
    for cell in cells:
        source, *tags = cell if isinstance(cell, tuple) else (cell,)
        text = textwrap.dedent(source).strip("\n")
        made.append(
            {
                "cell_type": "code",
                "source": text.splitlines(keepends=True),
                "metadata": {"tags": tags},
                "outputs": [],
                "execution_count": None,
            }
        )
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def _ask(app: Path, *requests: tuple[Any, ...]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(app), json.dumps(requests)],
        capture_output=True,
        text=True,
        cwd=app.parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class Ran:
    """A notebook that was run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.namespace = run_notebook(path)
        self.app = path.parent / "app"

    def export(self, name: str = "server", **options: Any) -> Exported:
        cells = [Cell(plain_python(source), f"cell {number}") for number, source in code_cells(self.path)]
        return export_app(self.namespace[name], self.app, cells=cells, **options)

    @property
    def steps(self) -> str:
        return (self.app / "steps.py").read_text("utf-8")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Write and run a notebook in a folder of its own."""

    def run(*cells: Any) -> Ran:
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        return Ran(notebook(folder / "notebook.ipynb", *cells))

    return run


@pytest.fixture(autouse=True)
def own_modules():
    """Forget what was imported from apps and notebooks' folders."""
    path, modules = [*sys.path], dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        file = getattr(sys.modules[name], "__file__", None)
        if file and "pytest-of-" in file:
            del sys.modules[name]


@pytest.fixture
def ask() -> Callable[..., list[Any]]:
    """Return what an app answers in a fresh process that can import nothing else of the user's."""
    return _ask
