"""What decides a server's answers, as short marks that change with it: its graph, its code, its model files.

A batch that was interrupted is gone on with only where they are the same. A mark never depends on values, which change
while a graph runs, and no model file is read for it: its size and time of change tell.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.core.errors import GraphError
from graphkit.core.expr import is_expression
from graphkit.core.held import Held
from graphkit.core.namespace import caller_namespace
from graphkit.export.cells import cells_of
from graphkit.export.depends import Dependencies, imports_of, own_files
from graphkit.export.named import Named, What, replaced
from graphkit.export.references import references
from graphkit.export.scopes import expression_names
from graphkit.export.statements import statements_of
from graphkit.models.store import fingerprint
from graphkit.runtime.user_code import is_library
from graphkit.server.notebook_file import code_cells, plain_python

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LENGTH = 16
_MOST_DEPTH = 5


def marks_of(server: Any) -> dict[str, Any]:
    """Return the marks of a server's graph (a text), code and model files (by what to call each in messages)."""
    code = _Code(server)
    return {"graph": _mark(server.to_yaml()), "code": code.marks(), "files": _model_files(server)}


class _Code:
    """The user's code that a server answers with.

    Where the graph was made by a file that somebody named, the file counts as a whole, since all of it ran to make the
    graph. Elsewhere, the definitions count that the steps depend on. Modules of the user's that are imported count
    whole, with those that they import.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._names: Mapping[str, Any] = server._namespace or {}
        self._found: dict[str, str] = {}
        self._modules: set[str] = set()

    def marks(self) -> dict[str, str]:
        """Return the marks by file or name."""
        server, sources = self._server, self._server._sources
        for file in sources:
            self._add_file(file)
        depends = Dependencies([] if sources else _statements(self._names))
        for label, value in self._values():
            self._add_value(value, label, depends)
        self._found.update({name: _mark(text) for name, text in depends.texts.items()})
        self._modules |= depends.modules
        own = server._trust.modules if server._trust is not None else ()  # an app's are in its folder
        for file in own_files(name for name in self._modules if name.partition(".")[0] not in own).values():
            self._found[_shown(file)] = _mark_of_file(file)
        return self._found

    def _values(self) -> Iterator[tuple[str, Any]]:
        if self._server.graph_initializer is not None:
            yield "graph_initializer", self._server.graph_initializer
        if self._server.graph is not None:
            for reference in references(freeze(self._server.graph)):
                yield reference.user, reference.value

    def _add_file(self, file: Path) -> None:
        self._found[_shown(file)] = _mark_of_file(file)
        if file.suffix in (".py", ".ipynb"):
            package = str(self._names.get("__package__") or "") if self._names.get("__file__") == str(file) else ""
            for source in _sources_in(file):
                self._modules |= imports_of(source, package)

    def _add_value(self, value: Any, label: str, depends: Dependencies) -> None:
        """Add what a step names or holds."""
        if isinstance(value, Held):
            value, name = value.current(self._names), value.name
            if depends.knows(name) and self._names.get(name) is value:
                depends.need([name])
                return
        if isinstance(value, str):
            self._add_text(value, label, depends)
        else:
            # an object, such as a model, is what its names' statements made it
            depends.need(name for name, other in self._names.items() if other is value)
            self._add_object(value, label, depends)

    def _add_text(self, text: str, label: str, depends: Dependencies) -> None:
        if is_expression(text):
            try:
                words: Iterable[str] = expression_names(text.strip())
            except (SyntaxError, ValueError):
                return  # binding says what is wrong with it
        else:
            words = [text.partition(".")[0]]
            self._modules.add(text)
        for word in words:
            if depends.knows(word):
                depends.need([word])
            elif callable(self._names.get(word)):
                self._add_object(self._names[word], label, depends)

    def _add_object(self, value: Any, label: str, depends: Dependencies) -> None:
        """Add an object that no statement here defines: its module, if it has one, and its byte code."""
        for function in _functions_in(value):
            module = function.__module__ or ""
            if module != "__main__":
                self._modules.add(module)
            depends.need(_globals_of(function.__code__))
        if self._server._sources:
            return  # the file says it
        parts = "\n".join(_code_text(function) for function in _functions_in(value))
        if parts:
            self._found[label] = _mark(self._found.get(label, "") + parts)


def _statements(names: Mapping[str, Any]) -> list[Any]:
    home = names if isinstance(names.get("__name__"), str) else caller_namespace()
    try:
        return statements_of(cells_of(home), package=home.get("__package__"))
    except GraphError:
        return []  # nobody knows its source; objects have their byte code


def _functions_in(value: Any, depth: int = 0) -> Iterator[types.FunctionType]:
    """Yield the user's functions that an object is made of: of a class its methods, of a partial what it calls."""
    parts: Iterable[Any] = ()
    if isinstance(value, types.FunctionType):
        if _is_users(value.__code__.co_filename):
            yield value
        parts = (inner for inner in _held_by(value).values() if inner is not value)
    elif isinstance(value, (staticmethod, classmethod)):
        parts = (value.__func__,)
    elif isinstance(value, types.MethodType):
        parts = (value.__func__, type(value.__self__))
    elif isinstance(value, type):
        inner = (item for base in reversed(value.__mro__) for item in vars(base).values())
        parts = (getattr(item, "fget", item) for item in inner if not isinstance(item, type))
    elif isinstance(value, functools.partial):
        parts = (value.func, *value.args, *value.keywords.values())
    elif depth == 0:
        parts = (type(value),)
    for part in parts if depth < _MOST_DEPTH else ():
        yield from _functions_in(part, depth + 1)


def _held_by(function: types.FunctionType) -> dict[str, Any]:
    """Return what the closure of a function holds."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # it has no value yet
    return found


def _code_text(function: types.FunctionType) -> str:
    """Return what a function does as text: byte code, constants, and the plain values that it was made with."""
    counted = {each.argval for each in dis.get_instructions(function.__code__) if each.opname == "STORE_DEREF"}
    held = [value for name, value in _held_by(function).items() if name not in counted]
    values = [value for value in (*held, *(function.__defaults__ or ())) if isinstance(value, _PLAIN)]
    return f"{_of_code(function.__code__)}{values!r}"


def _of_code(code: types.CodeType) -> str:
    constants = [_of_constant(item) for item in code.co_consts]
    return f"{code.co_name}{code.co_code.hex()}{code.co_names}{code.co_varnames}{constants}"


def _of_constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _of_code(value)
    if isinstance(value, frozenset):
        return repr(sorted(map(_of_constant, value)))  # its own order differs from process to process
    return repr([_of_constant(item) for item in value]) if isinstance(value, tuple) else repr(value)


def _globals_of(code: types.CodeType) -> set[str]:
    names = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            names |= _globals_of(item)
    return names


# ---- files ------------------------------------------------------------------------------------------------------


def _model_files(server: Any) -> dict[str, str]:
    """Return marks of the files that models are read from; other files that steps name may be their output."""
    found: dict[str, str] = {}

    def see(named: Named) -> str:
        if named.what is What.FILE and named.field == "model_path":
            files = fingerprint(named.text)
            if files:
                found[named.text] = _mark(repr(files))
        return named.text

    replaced(server.to_dict(), see)
    return found


def _mark_of_file(file: Path) -> str:
    if file.suffix in (".py", ".ipynb"):
        return _mark("\n".join(_sources_in(file)))
    return _mark(repr(fingerprint(file)))


def _sources_in(file: Path) -> list[str]:
    """Return the code in a file: of a notebook its cells, since what they have shown decides nothing."""
    try:
        if file.suffix == ".ipynb":
            return [plain_python(source) for _, source in code_cells(file)]
        return [file.read_text("utf-8")]
    except (OSError, UnicodeError, GraphError):
        return [repr(fingerprint(file))]


def _is_users(file: str) -> bool:
    installed = any(part in ("site-packages", "dist-packages") for part in Path(file).parts)
    return not installed and not is_library(file) and not Path(file).is_relative_to(Path(__file__).parents[1])


def _shown(file: Path) -> str:
    """Return what to call a file: its path from here, else the whole."""
    place, here = file.absolute(), Path.cwd()
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else str(place)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]
