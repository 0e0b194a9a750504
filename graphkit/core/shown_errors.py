"""How errors look in a notebook: the user's own lines, without those of the engine between them.

IPython asks an exception for its ``_render_traceback_``. What is left out is left out of what is shown only: the
exception, its causes and their tracebacks stay whole, for ``%debug`` and for logs. ``%xmode Verbose`` shows it all.
A plain script asks nothing; there, :mod:`graphkit.runtime.raised` cuts the tracebacks themselves.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_ENGINE = str(Path(__file__).parent.parent) + os.sep
#: Modules that stand between the engine and a user's step.
_BETWEEN = frozenset({"asyncio", "concurrent", "contextlib", "functools", "simpleeval", "threading"})


def notebook_traceback(exc: BaseException) -> list[str]:
    """Return the lines that IPython shows for an exception: in its own style, cut to the user's code."""
    shell = ipython_shell()
    if shell is None:
        return traceback.format_exception(type(exc), exc, exc.__traceback__)
    style = shell.InteractiveTB
    with nullcontext() if getattr(style, "mode", "") == "Verbose" else _cut(exc):
        return list(style.structured_traceback(type(exc), exc, exc.__traceback__))


def ipython_shell() -> Any:
    """Return IPython's shell, if this process is one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def users_part(tb: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the engine's frames, and without what stands between it and the user's steps.

    Examples
    --------
    >>> from graphkit.core.errors import choices
    >>> try:
    ...     choices([1], most=None)
    ... except TypeError as exc:
    ...     trimmed = users_part(exc.__traceback__)
    >>> trimmed.tb_frame.f_code.co_name, trimmed.tb_next
    ('<module>', None)
    """
    return linked(users_entries(tb))


def users_entries(tb: TracebackType | None) -> list[TracebackType]:
    """Return the entries of a traceback that :func:`users_part` keeps."""
    kept: list[TracebackType] = []
    inside = in_cell = False
    while tb is not None:
        root = _root(tb.tb_frame)
        if _is_engine(tb.tb_frame):
            inside = True
        elif not (inside and root in _BETWEEN) and not (in_cell and root == "IPython"):  # which calls magics
            inside, in_cell = False, root != "IPython"  # and cells, in a frame that it leaves out itself
            kept.append(tb)
        tb = tb.tb_next
    return kept


def linked(entries: Sequence[TracebackType]) -> TracebackType | None:
    """Return a traceback of these entries alone."""
    made: TracebackType | None = None
    for one in reversed(entries):
        made = TracebackType(made, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return made


def _is_engine(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_ENGINE) or file == "<graphkit run>"


def _root(frame: FrameType) -> str:
    """Return the package, or the module, that a frame runs in."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


@contextmanager
def _cut(exc: BaseException) -> Iterator[None]:
    """Cut an exception and its causes to the user's part, and leave out causes that say the same once more."""
    chain: list[BaseException] = []
    one: BaseException | None = exc
    while one is not None and not any(one is known for known in chain):
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    before = [(one, one.__traceback__, one.__cause__, one.__suppress_context__) for one in chain]
    try:
        for one in chain:
            one.__traceback__ = users_part(one.__traceback__)
            cause, seen = one.__cause__, 0
            while cause is not None and str(cause) == str(one) and seen < len(chain):
                cause, seen = cause.__cause__, seen + 1
            one.__cause__ = cause
        yield
    finally:
        for one, tb, cause, suppressed in before:
            one.__traceback__, one.__cause__ = tb, cause
            one.__suppress_context__ = suppressed
