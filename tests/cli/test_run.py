"""``graphkit run`` sends files through graphs, in processes too, and goes on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

MODEL = """
import os, time
import graphkit

class Sums(graphkit.V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        time.sleep({pause})
        if any(row[0] == 13 for row in request["inputs"]):
            raise ValueError("thirteen")
        return [{{"sum": sum(row), "pid": os.getpid()}} for row in request["inputs"]]

router = graphkit.new_router()
router.add_route("sums", class_name=Sums)
"""


@pytest.fixture
def rows(tmp_path, write):
    write("app.py", MODEL.format(pause=0))
    path = tmp_path / "rows.csv"
    pd.DataFrame({"key": [f"k{at}" for at in range(100)], "x": range(100), "y": [1] * 100}).to_csv(path, index=False)
    return path


def test_rows_are_scored(graphkit, rows, tmp_path):
    args = ["--path", "sums/infer", "--columns", "x,y", "--keep", "key,x", "--chunk", "30"]
    done = graphkit("run", "app.py", "-i", "rows.csv", "-o", "out.parquet", *args)
    assert done.returncode == 1  # one row has no answer
    assert "100 rows into out.parquet" in done.stdout
    assert "1 failed, see out.parquet.errors.jsonl" in done.stdout
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert list(out.columns) == ["key", "x", "sum", "pid"]
    assert [at for at, item in enumerate(out["sum"]) if pd.isna(item)] == [13]
    assert out["sum"][99] == 100
    (error,) = (json.loads(line) for line in (tmp_path / "out.parquet.errors.jsonl").read_text().splitlines())
    assert (error["row"], "thirteen" in error["error"]) == (13, True)


def test_a_run_that_fails_on_every_row_suggests_the_columns(graphkit, rows, tmp_path):
    done = graphkit("run", "app.py", "-i", "rows.csv", "-o", "out.csv", "--path", "sums/infer")
    assert (done.returncode, "100 failed" in done.stdout) == (1, True)
    assert done.stderr.splitlines()[-1] == (
        "every row failed, and 'key' holds text: name the columns that the model takes, such as --columns x,y"
    )
    named = graphkit("run", "app.py", "-i", "rows.csv", "-o", "b.csv", "--path", "sums/infer", "--columns", "key")
    assert "every row failed" not in named.stderr
    (tmp_path / "rows.jsonl").write_text('broken\n{"x": 1, "name": "a b"}\n["z"]\n')
    lines = graphkit("run", "app.py", "-i", "rows.jsonl", "-o", "c.jsonl", "--path", "sums/infer")
    assert lines.stderr.splitlines()[-1].endswith(
        "'name' holds text: name the columns that the model takes, such as --columns x"
    )


def test_processes_share_the_work(graphkit, rows, tmp_path):
    (tmp_path / "app.py").write_text(MODEL.format(pause=0.1))
    args = ["--columns", "x,y", "--chunk", "10", "--workers", "2", "--processes"]
    done = graphkit("run", "app.py:router", "-i", "rows.csv", "-o", "out.jsonl", *args)
    assert "100 rows into out.jsonl" in done.stdout, done.stderr
    out = pd.read_json(tmp_path / "out.jsonl", lines=True)
    assert [item for at, item in enumerate(out["sum"]) if at != 13] == [at + 1 for at in range(100) if at != 13]
    assert out["pid"].nunique() == 2


def test_a_killed_run_with_processes_goes_on(rows, tmp_path, graphkit, environment):
    (tmp_path / "app.py").write_text(MODEL.format(pause=0.05))
    args = ["run", "app.py", "-i", "rows.csv", "-o", "out.csv", "--columns", "x,y", "--keep", "key", "--chunk", "5"]
    command = [sys.executable, "-m", "graphkit", *args, "--workers", "2", "--processes"]
    journal = tmp_path / ".out.csv.parts" / "journal.jsonl"
    for _ in range(2):
        # on a busy machine the run before has done more than it was asked for
        lines = len(journal.read_text().splitlines()) + 2 if journal.exists() else 3
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
            end = time.monotonic() + 60
            while not (journal.exists() and len(journal.read_text().splitlines()) > lines):
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.005)
            workers = descendants(process.pid)
            assert len(workers) >= 2 or not Path("/proc/self/stat").exists()
            process.send_signal(signal.SIGKILL)
        wait_for_the_end_of(workers)
    done = graphkit(*args, "--workers", "2", "--processes")
    assert "were done before" in done.stdout, done.stderr
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["key"].tolist() == [f"k{at}" for at in range(100)]
    assert [item for at, item in enumerate(out["sum"]) if at != 13] == [at + 1 for at in range(100) if at != 13]


def descendants(pid):
    """Return the processes below one, where the system lists them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        if parent == pid:
            found.append(int(path.parent.name))
    return [*found, *(below for each in found for below in descendants(each))]


def wait_for_the_end_of(pids):
    """Fail if processes stay when the one that started them was killed."""
    end = time.monotonic() + 30
    for pid in pids:
        while is_running(pid):
            assert time.monotonic() < end, f"process {pid} is left"
            time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_whose_code_has_changed_is_not_gone_on_with(graphkit, rows, write):
    write("by.py", "BY = 1")
    write("app.py", "from by import BY\n" + MODEL.format(pause=0).replace("sum(row)", "sum(row) * BY"))
    args = ["run", "app.py", "-i", "rows.csv", "-o", "out.csv", "--columns", "x,y", "--chunk", "5"]
    assert "more than the 0 that are allowed" in graphkit(*args, "--max-errors", "0").stderr
    write("by.py", "BY = 2")
    done = graphkit(*args)
    assert done.returncode == 1
    assert "what answers has changed since (code 'by.py')" in done.stderr
    assert done.stderr.endswith("begin anew with --restart\n")
    assert "were done before" not in graphkit(*args, "--restart").stdout
    assert pd.read_csv(rows.with_name("out.csv"))["sum"].iloc[0] == 2


def test_an_interrupted_run_says_how_to_go_on(rows, tmp_path, environment):
    (tmp_path / "app.py").write_text(MODEL.format(pause=0.2))
    command = [sys.executable, "-m", "graphkit", "run", "app.py", "-i", "rows.csv", "-o", "out.csv", "--columns", "x,y",
               "--chunk", "5"]  # fmt: skip
    journal = tmp_path / ".out.csv.parts" / "journal.jsonl"
    # a shell that puts the tests in the background lets them ignore interrupts, and what they start with them
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, heard)
    with started as process:
        end = time.monotonic() + 60
        while not (journal.exists() and len(journal.read_text().splitlines()) > 1):
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert errors.strip() == "stopped; the same command goes on where it was"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--path", "smus/infer"], "did you mean 'sums'"),
        (["--columns", "x,z"], "the input has no column 'z'"),
        (["--columns", "x,y", "--max-errors", "0"], "1 rows failed, more than the 0 that are allowed"),
        (["--columns", "x,y", "--output-format", "parquet", "--any-rows", "--keep", "x"], "columns are kept beside"),
    ],
)
def test_what_ends_a_run_ends_with_1(graphkit, rows, args, words):
    done = graphkit("run", "app.py", "-i", "rows.csv", "-o", "out.csv", *args)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_call_that_was_mistyped_is_simply_corrected(graphkit, rows, tmp_path):
    args = ["run", "app.py", "-i", "rows.csv", "-o", "out.csv"]
    assert "has no column 'z'" in graphkit(*args, "--columns", "x,z").stderr
    assert "did you mean 'sums'" in graphkit(*args, "--columns", "x,y", "--path", "smus/infer").stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert "100 rows into out.csv" in graphkit(*args, "--columns", "x,y", "--path", "sums/infer").stdout


def test_an_output_that_is_there_is_not_replaced(graphkit, rows, write, tmp_path):
    write("out.csv", "dear")
    args = ["run", "app.py", "-i", "rows.csv", "-o", "out.csv", "--columns", "x,y"]
    assert "out.csv' is there already; --overwrite replaces it" in graphkit(*args).stderr
    assert (tmp_path / "out.csv").read_text() == "dear\n"
    assert "100 rows" in graphkit(*args, "--overwrite").stdout


def test_a_progress_bar_is_shown_if_asked(graphkit, rows):
    args = ["run", "app.py", "-i", "rows.csv", "--columns", "x,y"]
    assert graphkit(*args, "-o", "a.csv").stderr == ""
    assert "rows" in graphkit(*args, "-o", "b.csv", "--progress").stderr
