"""pytest collects files of recorded cases: each case is a test.

pytest imports its plugins in every session, also where nobody uses graphkit, and before coverage measures anything. So
this file imports nothing of graphkit until there is a file of cases, and it is installed as a module of its own,
``graphkit_pytest``, since importing it from the package would import the package.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PATTERNS = ("cases.yaml", "cases.yml", "*.cases.yaml", "*.cases.yml")
# Specs and code that make the folder of a file of cases a graph's.
_GRAPHS = ("graph.yaml", "graph.yml", "graph.json")
_HAS_CASES = re.compile(r"^cases[ ]*:", re.MULTILINE)
_NAMES_GRAPH = re.compile(r"^graph[ ]*:", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add graphkit's settings."""
    parser.addini(
        "graphkit_graph",
        "What cases are tried on whose file names no graph: a folder, a spec, module:attribute or a notebook; counted "
        "from the folder of the settings.",
        default="",
    )
    parser.addini(
        "graphkit_cases", "Names of files of recorded cases, as patterns.", type="args", default=list(PATTERNS)
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file of cases that says what graph they are for, or stands beside it; leave all others alone."""
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    config = parent.config
    if not any(fnmatch.fnmatchcase(file_path.name, pattern) for pattern in config.getini("graphkit_cases")):
        return None
    graph = config.getini("graphkit_graph")
    if not is_ours(file_path, bool(graph)):
        return None
    from graphkit.cli.case_items import CasesCollector

    root = config.inipath.parent if config.inipath is not None else config.rootpath
    collector: pytest.Collector = CasesCollector.from_parent(parent, path=file_path, graph=graph, root=root)
    return collector


def is_ours(path: Path, has_graph: bool) -> bool:
    """Return whether a file holds graphkit's cases, and their graph is known; others have files of that name too."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError):
        return False
    if not _HAS_CASES.search(text):
        return False
    beside = any((path.parent / name).exists() for name in _GRAPHS)
    return has_graph or beside or _NAMES_GRAPH.search(text) is not None
