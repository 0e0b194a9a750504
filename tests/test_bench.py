"""graphkit's half of the benchmark answers every workload rightly; how fast is not for a test to say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "tests" / "bench"


def listed(expression: str) -> Any:
    script = f"import sys, json; sys.path[:0] = [{str(ROOT)!r}, {str(BENCH)!r}]; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(BENCH / "worker.py"), "graphkit"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def ask(worker: subprocess.Popen[str], **request: Any) -> dict[str, Any]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(request) + "\n")
    worker.stdin.flush()
    reply: dict[str, Any] = json.loads(worker.stdout.readline())
    return reply


def test_every_case_of_graphkit_answers_as_expected(worker: subprocess.Popen[str]) -> None:
    cases = listed("[*__import__('sides.graphkit_side', fromlist=['CASES']).CASES]")
    errors = {case: ask(worker, do="prepare", case=case, sample_s=0).get("error") for case in cases}
    assert {case: error for case, error in errors.items() if error} == {}


def test_every_comparison_names_a_case_that_graphkit_has() -> None:
    cases = listed("[*__import__('sides.graphkit_side', fromlist=['CASES']).CASES]")
    named = listed(
        "[c.case for each in __import__('comparisons').COMPARISONS for c in (each.ours, *each.others) "
        "if c.side == 'graphkit']"
    )
    assert set(named) - set(cases) == set()


def test_the_models_that_are_served_over_http_answer_as_expected() -> None:
    sides = BENCH / "serving_sides"
    script = (
        f"import sys, json; sys.path[:0] = [{str(ROOT)!r}, {str(BENCH)!r}, {str(sides)!r}]; import serving as s, "
        "graphkit_side as g; infer = lambda server, name, body: server.test(f'{name}/infer', body)['outputs']; "
        "plain, tensors = infer(g.linear, 'linear', s.PLAIN), infer(g.linear, 'linear', s.TENSOR)[0]['data']; "
        "print(json.dumps([plain, tensors, s.EXPECTED, "
        "infer(g.forest, 'forest', {'inputs': s.ROWS}), infer(g.forest_in_batches, 'forest', {'inputs': s.ROWS})]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    plain, tensors, expected, one_by_one, in_batches = json.loads(done.stdout)
    assert plain == tensors == pytest.approx(expected)
    assert one_by_one == in_batches
