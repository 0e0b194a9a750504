"""Which part of a traceback is the user's own: their lines are shown, the libraries' frames are only counted."""

from __future__ import annotations

import linecache
import os
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType

from graphkit.core.errors import StepError

_MOST_FRAMES = 12
_WITHIN = ("<listcomp>", "<dictcomp>", "<setcomp>")
_MOST_CAUSES = 3
_MOST_TEXT = 4_000
_MOST_LINE = 200
_PACKAGE = str(Path(__file__).parent.parent) + os.sep


def own_exception(exc: BaseException) -> BaseException:
    """Return the exception that a step raised itself, of one that graphkit may have wrapped to name the step.

    >>> own_exception(ValueError("no"))
    ValueError('no')
    """
    return exc.__cause__ if isinstance(exc, StepError) and exc.__cause__ is not None else exc


def user_traceback(exc: BaseException) -> str:
    """Return a traceback cut to the user's code, as text; what was raised is the last line of each part.

    Frames of graphkit are left out, those of installed packages and the standard library are counted. What caused
    the exception follows it.

    Examples
    --------
    >>> try:
    ...     int("x")
    ... except ValueError as exc:
    ...     print(user_traceback(exc).splitlines()[-1])
    ValueError: invalid literal for int() with base 10: 'x'
    """
    parts: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = exc
    while one is not None and len(parts) < _MOST_CAUSES and id(one) not in seen:
        seen.add(id(one))
        parts.append("\n".join([*_lines(one.__traceback__), _raised(one)]))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    text = "\n\ncaused by\n".join(parts)
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def _raised(exc: BaseException) -> str:
    try:
        text = str(exc)
    except Exception as failure:  # a user's exception may fail to say what it is
        text = f"(its text raised {type(failure).__name__})"
    name = type(exc).__name__
    return f"{name}: {text}" if text else name


def _lines(tb: TracebackType | None) -> list[str]:
    lines: list[str] = []
    passed: dict[str, int] = {}
    place = ("", 0)
    for frame, number in _frames(tb):
        file = frame.f_code.co_filename
        if is_library(file):
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0] or "a library"
            passed[package] = passed.get(package, 0) + 1
            continue
        if frame.f_code.co_name in _WITHIN and place == (file, number):
            continue  # Python 3.12 and later have no frames for them
        place = file, number
        lines += _counted(passed)
        passed = {}
        lines.append(f'File "{file}", line {number}, in {frame.f_code.co_name}')
        source = linecache.getline(file, number, frame.f_globals).strip()
        if source:
            lines.append(f"    {source[:_MOST_LINE]}")
    lines += _counted(passed)
    if len(lines) > 2 * _MOST_FRAMES:  # a recursion; both of its ends tell something
        left = (len(lines) - 2 * _MOST_FRAMES) // 2
        lines = [*lines[:_MOST_FRAMES], f"… {left:,} more frames", *lines[-_MOST_FRAMES:]]
    return lines


def _frames(tb: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not file.startswith(_PACKAGE) and file != "<graphkit run>":
            yield tb.tb_frame, tb.tb_lineno
        tb = tb.tb_next


def _counted(passed: dict[str, int]) -> list[str]:
    return [f"… {count:,} frame{'' if count == 1 else 's'} in {package}" for package, count in passed.items()]


def is_library(file: str) -> bool:
    """Return whether a file is one of the standard library or of an installed package."""
    return file.startswith(("<frozen", *_library_folders()))


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[name] + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib"))
