"""Where code is defined and what its source is: in a cell of the notebook, or in a file."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
import sys
import sysconfig
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import msgspec

_FILE = re.compile(r'File "([^"\n]+)"')
#: The folders that installed packages and graphkit itself are in; what is there is known by its module's name.
_LIBRARIES = tuple(
    Path(folder).resolve() for folder in (*map(sysconfig.get_paths().get, ("stdlib", "purelib", "platlib")),) if folder
)
_OWN = Path(__file__).resolve().parent.parent


class Source(msgspec.Struct, frozen=True):
    """The source of a class or function.

    Attributes
    ----------
    text
        The source, without common indentation; empty if it is not known.
    place
        Where it is, such as ``"Cell In[3], line 2"`` or ``"models.py:12"``; empty if it is not known.
    own
        Whether it is the user's own, rather than a library's.
    """

    text: str = ""
    place: str = ""
    own: bool = True


def source_of(value: Any) -> Source:
    r"""Return the source of a class, function or other callable; never raises.

    >>> def double(x):
    ...     return 2 * x
    >>> source_of(double).text
    'def double(x):\n    return 2 * x\n'
    >>> source_of(len)
    Source(text='', place='builtins', own=False)
    """
    try:
        value = _plain(value)
        code = getattr(value, "__code__", None)
        if isinstance(value, type):
            found = _class_source(value)
        elif isinstance(code, CodeType):
            found = _lines_of(inspect.getsource(value), code.co_filename, code.co_firstlineno)
        else:
            found = None
    except (OSError, TypeError, ValueError, SyntaxError, IndexError):
        found = None  # made by exec, written in C, or its file is gone
    if found is not None:
        return found
    module = str(getattr(value, "__module__", "") or "")
    return Source(place=module if module != "__main__" else "", own=module == "__main__")


def named_place(file: str, line: int | None = None) -> str:
    """Return how to call a place in a file: by its cell, by its path below the working folder, or by its module.

    >>> named_place("<string>", 3)
    '<string>, line 3'
    """
    cell = _cell_of(file)
    if cell or file.startswith("<"):
        return f"{cell or file}, line {line}" if line else cell or file
    name = _short_path(Path(file))
    return f"{name}:{line}" if line else name


def with_cells(traceback: str) -> str:
    """Return a traceback in which files are called as :func:`named_place` calls them.

    >>> with_cells('File "<string>", line 3, in f')
    '<string>, line 3, in f'
    """
    return _FILE.sub(lambda match: named_place(match.group(1)), traceback)


def _plain(value: Any) -> Any:
    """Return the function that a partial, a method or a decorated function stands for."""
    while isinstance(value, functools.partial):
        value = value.func
    value = getattr(value, "__func__", value)
    if not isinstance(value, (type, FunctionType)) and callable(value) and not inspect.isbuiltin(value):
        value = type(value)
    return inspect.unwrap(value) if isinstance(value, FunctionType) else value


def _lines_of(text: str, file: str, line: int) -> Source:
    return Source(
        inspect.cleandoc("\n" + text) + "\n" if text[:1].isspace() else text, named_place(file, line), _is_own(file)
    )


def _class_source(cls: type) -> Source | None:
    """Return the source of a class. ``inspect`` finds none of a cell's classes before Python 3.13: their methods do."""
    for item in vars(cls).values():
        function = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
        function = function.fget if isinstance(function, property) else function
        code = getattr(function, "__code__", None)
        name = str(getattr(function, "__qualname__", ""))
        if (
            isinstance(code, CodeType)
            and name.startswith(f"{cls.__qualname__}.")
            and cls.__module__ == function.__module__
        ):
            found = _class_around(cls, code)
            if found is not None:
                return found
    if cls.__module__ in ("builtins", "__main__") and not hasattr(cls, "__firstlineno__"):
        return None
    file = inspect.getsourcefile(cls)
    lines, start = inspect.getsourcelines(cls)
    return _lines_of("".join(lines), file or "", start) if file else None


def _class_around(cls: type, code: CodeType) -> Source | None:
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    best: ast.ClassDef | None = None
    for node in ast.walk(_parsed("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            first, last = _first_line(node), node.end_lineno or node.lineno
            if first <= code.co_firstlineno <= last and (best is None or first > _first_line(best)):
                best = node
    if best is None:
        return None
    start = _first_line(best)
    return _lines_of("".join(lines[start - 1 : best.end_lineno]), code.co_filename, start)


@functools.lru_cache(maxsize=32)
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _cell_of(file: str) -> str:
    """Return the name of the cell that a file stands for, such as ``Cell In[3]``; empty if it is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    compiler = getattr(shell, "compile", None)
    if compiler is None:
        return ""
    words = compiler.format_code_name(file) if hasattr(compiler, "format_code_name") else None
    return " ".join(words) if words else ""


def _is_own(file: str) -> bool:
    if file.startswith("<") or _cell_of(file):
        return True
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in (*_LIBRARIES, _OWN))


def _short_path(path: Path) -> str:
    resolved = path.resolve()
    for folder in (_OWN.parent, *_LIBRARIES[::-1]):
        inside = folder == _OWN.parent and not resolved.is_relative_to(_OWN)
        if not inside and resolved.is_relative_to(folder):
            return resolved.relative_to(folder).as_posix()
    here = Path.cwd()
    return resolved.relative_to(here).as_posix() if resolved.is_relative_to(here) else path.name
