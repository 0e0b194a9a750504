"""Files of cases are found by name and content, as pytest's plugin does."""

from __future__ import annotations

from graphkit.cases.found import PATTERNS, case_files
from graphkit.cli import pytest_plugin


def test_the_plugin_collects_files_of_the_same_names():
    assert pytest_plugin.PATTERNS == PATTERNS


def test_files_of_others_are_left_alone(tmp_path):
    for name in ("b.cases.yaml", "cases.yaml", "a.cases.yml", "other.yaml", "cases.json"):
        (tmp_path / name).write_text("cases: []\n")
    (tmp_path / "theirs.cases.yaml").write_text("- a\n")
    (tmp_path / "binary.cases.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.cases.yaml").mkdir()
    assert [path.name for path in case_files(tmp_path)] == ["cases.yaml", "a.cases.yml", "b.cases.yaml"]
    assert case_files(tmp_path / "missing") == []
