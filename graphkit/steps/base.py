"""What the classes of the step library share: their place in a graph, and what they look at in an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core.errors import GraphError
from graphkit.core.paths import getter


class LibraryStep:
    """Base of the library's classes: name, context and graph step, each ``None`` outside a graph.

    Their errors do not name the step; whoever runs it does that, with its full path.
    """

    # Defaults on the class, for subclasses whose __init__ does not call this one.
    name: str = ""
    context: Any = None

    def __init__(self, name: str | None = None, context: Any = None, graph_step: Any = None) -> None:
        self.name = name or type(self).__name__
        self.context = context

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class PassingStep(LibraryStep):
    """Base of classes that look at an event and let it pass as it is, or not."""

    emits = True
    _full_event = False
    _select: Callable[[Any], Any] | None = None

    def __init__(
        self,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
    ) -> None:
        super().__init__(name, context)
        if result_path:
            raise GraphError(
                f"{type(self).__name__} lets events pass as they are, so that there is no result "
                f"for result_path={result_path!r}"
            )
        self._full_event = full_event_of(full_event, graph_step)
        self._select = getter(input_path) if input_path else None

    def _looked_at(self, event: Any) -> Any:
        """Return what the step decides by: the event, its body, or what ``input_path`` selects from the body."""
        if self._full_event:
            return event
        return event.body if self._select is None else self._select(event.body)


def full_event_of(full_event: bool | None, graph_step: Any) -> bool:
    """Return whether a step wants the Event: as its class was told, else as its place in the graph says."""
    if full_event is None:
        full_event = getattr(getattr(graph_step, "record", graph_step), "full_event", None)
    return bool(full_event)


def checked_function(fn: Any, owner: str) -> Callable[[Any], Any]:
    """Return a step's function, or raise GraphError when it is none."""
    if not callable(fn):
        raise GraphError(
            f'{owner} needs a function, not {fn!r}: give one as fn=, or its name or an expression as _fn="(event + 1)"'
        )
    function: Callable[[Any], Any] = fn
    return function


def checked_count(name: str, value: Any, owner: str) -> int:
    """Return a whole number from 1 on, or raise GraphError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise GraphError(f"{owner}: {name} must be a whole number from 1 on, not {value!r}")
    return value


def checked_seconds(name: str, value: Any, owner: str) -> float:
    """Return a positive time span in seconds, or raise GraphError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise GraphError(f"{owner}: {name} must be a number of seconds above 0, not {value!r}")
    return float(value)
