"""The ``app`` part of an app's ``settings.yaml``: which code and files the app may use. Other parts are others'."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from graphkit.core.errors import SpecError, choices, nearest
from graphkit.core.trust import Trust
from graphkit.spec import text

FILE = "settings.yaml"


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an app may use.

    Attributes
    ----------
    modules
        The app's own modules; the graph's names mean what they mean in the first.
    allow
        Dotted names outside of them that the graph may name, each with all that is below it.
    artifacts
        Files and folders of the app that steps get as absolute paths.
    allow_pickle
        The SHA-256 of model files that may be unpickled, by path.
    outside
        Files and folders outside of the app that it may read; relative ones count from the app.
    allow_streams
        Streams outside of the app, as URLs: files, folders of such, and those of other systems.
    allow_env
        Variables of the environment that it may read as secrets.
    allow_urls
        Addresses of services that it may call, each with all that is below it; ``https://`` is all of them.

    Examples
    --------
    >>> AppSettings.from_dict({"modules": ["steps"], "alow": []})
    Traceback (most recent call last):
        ...
    graphkit.core.errors.SpecError: settings.yaml: 'app' has the unknown key 'alow', did you mean 'allow'?; there is ...
    """

    modules: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    allow_pickle: dict[str, str] = {}
    outside: tuple[str, ...] = ()
    allow_streams: tuple[str, ...] = ()
    allow_env: tuple[str, ...] = ()
    allow_urls: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return {key: list(value) if isinstance(value, (list, tuple)) else value for key, value in made.items()}

    @classmethod
    def from_dict(cls, data: Any) -> AppSettings:
        """Return the settings that plain data describe; raises SpecError."""
        if data is None:
            return cls()
        if not isinstance(data, Mapping):
            raise SpecError(f"{FILE}: 'app' is a dict, found {type(data).__name__}")
        known = cls.__struct_fields__
        for key in data:
            if key not in known:
                raise SpecError(
                    f"{FILE}: 'app' has the unknown key {key!r}{nearest(str(key), known)}; there is {choices(known)}"
                )
        try:
            return msgspec.convert({key: value for key, value in data.items() if value is not None}, cls)
        except msgspec.ValidationError as exc:
            raise SpecError(f"{FILE}: app: {exc}") from exc

    @classmethod
    def load(cls, folder: Path) -> AppSettings:
        """Return the settings of an app; raises SpecError where its file is not there or broken."""
        data = text.read(folder / FILE)
        if not isinstance(data, Mapping):
            raise SpecError(f"{str(folder / FILE)!r} holds no settings but {type(data).__name__}")
        return cls.from_dict(data.get("app"))

    def trust(self, folder: Path, modules: Mapping[str, Any]) -> Trust:
        """Return the bounds that the settings set; ``modules`` are the app's own, as they were imported."""
        return Trust(
            root=str(folder),
            modules=self.modules,
            imported={name: imported_names(module) for name, module in modules.items()},
            allow=self.allow,
            allow_pickle=self.allow_pickle,
            outside=self.outside,
            allow_streams=self.allow_streams,
            allow_env=self.allow_env,
            allow_urls=self.allow_urls,
        )


def imported_names(module: Any) -> dict[str, str]:
    """Return the names of a module that its imports brought, with what they stand for.

    >>> from graphkit.export import settings
    >>> imported_names(settings)["Path"]
    'pathlib.Path'
    """
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return {}
    try:
        tree = ast.parse(Path(file).read_text("utf-8"))
    except (OSError, SyntaxError, ValueError) as exc:
        raise SpecError(f"the module {file!r} cannot be read: {exc}") from exc
    found: dict[str, str] = {}
    for node in _top_level(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            _note_from(node, module, found)
        else:
            for name in _bound(node):
                found.pop(name, None)  # the module's own by now
    return found


def _note_from(node: ast.ImportFrom, module: Any, found: dict[str, str]) -> None:
    source = node.module or ""
    if node.level:
        package = getattr(module, "__package__", None) or module.__name__
        base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
        source = f"{base}.{source}" if source else base
    for alias in node.names:
        if alias.name != "*":
            found[alias.asname or alias.name] = f"{source}.{alias.name}"
            continue
        there = sys.modules.get(source)
        for name in getattr(there, "__all__", None) or [name for name in vars(there or module) if name[0] != "_"]:
            if there is not None:
                found[name] = f"{source}.{name}"


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """Return the statements that run when a module is imported, in their order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child
        elif isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield child
            yield from _top_level(child)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
    elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        yield node.target.id
