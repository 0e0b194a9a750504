"""Steps that choose which followers get an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.awaiting import then
from graphkit.core.emit import Emit, outlet_names
from graphkit.core.errors import BadRequest, GraphError, choices, nearest
from graphkit.core.paths import getter
from graphkit.steps.base import PassingStep


class Choice(PassingStep):
    """Passes each event on to some of the steps that follow it; override :meth:`select_outlets`.

    Parameters
    ----------
    full_event
        Whether ``select_outlets`` gets the Event instead of the body.
    input_path
        What of the body ``select_outlets`` gets; the whole body passes all the same.

    Examples
    --------
    >>> from graphkit.core.event import Event
    >>> class BySize(Choice):
    ...     def select_outlets(self, body):
    ...         return "large" if body > 10 else "small"
    >>> BySize().do_event(Event(50)).outlets
    ('large',)
    """

    def __init__(
        self,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
    ) -> None:
        super().__init__(full_event, input_path, result_path, name, context, graph_step)
        if type(self).select_outlets is Choice.select_outlets:
            raise GraphError(
                f"{type(self).__name__} must override select_outlets(body), which names the steps "
                f"that get an event; ChoiceByField chooses by a field"
            )

    def do_event(self, event: Any) -> Any:
        """Return the event, with the followers that get it."""
        return then(
            self.select_outlets(self._looked_at(event)),
            lambda names: Emit((event,), outlet_names(names)),
        )

    def select_outlets(self, body: Any) -> Any:
        """Return the names of the steps that get the event: one, several, none, or ``None`` for all."""
        raise GraphError("select_outlets is not overridden")


class ChoiceByField(Choice):
    """Passes each event on to the steps that a field of its body names: one name, or a list of them.

    Parameters
    ----------
    field_name
        A key of the body, or a dotted path into it.

    Examples
    --------
    >>> from graphkit.core.event import Event
    >>> by_kind = ChoiceByField("meta.kind")
    >>> by_kind.do_event(Event({"meta": {"kind": ["text", "log"]}})).outlets
    ('text', 'log')
    """

    def __init__(
        self,
        field_name: str,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
    ) -> None:
        super().__init__(full_event, input_path, result_path, name, context, graph_step)
        self.field_name = field_name
        self._field = getter(field_name)

    def select_outlets(self, body: Any) -> Any:
        """Return the names that stand in the field.

        Raises
        ------
        BadRequest
            If the field is missing, empty, or holds no names.
        """
        if self._full_event:
            body = body.body
        names = self._read(body)
        if not isinstance(names, (str, list, tuple)) or not all(isinstance(name, str) for name in names):
            found = "None" if names is None else repr(names)
            raise self._bad(f"must hold the name of a step or a list of names, not {found}")
        if not names:
            raise self._bad(f"names no step: it is {names!r}")
        return names

    def _read(self, body: Any) -> Any:
        if not isinstance(body, Mapping):
            raise self._bad(f"is looked up in a dict, but the body is of type {type(body).__name__}")
        if self.field_name in body:
            return body[self.field_name]
        if "." in self.field_name:
            return self._field(body)
        raise self._bad(f"is missing: the body has {choices(body)}{nearest(self.field_name, body)}")

    def _bad(self, problem: str) -> BadRequest:
        return BadRequest(f"the field {self.field_name!r} {problem}")
