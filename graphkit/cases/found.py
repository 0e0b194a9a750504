"""Which files hold cases: by their names, and by what stands in them. Others have files of those names too."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

#: Names of files of cases, as patterns; pytest's plugin has the same ones, and imports nothing of the package for them.
PATTERNS = ("cases.yaml", "cases.yml", "*.cases.yaml", "*.cases.yml")
_HAS_CASES = re.compile(r"^cases[ ]*:", re.MULTILINE)


def is_named_like_cases(path: Path) -> bool:
    """Return whether a file has a name that files of cases have.

    >>> is_named_like_cases(Path("flowers.cases.yaml")), is_named_like_cases(Path("flowers.yaml"))
    (True, False)
    """
    return any(fnmatch.fnmatchcase(path.name, pattern) for pattern in PATTERNS)


def case_files(folder: Path) -> list[Path]:
    """Return the files of cases in a folder, ``cases.yaml`` first."""
    try:
        names = sorted(path for path in folder.iterdir() if is_named_like_cases(path) and path.is_file())
    except OSError:
        return []
    found = [path for path in names if _holds_cases(path)]
    return sorted(found, key=lambda path: path.name.partition(".")[0] != "cases")


def _holds_cases(path: Path) -> bool:
    try:
        return _HAS_CASES.search(path.read_text(encoding="utf-8-sig")) is not None
    except (OSError, UnicodeError):
        return False
