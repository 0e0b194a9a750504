"""What a picture says of a step, and of what stands outside the graph: its source and its targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from graphkit.core.errors import GraphError, nearest
from graphkit.plan.topology import Node, Topology
from graphkit.spec.steps import Kind, Queue, Router
from graphkit.view import theme
from graphkit.view.text import shortened

KIND_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.TASK: "task",
        Kind.ROUTER: "router",
        Kind.QUEUE: "queue",
        Kind.ERROR: "error handler",
        Kind.FLOW: "flow",
        Kind.ROOT: "flow",
    }
)


class Outside(msgspec.Struct, frozen=True):
    """A source or target: what it is called, its shape, and the paths of the steps that it comes after."""

    name: str
    shape: str
    after: tuple[str, ...] = ()


def members(topology: Topology) -> dict[str, list[str]]:
    """Return the paths of what each flow and router holds, in declared order.

    A step with an empty name has the path of the graph itself; it is told as a problem and not drawn.
    """
    found: dict[str, list[str]] = {}
    for path, node in topology.nodes.items():
        if node.parent is not None and path != node.parent:
            found.setdefault(node.parent, []).append(path)
    return found


def root_of(topology: Topology) -> Node:
    """Return the node of the graph itself."""
    root = topology.root
    return Node(path="", name=root.name or "", kind=root.kind, step=root, parent=None)


def described(node: Node) -> list[str]:
    """Return what is known of a step, one line each. Arguments are left out: they may be long, or secret.

    >>> from graphkit.spec.steps import Task
    >>> step = Task(name="a", handler="f", input_path="x.y")
    >>> described(Node(path="a", name="a", kind=step.kind, step=step, parent=""))
    ['task a', 'handler: f', 'input_path: x.y']
    """
    step = node.step
    lines = [f"{KIND_NAMES[node.kind]} {shortened(node.path or node.name)}".rstrip()]
    for field in ("class_name", "handler", "input_path", "result_path", "path", "engine"):
        value = getattr(step, field, None)
        if value:
            lines.append(f"{field}: {shortened(str(value), 120)}")
    if node.function:
        lines.append(f"function: {node.function}")
    if step.comment:
        lines.append(shortened(step.comment, 120))
    return lines


def detail(node: Node) -> str:
    """Return the small line below a name: a queue's path, what class of router it is, or how much a box holds.

    >>> from graphkit.spec.steps import Queue
    >>> step = Queue(name="q", path="memory://q")
    >>> detail(Node(path="q", name="q", kind=step.kind, step=step, parent=""))
    'memory://q'
    """
    step = node.step
    if node.hides and isinstance(step, Router):
        return f"{node.hides:,} route{'' if node.hides == 1 else 's'}"
    if node.hides and step.shape:
        return step.comment or ""
    if isinstance(step, Queue):
        return step.path or ""
    if isinstance(step, Router):
        name = (step.class_name or "").rpartition(".")[2]
        return "" if name == node.name else name
    return ""


def source_of(source: Any) -> Outside:
    """Return the start of a picture: an egg named ``start`` unless a name or a step-like object says otherwise.

    >>> source_of("orders")
    Outside(name='orders', shape='egg', after=())
    """
    return _outside(source, "start", theme.START.shape)


def targets_of(topology: Topology, targets: Iterable[Any] | None) -> list[Outside]:
    """Return the targets, each with the steps that it comes after: its own, else the one that answers, else all ends.

    Raises
    ------
    GraphError
        If a target comes after a step that is not there.
    """
    found = []
    for thing in targets or ():
        target = _outside(thing, "target", theme.TARGET.shape)
        for path in target.after:
            if path not in topology.nodes:
                raise GraphError(
                    f"the target {target.name!r} comes after {path!r}, which is no step of the graph"
                    f"{nearest(path, topology.nodes)}"
                )
        ends = topology.ends if topology.answer is None else (topology.answer,)
        found.append(target if target.after else Outside(target.name, target.shape, ends))
    return found


def _outside(thing: Any, name: str, shape: str) -> Outside:
    if thing is None or isinstance(thing, str):
        return Outside(thing or name, shape)
    get_shape = getattr(thing, "get_shape", None)
    own = get_shape() if callable(get_shape) else getattr(thing, "shape", None)
    after = getattr(thing, "after", None) or ()
    after = (after,) if isinstance(after, str) else tuple(map(str, after))
    return Outside(str(getattr(thing, "name", None) or name), str(own or shape), after)
