"""What belongs to one request while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

#: How many events one request may give rise to, if nothing else is said.
MOST_EVENTS = 10_000


class Run:
    """What belongs to one request: its budget of events, its recorder and its driver's abilities."""

    __slots__ = ("context", "gather", "left", "most", "trace")

    def __init__(
        self,
        context: Any,
        trace: Any = None,
        gather: Callable[[list[Any]], Awaitable[list[Any]]] | None = None,
        most: int = MOST_EVENTS,
    ) -> None:
        self.context = context
        self.trace = trace
        self.gather = gather
        self.left = self.most = most
