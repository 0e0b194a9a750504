"""Tracebacks of plain scripts: the call, the step, and next to nothing of the engine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import BadRequest, GraphServer, StepError, new_flow
from graphkit.core.paths import getter

PACKAGE = Path(graphkit.__file__).parent
SCRIPT = """
import asyncio, sys
import graphkit

def divide(number):
    return 1 / number  # the step's own line

async def later(number):
    await asyncio.sleep(0)
    return divide(number)

graph = graphkit.new_flow()
graph.to({step}, name="step").respond()
server = graph.to_mock_server({options})
server.test(body=0)  # the script's own line
"""


def run_script(folder: Path, step: str = "divide", options: str = "", *debugger: str, told: str = "") -> str:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(step=step, options=options))
    command = [sys.executable, *debugger, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, input=told, check=False, timeout=120, cwd=folder)
    return ran.stdout + ran.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    return tmp_path


@pytest.mark.parametrize("step", ["divide", "later"])
def test_a_script_shows_its_call_and_its_step(folder: Path, step: str) -> None:
    shown = run_script(folder, step)
    assert "the script's own line" in shown
    assert "the step's own line" in shown
    assert shown.rstrip().endswith("step 'step' failed: ZeroDivisionError: division by zero")
    files = {line.split('"')[1] for line in shown.splitlines() if line.startswith('  File "')}
    ours = {str(Path(file).relative_to(PACKAGE)) for file in files if Path(file).is_relative_to(PACKAGE)}
    assert ours == {"server/graph_server.py", "server/recorded.py"}
    assert not any("asyncio" in file or "concurrent" in file for file in files)
    assert "<graphkit run>" not in shown


def test_a_verbose_server_shows_the_engine_too(folder: Path) -> None:
    shown = run_script(folder, "divide", "verbose=True")
    assert "runtime/machine.py" in shown


@pytest.mark.parametrize("step", ["divide", "later"])
def test_a_debugger_ends_up_in_the_step(folder: Path, step: str) -> None:
    shown = run_script(folder, step, "", "-m", "pdb", "-c", "continue", told="p ('here', number)\nq\n")
    assert "('here', 0)" in shown


# ---- what stays ---------------------------------------------------------------------------------------------------


def files_of(exc: BaseException | None) -> list[str]:
    assert exc is not None
    return [Path(entry.filename).name for entry in traceback.extract_tb(exc.__traceback__)]


def error_of(step: Any, body: Any, engine: str = "sync", **options: Any) -> StepError:
    graph = new_flow(engine=engine)
    graph.to(step, name="step").respond()
    server: GraphServer = graph.to_mock_server(**options)
    with pytest.raises(StepError) as caught:
        server.test(body=body, content_type="text/plain")
    return caught.value


def divide(body: Any) -> Any:
    return 1 / body


async def divide_later(body: Any) -> Any:
    await asyncio.sleep(0)
    return divide(body)


HERE = Path(__file__).name
WAY_OUT = [HERE, "graph_server.py", "recorded.py"]


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize(("step", "frames"), [(divide, 1), (divide_later, 2)])
def test_the_frames_of_the_user_stay(engine: str, step: Any, frames: int) -> None:
    error = error_of(step, 0, engine)
    assert files_of(error) == WAY_OUT + [HERE] * frames
    assert files_of(error.__cause__) == [HERE] * frames
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_frames_of_a_library_stay_with_what_it_raised() -> None:
    def parse(body: Any) -> Any:
        return json.loads(body)

    error = error_of(parse, "{")
    assert files_of(error) == [*WAY_OUT, HERE]  # a debugger goes to the user's last line
    assert files_of(error.__cause__)[0] == HERE
    assert files_of(error.__cause__)[-1] == "decoder.py"


def test_a_cause_of_the_cause_is_cut_as_well() -> None:
    def translate(body: Any) -> Any:
        try:
            return getter("word")(body)
        except Exception as exc:
            raise ValueError("no such word") from exc

    error = error_of(translate, 5)
    assert error.__cause__ is not None
    assert files_of(error.__cause__) == [HERE]
    assert files_of(error.__cause__.__cause__)[0] == HERE


def test_what_the_engine_raised_unawares_keeps_the_place() -> None:
    error = error_of("(event + 1)", "text")
    assert type(error.__cause__) is TypeError
    assert len(files_of(error.__cause__)) == 1
    assert files_of(error) == WAY_OUT


def test_what_the_engine_raised_on_purpose_says_it_all() -> None:
    server = new_flow().to_mock_server()
    server.graph.to("nothing_of_this_name", name="step").respond()
    with pytest.raises(StepError, match="nothing_of_this_name") as caught:
        server.test(body=1)
    assert files_of(caught.value) == WAY_OUT
    graph = new_flow()
    graph.to(divide, name="step").respond()
    server = graph.to_mock_server()
    with pytest.raises(BadRequest) as refused:
        server.test(body="{", content_type="application/json")
    assert files_of(refused.value) == WAY_OUT


def test_an_error_that_is_asked_for_twice_is_shown_alike() -> None:
    graph = new_flow()
    graph.to(divide, name="step").respond()
    pending = graph.to_mock_server().submit(body=0)
    for _ in range(2):
        with pytest.raises(StepError) as caught:
            pending.result(60)
        assert files_of(caught.value) == [HERE, "pending.py", "recorded.py", HERE]


def test_records_have_their_traceback_all_the_same() -> None:
    graph = new_flow()
    graph.to(divide, name="step").respond()
    server = graph.to_mock_server()
    server.test(body=0, silent=True)
    assert "return 1 / body" in server.last_run.steps[0].traceback
