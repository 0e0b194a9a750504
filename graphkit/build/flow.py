"""The handles of flows: the root flow, and flows nested in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from graphkit.build.base import BaseStep
from graphkit.build.mock import MockServerMixin
from graphkit.build.picture import PictureMixin
from graphkit.build.place import insert, place_after
from graphkit.build.shorthand import make_step
from graphkit.core.errors import GraphError, choices, nearest
from graphkit.plan.checks import engine_problem


class FlowStep(PictureMixin, BaseStep):
    """A flow of steps; it may stand in another flow, whose event it then takes through its own steps.

    Parameters
    ----------
    name, after
        Name, and names of the steps before.
    steps
        Steps by name: handles, or their dicts.
    engine
        ``"sync"`` or ``"async"``; both run every graph in the same way.
    final_step
        Name of the step whose output is the answer, where no step responds.

    Examples
    --------
    >>> flow = FlowStep("prepare")
    >>> _ = flow.to(name="double", handler="(event * 2)").to(name="inc", handler="(event + 1)")
    >>> list(flow), flow["inc"].after
    (['double', 'inc'], ['double'])
    """

    kind: ClassVar[str] = "flow"
    default_shape: ClassVar[str] = "box"
    _fields: ClassVar[tuple[str, ...]] = (*BaseStep._fields, "engine", "final_step", "steps")
    engine: str | None
    final_step: str | None
    _steps: dict[str, Any]
    _last_added: str | None

    def __init__(
        self,
        name: str | None = None,
        steps: Mapping[str, Any] | None = None,
        after: Any = None,
        engine: str | None = None,
        final_step: str | None = None,
    ) -> None:
        super().__init__(name, after)
        self.__dict__.update(engine=engine, final_step=final_step, _steps={}, _last_added=None)
        self._set_steps(steps)

    # ---- adding steps -------------------------------------------------------------------------------------

    def to(
        self,
        class_name: Any = None,
        name: str | None = None,
        handler: Any = None,
        graph_shape: str | None = None,
        function: str | None = None,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **class_args: Any,
    ) -> Any:
        """Add a step at the start of the flow and return it; parameters as in :meth:`BaseStep.to`.

        On a nested flow too this adds to its inside; ``add_step(..., after="<name of the flow>")`` on the flow around
        it adds a step behind it.
        """
        step = make_step(
            class_name,
            name,
            handler,
            graph_shape=graph_shape,
            function=function,
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            class_args=class_args,
            place=self,
        )
        return place_after(self, step, ())

    def add_step(
        self,
        class_name: Any = None,
        name: str | None = None,
        handler: Any = None,
        after: Any = None,
        before: Any = None,
        graph_shape: str | None = None,
        function: str | None = None,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **class_args: Any,
    ) -> Any:
        """Add a step anywhere in the flow and return it.

        Parameters
        ----------
        after
            Name of the step before, a list of names, or ``"$prev"`` for the one added last.
        before
            Name or names of the steps behind; what led to them leads to the new step.
        class_name, name, handler, graph_shape, function, full_event, input_path, result_path, **class_args
            As in :meth:`BaseStep.to`.

        Raises
        ------
        GraphError
            If a name is unknown or taken, or stands in both ``after`` and ``before``.

        Examples
        --------
        >>> graph = RootFlowStep()
        >>> _ = graph.add_step(name="a", handler="(event)")
        >>> _ = graph.add_step(name="c", handler="(event)", after="$prev")
        >>> graph.add_step(name="b", handler="(event)", after="a", before="c").after, graph["c"].after
        (['a'], ['b'])
        """
        step = make_step(
            class_name,
            name,
            handler,
            graph_shape=graph_shape,
            function=function,
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            class_args=class_args,
            place=self,
        )
        return insert(self, step, after, before)

    def insert_step(self, key: str, step: Any, after: Any = None, before: Any = None) -> Any:
        """Put a step object (or its dict) into the flow under a name, behind ``after`` and in front of ``before``."""
        return insert(self, make_step(step, key, None, class_args={}, place=self), after, before)

    def set_flow(self, steps: Sequence[Any], force: bool = False) -> Any:
        """Make the flow a line of steps and return the last of them.

        Parameters
        ----------
        steps
            Step objects, dicts of :meth:`BaseStep.to`'s parameters (or of steps, with their ``kind``), classes,
            functions or names.
        force
            Drop the steps that are there; without it they are an error.
        """
        if self._steps and not force:
            raise GraphError(
                f"the flow has steps already ({choices(self._steps)}); set_flow(..., force=True) drops them"
            )
        items = list(steps)
        self.clear_children()
        last: Any = self
        for item in items:
            if isinstance(item, BaseStep):
                item.after = []  # its place is in this line
            if isinstance(item, Mapping) and "kind" not in item:
                last = last.to(**item)
            else:
                last = last.to(item)
        return last

    # ---- the steps ----------------------------------------------------------------------------------------

    @property
    def steps(self) -> Mapping[str, Any]:
        """The steps by name, in declared order, to look at; the other methods change them."""
        return MappingProxyType(self._steps)

    @steps.setter
    def steps(self, steps: Mapping[str, Any] | None) -> None:
        new = dict(steps or {})
        self.clear_children()
        self._set_steps(new)

    def _set_steps(self, steps: Mapping[str, Any] | None) -> None:
        for name, item in (steps or {}).items():
            step = make_step(item, name, None, class_args={})
            if isinstance(item, BaseStep) and step is not item:
                step.after = item.after  # a copy, since the step stands in another graph; its place comes along
            place_after(self, step, ())

    def clear_children(self, steps: Any = None) -> None:
        """Remove some steps, or all of them when none is given."""
        for name in [steps] if isinstance(steps, str) else list(steps or self._steps):
            del self[name]

    def get_children(self) -> list[Any]:
        """Return the steps."""
        return list(self._steps.values())

    def is_empty(self) -> bool:
        """Return whether the flow has no steps."""
        return not self._steps

    def __getitem__(self, name: str) -> Any:
        if name not in self._steps:
            raise self._no_step(name)
        return self._steps[name]

    def __setitem__(self, name: str, step: Any) -> None:
        if name in self._steps:
            new = make_step(step, name, None, class_args={})
            place_after(self, new, tuple(self._steps[name].after))
        else:
            self.insert_step(name, step)

    def __delitem__(self, name: str) -> None:
        if name not in self._steps:
            raise self._no_step(name)
        self._steps.pop(name).set_parent(None)
        if self._last_added == name:
            self.__dict__["_last_added"] = next(reversed(self._steps), None)
        self._touch()

    def __contains__(self, name: object) -> bool:
        return name in self._steps

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._steps))

    def __len__(self) -> int:
        return len(self._steps)

    def __bool__(self) -> bool:
        return True

    def _no_step(self, name: str) -> KeyError:
        return KeyError(f"the flow has no step {name!r}; there is {choices(self._steps)}{nearest(name, self._steps)}")

    def respond(self) -> NoReturn:
        """Say that it is a step of the flow that responds; a flow itself does not.

        Raises
        ------
        GraphError
            Always.
        """
        last = f", such as graph[{self._last_added!r}].respond()" if self._last_added else ""
        raise GraphError(
            f"a flow answers with what one of its steps returns: mark that step{last}; "
            f"without one, its only end answers"
        )

    # ---- child functions ----------------------------------------------------------------------------------

    def list_child_functions(self) -> list[str]:
        """Return the names of the child functions, in declared order."""
        found: dict[str, None] = {}
        todo: list[Any] = [self]
        while todo:
            step = todo.pop()
            function = getattr(step, "function", None)
            if function and function != "*":
                found[function] = None
            todo += reversed(step.get_children())
        return list(found)

    def get_queue_links(self) -> dict[str, Any]:
        """Return ``{function: queue}``: which queue each child function reads.

        Raises
        ------
        GraphError
            If a step behind a queue names no function, or a function reads from two queues.
        """
        links: dict[str, Any] = {}
        for step in self._steps.values():
            for name in step.after:
                queue = self._steps.get(name)
                if queue is None or queue.kind != "queue":
                    continue
                function = getattr(step, "function", None)
                if not function:
                    raise GraphError(f"step {step.name!r} follows the queue {name!r}, so it must name its function")
                if links.setdefault(function, queue) is not queue:
                    raise GraphError(
                        f"the function {function!r} reads from two queues, {links[function].name!r} and "
                        f"{name!r}; it may read from one"
                    )
        return links

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._steps)} steps)"


class RootFlowStep(MockServerMixin, FlowStep):
    """The outermost flow of a graph; see :func:`graphkit.new_flow`."""

    kind: ClassVar[str] = "root"


def new_flow(name: str | None = None, engine: str | None = "async") -> RootFlowStep:
    """Start a flow without a server.

    Parameters
    ----------
    name
        Name of the flow; pictures and the server's own answers show it.
    engine
        ``"async"`` or ``"sync"``, as in MLRun. Both run every graph in the same way, steps that are ``async def`` and
        queues too, so that there is no need to choose: it is kept for graphs that go to MLRun, where ``"sync"`` is
        for plain steps only.

    Raises
    ------
    GraphError
        If the engine is not known.

    Examples
    --------
    >>> graph = new_flow()
    >>> graph.to(name="double", handler="(event * 2)").respond()
    TaskStep('double')
    """
    return RootFlowStep(name, engine=checked_engine(engine))


def checked_engine(engine: str | None) -> str | None:
    """Return the engine of a flow; raises GraphError when it is not known.

    >>> checked_engine("sync")
    'sync'
    """
    problem = engine_problem(engine)
    if problem:
        raise GraphError(problem)
    return engine
