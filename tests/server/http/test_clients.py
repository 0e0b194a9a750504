"""Clients that others wrote get their answers: Triton's and KServe's, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.http.processes import Served

CLIENTS = Path(__file__).parent / "clients"
KSERVE = "kserve==0.21.0"


def run(python: str, script: str, address: str) -> str:
    done = subprocess.run(
        [python, str(CLIENTS / script), address], capture_output=True, text=True, timeout=120, cwd=CLIENTS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kserve_python() -> str:
    """Return a Python with KServe, in an environment of its own that is made once; it wants other versions."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "graphkit-tests" / KSERVE
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        try:
            venv.create(folder, with_pip=True, clear=True)
            command = [str(python), "-m", "pip", "install", "-q", KSERVE]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
        except (OSError, subprocess.SubprocessError) as exc:
            pytest.skip(f"{KSERVE} cannot be installed into an environment of its own: {exc}")
        (folder / "complete").touch()
    return str(python)


def test_tritons_client_gets_every_answer(serving: Callable[..., Served]) -> None:
    pytest.importorskip("tritonclient.http", reason="Triton's client is not installed")
    served = serving("for_clients")
    assert "all calls answered" in run(sys.executable, "triton.py", f"127.0.0.1:{served.port}")


@pytest.mark.slow
def test_kserves_client_gets_every_answer(models: Served) -> None:
    assert "all calls answered" in run(kserve_python(), "kserve_client.py", models.url)


def test_curl_gets_an_answer(models: Served) -> None:
    command = ["curl", "-sS", "-d", '{"id": "1", "inputs": [[1, 2]]}', f"{models.url}/v2/models/linear/infer"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    assert '"outputs":[21.0]' in done.stdout, done.stdout + done.stderr
