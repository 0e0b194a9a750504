"""One step on its own: ``step.run(event)`` and ``step.init_object(...)`` without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.core.context import GraphContext
from graphkit.core.errors import GraphkitError
from graphkit.core.event import Event, as_event
from graphkit.core.held import argument_field
from graphkit.core.namespace import caller_namespace
from graphkit.plan.compile import compile_plan
from graphkit.runtime.bind import Binder
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.lookup import Lookup
from graphkit.runtime.loop import LoopThread
from graphkit.runtime.pools import RoutePools
from graphkit.runtime.resolve import as_namespace
from graphkit.server.dataplane import check_event
from graphkit.spec.steps import Error, Flow, RootFlow, Router, Task


class Alone:
    """A step that was bound without a graph around it."""

    def __init__(self, graph: BoundGraph, path: str, spec: Any, given: tuple[Any, ...]) -> None:
        self.graph = graph
        self.path = path
        self.spec = spec
        #: Context, namespace, mode and further arguments that it was bound with, for when it must be bound again.
        self.given = given
        self.context = graph.context

    def holds(self, step: Any) -> bool:
        """Return whether this is the step as it is now, made of what its names mean now."""
        return not self.graph.watch.changed() and bool(freeze(step).spec == self.spec)

    def object_of(self, path: str) -> Any:
        """Return the live object of the step, whatever its path was."""
        return self.graph.object_of(self.path)

    def run(self, event: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Run the step on an event."""
        return _run(self.graph, self.path, event, args, kwargs)


def init_step(step: Any, context: Any, namespace: Any, mode: str, reset: bool, extra: Mapping[str, Any]) -> None:
    """Bind a step on its own; raises GraphError with everything that is wrong with it."""
    old = step._bound
    if isinstance(old, Alone) and not reset and not extra and old.holds(step):
        return
    context = context if context is not None else GraphContext()
    namespace = as_namespace(namespace) if namespace is not None else caller_namespace()
    if context.pools is None:
        context.pools = RoutePools(context)
    frozen = freeze(step)
    spec, path = frozen.spec, ""
    values = {**frozen.values, **({"": {**frozen.values.get("", {}), **extra}} if extra else {})}
    instead = {("", argument_field(key)) for key in extra}
    held = {field: item for field, item in frozen.held.items() if field not in instead}
    if isinstance(spec, Router):
        spec = msgspec.structs.replace(spec, after=(), on_error=None)
    if not isinstance(spec, (Router, Flow)):
        # a single step stands in a flow of its own
        path = spec.name or "step"
        single = msgspec.structs.replace(spec, name=path, after=(), on_error=None)
        if isinstance(single, Error):  # alone, it handles no other step's failure
            fields = {name: getattr(single, name) for name in Task.__struct_fields__}
            single = Task(**fields)
        spec = RootFlow(steps={path: single})
        held = {(path, field): item for (_, field), item in held.items()}
        values = {path: values[""]} if values else {}
    lookup = Lookup(namespace, held, getattr(context, "trust", None))
    plan = compile_plan(topology_of(step, spec), "*")
    steps = Binder(context, mode).bind(plan, lookup, values)
    graph = BoundGraph(plan, steps, context, lookup.watch, step._revision, LoopThread())
    step.__dict__["_bound"] = Alone(graph, path, frozen.spec, (context, namespace, mode, extra))


def run_step(step: Any, event: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Run a step alone and return the event, with the result as its body."""
    around = step._root._bound
    if isinstance(around, BoundGraph) and _is_current(around, step):
        return _run(around, step.fullname if step._parent is not None else "", event, args, kwargs)
    alone = step._bound
    if not isinstance(alone, Alone):
        init_step(step, None, None, "sync", True, {})
    elif not alone.holds(step):
        context, namespace, mode, extra = alone.given
        init_step(step, context, namespace, mode, True, extra)
    return step._bound.run(event, args, kwargs)


def _is_current(graph: BoundGraph, step: Any) -> bool:
    """Return whether a server's graph holds a step as it is now, made of what its names mean now."""
    bound = graph.steps.get(step.fullname if step._parent is not None else "")
    if bound is None or graph.watch.changed():  # a step of another function is not there
        return False
    return graph.revision == step._root._revision or bool(bound.record == freeze(step).spec)


def _run(graph: BoundGraph, path: str, event: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
    check_event(event)
    own = event if isinstance(event, Event) else as_event(event)
    try:
        if not isinstance(graph.steps[path].record, Flow):
            return graph.run_step(path, own, args, kwargs)
        own.body = graph.answer(own) if path == "" else graph.answer_of_flow(path, own)
    except GraphkitError as exc:
        graph.context.conceal(exc)
        raise
    return own
