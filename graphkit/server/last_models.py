"""Which models' answers are the answers of their graph, just as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphkit.models.router import BaseModelRouter, ModelRouter
from graphkit.models.v2 import V2ModelServer
from graphkit.plan.compile import RANK_ANSWER
from graphkit.runtime.graph import BoundGraph


def last_models(bound: BoundGraph) -> Iterator[V2ModelServer]:
    """Yield the models behind which nothing comes that looks at an answer, or changes it.

    That is a model, or a router of models, which answers for the graph and has neither followers nor a place in the
    body for its answer.
    """
    path = ""
    while (flow := bound.plan.flows.get(path)) is not None:
        ends = [line.steps[-1] for line in flow.lines if line.rank == RANK_ANSWER and not line.next]
        if not ends:
            return
        if ends[0] == path:
            break  # a router is all there is
        path = ends[0]
    step = bound.steps.get(path)
    routes = step.object.routes.values() if step is not None and _hands_on(step) else [step]
    for route in routes:
        model = getattr(route, "object", None)
        if isinstance(model, V2ModelServer) and _is_untouched(route, model, V2ModelServer):
            yield model


def _hands_on(step: Any) -> bool:
    """Return whether a step is a router that gives back what one of its routes answers."""
    router = step.object
    return (
        isinstance(router, ModelRouter)
        and _is_untouched(step, router, BaseModelRouter)
        and type(router)._route is ModelRouter._route
        and not router._finishes
    )


def _is_untouched(step: Any, component: Any, base: Any) -> bool:
    """Return whether a step calls nothing but the usual method, and its answer goes nowhere into the body."""
    return type(component).do_event is base.do_event and step.put is None and component._put is None
