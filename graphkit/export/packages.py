"""Imports: which modules are the user's own and go along, and which packages must be installed where the app runs."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from graphkit.core.errors import ExportError

OWN = "graphkit"
OWN_DISTRIBUTION = "graphkit-serving"


def imported_modules(source: str) -> set[str]:
    r"""Return the whole names of the modules that a source imports, functions included.

    >>> sorted(imported_modules("import os.path\nfrom json import loads"))
    ['json', 'os.path']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def optional_modules(source: str) -> set[str]:
    r"""Return the modules whose import may fail, since it stands in a ``try``.

    >>> optional_modules("try:\n    import orjson\nexcept ImportError:\n    orjson = None")
    {'orjson'}
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Try):
            for part in node.body:
                found |= imported_modules(ast.unparse(part))
    return found


class LocalModules:
    """The user's own modules: those that no installed package brings. They are copied whole.

    Attributes
    ----------
    files
        Files to copy, by their place in the app.
    imports
        All modules that the copied sources import.
    optional
        Those of them that the sources can do without.
    names
        Names of the modules, outermost only.
    """

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.imports: set[str] = set()
        self.optional: set[str] = set()
        self.names: list[str] = []

    def add(self, modules: Iterable[str]) -> None:
        """Add the user's own among some modules, and those that they import."""
        waiting = sorted({module.partition(".")[0] for module in modules})
        while waiting:
            name = waiting.pop()
            if name in self.names or not is_local(name):
                continue
            self.names.append(name)
            found: set[str] = set()
            for place, file in _files_of(name):
                self.files[place] = file
                if file.suffix == ".py":
                    source = _read(file)
                    found |= imported_modules(source)
                    self.optional |= optional_modules(source)
            self.imports |= found
            waiting += sorted({module.partition(".")[0] for module in found})


def is_local(name: str) -> bool:
    """Return whether a top-level module is the user's own: neither Python's, nor of an installed package.

    >>> is_local("json"), is_local("yaml"), is_local("no_such_module")
    (False, False, False)
    """
    return lies_with_user(name) and name not in distributions_by_module()


def lies_with_user(name: str) -> bool:
    """Return whether a top-level module lies outside of what is installed; the user may change it at any time.

    >>> lies_with_user("json"), lies_with_user("yaml"), lies_with_user("no_such_module")
    (False, False, False)
    """
    if name in sys.stdlib_module_names or name in sys.builtin_module_names or name in (OWN, "__main__"):
        return False
    places = places_of(name)
    return bool(places) and not any(_is_installed(place) for place in places)


def _is_installed(place: Path) -> bool:
    return any(part in ("site-packages", "dist-packages") for part in place.parts)


def places_of(name: str) -> list[Path]:
    """Return the file of a module, or the folders of a package."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None and module is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return []
    if spec is not None and spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    file = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    return [Path(file)] if file and Path(file).is_file() else []


def _files_of(name: str) -> Iterator[tuple[str, Path]]:
    for place in places_of(name):
        if place.is_file():
            yield place.name if place.suffix == ".py" else f"{name}{place.suffix}", place
            continue
        for file in sorted(place.rglob("*")):
            inner = file.relative_to(place)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in inner.parts)
            if file.is_file() and not hidden and file.suffix != ".pyc":
                yield f"{name}/{inner.as_posix()}", file


def _read(file: Path) -> str:
    try:
        text = file.read_text("utf-8")
        ast.parse(text)
    except (OSError, SyntaxError, ValueError) as exc:
        raise ExportError(f"the module {str(file)!r} cannot be read: {exc}") from exc
    return text


@lru_cache(maxsize=1)
def distributions_by_module() -> Mapping[str, list[str]]:
    """Return the installed packages by the names of the modules that they bring."""
    if sys.version_info >= (3, 11):
        return metadata.packages_distributions()
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        for module in _modules_of(distribution):
            found.setdefault(module, []).append(distribution.metadata["Name"])
    return found


def _modules_of(distribution: metadata.Distribution) -> set[str]:
    """Return the outermost modules of a package, which Python 3.10 tells for old packages only."""
    told = (distribution.read_text("top_level.txt") or "").split()
    found = set(told)
    for file in [] if told else distribution.files or []:
        first = file.parts[0]
        if len(file.parts) > 1 and first.isidentifier():
            found.add(first)
        elif len(file.parts) == 1 and file.suffix in (".py", ".so", ".pyd"):
            found.add(first.partition(".")[0])
    return found - {"__pycache__"}


def requirements_of(modules: Iterable[str], optional: Iterable[str] = ()) -> tuple[dict[str, str], list[str]]:
    """Return the packages that bring some modules, with their versions, and the modules that none brings.

    Parameters
    ----------
    modules
        Whole names of modules.
    optional
        Modules that the code can do without.

    Examples
    --------
    >>> found, unknown = requirements_of(["yaml", "json", "graphkit"])
    >>> list(found), unknown
    (['PyYAML'], [])
    """
    found: dict[str, str] = {}
    unknown: list[str] = []
    for module in sorted(set(modules)):
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in sys.builtin_module_names or top in (OWN, "__main__"):
            continue
        names = distributions_by_module().get(top, [])
        chosen = _owner(module, names)
        if chosen is None:
            if top not in {name.partition(".")[0] for name in optional}:
                unknown.append(module)
        else:
            found[chosen] = metadata.version(chosen)
    return dict(sorted(found.items(), key=lambda item: item[0].lower())), unknown


def _owner(module: str, names: Iterable[str]) -> str | None:
    names = sorted(set(names))
    if len(names) > 1:
        place = module.replace(".", "/")
        for name in names:
            files = {str(file) for file in metadata.files(name) or ()}
            if f"{place}/__init__.py" in files or f"{place}.py" in files:
                return name
    return names[0] if names else None


def needed_by(names: Iterable[str]) -> set[str]:
    """Return the packages that some packages need, themselves included, by their canonical names."""
    waiting = [canonical(name) for name in names]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += [canonical(_name_of(line)) for line in wanted if "extra ==" not in line]
    return found


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it.

    >>> canonical("Scikit_Learn")
    'scikit-learn'
    """
    return name.lower().replace("_", "-").replace(".", "-")


def _name_of(line: str) -> str:
    end = next((at for at, letter in enumerate(line) if not (letter.isalnum() or letter in "-_.")), len(line))
    return line[:end]


def own_requirement(version: str, extras: Iterable[str] = ("serve",)) -> str:
    """Return the line that installs graphkit itself.

    >>> own_requirement("0.1.0")
    'graphkit-serving[serve]==0.1.0'
    """
    chosen = ",".join(sorted(set(extras)))
    return f"{OWN_DISTRIBUTION}[{chosen}]=={version}" if chosen else f"{OWN_DISTRIBUTION}=={version}"
