"""Modules of the user, imported from where they lie: from a file, from a folder, by a dotted name."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from graphkit.core.errors import GraphError, nearest


def import_file(path: Path) -> ModuleType:
    """Import a Python file under its own name; its neighbours can be imported by it.

    Raises
    ------
    GraphError
        If it cannot be read or imported.
    """
    path = path.resolve()
    if not path.is_file():
        near = nearest(path.name, [each.name for each in path.parent.glob("*.py")] if path.parent.is_dir() else [])
        raise GraphError(f"there is no file {str(path)!r}{near}")
    name = path.stem
    if not name.isidentifier():
        raise GraphError(f"{path.name!r} cannot be imported: {name!r} is no name of a module; rename the file")
    with importing_from(path.parent):
        module = _import(name, path.name)
    if not _lies_in(module, path.parent):
        raise GraphError(
            f"{path.name!r} has the name of another module ({getattr(module, '__file__', 'built into Python')}), which "
            f"is imported instead; rename the file"
        )
    return module


def import_module(name: str, folder: Path) -> ModuleType:
    """Import a module by its dotted name, from a folder or from where Python finds it.

    Raises
    ------
    GraphError
        If it cannot be imported.
    """
    with importing_from(folder):
        return _import(name, name)


def home_of_module(name: str, folder: Path) -> Path | None:
    """Return the folder of a module's file, as :func:`import_module` would find it; nothing is imported.

    >>> home_of_module("graphkit.cli.main", Path()).name, home_of_module("no.such.module", Path())
    ('cli', None)
    """
    head, *rest = name.split(".")
    if not all(part.isidentifier() for part in (head, *rest)):
        return None
    with importing_from(folder):
        spec = importlib.util.find_spec(head)
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = importlib.machinery.PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return Path(spec.origin).parent if spec is not None and spec.has_location and spec.origin else None


@contextlib.contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Let the modules of a folder be imported by their bare names; modules of the same names from elsewhere give way.

    The folder stays on ``sys.path``, since functions may import when they run.
    """
    folder = folder.resolve()
    for name in _modules_in(folder):
        loaded = sys.modules.get(name)
        if loaded is not None and name not in sys.stdlib_module_names and not _lies_in(loaded, folder):
            if _is_installed(loaded):
                continue
            for key in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
                del sys.modules[key]
    place = str(folder)
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    yield


def _modules_in(folder: Path) -> list[str]:
    files = [path.stem for path in folder.glob("*.py")]
    return files + [path.parent.name for path in folder.glob("*/__init__.py")]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and folder in Path(file).resolve().parents


def _is_installed(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or "site-packages" in Path(file).parts or "dist-packages" in Path(file).parts


def _import(name: str, wanted: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name == exc.name or name.startswith(f"{exc.name}.")):
            raise GraphError(f"there is no module {exc.name!r}: name a module that can be imported, or a file") from exc
        raise GraphError(f"{wanted!r} cannot be imported: {exc}") from exc
    except (Exception, SystemExit) as exc:
        raise GraphError(f"{wanted!r} cannot be imported: {type(exc).__name__}: {exc}") from exc
