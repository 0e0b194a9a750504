"""From a checked topology to a plan: which steps run here, in which straight runs, and where each event goes next."""

from __future__ import annotations

import msgspec

from graphkit.core.errors import GraphError, choices, nearest
from graphkit.plan.topology import Edge, EdgeKind, Node, Topology, join
from graphkit.plan.trace import flow_ends
from graphkit.spec.steps import Flow, Kind, Queue

#: Ranks of answers: a graph's own error handler ends it; the answering step comes next; a step's error handler that
#: leads nowhere answers where the answering step was not reached.
RANK_CATCH, RANK_ANSWER, RANK_HANDLER = 0, 1, 2


class Line(msgspec.Struct, frozen=True):
    """A straight run of steps, by path, and the lines that get what its last step returns.

    ``rank`` says whether the last step's result may be the flow's answer; the lowest rank that is reached answers.
    """

    steps: tuple[str, ...]
    next: tuple[int, ...] = ()
    rank: int | None = None


class FlowPlan(msgspec.Struct, frozen=True):
    """One flow as lines; ``starts`` get the event.

    ``handlers`` maps the path of a step to the line of its error handler, ``catch`` is the line of the flow's own.
    A flow without an ``answer`` answers with the event's id.
    """

    path: str
    lines: tuple[Line, ...]
    starts: tuple[int, ...]
    handlers: dict[str, int]
    catch: int | None = None
    answer: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """A compiled graph: its flows by path; a router at the root is one flow of one step."""

    topology: Topology
    flows: dict[str, FlowPlan]
    local: frozenset[str]
    function: str

    def is_local(self, path: str) -> bool:
        """Return whether a step runs in this plan's function."""
        return path in self.local


def compile_plan(topology: Topology, function: str | None = "*") -> Plan:
    """Return the plan of one child function: ``""`` is the root, ``"*"`` all of them in one.

    Raises
    ------
    GraphError
        With every problem of structure, and where the function cannot be reached.
    """
    current = function or ""
    problems = [
        f"step {problem.path!r}: {problem.message}" if problem.path else problem.message
        for problem in topology.problems
    ]
    if problems:
        raise GraphError(problems=problems)
    if current not in ("", "*"):
        _check_function(topology, current)
    local = _local_steps(topology, current)
    edges: dict[str | None, list[Edge]] = {}
    for edge in topology.edges:
        edges.setdefault(topology.nodes[edge.head].parent, []).append(edge)
    flows: dict[str, FlowPlan] = {}
    for path, node in topology.nodes.items():
        if isinstance(node.step, Flow) and (path == "" or path in local):
            flows[path] = _flow_plan(topology.nodes, edges.get(path, []), node, local, current, problems)
        elif path == "" and node.kind is Kind.ROUTER:
            flows[""] = FlowPlan(path="", lines=(Line(("",), rank=RANK_ANSWER),), starts=(0,), handlers={}, answer="")
    if problems:
        raise GraphError(problems=problems)
    return Plan(topology=topology, flows=flows, local=frozenset(local), function=current)


def _check_function(topology: Topology, current: str) -> None:
    functions = dict.fromkeys(node.function for node in topology.nodes.values() if node.function not in ("", "*"))
    if not functions:
        raise GraphError(f"no step runs in the function {current!r}: no step of the graph names a function at all")
    if current not in functions:
        raise GraphError(
            f"no step runs in the function {current!r}; there is {choices(functions)}{nearest(current, functions)}"
        )


def _local_steps(topology: Topology, current: str) -> set[str]:
    nodes = topology.nodes
    if current == "*":
        return set(nodes)
    local = {path for path, node in nodes.items() if node.function in (current, "*")}
    for path in list(local):
        # the flows around a local step are entered to get to it
        parent = nodes[path].parent
        while parent is not None and parent not in local:
            local.add(parent)
            parent = nodes[parent].parent
    # A queue belongs to whoever writes to it.
    writers: dict[str, set[str]] = {}
    for edge in topology.edges:
        if nodes[edge.head].kind is Kind.QUEUE and edge.kind in (EdgeKind.FLOW, EdgeKind.RESUME):
            writers.setdefault(edge.head, set()).add(edge.tail)
    for path, node in nodes.items():
        if node.kind is Kind.QUEUE:
            tails = writers.get(path)
            own = bool(tails & local) if tails else current == node.function
            (local.add if own else local.discard)(path)
    return local


def _flow_plan(
    nodes: dict[str, Node], edges: list[Edge], node: Node, local: set[str], current: str, problems: list[str]
) -> FlowPlan:
    flow = node.step
    assert isinstance(flow, Flow)
    own = [path for path in (join(node.path, name) for name in flow.steps) if path in local]
    inside = set(own)
    entries: tuple[str, ...] = ()
    if current != "*":
        problems += _crossings(nodes, edges, inside, current)
        entries = _entries(nodes, edges, inside, current)
        edges = [edge for edge in edges if not _is_stream(nodes[edge.tail])]
    edges = [edge for edge in edges if edge.head in inside and (edge.tail in inside or edge.tail == node.path)]
    local_flow = {path: nodes[path] for path in own}
    starts, _, answer = flow_ends(node.path, _only(flow, node.path, inside), local_flow, edges, entries)
    if not starts and own:
        problems.append(
            f"the function {current!r} cannot be reached: no step of it follows a queue or starts the graph"
        )
    return _lines(node.path, own, nodes, edges, starts, answer)


def _only(flow: Flow, path: str, inside: set[str]) -> Flow:
    steps = {name: step for name, step in flow.steps.items() if join(path, name) in inside}
    # what preceded a step in another function does not keep it from starting here
    kept = {
        name: msgspec.structs.replace(step, after=tuple(item for item in step.after if item in steps))
        if any(item not in steps for item in step.after)
        else step
        for name, step in steps.items()
    }
    final = flow.final_step if flow.final_step in steps else None
    return msgspec.structs.replace(flow, steps=kept, final_step=final)


def _entries(nodes: dict[str, Node], edges: list[Edge], inside: set[str], current: str) -> tuple[str, ...]:
    """Return the steps of a child function that a queue leads to."""
    if not current:
        return ()
    found = {
        edge.head: None
        for edge in edges
        if edge.head in inside
        and edge.kind is EdgeKind.FLOW
        and nodes[edge.tail].kind is Kind.QUEUE
        and nodes[edge.head].function == current
    }
    return tuple(found)


def _crossings(nodes: dict[str, Node], edges: list[Edge], inside: set[str], current: str) -> list[str]:
    """Events get to another function through a queue with a path, or not at all."""
    found = []
    for edge in edges:
        if edge.tail not in inside or edge.head in inside:
            continue
        tail, head = nodes[edge.tail], nodes[edge.head]
        if isinstance(tail.step, Queue):
            if not tail.step.path:
                found.append(
                    f"step {edge.tail!r}: the queue has no path, so that the function {head.function!r} cannot "
                    f"read from it"
                )
        elif head.function != "*":
            found.append(
                f"step {edge.head!r} runs in the function {head.function!r}, but follows {edge.tail!r} of "
                f"{current or 'the root function'!r} without a queue between them"
            )
    return found


def _is_stream(node: Node) -> bool:
    """Whether a step is a real stream: in a server of one function, nothing follows it."""
    return isinstance(node.step, Queue) and bool(node.step.path)


def _lines(
    path: str,
    own: list[str],
    nodes: dict[str, Node],
    edges: list[Edge],
    starts: tuple[str, ...],
    answer: str | None,
) -> FlowPlan:
    follow: dict[str, list[str]] = {}
    entered: dict[str, int] = dict.fromkeys(own, 0)
    handler_of: dict[str, str] = {}
    catch: str | None = None
    heads = set(starts)
    # branches go on in the order in which their steps were declared
    order = {step: index for index, step in enumerate(own)}
    for edge in sorted(edges, key=lambda edge: order[edge.head]):
        if edge.kind is EdgeKind.ERROR:
            heads.add(edge.head)
            if edge.tail == path:
                catch = edge.head
            else:
                handler_of[edge.tail] = edge.head
        else:
            follow.setdefault(edge.tail, []).append(edge.head)
            entered[edge.head] += 1
    for tail, targets in follow.items():
        if len(targets) > 1 or nodes[tail].kind is Kind.ERROR:
            heads.update(targets)
    heads.update(step for step, count in entered.items() if count > 1)
    heads.update(follow.get(answer or "", ()))
    reached = _reached(starts, follow)
    caught = _reached((catch,) if catch is not None else (), follow)
    index = {step: number for number, step in enumerate(step for step in own if step in heads)}
    lines = []
    for head in index:
        run = [head]
        while len(targets := follow.get(run[-1], [])) == 1 and targets[0] not in heads and run[-1] != answer:
            run.append(targets[0])
        last = run[-1]
        lines.append(
            Line(
                steps=tuple(run),
                next=tuple(index[target] for target in follow.get(last, []) if target in index),
                rank=_rank(last, answer, last not in follow, reached, caught),
            )
        )
    return FlowPlan(
        path=path,
        lines=tuple(lines),
        starts=tuple(index[start] for start in starts),
        handlers={step: index[handler] for step, handler in handler_of.items() if handler in index},
        catch=index[catch] if catch is not None else None,
        answer=answer,
    )


def _rank(last: str, answer: str | None, ends: bool, reached: set[str], caught: set[str]) -> int | None:
    if last == answer:
        return RANK_ANSWER
    if not ends or last in reached:
        return None
    return RANK_CATCH if last in caught else RANK_HANDLER


def _reached(starts: tuple[str, ...], follow: dict[str, list[str]]) -> set[str]:
    reached, todo = set(starts), list(starts)
    while todo:
        for head in follow.get(todo.pop(), ()):
            if head not in reached:
                reached.add(head)
                todo.append(head)
    return reached
