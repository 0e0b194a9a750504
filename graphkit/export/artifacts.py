"""Model files and data that steps get by path: copied into the app, or named where they are."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graphkit.core.errors import ExportError, choices
from graphkit.core.trust import file_hash, may_run_code
from graphkit.core.urls import shown_url

FOLDER = "models"
WAYS = ("copy", "reference")
_FILE_KEY = re.compile(r"(^|_)(file|filename|dir|folder)$")
_PATH_KEY = re.compile(r"(^|_)(path|file|filename|dir|folder)$")


def is_file_key(key: str) -> bool:
    """Return whether an argument of this name can be nothing but a file or folder; a ``path`` may be a URL's.

    >>> is_file_key("words_file"), is_file_key("model_path"), is_file_key("url_path")
    (True, True, False)
    """
    return key == "model_path" or bool(_FILE_KEY.search(key))


def is_path_key(key: str) -> bool:
    """Return whether an argument of this name may be a file or folder, by the name.

    >>> is_path_key("words_path"), is_path_key("words_file"), is_path_key("words")
    (True, True, False)
    """
    return bool(_PATH_KEY.search(key))


class Artifacts:
    """The files that a graph's arguments name.

    Parameters
    ----------
    way
        ``"copy"`` puts them into the app, ``"reference"`` leaves them where they are.
    allow_pickle
        Whether files that may run code when they are loaded get their hash into the settings.

    Attributes
    ----------
    copies
        What to copy: place in the app -> file or folder.
    outside
        Absolute paths that the app reads.
    pickles
        The SHA-256 of files that may run code, by what settings call them.
    problems
        What cannot be exported.
    """

    def __init__(self, way: str = "copy", *, allow_pickle: bool = False) -> None:
        if way not in WAYS:
            raise ExportError(f"artifacts is one of {choices(WAYS)}, found {way!r}")
        self.copies: dict[str, Path] = {}
        self.outside: list[str] = []
        self.pickles: dict[str, str] = {}
        self.problems: list[str] = []
        self._way = way
        self._allow_pickle = allow_pickle

    def rewritten(self, args: Mapping[str, Any], user: str) -> dict[str, Any]:
        """Return arguments with the paths that the app uses.

        Parameters
        ----------
        args
            Names and values; the names of paths end in ``path``, ``file``, ``dir`` or ``folder``.
        user
            Whose they are, for messages.
        """
        return {key: self._place(key, value, user) for key, value in args.items()}

    def _place(self, key: str, value: Any, user: str) -> Any:
        if not isinstance(value, (str, os.PathLike)) or not (is_path_key(key) or isinstance(value, os.PathLike)):
            return value
        file = _local(os.fspath(value))
        if file is None or not file.exists():
            if file is not None and file.is_absolute():
                self._missing(key, str(file), user)
            return os.fspath(value)  # another store's, or a name that means something to the step alone
        file = file.absolute()
        place = str(file) if self._way == "reference" else self._copied(file, user)
        if self._way == "reference" and place not in self.outside:
            self.outside.append(place)
        self._check(file, place, user)
        return place

    def _missing(self, key: str, file: str, user: str) -> None:
        if key == "model_path":
            self.problems.append(f"{user}: there is no model at {file!r}, so that it cannot go along")
        elif is_file_key(key) and file not in self.outside:
            self.outside.append(file)  # to be written one day, say; the user has chosen it

    def _copied(self, file: Path, user: str) -> str:
        for place, known in self.copies.items():
            if known == file:
                return place
        name = re.sub(r"[^\w.\-]", "_", file.name) or "model"
        place, number = f"{FOLDER}/{name}", 2
        while place in self.copies:
            place, number = f"{FOLDER}/{number}/{name}", number + 1
        self.copies[place] = file
        return place

    def _check(self, file: Path, place: str, user: str) -> None:
        files = _files(file) if file.is_dir() else [file]
        for each in files:
            if not may_run_code(each):
                continue
            inner = each.relative_to(file).as_posix() if file.is_dir() else ""
            key = f"{place}/{inner}" if inner else place
            if self._way == "reference":
                key = str(each.resolve())
            if self._allow_pickle:
                self.pickles[key] = file_hash(each)
            else:
                self.problems.append(
                    f"{user}: {shown_url(str(each))!r} may run code when it is loaded (a pickle, or of an unknown "
                    f"form): export(..., allow_pickle=True) lets this very file load, by its hash; skops, ONNX and "
                    f"safetensors need no permission"
                )

    def write(self, folder: Path) -> None:
        """Copy the files into the app."""
        for place, source in self.copies.items():
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                for file in _files(source):
                    inner = target / file.relative_to(source)
                    inner.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, inner)
            else:
                shutil.copy2(source, target)


def _local(text: str) -> Path | None:
    """Return the file that a path or ``file://`` URL names; ``None`` for other stores."""
    from graphkit.models.store import local_path

    scheme, mark, _ = text.partition("://")
    if mark and scheme.lower() != "file":
        return None
    try:
        return local_path(text) if text and "\0" not in text else None
    except OSError:
        return None


def _files(folder: Path) -> Iterable[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden:
            yield file
