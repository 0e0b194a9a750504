"""pytest collects recorded cases, and leaves all else alone."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "graphkit" / "cli" / "pytest_plugin.py"


@pytest.fixture
def run(tmp_path, environment):
    """``run(*args)``: pytest in the test's folder, with this checkout's plugin as it is installed."""
    plugins = tmp_path.with_name(f"{tmp_path.name}-plugin")
    plugins.mkdir()
    (plugins / "graphkit_pytest_here.py").write_text(PLUGIN.read_text())
    environment = {**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(plugins)])}
    environment.pop("PYTEST_ADDOPTS", None)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def pytest_run(*args):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "graphkit_pytest_here", *args]
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)

    return pytest_run


def test_each_case_is_a_test(run, app):
    done = run("-v")
    assert done.returncode == 0, done.stdout
    for name in ("one", "two", "nothing"):
        assert f"cases.yaml::{name} PASSED" in done.stdout
    assert "3 passed" in done.stdout


def test_a_failure_shows_the_differences_and_no_traceback(run, app):
    app.write_text(app.read_text().replace("* 2", "* 3"))
    done = run()
    assert done.returncode == 1
    assert "case 'one' failed: 1 difference\n  twice: expected 2, found 3\n" in done.stdout
    assert "case_items.py" not in done.stdout
    assert "2 failed, 1 passed" in done.stdout


def test_cases_are_chosen_by_name_and_place(run, app):
    assert "1 passed, 2 deselected" in run("-k", "two").stdout
    assert "1 passed" in run("cases.yaml::two").stdout
    listed = run("--collect-only", "-q").stdout
    assert "cases.yaml::one" in listed


def test_nothing_is_opened_for_a_list_of_tests(run, app):
    app.write_text("raise SystemError('opened')")
    assert run("--collect-only").returncode == 0
    done = run()
    assert done.returncode == 1
    assert "'app.py' cannot be imported: SystemError: opened" in done.stdout
    assert "case_items.py" not in done.stdout


def test_a_file_beside_a_saved_graph_needs_no_name(run, write):
    write("app/graph.yaml", "steps: {double: {handler: steps.double, responder: true}}")
    write("app/steps.py", "def double(body):\n    return body * 2")
    write("app/cases.yaml", "cases:\n- {name: one, body: 1, answer: 2}")
    write("app/more.cases.yaml", "cases:\n- {name: two, body: 2, answer: 4}")
    assert "2 passed" in run().stdout


def test_the_graph_can_stand_in_the_settings(run, app, write):
    write("deep/some.cases.yaml", "cases:\n- {name: three, body: {x: 3}, answer: {twice: 6}}")
    assert "3 passed" in run().stdout
    write("pytest.ini", "[pytest]\ngraphkit_graph = app.py:graph")
    assert "4 passed" in run().stdout


def test_other_names_can_be_set(run, app, write):
    write("pytest.ini", "[pytest]\ngraphkit_cases = recorded*.yaml")
    write("recorded_1.yaml", "graph: app.py\ncases:\n- {name: three, body: {x: 3}, answer: {twice: 6}}")
    assert "1 passed" in run().stdout


def test_files_of_others_are_left_alone(run, write):
    write("cases.yaml", "- a\n- b")
    write("a/cases.yaml", "cases: [1, 2]")
    write("b/cases.yaml", "{not yaml")
    write("c/x.cases.yaml", "graph: {a: 1}")
    write("d/other.yaml", "graph: app.py\ncases: []")
    (write("e/cases.yaml", "x")).write_bytes(b"\xff\xfe")
    done = run()
    assert done.returncode == 5, done.stdout  # no tests
    assert "error" not in done.stdout.lower()


def test_a_broken_file_of_ours_is_an_error_that_names_it(run, write):
    write("cases.yaml", "graph: app.py\ncases:\n- {name: a, bdy: 1}")
    done = run()
    assert done.returncode == 2
    assert "case 'a' has the unknown key 'bdy', did you mean 'body'" in done.stdout


def test_two_folders_with_modules_of_one_name_do_not_mix(run, write):
    for name, factor in (("a", 2), ("b", 3)):
        write(f"{name}/graph.yaml", "steps: {times: {handler: steps.times, responder: true}}")
        write(f"{name}/steps.py", "def times(body):\n    from factor import FACTOR\n    return body * FACTOR")
        write(f"{name}/factor.py", f"FACTOR = {factor}")
        write(f"{name}/cases.yaml", f"cases:\n- {{name: one, body: 1, answer: {factor}}}")
    write(
        "test_path.py",
        "import sys\n\ndef test_path():\n    assert not [p for p in sys.path if p.endswith(('/a', '/b'))]",
    )
    done = run("a", "b", "test_path.py")
    assert "3 passed" in done.stdout, done.stdout


def test_a_session_without_cases_does_not_import_graphkit(run, write):
    write("test_other.py", "import sys\n\ndef test_other():\n    assert 'graphkit' not in sys.modules")
    assert "1 passed" in run().stdout


def test_the_coverage_of_the_package_is_measured_from_its_first_line(run, app, environment):
    done = run("-p", "pytest_cov", "--cov=graphkit.core.errors", "--cov-report=term")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "core/errors.py" in line)
    assert int(line.split()[-1].rstrip("%")) > 50, line


def test_the_plugin_is_installed_as_a_module_of_its_own():
    (entry,) = (
        entry for entry in importlib.metadata.distribution("graphkit-serving").entry_points if entry.group == "pytest11"
    )
    assert (entry.name, entry.value) == ("graphkit", "graphkit_pytest")
