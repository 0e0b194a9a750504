"""Large graphs made small enough to look at: what is long, or holds much, becomes one node that stands for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

import msgspec
from msgspec.structs import replace

from graphkit.plan.topology import Edge, EdgeKind, Node, Topology
from graphkit.spec.steps import Kind, Task
from graphkit.view.labels import members
from graphkit.view.text import key

#: Steps or routes that stay at either end of what is folded.
_KEPT = 3
#: So many siblings at either end, with what is between them, fit into a page.
_KEPT_ABREAST = 2
#: What is shorter is not worth folding.
_SHORTEST = 4
#: More siblings side by side than these are wider than a page at a size that can be read.
MOST_ABREAST = 12
#: In graphs with more steps than these, siblings are folded also where they would fit into a page.
_LARGE = 150


class Part(str, Enum):
    """What may be folded into one node."""

    ROUTER = "router"  # with its routes
    FLOW = "flow"  # with its steps
    FUNCTION = "function"  # the steps of a child function that stand side by side
    RUN = "run"  # the middle of a long straight run of plain steps
    ROUTES = "routes"  # the middle of a long list of plain routes
    BRANCHES = "branches"  # the middle of many plain steps that come after the same steps and lead to the same ones

    __str__ = str.__str__


#: What is folded without being missed.
PLAIN_PARTS = (Part.RUN, Part.ROUTES, Part.BRANCHES)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Steps that one node can stand for.

    ``path`` is that of the step whose node stands for the group, ``members`` are the paths of all others in it.
    """

    key: str
    part: Part
    name: str
    path: str
    members: tuple[str, ...]


def groups_of(topology: Topology) -> dict[str, Group]:
    """Return what can be folded, by key; what is further out comes first.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Router
    >>> models = Router(name="models", routes={"iris": Task(name="iris", handler="f")})
    >>> list(groups_of(trace_topology(RootFlow(steps={"models": models}))))
    ['in:models']
    """
    below = _below(topology)
    found = [
        _holder(node, below[path])
        for path, node in topology.nodes.items()
        if node.kind in (Kind.ROUTER, Kind.FLOW) and below.get(path)
    ]
    found += _functions(topology, below)
    found += [group for group in _middles(topology) if group.part is Part.RUN]
    found += _siblings(topology, wide_only=len(topology.nodes) - 1 <= _LARGE)
    return {group.key: group for group in sorted(found, key=lambda group: -len(group.members))}


def fold(topology: Topology, wide_only: bool = False, groups: Iterable[Group] | None = None) -> Topology:
    """Return a smaller topology, in which one node stands for each group.

    Without ``groups`` the middles of long runs, lists of routes and fan-outs are folded. Only plain tasks are then
    folded: none that has a problem or an error handler, or that answers; in runs, none that has several followers.
    Siblings are folded where they come after the same steps and lead to the same ones.

    Parameters
    ----------
    topology
        The graph.
    wide_only
        Leave runs as they are, and fold siblings only where they are more than fit side by side on a page.
    groups
        What to fold instead; see :func:`groups_of`.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow
    >>> names = [f"s{i}" for i in range(100)]
    >>> steps = {n: Task(name=n, handler="f", after=(p,) if p else ()) for p, n in zip(["", *names], names)}
    >>> [node.name for node in fold(trace_topology(RootFlow(steps=steps))).nodes.values()]
    ['', 's0', 's1', 's2', 's3', '... 92 steps ...', 's96', 's97', 's98', 's99']
    """
    if groups is None:
        chosen = _siblings(topology, wide_only=True) if wide_only else _middles(topology)
    else:
        chosen = sorted(groups, key=lambda group: -len(group.members))
    stands = standing_for(chosen)
    if not stands:
        return topology
    heads = {group.path: _folded(topology, group) for group in reversed(chosen) if group.path not in stands}
    nodes = {path: heads.get(path, node) for path, node in topology.nodes.items() if path not in stands}
    edges = dict.fromkeys(
        Edge(tail=stands.get(edge.tail, edge.tail), head=stands.get(edge.head, edge.head), kind=edge.kind)
        for edge in topology.edges
    )
    return replace(
        topology,
        nodes=nodes,
        edges=tuple(edge for edge in edges if edge.tail != edge.head),
        starts=tuple(dict.fromkeys(stands.get(path, path) for path in topology.starts)),
        ends=tuple(dict.fromkeys(stands.get(path, path) for path in topology.ends)),
        answer=None if topology.answer is None else stands.get(topology.answer, topology.answer),
        problems=tuple(replace(found, path=stands.get(found.path, found.path)) for found in topology.problems),
        doubts=tuple(
            replace(found, tail=stands.get(found.tail, found.tail), head=stands.get(found.head, found.head))
            for found in topology.doubts
            if stands.get(found.tail, found.tail) != stands.get(found.head, found.head)
        ),
    )


def standing_for(groups: Iterable[Group]) -> dict[str, str]:
    """Return, for each step that is hidden when these groups are folded, the step whose node stands for it."""
    direct: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: -len(group.members)):
        for path in group.members:
            direct.setdefault(path, group.path)
    found = {}
    for path in direct:
        head = direct[path]
        while head in direct:
            head = direct[head]
        found[path] = head
    return found


def folded_to(topology: Topology, groups: Mapping[str, Group], most: int) -> list[str]:
    """Return the keys of the groups to fold so that not many more than ``most`` nodes are left.

    What is wider than a page is folded in any case. Long runs and lists are folded first, as nobody misses them; then
    what holds most.
    """
    hidden: set[str] = set()
    chosen: list[Group] = []
    plain = [group for group in groups.values() if group.part in PLAIN_PARTS]
    for group in [*plain, *(group for group in groups.values() if group.part not in PLAIN_PARTS)]:
        wide = group.part in (Part.ROUTES, Part.BRANCHES)
        if len(topology.nodes) - 1 - len(hidden) <= most and not wide:
            continue
        if group.path and group.path not in hidden:  # a graph that is one router stays open; its routes may be folded
            chosen.append(group)
            hidden.update(group.members)
    return [group.key for group in chosen]


# -- groups ------------------------------------------------------------------------------------------------------------


def _below(topology: Topology) -> dict[str, list[str]]:
    """Return the paths of all that a step holds, at any depth."""
    inside = members(topology)
    below: dict[str, list[str]] = {}
    for path in reversed(topology.nodes):  # children before parents
        below[path] = [p for child in inside.get(path, ()) for p in (child, *below.get(child, ()))]
    return below


def _holder(node: Node, inner: list[str]) -> Group:
    part = Part.ROUTER if node.kind is Kind.ROUTER else Part.FLOW
    return Group(key=key("in", node.path), part=part, name=node.name, path=node.path, members=tuple(inner))


def _functions(topology: Topology, below: Mapping[str, list[str]]) -> list[Group]:
    found: dict[tuple[str, str], list[str]] = {}
    for path, node in topology.nodes.items():
        holder = topology.nodes.get(node.parent) if node.parent is not None else None
        if holder is not None and path and node.function and node.function != holder.function:
            found.setdefault((node.function, holder.path), []).append(path)
    groups = []
    for (name, holder_path), paths in found.items():
        first, *others = [p for path in paths for p in (path, *below.get(path, ()))]
        if others:
            groups.append(
                Group(
                    key=key("function", name, holder_path),
                    part=Part.FUNCTION,
                    name=name,
                    path=first,
                    members=tuple(others),
                )
            )
    return groups


def _middles(topology: Topology) -> list[Group]:
    """Return the middles of long runs, lists of routes and fan-outs."""
    runs = [_middle(Part.RUN, "steps", run, _KEPT) for run in _runs(topology)]
    return [*filter(None, runs), *_siblings(topology, wide_only=False)]


def _siblings(topology: Topology, wide_only: bool) -> list[Group]:
    """Return the middles of long lists of routes and of fan-outs; of those that are wider than a page, or of all."""
    taken = set() if wide_only else {path for run in _runs(topology) for path in run}
    routes = [(Part.ROUTES, "routes", group) for group in _routes(topology)]
    branches = [(Part.BRANCHES, "branches", group) for group in _branches(topology, taken)]
    kept = _KEPT_ABREAST if wide_only else _KEPT
    found = [
        _middle(part, word, group, kept)
        for part, word, group in [*routes, *branches]
        if not wide_only or len(group) > MOST_ABREAST
    ]
    return list(filter(None, found))


def _middle(part: Part, word: str, paths: list[str], kept: int) -> Group | None:
    middle = paths[kept : len(paths) - kept]
    if len(middle) < _SHORTEST:
        return None
    first, *others = middle
    name = f"... {len(middle):,} {word} ..."
    return Group(key=key(str(part), first), part=part, name=name, path=first, members=tuple(others))


def _folded(topology: Topology, group: Group) -> Node:
    """Return the node that stands for a group."""
    node, count = topology.nodes[group.path], len(group.members)
    if group.part is Part.ROUTER:
        return replace(node, hides=count)
    if group.part is Part.FLOW:
        step = Task(name=group.name, shape="Mrecord", comment=f"flow of {count:,} step{'' if count == 1 else 's'}")
        return replace(node, kind=Kind.TASK, step=step, hides=count)
    if group.part is Part.FUNCTION:
        holder = topology.nodes.get(node.parent or "")
        step = Task(name=group.name, shape="Mrecord", comment=f"function of {count + 1:,} steps")
        function = holder.function if holder is not None else ""
        return replace(node, name=group.name, kind=Kind.TASK, step=step, function=function, hides=count)
    step = Task(name=group.name, comment=f"{group.path} to {group.members[-1]}")
    return replace(node, name=group.name, step=step, hides=count)


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
