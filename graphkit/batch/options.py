"""What a batch is asked for: data, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from graphkit.core.errors import GraphError, choices, nearest

#: How a chunk of rows becomes events.
SHAPES: Mapping[str, str] = {
    "inputs": 'one event per chunk, {"inputs": [[...], ...]}: what models behind the V2 dialect take',
    "frame": "one event per chunk, a pandas DataFrame",
    "records": "one event per chunk, a list of dicts",
    "row": "one event per row, a dict",
}
EXECUTORS = ("thread", "process")
CHUNK = 10_000


class Server(Protocol):
    """What a batch asks of a server."""

    def run(self, event: Any, context: Any = None, get_body: bool = False) -> Any:
        """Answer an event."""

    def flush(self) -> None:
        """Send on what steps hold back."""

    def init_object(self, namespace: Any = None) -> None:
        """Bind the graph; raises with everything that is wrong with it."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How rows go through a graph.

    Attributes
    ----------
    path
        Path of the events, such as ``"tree/infer"``.
    shape
        How rows become events: ``"inputs"``, ``"frame"``, ``"records"`` or ``"row"``.
    chunk
        Rows per chunk.
    columns
        Columns that the events hold; ``None`` for all.
    keep
        Columns of the input that the output has too.
    column
        Name of the output column, where the answers do not name theirs.
    any_rows
        Whether an answer may have other rows than the chunk: the graph filters or joins rows.
    workers
        How many chunks are answered side by side.
    executor
        ``"thread"`` or ``"process"``.
    """

    path: str = "/"
    shape: str = "frame"
    chunk: int = CHUNK
    columns: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    column: str = "prediction"
    any_rows: bool = False
    workers: int = 1
    executor: str = "thread"

    def __post_init__(self) -> None:
        for field, allowed in (("shape", tuple(SHAPES)), ("executor", EXECUTORS)):
            value = getattr(self, field)
            if value not in allowed:
                raise GraphError(f"{field} is one of {choices(allowed)}, found {value!r}{nearest(str(value), allowed)}")
        for field in ("chunk", "workers"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise GraphError(f"{field} is a number from 1 on, found {value!r}")
        if self.keep and self.any_rows:
            raise GraphError("columns are kept beside the answers only if there is one answer for each row")

    def meaning(self) -> dict[str, Any]:
        """Return what decides the output: all but how many workers there are."""
        left_out = ("workers", "executor")
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value
            for name in self.__struct_fields__
            if name not in left_out
        }


def usual_shape(root: Any) -> str:
    """Return how rows become events where nobody says it: as models take them if there is a router, else as a table.

    >>> class Router:
    ...     kind = "router"
    >>> usual_shape(Router())
    'inputs'
    """
    if getattr(root, "kind", None) == "router":
        return "inputs"
    children = root.get_children() if hasattr(root, "get_children") else ()
    return "inputs" if any(usual_shape(child) == "inputs" for child in children) else "frame"
