"""A notebook's code, run without a kernel: the same cells, without commands that only a notebook knows."""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import io
import json
import linecache
import re
import sys
import tokenize
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphkit.core.errors import GraphError

#: Cells with this tag are not run.
SKIP = "skip"
# Commands for a whole cell whose body is plain Python that counts.
_KEPT = frozenset({"time", "timeit", "capture", "prun"})
_COMMAND = re.compile(r"^(\s*)(?:[%!?]|\w+(?:\s*,\s*\w+)*\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")


def run_notebook(path: Path) -> dict[str, Any]:
    """Run the code cells of a notebook in a fresh namespace, and return it.

    Lines that begin with ``%``, ``!`` or ``?`` are left out, as are cells that are tagged ``skip``, and cells in
    another language, such as ``%%bash``. What cells print goes to standard error.

    Raises
    ------
    GraphError
        If the file is no notebook, or a cell fails; the message names the cell.
    """
    module = types.ModuleType("__main__")
    module.__dict__.update(display=_display, get_ipython=_NoShell)
    with _as_main(module), contextlib.redirect_stdout(sys.stderr):
        for number, source in code_cells(path):
            _run_cell(source, f"{path.name}[{number}]", module.__dict__)
    return module.__dict__


def code_cells(path: Path) -> list[tuple[int, str]]:
    """Return the number (from 1 on, among the code cells) and the source of each code cell that is to be run.

    Raises
    ------
    GraphError
        If the file cannot be read, or is no notebook.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
        found = []
        for number, cell in enumerate(cells, start=1):
            if SKIP not in cell.get("metadata", {}).get("tags", ()):
                source = cell["source"]
                found.append((number, source if isinstance(source, str) else "".join(source)))
    except OSError as exc:
        raise GraphError(f"{str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise GraphError(f"{str(path)!r} is no notebook: {type(exc).__name__}: {exc}") from exc
    return found


def plain_python(source: str) -> str:
    r"""Return a cell's source without what only a notebook understands; the numbers of its lines stay.

    >>> print(plain_python("%matplotlib inline\nif True:\n    !ls\ny = 2"))
    pass
    if True:
        pass
    y = 2
    """
    lines = source.splitlines()
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is not None and lines[first].startswith("%%"):
        kind = lines[first][2:].split(maxsplit=1)
        if not kind or kind[0] not in _KEPT:
            return ""
        lines[first] = ""
    text = "\n".join(lines)
    if _is_python(text):
        return text
    return "\n".join(_without_commands(lines))


def _without_commands(lines: list[str]) -> Iterator[str]:
    """Yield lines without commands; what looks like one inside a statement or a text is none."""
    statement = ""
    dropping = False
    for line in lines:
        if dropping:  # a command goes on behind a backslash
            dropping = line.endswith("\\")
            yield ""
            continue
        found = None if statement else _COMMAND.match(line)
        if found is None:
            statement = f"{statement}{line}\n"
            if not _goes_on(statement):
                statement = ""
            yield line
        elif line.lstrip().startswith("%time "):
            yield found[1] + line.lstrip().removeprefix("%time ").lstrip()
        else:
            dropping = line.endswith("\\")
            yield f"{found[1]}pass"


def _goes_on(text: str) -> bool:
    """Return whether the lines of a statement end within brackets, a text in three quotes, or behind a backslash."""
    if text.rstrip("\n").endswith("\\"):
        return True
    try:
        for _ in tokenize.generate_tokens(io.StringIO(text.lstrip()).readline):
            pass
    except tokenize.TokenError as exc:
        return "EOF in multi-line" in str(exc) or "was never closed" in str(exc) or "unterminated triple" in str(exc)
    except SyntaxError:
        return False
    return False


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _run_cell(source: str, name: str, namespace: dict[str, Any]) -> None:
    text = plain_python(source)
    # so that tracebacks, and steps that are shown with their source, find the lines
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        if namespace.get("annotations") is __future__.annotations:
            flags |= __future__.annotations.compiler_flag  # it holds for all later cells, as in a notebook
        code = compile(text, name, "exec", flags=flags, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            import asyncio

            asyncio.run(types.FunctionType(code, namespace)())
        else:
            exec(code, namespace)  # noqa: S102  # the user named this notebook to be run
    except SyntaxError as exc:
        raise GraphError(f"{name} cannot be run: line {exc.lineno}: {exc.msg}") from exc
    except (Exception, SystemExit) as exc:
        raise GraphError(f"{name} failed{_line(exc, name)}: {type(exc).__name__}: {exc}") from exc


def _line(exc: BaseException, name: str) -> str:
    number, step = None, exc.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == name:
            number = step.tb_lineno
        step = step.tb_next
    return "" if number is None else f" in line {number}"


class _NoShell:
    """Stands in for the notebook's shell: commands that code gives it do nothing."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def _display(*objects: Any, **options: Any) -> None:
    """Stand in for the notebook's display: there is nobody to show anything to."""


@contextlib.contextmanager
def _as_main(module: types.ModuleType) -> Iterator[None]:
    """Let a module be ``__main__`` for a while, as a notebook's namespace is."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = before
