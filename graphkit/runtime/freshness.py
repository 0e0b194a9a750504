"""Which steps of a draft are not what is bound: added since, or made of a name that means something else by now."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from graphkit.plan.topology import Node, Topology
from graphkit.runtime.bind import Binder, still_good
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.lookup import Lookup
from graphkit.spec.steps import Flow, Queue, Router


class Freshness(str, Enum):
    """How a step of a draft stands to what is bound."""

    UNBOUND = "unbound"  # it was added since
    STALE = "stale"  # it, or the code that it names, was changed since

    __str__ = str.__str__


def not_fresh(bound: BoundGraph, topology: Topology, namespace: Mapping[str, Any], frozen: Any) -> dict[str, Freshness]:
    """Return the steps that the next bind would make anew, by path; nothing is made and nothing raised for it.

    Parameters
    ----------
    bound
        What a server has bound.
    topology, frozen
        The draft as it is now: its topology, and its spec with the objects and arguments that were given.
    namespace
        Where the server looks names up.
    """
    lookup = Lookup(namespace, frozen.held)
    binder = Binder(bound.context, "skip")
    found: dict[str, Freshness] = {}
    for path, node in topology.nodes.items():
        if isinstance(node.step, Flow):
            continue
        if path in bound.plan.topology.nodes and not bound.plan.is_local(path):
            continue  # it runs elsewhere
        step = bound.steps.get(path)
        if step is None:
            found[path] = Freshness.UNBOUND
        elif not _as_bound(step, node, binder, lookup, frozen.values.get(path)):
            found[path] = Freshness.STALE
    return found


def _as_bound(step: Any, node: Node, binder: Binder, lookup: Lookup, given: Mapping[str, Any] | None) -> bool:
    target, routes = step.target
    if not isinstance(node.step, Queue):  # a queue is made of its fields alone
        target = binder.target_of(node, lookup, given, {})
    if isinstance(node.step, Router) and isinstance(step.record, Router):
        # what its routes are is told of them
        return list(node.step.routes) == list(step.record.routes) and still_good(
            step, node, target, dict(zip(node.step.routes, routes, strict=False))
        )
    return still_good(step, node, target, {})
