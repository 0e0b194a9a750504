"""A file through a graph into a file: whole, in order, side by side, and after kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

import graphkit
from graphkit.core.errors import GraphError, StepError

ROOT = Path(__file__).resolve().parents[2]
ROWS = 230
KINDS = ["csv", "parquet", "jsonl"]


def write(path, rows=ROWS):
    table = pd.DataFrame({"key": [f"k{at}" for at in range(rows)], "x": range(rows), "y": [0.5] * rows})
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    return path


def read(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, orient="records", lines=True)


@pytest.mark.parametrize("into", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_format_goes_into_every_other(tmp_path, sums, source, into):
    output = tmp_path / f"out.{into}"
    summary = sums.run_file(
        write(tmp_path / f"in.{source}"), output, "sums/infer", columns=["x", "y"], keep=["key"], chunk=50
    )
    result = read(output)
    assert result["key"].tolist() == [f"k{at}" for at in range(ROWS)]
    assert result["prediction"].tolist() == [at + 0.5 for at in range(ROWS)]
    assert (summary.rows, summary.failed, summary.resumed, summary.errors) == (ROWS, 0, 0, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{source}", f"out.{into}"]


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_that_fail_stand_beside_the_output(tmp_path, sums, workers):
    source = tmp_path / "in.jsonl"
    lines = [json.dumps([at, -1 if at in (3, 60, 61) else 1]) for at in range(100)]
    lines[7] = "{broken"
    source.write_text("\n".join(lines))
    summary = sums.run_file(source, tmp_path / "out.csv", "sums/infer", chunk=20, workers=workers)
    assert (summary.rows, summary.failed, summary.errors) == (100, 4, tmp_path / "out.csv.errors.jsonl")
    errors = [json.loads(line) for line in summary.errors.read_text().splitlines()]
    assert [error["row"] for error in errors] == [3, 7, 60, 61]
    assert "not JSON" in errors[1]["error"]
    assert "no such row" in errors[0]["error"]
    values = read(tmp_path / "out.csv")["prediction"]
    assert [at for at, item in enumerate(values) if pd.isna(item)] == [3, 7, 60, 61]
    assert values[99] == 100
    assert "4 failed, see" in repr(summary)


def test_worker_processes_answer_too(tmp_path):
    (tmp_path / "app.py").write_text(SLOW.format(pause=0))
    (tmp_path / "script.py").write_text(
        "from graphkit.server.target import open_target\n\ndef server(name):\n    return open_target(name).server\n"
    )
    write(tmp_path / "in.csv")
    # an opener must be importable in the workers
    code = "import script, functools; print(script.server('app.py').run_file('in.csv', 'out.csv', executor='process', "
    code += "workers=2, chunk=20, opener=functools.partial(script.server, 'app.py')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), text=True,
                          capture_output=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = read(tmp_path / "out.csv")
    assert result["key"].tolist() == [f"k{at}" for at in range(ROWS)]
    assert result["pid"].nunique() >= 1
    assert os.getpid() not in result["pid"].tolist()


def test_a_graph_of_a_notebook_goes_to_worker_processes_with_its_objects(tmp_path):
    class Local(graphkit.V2ModelServer):
        def predict(self, request):
            return [{"sum": self.model["base"] + sum(row), "pid": os.getpid()} for row in request["inputs"]]

    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Local, model={"base": 1000})
    output = tmp_path / "out.csv"
    server.run_file(write(tmp_path / "in.csv"), output, columns=["x"], executor="process", workers=2, chunk=50)
    result = read(output)
    assert result["sum"].tolist() == [1000 + at for at in range(ROWS)]
    assert os.getpid() not in result["pid"].tolist()


def test_what_cannot_be_sent_to_a_process_is_said(tmp_path):
    lock = threading.Lock()
    graph = graphkit.new_flow()
    graph.to(lambda table: lock and table, name="locked").respond()
    server, source, output = graph.to_mock_server(), write(tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(
        GraphError, match=r"the graph cannot be sent to worker processes: TypeError: .*lock.*; use threads"
    ):
        server.run_file(source, output, executor="process")
    with pytest.raises(GraphError, match="the opener cannot be sent to worker processes"):
        server.run_file(source, output, executor="process", opener=lambda: None)


def test_an_output_that_is_there_is_kept_unless_it_may_be_replaced(tmp_path, sums):
    source, output = write(tmp_path / "in.csv", 3), tmp_path / "out.csv"
    output.write_text("dear")
    with pytest.raises(GraphError, match=r"out\.csv' is there already; overwrite=True"):
        sums.run_file(source, output, columns=["x"])
    assert output.read_text() == "dear"
    sums.run_file(source, output, columns=["x"], overwrite=True)
    assert read(output)["prediction"].tolist() == [0, 1, 2]
    with pytest.raises(GraphError, match="is both the input and the output"):
        sums.run_file(source, source, overwrite=True)


def test_rows_of_other_forms_are_asked_by_themselves(tmp_path, sums):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('[1, 2]\n[3]\n{"x": 4, "y": 5}\n[6, 7]\n')
    assert sums.run_file(source, output).failed == 0
    assert read(output)["prediction"].tolist() == [3, 3, 9, 13]


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_fields_of_json_stand_in_one_order_however_the_rows_are_asked(tmp_path, size):
    class Digits(graphkit.V2ModelServer):
        def load(self): ...

        def predict(self, request):
            return [sum(10**at * int(cell) for at, cell in enumerate(row)) for row in request["inputs"]]

    graph = graphkit.new_router()
    graph.add_route("m", class_name=Digits)
    server = graphkit.create_graph_server(graph=graph)
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text('{"a": 1, "b": 2}\n{"b": 2, "a": 1}\n{"a": 1, "b": "x"}\n{"b": 7}\n{"c": 5, "a": 1, "b": 3}\n')
    summary = server.run_file(source, output, path="m/infer", chunk=size)
    values = read(output)["prediction"]
    # what a row lacks is missing, and nothing else stands in its place
    assert [at for at in range(5) if pd.isna(values[at])] == [2, 3]
    assert values[[0, 1, 4]].tolist() == [21, 21, 531]
    assert (summary.rows, summary.failed) == (5, 2)


def test_errors_of_an_earlier_run_do_not_stay(tmp_path, sums):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text("[-1]\n[1]\n")
    assert sums.run_file(source, output).failed == 1
    source.write_text("[1]\n[1]\n")
    assert sums.run_file(source, output, overwrite=True).failed == 0
    assert not (tmp_path / "out.csv.errors.jsonl").exists()


def test_too_many_errors_end_the_run_and_what_was_done_is_kept(tmp_path, sums):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text("".join(f"[{-1 if 20 <= at < 30 else 1}]\n" for at in range(100)))
    with pytest.raises(StepError, match=r'10 rows failed, more than the 5 that are allowed; the first: {"row":20'):
        sums.run_file(source, output, chunk=10, max_errors=5)
    assert not output.exists()
    summary = sums.run_file(source, output, chunk=10, max_errors=10)
    assert (summary.rows, summary.failed, summary.resumed) == (100, 10, 30)


def test_an_unknown_model_ends_the_run_at_once(tmp_path, sums):
    with pytest.raises(StepError, match="has no model 'smus', did you mean 'sums'"):
        sums.run_file(write(tmp_path / "in.csv"), tmp_path / "out.csv", "smus/infer")


def test_an_empty_input_makes_an_empty_output(tmp_path, sums):
    for kind in KINDS:
        source = write(tmp_path / f"in.{kind}", 0)
        assert sums.run_file(source, tmp_path / f"out.{kind}").rows == 0
        assert (tmp_path / f"out.{kind}").exists()


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_steps_hold_back_is_sent_on_with_every_chunk(tmp_path, executor):
    seen = str(tmp_path / "seen.txt")

    def keep(bodies):
        with Path(seen).open("a") as file:
            file.write("".join(f"{body['x']}\n" for body in bodies))

    graph = graphkit.new_flow()
    first = graph.to(lambda body: body, name="first")
    first.to(lambda body: body["x"], name="answer").respond()
    first.to("Batch", name="held", max_events=7).to(keep, name="keep")
    source = write(tmp_path / "in.jsonl", 50)
    options = {"shape": "row", "chunk": 20, "executor": executor, "workers": 2}
    graph.to_mock_server().run_file(source, tmp_path / "out.csv", **options)
    assert sorted(int(line) for line in Path(seen).read_text().split()) == list(range(50))


def test_memory_holds_only_some_chunks(tmp_path):
    alive, most, lock = [0], [0], threading.Lock()

    def counting(table):
        with lock:
            alive[0] += len(table)
            most[0] = max(most[0], alive[0])
        time.sleep(0.001)
        with lock:
            alive[0] -= len(table)
        return table["x"]

    graph = graphkit.new_flow()
    graph.to(counting, name="step").respond()
    source = write(tmp_path / "in.csv", 2000)
    graph.to_mock_server().run_file(source, tmp_path / "out.csv", chunk=10, workers=4)
    assert 10 <= most[0] <= 40


# ---- kills ----------------------------------------------------------------------------------------------------

SLOW = """
import os, time
import graphkit

def slow(table):
    time.sleep({pause})
    return table.assign(z=table["x"] * 2, pid=os.getpid())

graph = graphkit.new_flow()
graph.to(slow).respond()
server = graph.to_mock_server(namespace=globals())
"""


def environment(folder):
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}


RUN = """
import sys, app
print(app.server.run_file(sys.argv[1], sys.argv[2], chunk=10, workers=int(sys.argv[3]), overwrite=True))
"""


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_killed_again_and_again_neither_loses_nor_doubles_a_row(tmp_path, kind, workers):
    (tmp_path / "app.py").write_text(SLOW.format(pause=0.02))
    source, output = write(tmp_path / f"in.{kind}"), tmp_path / f"out.{kind}"
    command = [sys.executable, "-c", RUN, str(source), str(output), str(workers)]
    dice = random.Random(workers)
    kills = resumed = 0
    for _ in range(60):
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path), text=True, stdout=subprocess.PIPE
        ) as process:
            if kills < 4:
                wait_for_more(process, tmp_path / f".out.{kind}.parts" / "journal.jsonl")
                time.sleep(dice.random() * 0.05)
                process.send_signal(signal.SIGKILL)
            text = process.communicate(timeout=120)[0]
        if process.returncode == 0:
            resumed = "were done before" in text
            break
        kills += 1
    assert kills >= 2
    assert resumed
    result = read(output)
    assert result["key"].tolist() == [f"k{at}" for at in range(ROWS)]
    assert result["z"].tolist() == [2 * at for at in range(ROWS)]
    assert result["pid"].nunique() >= 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("app.py", "__pycache__")) == [
        f"in.{kind}",
        f"out.{kind}",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_runs_that_were_killed_while_they_joined(tmp_path, kind):
    (tmp_path / "app.py").write_text(SLOW.format(pause=0))
    source, output = write(tmp_path / f"in.{kind}"), tmp_path / f"out.{kind}"
    killed = "import os\nfrom graphkit.batch import files\nfiles.settle = lambda *args: os.kill(os.getpid(), 9)\n"

    def run(code):
        command = [sys.executable, "-B", "-c", code, str(source), str(output), "1"]
        return subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), timeout=120, check=False).returncode

    assert (run(killed + RUN), run(killed + RUN), run(RUN)) == (-9, -9, 0)
    assert len(read(output)) == ROWS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", f"in.{kind}", f"out.{kind}"]


def wait_for_more(process, journal):
    """Wait until some more chunks are noted, in the middle of the work."""
    before = journal.stat().st_size if journal.exists() else 0
    end = time.monotonic() + 60
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > before + 80):
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_worker_process_that_is_killed_ends_the_run_and_what_was_done_is_kept(tmp_path):
    once = tmp_path / "once"

    def dies(table):
        if table["x"].iloc[0] == 200 and not once.exists():
            once.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return table["x"] * 2

    graph = graphkit.new_flow()
    graph.to(dies, name="dies").respond()
    server, source, output = graph.to_mock_server(), write(tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(StepError, match="a worker process has ended, perhaps for want of memory"):
        server.run_file(source, output, chunk=10, executor="process", workers=2)
    summary = server.run_file(source, output, chunk=10, executor="process", workers=2)
    assert summary.resumed >= 100
    assert read(output)["x"].tolist() == [2 * at for at in range(ROWS)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_ends_the_run_and_what_was_done_is_kept(tmp_path):
    (tmp_path / "app.py").write_text(SLOW.format(pause=0))
    source, output = write(tmp_path / "in.csv"), tmp_path / "out.csv"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"

    def run(code):
        return subprocess.run(
            [sys.executable, "-B", "-c", code, str(source), str(output), "1"], cwd=tmp_path, text=True,
            env=environment(tmp_path), capture_output=True, timeout=120, check=False,
        )  # fmt: skip

    full = run(limit + RUN)
    assert "out.csv' cannot be written: File too large; what was answered is kept" in full.stderr, full
    assert not output.exists()
    assert "were done before" in run(RUN).stdout
    assert read(output)["z"].tolist() == [2 * at for at in range(ROWS)]


def test_a_run_goes_on_only_with_the_same_input(tmp_path, sums):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text("[1]\n[-1]\n")
    with pytest.raises(StepError, match="1 rows failed"):
        sums.run_file(source, output, max_errors=0)
    source.write_text("[1]\n[1]\n[1]\n")
    with pytest.raises(GraphError, match=r"was asked for something else \(input\)"):
        sums.run_file(source, output)
    assert sums.run_file(source, output, restart=True).rows == 3


def test_a_run_goes_on_only_with_the_same_code(tmp_path):
    # half of the output came of the old code, and nobody was told
    program = """
import sys, graphkit
BY = {by}
def stops(table):
    return table["x"].iloc[0] >= 100 and len(sys.argv) > 1
def step(table):
    if stops(table):
        raise ValueError("stop")
    return table["x"] * BY
def unused():
    return "{unused}"
graph = graphkit.new_flow()
graph.to(step).respond()
if __name__ == "__main__":
    server = graph.to_mock_server()
    print(server.run_file("in.csv", "out.csv", chunk=10, {options}))
"""
    write(tmp_path / "in.csv")

    def run(*args, **parts):
        (tmp_path / "job.py").write_text(program.format(**{"by": 2, "unused": "a", "options": "max_errors=0", **parts}))
        return subprocess.run([sys.executable, "job.py", *args], cwd=tmp_path, env=environment(tmp_path), text=True,
                              capture_output=True, timeout=120, check=False)  # fmt: skip

    assert "10 rows failed, more than the 0 that are allowed" in run("stop").stderr
    refused = run(by=3)
    assert refused.returncode == 1
    assert (
        "out.csv' was interrupted, and what answers has changed since (code 'BY'), so that some rows would have old "
        "answers and some new ones: go on with what was there then, or begin anew with restart=True"
    ) in refused.stderr
    assert not (tmp_path / "out.csv").exists()
    # what no step depends on, and how the run is asked for, may change
    gone_on = run(unused="b", options="max_errors=50, workers=2")
    assert "110 of them were done before" in gone_on.stdout, gone_on.stderr
    (tmp_path / "out.csv").unlink()
    assert "10 rows failed" in run("stop").stderr
    assert "230 rows into out.csv" in run(by=3, options="restart=True").stdout
    assert read(tmp_path / "out.csv")["x"].tolist() == [3 * at for at in range(ROWS)]


def test_a_run_goes_on_only_with_the_same_model_files(tmp_path):
    class Times(graphkit.V2ModelServer):
        stop = True

        def load(self):
            self.by = int(Path(self.get_model()[0]).read_text())

        def predict(self, request):
            if request["inputs"][0][0] >= 100 and Times.stop:
                raise ValueError("stop")
            return [row[0] * self.by for row in request["inputs"]]

    file, source, output = tmp_path / "by.json", write(tmp_path / "in.csv"), tmp_path / "out.csv"

    def run(by, **options):
        file.write_text(str(by))
        os.utime(file, (by, by))
        server = graphkit.create_graph_server()
        server.add_model("m", class_name=Times, model_path=str(file))
        return server.run_file(source, output, columns=["x"], chunk=10, **options)

    with pytest.raises(StepError, match="10 rows failed"):
        run(2, max_errors=0)
    Times.stop = False
    with pytest.raises(GraphError, match=rf"what answers has changed since \(files '{file}'\)"):
        run(3)
    assert run(2).resumed == 110
    assert read(output)["prediction"].dropna().tolist() == [2 * at for at in range(ROWS) if not 100 <= at < 110]


def test_a_run_in_the_same_process_goes_on_whatever_its_steps_have_counted(tmp_path):
    counts, stop = {"rows": 0}, [True]
    total = 0

    def step(table):
        nonlocal total
        total += len(table)
        counts["rows"] += len(table)
        if table["x"].iloc[0] >= 100 and stop[0]:
            raise ValueError("stop")
        return table["x"]

    graph = graphkit.new_flow()
    graph.to(step, name="step").respond()
    server, source, output = graph.to_mock_server(), write(tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(StepError, match="10 rows failed"):
        server.run_file(source, output, chunk=10, max_errors=0)
    stop[0] = False
    assert server.run_file(source, output, chunk=10).resumed == 110
