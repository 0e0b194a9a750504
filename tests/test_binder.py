"""The scripts beside the package: what the README's commands do."""

from __future__ import annotations

import argparse
import importlib.util
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of the script that opens the tutorial."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "binder"))
    spec = importlib.util.spec_from_file_location("binder_start", CHECKOUT / "binder" / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_notebook_whose_name_has_blanks_gets_a_proper_address(start: Any) -> None:
    options = argparse.Namespace(notebook="notebooks/my own.ipynb", no_browser=False, port=None)
    assert "--LabApp.default_url=/lab/tree/notebooks/my%20own.ipynb" in start.lab_arguments(options, [])


@pytest.mark.slow
def test_the_printed_address_is_that_of_the_tutorial(start: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = argparse.Namespace(notebook=start.TUTORIAL, no_browser=True, port=port)
    command = [sys.executable, *start.lab_arguments(options, [])]
    lab = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert lab.stdout is not None
        printed = next(found for line in lab.stdout if (found := re.search(r"http://localhost:\S+", line)))
    finally:
        lab.terminate()
        lab.communicate(timeout=30)
    assert f":{port}/lab/tree/notebooks/01_quickstart.ipynb?token=" in printed.group()
