"""Large graphs made small enough to look at: what is long and plain becomes one node that stands for it."""

from __future__ import annotations

from msgspec.structs import replace

from graphkit.plan.topology import Edge, EdgeKind, Node, Topology
from graphkit.spec.steps import Kind, Task

#: Steps or routes that stay at either end of what is folded.
_KEPT = 3
#: So many siblings at either end, with what is between them, fit into a page.
_KEPT_ABREAST = 2
#: What is shorter is not worth folding.
_SHORTEST = 4
#: More siblings side by side than these are wider than a page at a size that can be read.
MOST_ABREAST = 12


def fold(topology: Topology, wide_only: bool = False) -> Topology:
    """Return a smaller topology: the middle of long runs, lists of routes and fan-outs as one node each.

    Only plain tasks are folded: none that has a problem or an error handler, or that answers; in runs, none that has
    several followers. Siblings are folded where they come after the same steps and lead to the same ones.

    Parameters
    ----------
    topology
        The graph.
    wide_only
        Leave runs as they are, and fold siblings only where they are more than fit side by side on a page.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow
    >>> names = [f"s{i}" for i in range(100)]
    >>> steps = {n: Task(name=n, handler="f", after=(p,) if p else ()) for p, n in zip(["", *names], names)}
    >>> [node.name for node in fold(trace_topology(RootFlow(steps=steps))).nodes.values()]
    ['', 's0', 's1', 's2', 's3', '... 92 steps ...', 's96', 's97', 's98', 's99']
    """
    gone: dict[str, str] = {}
    folded: dict[str, Node] = {}
    runs = [] if wide_only else [(run, "steps") for run in _runs(topology)]
    routes = [(group, "routes") for group in _routes(topology)]
    branches = [(group, "branches") for group in _branches(topology, {path for run, _ in runs for path in run})]
    for group, word in [*runs, *routes, *branches]:
        if wide_only and len(group) <= MOST_ABREAST:
            continue
        kept = _KEPT_ABREAST if wide_only else _KEPT
        middle = group[kept : len(group) - kept]
        if len(middle) < _SHORTEST:
            continue
        first = topology.nodes[middle[0]]
        name = f"... {len(middle):,} {word} ..."
        folded[middle[0]] = replace(first, name=name, step=Task(name=name, comment=f"{middle[0]} to {middle[-1]}"))
        gone.update(dict.fromkeys(middle, middle[0]))
    if not gone:
        return topology
    nodes = {path: folded.get(path, node) for path, node in topology.nodes.items() if gone.get(path, path) == path}
    edges = dict.fromkeys(
        Edge(tail=gone.get(edge.tail, edge.tail), head=gone.get(edge.head, edge.head), kind=edge.kind)
        for edge in topology.edges
    )
    inner = tuple(edge for edge in edges if edge.tail != edge.head)
    starts, ends = (
        tuple(dict.fromkeys(gone.get(path, path) for path in many)) for many in (topology.starts, topology.ends)
    )
    return replace(topology, nodes=nodes, edges=inner, starts=starts, ends=ends)


def _plain(topology: Topology) -> set[str]:
    special = {problem.path for problem in topology.problems} | set(topology.ends) | set(topology.starts)
    special |= {edge.tail for edge in topology.edges if edge.kind is EdgeKind.ERROR}
    special |= {edge.head for edge in topology.edges if edge.kind is EdgeKind.RESUME}
    return {path for path, node in topology.nodes.items() if node.kind is Kind.TASK and path not in special}


def _runs(topology: Topology) -> list[list[str]]:
    """Return the maximal straight runs of plain tasks."""
    plain = _plain(topology)
    after: dict[str, list[str]] = {}
    before: dict[str, int] = {}
    for edge in topology.edges:
        if edge.kind is EdgeKind.FLOW:
            after.setdefault(edge.tail, []).append(edge.head)
            before[edge.head] = before.get(edge.head, 0) + 1
    inner = {path for path in plain if before.get(path) == 1 and len(after.get(path, ())) == 1}
    place = {path: (node.parent, node.function) for path, node in topology.nodes.items()}

    def following(path: str) -> str | None:
        head = after[path][0]
        return head if head in inner and place[head] == place[path] else None

    continued = {following(path) for path in inner}
    runs = []
    for path in topology.nodes:
        if path in inner and path not in continued:
            run: list[str] = []
            step: str | None = path
            while step is not None:
                run.append(step)
                step = following(step)
            runs.append(run)
    return runs


def _branches(topology: Topology, taken: set[str]) -> list[list[str]]:
    """Return the plain tasks of a flow that come after the same steps and lead to the same ones, as groups."""
    special = {problem.path for problem in topology.problems} | {topology.answer}
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for edge in topology.edges:
        if edge.kind is EdgeKind.FLOW:
            before.setdefault(edge.head, []).append(edge.tail)
            after.setdefault(edge.tail, []).append(edge.head)
        else:
            special |= {edge.head} if edge.kind is EdgeKind.RESUME else {edge.tail, edge.head}
    groups: dict[tuple[object, ...], list[str]] = {}
    for path, node in topology.nodes.items():
        if node.kind is Kind.TASK and path not in special and path not in taken:
            place = (node.parent, node.function, tuple(before.get(path, ())), tuple(after.get(path, ())))
            groups.setdefault((*place, path in topology.starts), []).append(path)
    return list(groups.values())


def _routes(topology: Topology) -> list[list[str]]:
    """Return the plain routes of each router, those of one function together."""
    wrong = {problem.path for problem in topology.problems}
    groups: dict[tuple[str, str], list[str]] = {}
    for path, node in topology.nodes.items():
        routed = node.parent is not None and topology.nodes[node.parent].kind is Kind.ROUTER
        if routed and node.parent is not None and node.kind is Kind.TASK and path not in wrong:
            groups.setdefault((node.parent, node.function), []).append(path)
    return list(groups.values())
