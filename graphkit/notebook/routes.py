"""Which paths a graph answers, for those who write requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.plan.topology import Node
from graphkit.runtime.meaning import meaning_of
from graphkit.spec.steps import Router

_MOST = 500


def request_paths(root: Any, namespace: Mapping[str, Any]) -> list[str]:
    """Return paths that requests to a graph may have, in the order of its routes; nothing is bound for it.

    Parameters
    ----------
    root
        The root of a draft.
    namespace
        Where names are looked up: models have other paths than functions.

    Examples
    --------
    >>> from graphkit import new_router
    >>> router = new_router()
    >>> _ = router.add_route("double", handler="(event * 2)")
    >>> request_paths(router, {})
    ['/', 'double']
    """
    frozen = freeze(root)
    topology = topology_of(root, frozen.spec)
    found = ["/"]
    for node in topology.nodes.values():
        if isinstance(node.step, Router):
            prefix = f"{node.path}/" if node.path else ""
            if _class_name(meaning_of(node, namespace, frozen.held).value) == "VotingEnsemble":
                found.append("infer")
            for key in node.step.routes:
                found += _of_route(topology.nodes[prefix + key], namespace, frozen.held)
    return list(dict.fromkeys(found))[:_MOST]


def _of_route(node: Node, namespace: Mapping[str, Any], held: Any) -> Iterator[str]:
    value = meaning_of(node, namespace, held).value
    if isinstance(value, type) and any(_class_name(base) == "V2ModelServer" for base in value.__mro__):
        yield f"{node.name}/infer"
        if "explain" in {name for base in value.__mro__ if _class_name(base) != "V2ModelServer" for name in vars(base)}:
            yield f"{node.name}/explain"
        yield f"{node.name}/ready"
    yield node.name


def _class_name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) and value.__module__.startswith("graphkit.") else ""
