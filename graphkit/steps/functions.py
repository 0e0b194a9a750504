"""Steps around one function: map, filter, flat-map and extend. The function may be ``async``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphkit.core.awaiting import then
from graphkit.core.emit import NOTHING, Emit
from graphkit.core.errors import StepError
from graphkit.core.event import Event
from graphkit.steps.base import LibraryStep, PassingStep, checked_function


class Map(LibraryStep):
    """Replaces the body by what a function makes of it.

    Parameters
    ----------
    fn
        ``fn(body) -> new body``; with ``full_event`` it gets the Event. As ``_fn`` a name or an expression.

    Examples
    --------
    >>> Map(lambda body: body + 1).do(1)
    2

    In a graph: ``graph.to("Map", "plus", _fn="(event + 1)")``.
    """

    def __init__(
        self, fn: Callable[[Any], Any], name: str | None = None, context: Any = None, graph_step: Any = None
    ) -> None:
        super().__init__(name, context)
        self._fn = checked_function(fn, "Map")

    def do(self, body: Any) -> Any:
        """Return the new body, or an awaitable of it."""
        return self._fn(body)


class Filter(PassingStep):
    """Lets an event pass, as it is, if a function says so; else the event goes no further.

    Parameters
    ----------
    fn
        ``fn(body) -> bool``; with ``full_event`` it gets the Event. As ``_fn`` a name or an expression.
    input_path
        What of the body the function gets; the whole body passes all the same.

    Examples
    --------
    >>> big = Filter(lambda body: body["x"] > 3)
    >>> big.do_event(Event({"x": 5})).items[0].body, big.do_event(Event({"x": 1})).items
    ({'x': 5}, ())

    In a graph: ``graph.to("Filter", "big", _fn="(event['x'] > 3)")``.
    """

    def __init__(
        self,
        fn: Callable[[Any], Any],
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
    ) -> None:
        super().__init__(full_event, input_path, result_path, name, context, graph_step)
        self._fn = checked_function(fn, "Filter")

    def do_event(self, event: Any) -> Any:
        """Return the event, or nothing."""
        return then(self._fn(self._looked_at(event)), lambda kept: Emit((event,)) if kept else NOTHING)


class FlatMap(LibraryStep):
    """Makes any number of events of one; those that a function returns go on one after the other.

    Parameters
    ----------
    fn
        ``fn(body) -> list of bodies`` (or another iterable); with ``full_event`` it gets the Event, and may return
        Events. As ``_fn`` a name or an expression.

    Examples
    --------
    >>> FlatMap(lambda body: body["rows"]).do({"rows": [1, 2]})
    Emit((1, 2))
    """

    emits = True

    def __init__(
        self, fn: Callable[[Any], Any], name: str | None = None, context: Any = None, graph_step: Any = None
    ) -> None:
        super().__init__(name, context)
        self._fn = checked_function(fn, "FlatMap")

    def do(self, body: Any) -> Any:
        """Return the bodies that go on."""
        return then(self._fn(body), self._emit)

    def _emit(self, items: Any) -> Emit:
        # A text or a dict is iterable too, but nobody means its letters or keys.
        if not isinstance(items, Iterable) or isinstance(items, (str, bytes, Mapping)):
            raise StepError(
                f"the function of a FlatMap must return a list of bodies, not a value of type {type(items).__name__}"
            )
        return Emit(items)


class Extend(LibraryStep):
    """Adds fields to a body that is a dict; the body that came in is not changed.

    Parameters
    ----------
    fn
        ``fn(body) -> dict of fields``; with ``full_event`` it gets the Event. As ``_fn`` a name or an expression.

    Examples
    --------
    >>> Extend(lambda body: {"area": body["a"] * body["b"]}).do({"a": 2, "b": 3})
    {'a': 2, 'b': 3, 'area': 6}
    """

    def __init__(
        self, fn: Callable[[Any], Any], name: str | None = None, context: Any = None, graph_step: Any = None
    ) -> None:
        super().__init__(name, context)
        self._fn = checked_function(fn, "Extend")

    def do(self, body: Any) -> Any:
        """Return the body with the fields added, or the Event that carries it."""
        return then(self._fn(body), lambda fields: self._extended(body, fields))

    def _extended(self, given: Any, fields: Any) -> Any:
        body = given.body if isinstance(given, Event) else given
        for what, value in (("the body", body), ("what its function returns", fields)):
            if not isinstance(value, Mapping):
                raise StepError(f"Extend adds fields to a dict, but {what} is of type {type(value).__name__}")
        extended = {**body, **fields}
        if not isinstance(given, Event):
            return extended
        given.body = extended
        return given
