"""The modules of an app, imported from its folder and from nowhere else."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from graphkit.core.errors import GraphError, TrustError, choices

_IMPORTING = threading.Lock()


def import_modules(folder: Path, names: Iterable[str]) -> dict[str, ModuleType]:
    """Import the modules of an app, fresh, and return them with all that lies below them.

    Modules of the same names that the program had before stay what they were: then the app's are its own alone.
    Where there are none, the app's stay known to Python, so that its code can import them later too.

    Parameters
    ----------
    folder
        The app's folder.
    names
        Names of the modules, outermost only.

    Raises
    ------
    GraphError
        If one cannot be imported.
    TrustError
        If one is not the folder's.
    """
    wanted = tuple(names)
    _check_names(wanted, folder)
    with _IMPORTING:
        before = _of(wanted)
        for name in before:
            del sys.modules[name]
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            for name in wanted:
                _import(name, folder)
            found = _of(wanted)
        except BaseException:
            _put_back(wanted, before)
            sys.path.remove(str(folder))
            raise
        others = {name: module for name, module in before.items() if not _is_in(module, folder)}
        if others:
            _put_back(wanted, others)
        if others or sys.path.count(str(folder)) > 1:
            sys.path.remove(str(folder))
    return found


def _check_names(names: tuple[str, ...], folder: Path) -> None:
    """Refuse names that are not the folder's, before anything is done to Python's own."""
    bad = [name for name in names if not name.isidentifier()]
    if bad:
        raise TrustError(f"an app's modules are named plainly, found {choices(bad)}")
    for name in names:
        if not (folder / f"{name}.py").is_file() and not (folder / name).is_dir():
            raise TrustError(f"the app's module {name!r} is not in its folder {str(folder)!r}")
        if name in sys.stdlib_module_names:
            raise TrustError(f"the app's module {name!r} has the name of one of Python's own; rename it")


def _import(name: str, folder: Path) -> None:
    try:
        module = importlib.import_module(name)
    except Exception as exc:
        raise GraphError(
            f"the app's module {name!r} in {str(folder)!r} cannot be imported: {type(exc).__name__}: {exc}"
        ) from exc
    if not _is_in(module, folder):
        raise TrustError(f"the app's module {name!r} is not in its folder {str(folder)!r}")


def _is_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", ()))
    return bool(places) and all(Path(place).resolve().is_relative_to(folder.resolve()) for place in places)


def _of(names: tuple[str, ...]) -> dict[str, ModuleType]:
    return {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in names}


def _put_back(names: tuple[str, ...], before: dict[str, ModuleType]) -> None:
    for name in _of(names):
        del sys.modules[name]
    sys.modules.update(before)
