"""Finding the caller's namespace, which happens in one place."""

import subprocess
import sys
from pathlib import Path

from graphkit.core.namespace import caller_namespace, module_namespace


def test_the_callers_globals_are_found_by_reference():
    assert caller_namespace() is globals()


def test_globals_of_other_code_are_its_own():
    script = {}
    exec("from graphkit.core.namespace import caller_namespace\ndef ask(): return caller_namespace()", script)
    assert script["ask"]() is script


def test_frames_of_the_package_are_skipped():
    from graphkit import TaskStep

    step = TaskStep(test_the_callers_globals_are_found_by_reference, name="x")
    assert step._held["class_name"].home is globals()


def test_a_folder_whose_name_begins_like_the_package_is_outside(tmp_path):
    package = Path(sys.modules["graphkit"].__file__).parent
    (tmp_path / "graphkit").symlink_to(package)
    folder = tmp_path / "graphkit_demo"
    folder.mkdir()
    (folder / "script.py").write_text(
        "import graphkit\n"
        "from graphkit.core.namespace import caller_namespace\n"
        "def double(body): return 2 * body\n"
        "graph = graphkit.new_flow()\n"
        "graph.to(double)\n"
        "print(caller_namespace() is globals(), graph.to_mock_server().test('/', 4))\n"
    )
    run = subprocess.run(
        [sys.executable, str(folder / "script.py")],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("True 8\n", "")


def test_the_namespace_of_a_module_is_found_if_it_is_loaded():
    assert module_namespace(Path) is vars(sys.modules[Path.__module__])
    assert module_namespace(5) is None

    class Odd:
        pass

    Odd.__module__ = "no_module_of_that_name"
    assert module_namespace(Odd) is None
    Odd.__module__ = None
    assert module_namespace(Odd) is None
