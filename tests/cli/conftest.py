"""What the tests of the command line share: the command in a process of its own, and small projects."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which this checkout is imported."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


@pytest.fixture
def graphkit(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return ``graphkit(*args)``: the command, run in the test's folder."""

    def run(*args: Any, cwd: Path = tmp_path, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "graphkit", *map(str, args)]
        return subprocess.run(
            command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=120, check=False, **options
        )

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return ``write(name, text)``: writes a file of the test's folder."""

    def to_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")
        return path

    return to_file


@pytest.fixture
def app(write: Callable[[str, str], Path]) -> Path:
    """Return a Python file with a graph that doubles ``x``, beside a file of cases."""
    write(
        "cases.yaml",
        """
        graph: app.py
        cases:
        - {name: one, body: {x: 1}, answer: {twice: 2}}
        - {name: two, body: {x: 2}, answer: {twice: 4}}
        - {name: nothing, body: {}, status: 500}
        """,
    )
    return write(
        "app.py",
        """
        import graphkit

        def double(body):
            return {"twice": body["x"] * 2}

        graph = graphkit.new_flow("doubling")
        graph.to(double).respond()
        """,
    )
