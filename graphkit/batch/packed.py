"""Packed files: those that the standard library unpacks while they are read, by their ending."""

from __future__ import annotations

import importlib
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

_UNPACKED_BY = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
#: What pandas unpacks by itself, beside those.
_OTHERS = frozenset({".zip", ".zst", ".tar"})
#: What is raised where a packed file is damaged, or is none, beside ``OSError`` and ``ValueError``.
DAMAGES = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def can_open(path: Path) -> bool:
    """Return whether :func:`opened` reads what a file holds, by its name.

    >>> can_open(Path("rows.csv")), can_open(Path("rows.csv.gz")), can_open(Path("rows.csv.zip"))
    (True, True, False)
    """
    return path.suffix.lower() not in _OTHERS


def opened(path: Path, mode: str, **how: Any) -> IO[Any]:
    """Open a file as ``open`` does, unpacked; the mode is ``"rt"`` or ``"rb"``."""
    module = _UNPACKED_BY.get(path.suffix.lower())
    file: IO[Any] = (
        path.open(mode, **how) if module is None else importlib.import_module(module).open(path, mode, **how)
    )
    return file
