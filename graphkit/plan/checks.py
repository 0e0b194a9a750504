"""What can be wrong with the structure of a graph. Every check is linear, iterative and reports all it finds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from graphkit.core.errors import nearest
from graphkit.plan.topology import Edge, EdgeKind, Node, Problem, Topology
from graphkit.spec.steps import Error, Flow, Kind, Queue, Router, Task

ENGINES = ("sync", "async")


def structure_problems(topology: Topology) -> list[Problem]:
    """Return every problem of structure but dangling names, which tracing finds by itself."""
    problems: list[Problem] = []
    for node in topology.nodes.values():
        problems += _node_problems(node)
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
    if node.parent is not None and (not node.name or "/" in node.name):
        yield Problem(path=path, message=f"{node.name!r} is no step name: it may not be empty or hold '/'")
    if isinstance(step, Flow) and step.engine is not None and step.engine not in ENGINES:
        yield Problem(
            path=path,
            message=f"the engine {step.engine!r} is not known{nearest(step.engine, ENGINES)}; "
            f"there is 'sync' and 'async'",
        )
    if isinstance(step, Task) and not isinstance(step, Router) and not (step.class_name or step.handler):
        yield Problem(path=path, message="neither class_name nor handler is given")
    if isinstance(step, Queue) and step.shards is not None and step.shards < 1:
        yield Problem(path=path, message=f"shards is {step.shards}, it must be 1 or more")


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
            if not head.function:
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
    """Name every cycle once: what Kahn's algorithm cannot remove holds cycles, a walk inside it finds them."""
    # an error edge of a whole flow starts at the flow itself and closes no loop
    heads = {
        tail: [edge.head for edge in edges if nodes[edge.head].parent == nodes[tail].parent]
        for tail, edges in left.items()
    }
    waiting = dict.fromkeys(nodes, 0)
    for targets in heads.values():
        for head in targets:
            waiting[head] += 1
    ready = deque(path for path, count in waiting.items() if not count)
    while ready:
        path = ready.popleft()
        del waiting[path]
        for head in heads.get(path, ()):
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    # What is left lies on a cycle or behind one. Walking backwards always ends up on a cycle.
    tails: dict[str, list[str]] = {}
    for tail, targets in heads.items():
        for head in targets:
            if tail in waiting and head in waiting:
                tails.setdefault(head, []).append(tail)
    done: set[str] = set()
    order = {path: index for index, path in enumerate(nodes)}
    for start in waiting:
        walk: dict[str, int] = {}
        path = start
        while path not in walk and path not in done:
            walk[path] = len(walk)
            path = tails[path][0]
        if path in walk:
            cycle = [step for step, at in walk.items() if at >= walk[path]][::-1]
            yield _cycle_problem(cycle, order)
        done.update(walk)


def _cycle_problem(cycle: list[str], order: dict[str, int]) -> Problem:
    first = min(range(len(cycle)), key=lambda index: order[cycle[index]])
    named = [*cycle[first:], *cycle[:first], cycle[first]]
    return Problem(path=named[0], message="the steps run in a loop: " + " -> ".join(named))


def _unreachable(topology: Topology, left: dict[str, list[Edge]], cyclic: list[str]) -> Iterator[Problem]:
    if cyclic:
        return  # what lies on or behind a loop is named by the loop
    nodes = topology.nodes
    entered = {edge.head for edges in left.values() for edge in edges}
    reached = {
        path
        for path, node in nodes.items()
        if node.parent is None
        or nodes[node.parent].kind is Kind.ROUTER
        or (path not in entered and node.kind is not Kind.ERROR and not node.step.after)
    }
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
