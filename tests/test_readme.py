"""The README's examples run as pasted and print what stands below them; what it links to is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: A block of Python, or of text: what the Python before it prints.
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DURATION = re.compile(r"\d[\d.,]* ?(µs|ms|s)\b")


def examples() -> list[tuple[str, str]]:
    """Return each block of Python with the text that it prints."""
    found: list[tuple[str, str]] = []
    for language, content in BLOCK.findall(README):
        found = [*found, (content, "")] if language == "python" else [*found[:-1], (found[-1][0], content)]
    return found


EXAMPLES = examples()


def comparable(text: str) -> list[str]:
    """Return lines without what differs between two honest runs: durations, and the width of their column."""
    return [re.sub(r" {2,}", "  ", DURATION.sub("DURATION", line)).rstrip() for line in text.splitlines()]


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_an_example_prints_what_stands_below_it(code: str, printed: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=code,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert comparable(done.stdout) == comparable(printed)


def test_the_first_example_fits_on_a_screen() -> None:
    code, _ = EXAMPLES[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


def test_there_is_an_example_of_a_flow_and_one_of_a_router() -> None:
    assert ["new_flow" in code for code, _ in EXAMPLES] == [True, False]
    assert ["add_model" in code for code, _ in EXAMPLES] == [False, True]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


def test_the_commands_name_scripts_that_are_there() -> None:
    scripts = set(re.findall(r"python3 (\S+\.py)", README))
    assert scripts == {"binder/start.py", "binder/test.py"}
    assert all((ROOT / script).is_file() for script in scripts)
