"""Folders written in one step: everything into a new folder beside the target, which then takes its place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphkit.core.errors import ExportError, choices
from graphkit.core.trust import file_hash

#: Written into each app: what export wrote, so that it can tell it from what others put there.
MANIFEST = ".graphkit-export.json"
# What running an app leaves behind.
_BY_ITSELF = frozenset({"__pycache__", ".pytest_cache", ".ipynb_checkpoints", ".DS_Store"})


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target folder that holds what must not be lost.

    Parameters
    ----------
    target
        Where the app is to stand.
    overwrite
        Whether an app that was exported before may be replaced.

    Raises
    ------
    ExportError
        If the target is no folder, holds anything without ``overwrite``, or holds what export did not write, or what
        was changed since.
    """
    if not target.exists() and not target.is_symlink():
        return
    if target.is_symlink() or not target.is_dir():
        raise ExportError(f"{str(target)!r} is no folder; an app is written into a folder of its own")
    present = sorted(str(path.relative_to(target)) for path in _files(target))
    if not present:
        return
    if not overwrite:
        raise ExportError(
            f"the folder {str(target)!r} is not empty: it holds {choices(present)}; overwrite=True "
            f"replaces an app that was exported before"
        )
    known = read_manifest(target)
    foreign = [name for name in present if name not in known and name != MANIFEST]
    changed = [name for name in present if name in known and known[name] != file_hash(target / name)]
    if foreign or changed:
        problems = []
        if foreign:
            problems.append(f"export did not write {choices(foreign)}")
        if changed:
            problems.append(f"changed since it was exported: {choices(changed)}")
        raise ExportError(
            f"the folder {str(target)!r} is not replaced, since something would be lost ({'; '.join(problems)}): move "
            f"it away, or export elsewhere"
        )


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not _BY_ITSELF.intersection(parts) and (path.is_symlink() or not path.is_dir()):
            yield path


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a new folder beside the target, which takes the target's place when the block ends without an error.

    Whoever looks meanwhile sees the old app or the new one, and after an error the old one.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as exc:
        raise ExportError(f"no folder can be made beside {str(target)!r}: {exc.strerror or exc}") from exc
    try:
        made.chmod(0o755)
        yield made
        write_manifest(made)
        _replace(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _replace(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        # a folder cannot be renamed over one that holds something
        os.replace(target, old)  # noqa: PTH105  # over the empty folder
        try:
            made.rename(target)
        except OSError:
            old.rename(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def write_manifest(folder: Path) -> None:
    """Write down what a folder holds."""
    for cache in [path for path in folder.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(cache, ignore_errors=True)
    files = {path.relative_to(folder).as_posix(): file_hash(path) for path in _files(folder) if path.name != MANIFEST}
    text = json.dumps({"written by": "graphkit export", "files": files}, indent=2)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """Return the hashes of what export wrote into a folder; nothing for a folder that it did not write."""
    try:
        data: Any = json.loads((folder / MANIFEST).read_text("utf-8"))
        return {str(name): str(value) for name, value in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
