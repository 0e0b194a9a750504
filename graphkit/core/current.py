"""Which request and which step the code that runs here belongs to: for logs, whoever writes them.

A face of a server that answers many requests sets the event; steps are known where a run is looked on at.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: The event that is being answered; its id is made only when somebody asks for it.
CURRENT_EVENT: ContextVar[Any] = ContextVar("graphkit_event", default=None)
#: The path of the step that runs.
CURRENT_STEP: ContextVar[str | None] = ContextVar("graphkit_step", default=None)


def request_id() -> str | None:
    """Return the id of the request that is being answered here, if there is one.

    >>> from types import SimpleNamespace
    >>> token = CURRENT_EVENT.set(SimpleNamespace(id="r-1"))
    >>> request_id()
    'r-1'
    >>> CURRENT_EVENT.reset(token)
    >>> request_id() is None
    True
    """
    event = CURRENT_EVENT.get()
    found = getattr(event, "id", None)
    return None if found is None else str(found)
