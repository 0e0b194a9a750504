"""The command as a whole: help, versions, wrong commands, exit statuses."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import graphkit as package
from graphkit.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_that_is_listed_is_there_with_the_same_words():
    for name, words in COMMANDS.items():
        command = importlib.import_module(f"graphkit.cli.{name}").command
        assert isinstance(command, click.Command)
        assert words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples(name):
    result = CliRunner().invoke(main, [name, "--help"], prog_name="graphkit")
    assert result.exit_code == 0
    examples = re.search(r"Examples\n((?: {2,}.*\n)+)", result.output)
    assert examples, result.output
    assert f"graphkit {name}" in examples[1]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_every_help_says_what_the_exit_status_means(name):
    assert "Exit status" in CliRunner().invoke(main, [name, "-h"]).output


def test_examples_name_commands_and_options_that_there_are():
    for name in COMMANDS:
        command = importlib.import_module(f"graphkit.cli.{name}").command
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
        for line in re.findall(rf"^ *(?:\w+: +)?graphkit {name}\b(.*)$", command.epilog, re.MULTILINE):
            own = re.split(r"#|&&|\||>", line)[0]
            used = set(re.findall(r"(?<!\S)-{1,2}[a-z][a-z-]*", own))
            assert used <= known, (name, line)


def test_the_help_of_all_lists_commands_targets_and_exit_statuses(graphkit):
    done = graphkit("--help")
    assert done.returncode == 0
    for words in (*COMMANDS, "notebook.ipynb", "Exit status"):
        assert words in done.stdout


def test_help_imports_no_command_and_nothing_heavy():
    code = (
        "import sys, click\n"
        "from graphkit.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "import json; print(json.dumps([*sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert not [name for name in loaded if name.startswith("graphkit.cli.") and name != "graphkit.cli.main"]
    assert not loaded & {"pandas", "numpy", "pyarrow", "yaml", "asyncio", "graphkit.batch", "graphkit.cases"}


def test_the_version_is_told(graphkit):
    done = graphkit("--version")
    assert (done.returncode, done.stdout) == (0, f"graphkit {package.__version__}\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["tset"], "there is no command 'tset', did you mean 'test'?; there is init, test"),
        (["plot", "app.py", "--outptu", "x"], "--outptu"),
        (["plot"], "TARGET"),
        (["plot", "nothing.py"], "there is no 'nothing.py'; name a folder, a spec"),
        (["describe", "no_such_module:graph"], "there is no module 'no_such_module'"),
        (["describe", "app.py:grph"], "app.py has no 'grph', did you mean 'graph'"),
        (["describe", "broken.py"], "'broken.py' cannot be imported: ZeroDivisionError"),
        (["test", "app.py", "-c", "nothing.yaml"], "'nothing.yaml': the file cannot be read"),
        (["run", "app.py", "-i", "a.csv"], "--output"),
        (["run", "app.py", "-i", "a.csv", "-o", "b.csv", "--as", "rows"], "'rows' is not one of"),
        (["init", "full"], "there is a 'full' already, and it is not empty"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_what_is_not_understood_ends_with_2_and_no_traceback(graphkit, app, write, args, words):
    write("broken.py", "1 / 0")
    write("full/file", "")
    done = graphkit(*args)
    assert done.returncode == 2, done
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_and_the_module_are_one(graphkit, tmp_path):
    assert graphkit().returncode in (0, 2)
    done = subprocess.run(
        [sys.executable, "-c", "from graphkit.cli.main import main; main(prog_name='graphkit')", "--help"],
        cwd=ROOT, text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("Usage: graphkit [OPTIONS] COMMAND")
