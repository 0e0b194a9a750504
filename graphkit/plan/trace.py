"""From a spec to its topology: nodes, edges, starts, ends and every problem of structure, in linear time."""

from __future__ import annotations

from collections.abc import Iterator

from graphkit.core.errors import nearest
from graphkit.plan.checks import structure_problems
from graphkit.plan.topology import Edge, EdgeKind, Node, Problem, Topology, join
from graphkit.spec.steps import AnyStep, Error, Flow, Kind, Root, Router, Task, children

_MOST_NEAREST = 50


def trace_topology(root: Root) -> Topology:
    """Return the topology of a graph, with all problems of its structure.

    Parameters
    ----------
    root
        A root flow or a router.

    Examples
    --------
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> flow = RootFlow(steps={"a": Task(name="a", handler="f"), "b": Task(name="b", handler="g", after=("a",))})
    >>> topology = trace_topology(flow)
    >>> topology.starts, topology.answer, [(edge.tail, edge.head) for edge in topology.edges]
    (('a',), 'b', [('a', 'b')])
    """
    nodes: dict[str, Node] = {}
    for node in _walk(root):
        # a name that is empty or holds a slash may give a step the path of another one; it is a problem of its own
        nodes.setdefault(node.path, node)
    problems: list[Problem] = [] if isinstance(root, Flow) else _problems_of_place(root)
    edges: list[Edge] = []
    for node in nodes.values():
        if isinstance(node.step, Router):
            edges += [Edge(tail=node.path, head=join(node.path, key), kind=EdgeKind.ROUTE) for key in node.step.routes]
        elif isinstance(node.step, Flow):
            around = nodes[node.parent].step if node.parent is not None else None
            edges += _flow_edges(node.path, node.step, around, problems)
    starts: tuple[str, ...] = ("",)
    ends: tuple[str, ...] = ("",)
    answer: str | None = ""
    if isinstance(root, Flow):
        starts, ends, answer = flow_ends("", root, nodes, edges)
    found = Topology(root=root, nodes=nodes, edges=tuple(edges), starts=starts, ends=ends, answer=answer)
    problems += structure_problems(found)
    return Topology(
        root=root, nodes=nodes, edges=tuple(edges), starts=starts, ends=ends, answer=answer, problems=tuple(problems)
    )


def _problems_of_place(root: Router) -> list[Problem]:
    """Return what is wrong with a router that is the whole graph, but speaks of steps beside it."""
    return [
        Problem(
            path="",
            message=f"the router is the whole graph, so that its {field} cannot name {name!r}, a step beside it: put "
            f"the router into a flow, with flow.to('*', name='router')",
        )
        for field, names in (("after", root.after), ("on_error", [root.on_error] if root.on_error else []))
        for name in names
    ]


def flow_ends(
    path: str,
    flow: Flow,
    nodes: dict[str, Node],
    edges: list[Edge] | tuple[Edge, ...],
    entries: tuple[str, ...] = (),
) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """Return the starts, the ends and the answering step of one flow, as paths.

    ``entries`` are the starts where they are known: the steps that a queue leads to.
    """
    own = {join(path, name): step for name, step in flow.steps.items()}
    entered: set[str] = set()
    left: dict[str, list[str]] = {}
    for edge in edges:
        if edge.head in own and edge.kind is not EdgeKind.ROUTE:
            entered.add(edge.head)
            if edge.kind is EdgeKind.FLOW:
                left.setdefault(edge.tail, []).append(edge.head)
    starts = entries or tuple(
        child for child, step in own.items() if child not in entered and step.kind is not Kind.ERROR and not step.after
    )
    reached = _reach(starts, left)
    ends = tuple(child for child in own if child in reached and child not in left)
    return starts, ends, _answer(path, flow, nodes, ends)


def _answer(path: str, flow: Flow, nodes: dict[str, Node], ends: tuple[str, ...]) -> str | None:
    for name, step in flow.steps.items():
        if isinstance(step, Task) and step.responder and not isinstance(step, Error):
            return join(path, name)
    if flow.final_step and flow.final_step in flow.steps:
        return join(path, flow.final_step)
    if len(ends) == 1 and nodes[ends[0]].kind is not Kind.QUEUE:
        return ends[0]
    return None


def _reach(starts: tuple[str, ...], left: dict[str, list[str]]) -> set[str]:
    reached = set(starts)
    todo = list(starts)
    while todo:
        for head in left.get(todo.pop(), ()):
            if head not in reached:
                reached.add(head)
                todo.append(head)
    return reached


def _walk(root: Root) -> Iterator[Node]:
    todo: list[tuple[str, AnyStep | Root, str | None, str, str]] = [("", root, None, "", root.name or "")]
    while todo:
        path, step, parent, function, name = todo.pop()
        function = getattr(step, "function", None) or function
        yield Node(path=path, name=name, kind=step.kind, step=step, parent=parent, function=function)
        todo += [(join(path, key), child, path, function, key) for key, child in reversed(list(children(step).items()))]


def _catches(flow: Flow, around: AnyStep | Root | None) -> bool:
    """Whether a flow's error handler is one of its own steps, rather than one beside it."""
    beside = around.steps if isinstance(around, Flow) else {}
    return bool(flow.on_error) and flow.on_error in flow.steps and flow.on_error not in beside


def _flow_edges(path: str, flow: Flow, around: AnyStep | Root | None, problems: list[Problem]) -> Iterator[Edge]:
    names = flow.steps

    def known(owner: str, name: str, word: str) -> bool:
        if name in names:
            return True
        # each look for the nearest name takes a while; past some, the pattern is clear
        near = nearest(name, names) if len(problems) < _MOST_NEAREST else ""
        problems.append(Problem(path=owner, message=f"{word} names {name!r}, which is no step of the flow{near}"))
        return False

    for name, step in names.items():
        child = join(path, name)
        for before in step.after:
            if known(child, before, "after"):
                yield Edge(tail=join(path, before), head=child)
        # a nested flow may name a handler of its own, for all of its steps
        if (
            step.on_error
            and not (isinstance(step, Flow) and _catches(step, flow))
            and known(child, step.on_error, "on_error")
        ):
            yield Edge(tail=child, head=join(path, step.on_error), kind=EdgeKind.ERROR)
        if isinstance(step, Error):
            for target in step.before:
                if known(child, target, "before"):
                    yield Edge(tail=child, head=join(path, target), kind=EdgeKind.RESUME)
    if flow.on_error and _catches(flow, around):
        yield Edge(tail=path, head=join(path, flow.on_error), kind=EdgeKind.ERROR)
    elif flow.on_error and around is None:
        known(path, flow.on_error, "on_error")
    if flow.final_step:
        known(path, flow.final_step, "final_step")
