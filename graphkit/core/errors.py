"""The errors that graphkit raises on purpose.

The whole tree::

    GraphkitError                   500
    ├── GraphError  (ValueError)    500   the structure of a graph, or binding it to code, is wrong
    │   ├── SpecError               500   a saved form (dict, JSON, YAML) is not a graph
    │   ├── ExportError             500   a graph cannot be written as an app, or the app answers differently
    │   └── TrustError              500   an app names what its settings do not allow: code, files, services, ...
    ├── StepError   (RuntimeError)  500   an event could not be answered; names the step
    │   ├── BadRequest   (ValueError)     400
    │   ├── ModelNotFound (LookupError)   404   also an unknown route, version or path
    │   ├── ModelNotReady                 503   still loading, or its load failed
    │   └── RunCancelled                  499   somebody cancelled the run before it ended
    ├── CaseError   (ValueError)    500   a case cannot be written, read or replayed
    ├── StreamError (OSError)       500   a stream cannot be opened, written or read
    ├── StoreError  (OSError)       500   a model file or data item cannot be found or read
    └── MissingExtra (ImportError)  500   an optional package is not installed

Every class carries its HTTP status as a plain int; an instance may carry another one.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable, Sequence

# Of more names than these, only the neighbours in the alphabet are compared, which is quick.
_MOST_COMPARED = 1000
# Of more problems than these, the message tells how many there are.
_MOST_LISTED = 100


class GraphkitError(Exception):
    """Base of all errors that graphkit raises on purpose.

    Parameters
    ----------
    message
        What went wrong, in one sentence.
    step
        Full name of the step that is concerned, if there is one.
    status
        HTTP status, where it differs from the class's.
    """

    status: int = 500
    step: str | None = None

    def __init__(self, message: str = "", *, step: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        if step is not None:
            self.step = step
        if status is not None:
            self.status = status

    @property
    def message(self) -> str:
        """The sentence that was raised."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        # LookupError's relatives print a repr; a message is meant to be read as it is.
        return self.message

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the lines of the user, not those of the engine."""
        from graphkit.core.shown_errors import notebook_traceback

        return notebook_traceback(self)


class GraphError(GraphkitError, ValueError):
    """The structure of a graph, or what it names, is wrong.

    Parameters
    ----------
    message
        The sentence; left out, it is made of the problems.
    problems
        Every problem found, one sentence each.
    """

    def __init__(
        self,
        message: str = "",
        *,
        step: str | None = None,
        status: int | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        self.problems: tuple[str, ...] = tuple(problems) or ((message,) if message else ())
        super().__init__(message or _listed(self.problems), step=step, status=status)


class SpecError(GraphError):
    """A dict, JSON or YAML text does not describe a graph."""


class SpecWarning(UserWarning):
    """A saved form lacks an object that it cannot hold; whoever loads it must give that object again."""


class ExportError(GraphError):
    """A graph cannot be exported as an app, or the app that was written answers differently."""


class TrustError(GraphError):
    """An app names code, files, streams, secrets or services, or has a model file, that its settings do not allow."""


class StepError(GraphkitError, RuntimeError):
    """An event could not be answered; ``__cause__`` holds the step's own exception.

    Attributes
    ----------
    of_answer
        All steps have done what they should, and the answer cannot be sent.
    """

    of_answer: bool = False


class BadRequest(StepError, ValueError):
    """The event's body, content type or operation cannot be used.

    Attributes
    ----------
    in_hindsight
        Nobody checked the request beforehand: a model failed, and it was found out that this is due to the request.
    """

    status = 400
    in_hindsight: bool = False


class ModelNotFound(StepError, LookupError):
    """No model, route, version or path of that name."""

    status = 404


class ModelNotReady(StepError):
    """The model is still loading, or could not be loaded."""

    status = 503


class CaseError(GraphkitError, ValueError):
    """A recorded case cannot be written, read or replayed."""


class RunCancelled(StepError):
    """The run was cancelled before it ended; ``step`` is the one that it was in, if it was in one."""

    status = 499


class StreamError(GraphkitError, OSError):
    """A stream cannot be opened, written or read."""


class StoreError(GraphkitError, OSError):
    """A model file or data item cannot be found or read."""


class MissingExtra(GraphkitError, ImportError):
    """A package that only some features need is not installed.

    Parameters
    ----------
    feature
        What was asked for.
    package
        The package that is missing.
    extra
        The graphkit extra that installs it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}, which is not installed: pip install 'graphkit-serving[{extra}]'")
        self._missing = feature, package, extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        # an error of a worker process is sent back, made anew from its arguments
        return type(self), self._missing


#: What user code may raise that fails what it was called for, and nothing else: ``sys.exit()`` in it ends no server.
FAILURES = (Exception, SystemExit)


def is_failure(exc: BaseException) -> bool:
    """Return whether what a step raised is its own failure, and no sign that its whole run is to end.

    A cancellation is the step's where it awaited something that was cancelled. It is the request's where its task is
    being cancelled; before Python 3.11 a task does not tell, and every cancellation counts as the request's.
    """
    if isinstance(exc, FAILURES):
        return True
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(exc, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True  # no event loop runs here, so that nobody can have cancelled this
    cancelling = getattr(task, "cancelling", None)
    return cancelling is not None and cancelling() == 0


def told(exc: BaseException) -> str:
    """Return what went wrong as one text: the exception's type and its text, as a traceback ends.

    An error that graphkit raised on purpose is a sentence that reads well without the name of its class.

    >>> told(KeyError("x")), told(RuntimeError()), told(GraphkitError("no such step"))
    ("KeyError: 'x'", 'RuntimeError', 'no such step')
    """
    try:
        text = str(exc)
    except Exception as failure:  # a user's exception may fail to say what it is
        text = f"(its text raised {type(failure).__name__})"
    if isinstance(exc, GraphkitError) and text:
        return text
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the allowed name closest to ``name``, else an empty string.

    >>> nearest("handlr", ["handler", "name"])
    ", did you mean 'handler'?"
    """
    import difflib  # here, since only errors need it

    names = sorted({str(item) for item in allowed})
    cutoff = 0.6
    if len(names) > _MOST_COMPARED:
        cutoff = 0.8
        at = max(bisect.bisect(names, str(name)) - _MOST_COMPARED // 2, 0)
        names = names[at : at + _MOST_COMPARED]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=cutoff)
    if not close:
        folded = {item.casefold(): item for item in names}
        close = [folded[str(name).casefold()]] if str(name).casefold() in folded else []
    return f", did you mean {close[0]!r}?" if close else ""


def choices(allowed: Iterable[str], most: int = 12) -> str:
    """Return the allowed names as a short list for a message.

    >>> choices(["b", "a"])
    "'a', 'b'"
    """
    names = sorted({str(item) for item in allowed})
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") or "none"


def either(allowed: Iterable[str]) -> str:
    """Return the allowed names as the end of a sentence such as "mode is ...".

    >>> either(["b", "a", "c"])
    "'a', 'b' or 'c'"
    """
    names = [repr(name) for name in sorted({str(item) for item in allowed})]
    return " or ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def _listed(problems: Sequence[str]) -> str:
    if len(problems) < 2:
        return "".join(problems)
    shown = [*problems[:_MOST_LISTED]]
    if len(problems) > _MOST_LISTED:
        shown.append(f"and {len(problems) - _MOST_LISTED} more")
    return f"{len(problems)} problems:\n" + "\n".join(f"  - {problem}" for problem in shown)
