"""Errors of steps: which step failed, and what its caller gets to see."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import BadRequest, GraphkitError, StepError, told


class Answered(Exception):  # no error: a step ended the flow with an answer
    """A step ended the flow: a ``Response``, or an event marked as terminated."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def named(exc: BaseException, path: str, function: str = "") -> StepError:
    """Return a step's exception as a StepError that names the step; one that names a step already stays as it is.

    The caller raises it ``from`` the step's own exception. ``function`` is the child function that the step runs in.
    """
    if isinstance(exc, StepError) and exc.step is not None:
        return exc
    inside = f" (in function {function!r})" if function not in ("", "*") else ""
    where = f"step {path!r}{inside}" if path else "the router"
    if isinstance(exc, StepError):
        # a router at the root has no path; its own messages say who speaks
        new = _like(exc, f"{where}: {exc.message}" if path else exc.message, path)
    else:
        status = exc.status if isinstance(exc, GraphkitError) else 500
        new = StepError(f"{where} failed: {told(exc)}", step=path, status=status)
    return new


def retold(exc: StepError, message: str) -> StepError:
    """Return a StepError of the same kind, step and status with another message."""
    return exc if message == exc.message else _like(exc, message, exc.step)


def _like(exc: StepError, message: str, path: str | None) -> StepError:
    for kind in type(exc).__mro__:
        if kind.__module__ == StepError.__module__ and issubclass(kind, StepError):
            new = kind(message, step=path, status=exc.status)
            if isinstance(new, BadRequest) and isinstance(exc, BadRequest):
                new.in_hindsight = exc.in_hindsight
            return new
    return StepError(message, step=path, status=exc.status)


def uncopyable(exc: TypeError, path: str) -> StepError:
    """Return the error of a body that no copy can be made of for the branches behind a step (or a first branch)."""
    return StepError(f"step {path!r}: {exc}" if path else str(exc), step=path)


def message_of(exc: BaseException) -> str:
    """Return what went wrong, as the step itself raised it.

    >>> message_of(KeyError("x"))
    "KeyError: 'x'"
    """
    return told(exc.__cause__ if isinstance(exc, StepError) and exc.__cause__ is not None else exc)
