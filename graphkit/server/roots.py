"""The roots that a server can have, and what is looked up in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit.build.base import BaseStep
from graphkit.build.flow import FlowStep, RootFlowStep, checked_engine
from graphkit.build.freeze import free_copy, thaw
from graphkit.build.shorthand import make_step
from graphkit.build.steps import RouterStep
from graphkit.core.errors import GraphError, choices, nearest
from graphkit.core.trust import Trust
from graphkit.runtime.resolve import Unresolved
from graphkit.runtime.trusted import resolve_trusted
from graphkit.spec import codec
from graphkit.spec.steps import Step


def as_root(graph: Any) -> Any:
    """Return a graph given as a handle, a record or a dict as the root of a server; ``None`` stays ``None``.

    A root is taken as it is, so that what is added to it later counts; of a step that stands in another graph, and of
    a nested flow, a copy is taken.

    Raises
    ------
    GraphError
        If it is neither a router nor a flow.
    """
    if graph is None:
        return None
    if isinstance(graph, Mapping):
        graph = thaw(codec.from_dict(graph, default_kind="root"))
    elif isinstance(graph, Step):
        graph = thaw(graph)
    elif not isinstance(graph, BaseStep) and callable(getattr(graph, "to_dict", None)):
        graph = make_step(graph, None, None, class_args={})
    if isinstance(graph, BaseStep) and graph.parent is not None:
        graph = free_copy(graph)
        if isinstance(graph, RouterStep):
            graph.on_error = None  # the handler stays behind, in the flow around it
    if isinstance(graph, (RootFlowStep, RouterStep)):
        return graph
    if isinstance(graph, FlowStep):
        root = RootFlowStep(graph.name, graph.steps, None, graph.engine, graph.final_step)
        root.comment, root.shape = graph.comment, graph.shape
        root.on_error = graph.on_error if graph.on_error in graph.steps else None
        return root
    found = getattr(graph, "kind", None) or type(graph).__name__
    raise GraphError(f"the root of a graph is a router or a flow, found {found!r}")


def new_root(topology: Any, class_name: Any, engine: str | None, class_args: Mapping[str, Any]) -> Any:
    """Return a new, empty root."""
    kinds = ("router", "flow")
    if topology not in kinds:
        raise GraphError(
            f"the topology {topology!r} is not known; there is 'router' and 'flow'{nearest(str(topology), kinds)}"
        )
    if topology == "flow":
        if class_name is not None or class_args:
            raise GraphError("a flow has no class: class_name and its arguments belong to topology 'router'")
        return RootFlowStep(engine=checked_engine(engine or "async"))
    if class_name is not None and not isinstance(class_name, (str, type)):
        return _given_router(class_name, class_args)
    args = dict(class_args)
    return RouterStep(class_name, args, name=args.pop("name", None))


def _given_router(given: Any, class_args: Mapping[str, Any]) -> RouterStep:
    if class_args:
        raise GraphError(f"the router is given as an object, so that {choices(class_args)} must be set on the object")
    root = as_root(given)
    if not isinstance(root, RouterStep):
        raise GraphError(f"topology 'router' takes a router, found a step of kind {root.kind!r}")
    return root


def find_router(root: Any, wanted: Any) -> Any:
    """Return the router of a graph that models are added to.

    Raises
    ------
    GraphError
        If there is none, or several and none is named.
    """
    if isinstance(wanted, RouterStep):
        return wanted
    if root is None:
        raise GraphError("the server has no graph yet: set_topology('router') starts one for models")
    if isinstance(root, RouterStep) and wanted in (None, root.name):
        return root
    routers = _routers_in(root)
    if wanted is not None:
        if wanted not in routers:
            raise GraphError(f"there is no router {wanted!r}; there is {choices(routers)}{nearest(wanted, routers)}")
        return routers[wanted]
    if not routers:
        raise GraphError("the flow has no router: add one with graph.to('*', name='models')")
    if len(routers) > 1:
        raise GraphError(f"the flow has several routers ({choices(routers)}): name one with router_step=...")
    return next(iter(routers.values()))


def _routers_in(step: Any) -> dict[str, RouterStep]:
    """Return the routers of a flow, and of the flows nested in it, by their full names."""
    found: dict[str, RouterStep] = {}
    for child in step.get_children():
        if isinstance(child, RouterStep):
            found[child.fullname] = child
        elif isinstance(child, FlowStep):
            found.update(_routers_in(child))
    return found


def initializer_of(given: Any, namespace: Mapping[str, Any], trust: Trust | None = None) -> Callable[[Any], Any]:
    """Return a graph initializer given as a callable, a name or a dotted path."""
    if callable(given):
        return given  # type: ignore[no-any-return]
    if not isinstance(given, str):
        raise GraphError(f"graph_initializer is a function, its name or dotted path, found {type(given).__name__}")
    try:
        found = resolve_trusted(given, namespace, trust)
    except Unresolved as exc:
        raise GraphError(f"graph_initializer: {exc.args[0]}") from exc
    if not callable(found):
        raise GraphError(f"graph_initializer: {given!r} is no function but a value of type {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def new_router(class_name: Any = None, **class_args: Any) -> RouterStep:
    """Start a router without a server.

    Parameters
    ----------
    class_name
        The router's class; ``ModelRouter`` when left out.
    **class_args
        Its arguments; ``name`` is also the step's.

    Examples
    --------
    >>> router = new_router("VotingEnsemble", vote_type="classification")
    >>> router.add_route("a", handler="(event)").fullname
    'a'
    """
    root = new_root("router", class_name, None, class_args)
    assert isinstance(root, RouterStep)
    return root
