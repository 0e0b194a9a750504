"""How an error leaves a run in a plain script: with the frames of the user, and without those of the engine.

Python shows an exception that nobody catches as its traceback is, and a debugger goes where it ends. In between the
call of ``test`` and the step are a dozen frames of the engine, and the error that names the step ends among them.
"""

from __future__ import annotations

from types import TracebackType

from graphkit.core.errors import GraphkitError
from graphkit.core.shown_errors import ipython_shell, linked, users_entries
from graphkit.runtime.user_code import is_library


def cut_to_user(error: BaseException, verbose: bool) -> None:
    """Cut the tracebacks of an error that is about to be raised, and of its causes, to the user's frames.

    The error that names a step ends where the step's own exception has left the user's code, so that a debugger finds
    the user's variables there. An exception that the engine itself raised keeps its last frame, unless it was raised on
    purpose: then its text says it all.

    Parameters
    ----------
    error
        The error.
    verbose
        Leave everything as it is; so does a notebook, which cuts what it shows, and shows all with ``%xmode Verbose``.
    """
    if verbose or ipython_shell() is not None:
        return
    causes: list[BaseException] = []
    one = _cause(error)
    while one is not None and one is not error and not any(one is known for known in causes):
        causes.append(one)
        one = _cause(one)
    ends_in = users_entries(error.__traceback__) or (users_entries(causes[0].__traceback__) if causes else [])
    while ends_in and is_library(ends_in[-1].tb_frame.f_code.co_filename):
        ends_in.pop()
    error.__traceback__ = linked(ends_in)
    for cause in causes:
        kept = users_entries(cause.__traceback__)
        last = _last(cause.__traceback__)
        if last is not None and not isinstance(cause, GraphkitError) and (not kept or kept[-1] is not last):
            kept.append(last)
        cause.__traceback__ = linked(kept)


def _cause(exc: BaseException) -> BaseException | None:
    return exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)


def _last(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb
