"""What can be wrong with the structure of a graph. Every check is linear, iterative and reports all it finds."""

from __future__ import annotations

from collections.abc import Iterator

from graphkit.core.errors import choices, nearest
from graphkit.plan.cycles import find_cycles
from graphkit.plan.topology import Edge, EdgeKind, Node, Problem, Topology, join
from graphkit.spec.codec import record_problems
from graphkit.spec.steps import Error, Flow, Kind, Queue, Router, Task, children

ENGINES = ("sync", "async")


def engine_problem(engine: str | None) -> str:
    """Return what is wrong with the engine of a flow, or an empty text.

    >>> engine_problem("asnc")
    "the engine 'asnc' is not known; there is 'async', 'sync', did you mean 'async'?"
    """
    if engine is None or engine in ENGINES:
        return ""
    return f"the engine {engine!r} is not known; there is {choices(ENGINES)}{nearest(engine, ENGINES)}"


def structure_problems(topology: Topology) -> list[Problem]:
    """Return every problem of structure but dangling names, which tracing finds by itself."""
    problems: list[Problem] = []
    for node in topology.nodes.values():
        problems += _node_problems(node)
        problems += _name_problems(node)
        if isinstance(node.step, Flow):
            problems += _responder_problems(node.path, node.step)
    left: dict[str, list[Edge]] = {}
    for edge in topology.edges:
        if edge.kind is not EdgeKind.ROUTE:
            left.setdefault(edge.tail, []).append(edge)
    problems += _after_responder(topology.nodes, left)
    problems += _queue_problems(topology.nodes, left)
    cyclic = list(_cycles(topology.nodes, left))
    problems += cyclic
    problems += _unreachable(topology, left, [problem.path for problem in cyclic])
    return problems


def _node_problems(node: Node) -> Iterator[Problem]:
    step, path = node.step, node.path
    wrong = record_problems(step)
    if wrong:
        yield from (Problem(path=path, message=message) for message in wrong)
        return  # what follows relies on the types
    problem = engine_problem(step.engine) if isinstance(step, Flow) else ""
    if problem:
        yield Problem(path=path, message=problem)
    if isinstance(step, Error) and step.after:
        yield Problem(path=path, message="an error handler stands after no step: the steps name it, as on_error")
    if isinstance(step, Task) and not isinstance(step, Router) and not (step.class_name or step.handler):
        yield Problem(path=path, message="neither class_name nor handler is given")
    if isinstance(step, Queue) and step.shards is not None and step.shards < 1:
        yield Problem(path=path, message=f"shards is {step.shards}, it must be 1 or more")


def _name_problems(node: Node) -> Iterator[Problem]:
    """Look at the names of a node's children; a name with a slash may hide another step, whose path is the same."""
    for name, child in children(node.step).items():
        path = join(node.path, name)
        if not isinstance(name, str) or not name or "/" in name:
            yield Problem(path=path, message=f"{name!r} is no step name: it may not be empty or hold '/'")
        elif child.name not in (None, name):
            yield Problem(path=path, message=f"it stands under another name: {child.name!r}")
        if not isinstance(node.step, Router):
            continue
        if not isinstance(child, Task) or isinstance(child, Error):
            yield Problem(
                path=path,
                message=f"a route is a task or a router, not {'an' if child.kind is Kind.ERROR else 'a'} {child.kind}",
            )
        for field in ("after", "on_error", "responder"):
            if getattr(child, field, None):
                yield Problem(path=path, message=f"a route has no {field}: only the router has a place in the flow")


def _responder_problems(path: str, flow: Flow) -> Iterator[Problem]:
    responders = [
        name
        for name, step in flow.steps.items()
        if isinstance(step, Task) and step.responder and not isinstance(step, Error)
    ]
    if len(responders) > 1:
        names = ", ".join(repr(name) for name in responders)
        yield Problem(path=path, message=f"several steps respond, one may: {names}")


def _after_responder(nodes: dict[str, Node], left: dict[str, list[Edge]]) -> Iterator[Problem]:
    for tail, edges in left.items():
        step = nodes[tail].step
        if not (isinstance(step, Task) and step.responder) or isinstance(step, Error):
            continue
        for edge in edges:
            if edge.kind is EdgeKind.FLOW:
                yield Problem(
                    path=edge.head,
                    message=f"it comes after the step {nodes[tail].name!r}, which responds and so must be the last",
                )


def _queue_problems(nodes: dict[str, Node], left: dict[str, list[Edge]]) -> Iterator[Problem]:
    readers: dict[str, str] = {}
    for tail, edges in left.items():
        if nodes[tail].kind is not Kind.QUEUE:
            continue
        for edge in edges:
            head = nodes[edge.head]
            if edge.kind is not EdgeKind.FLOW:
                continue
            if head.kind is Kind.QUEUE:
                yield Problem(
                    path=edge.head,
                    message=f"it follows the queue {nodes[tail].name!r} directly; put a step between them",
                )
            elif not head.function:
                yield Problem(
                    path=edge.head,
                    message=f"it follows the queue {nodes[tail].name!r}, so it must name the "
                    f"function that it runs in (function=...)",
                )
            elif readers.setdefault(head.function, tail) != tail:
                first = readers[head.function]
                yield Problem(
                    path=edge.head,
                    message=f"the function {head.function!r} reads from two queues, {first!r} "
                    f"and {tail!r}; it may read from one",
                )


def _cycles(nodes: dict[str, Node], left: dict[str, list[Edge]]) -> Iterator[Problem]:
    # an error edge of a whole flow starts at the flow itself and closes no loop
    heads = {
        tail: [edge.head for edge in edges if nodes[edge.head].parent == nodes[tail].parent]
        for tail, edges in left.items()
    }
    for cycle in find_cycles(heads, list(nodes)):
        yield Problem(path=cycle[0], message="the steps run in a loop: " + " -> ".join([*cycle, cycle[0]]))


def _unreachable(topology: Topology, left: dict[str, list[Edge]], cyclic: list[str]) -> Iterator[Problem]:
    nodes = topology.nodes
    entered = {edge.head for edges in left.values() for edge in edges}
    reached = {
        path
        for path, node in nodes.items()
        if node.parent is None
        or nodes[node.parent].kind is Kind.ROUTER
        # also what names a step before it that does not exist, which is a problem of its own
        or (path not in entered and node.kind is not Kind.ERROR)
    }
    reached.update(cyclic)  # what lies on or behind a loop is named by the loop
    todo = list(reached)
    while todo:
        for edge in left.get(todo.pop(), ()):
            if edge.head not in reached:
                reached.add(edge.head)
                todo.append(edge.head)
    for path, node in nodes.items():
        if path in reached:
            continue
        if node.kind is Kind.ERROR and path not in entered:
            yield Problem(path=path, message="it is never reached: no step names it as its error handler (on_error)")
        elif path in entered:
            yield Problem(path=path, message="it is never reached from a start of the flow")
