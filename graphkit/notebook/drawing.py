"""A graph as a page gets it: the renderer's SVG, and what its nodes, edges and boxes stand for. Plain data."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from graphkit.core.errors import GraphkitError
from graphkit.plan.topology import Edge, Node, Topology, why_an_id
from graphkit.view.bundle import MOST_NODES, fitting
from graphkit.view.dot import edge_id, node_id
from graphkit.view.fold import PLAIN_PARTS, Group, Part, fold, folded_to, groups_of, standing_for
from graphkit.view.labels import KIND_NAMES, described, root_of
from graphkit.view.outline import alt_text, outline
from graphkit.view.text import key, shortened, showable

#: Beyond this many nodes, what is long or holds much is folded until somebody opens it.
FOLD_ABOVE = 80
_MOST_HIDDEN_NAMES = 500
#: What a page makes no use of: it has tooltips of its own. A third of a large picture.
_SPARE = re.compile(r"<!--.*?-->\s*|<title>.*?</title>\s*| xlink:title=\"[^\"]*\"", re.DOTALL)


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A graph as it is shown.

    Attributes
    ----------
    topology, shown
        The whole graph, and what is left of it where groups are folded.
    groups, closed
        What can be folded, and the keys of what is.
    stands
        For each hidden step, the step whose node stands for it.
    paths
        The path of the step, by id of its node or box.
    edges
        The edges, by id.
    page
        What the page gets.
    drawn
        What was drawn, with its picture and SVG; ``None`` where nothing was.
    """

    topology: Topology
    shown: Topology
    groups: Mapping[str, Group]
    closed: tuple[str, ...]
    stands: Mapping[str, str]
    paths: Mapping[str, str]
    edges: Mapping[str, Edge]
    page: Mapping[str, Any]
    drawn: Any = None


def draw_live(topology: Topology, opened: Collection[str] = (), closed: Collection[str] = ()) -> Drawing:
    """Draw a graph for a page; what cannot be drawn is there as an outline, with the reason.

    Parameters
    ----------
    topology
        The graph; problems in it are marked.
    opened, closed
        Keys of groups that somebody opened or closed; the others are as :func:`graphkit.view.fold.folded_to` says.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> drawing = draw_live(trace_topology(RootFlow(steps={"a": Task(name="a", handler="f")})))
    >>> drawing.page["nodes"]["step:a"]["name"], drawing.page["svg"].startswith("<?xml")
    ('a', True)
    """
    groups = groups_of(topology)
    by_default = folded_to(topology, groups, FOLD_ABOVE)
    folded = [name for name in groups if name in closed or (name in by_default and name not in opened)]
    stands = standing_for(groups[name] for name in folded)
    shown = fold(topology, groups=[groups[name] for name in folded]) if folded else topology
    drawn, note = _drawn(topology, shown)
    svg = "" if drawn is None else _SPARE.sub("", bytes(drawn[2]).decode())
    paths = {node_id(path): path for path in [*shown.nodes, ""]}
    edges = {edge_id(edge): edge for edge in shown.edges}
    page = {
        "svg": svg,
        "outline": "" if svg else outline(shown),
        "note": note,
        "alt": alt_text(topology),
        "title": outline(topology).partition("\n")[0],
        # what is not drawn needs no description; it may be very much
        "nodes": _nodes(shown, topology, groups, folded) if svg else {},
        "edges": {name: _edge(edge, shown) for name, edge in edges.items()} if svg else {},
        "doubts": {
            edge_id(Edge(tail=doubt.tail, head=doubt.head, kind=doubt.kind)): showable(doubt.message)
            for doubt in shown.doubts
        },
        "boxes": _boxes(groups, folded, stands) if svg else {},
        "foldable": len(groups),
        "folded": len(folded),
    }
    return Drawing(
        topology=topology,
        shown=shown,
        groups=groups,
        closed=tuple(folded),
        stands=stands,
        paths=paths,
        edges=edges,
        page=page,
        drawn=drawn,
    )


def all_that_fit(drawing: Drawing) -> set[str]:
    """Return the keys of the groups that can be open at once: all of them, or as many as a picture has room for."""
    if len(drawing.topology.nodes) <= MOST_NODES:
        return set(drawing.groups)
    return set(drawing.groups) - set(folded_to(drawing.topology, drawing.groups, MOST_NODES - 1))


def _drawn(topology: Topology, shown: Topology) -> tuple[Any, str]:
    """Return the picture and a line beneath it; none where there is too much to lay out, or no renderer."""
    count, why = len(topology.nodes) - 1, why_an_id(topology)
    if len(shown.nodes) > MOST_NODES:
        return None, f"{len(shown.nodes) - 1:,} nodes are too many for a picture: fold some of them."
    try:
        drawn = (shown, *fitting(shown))
    except (GraphkitError, OSError) as exc:
        return None, str(exc)
    most = f"; at most {MOST_NODES} are drawn at once" if count > MOST_NODES else ""
    folded = f"{count:,} steps, drawn as {len(shown.nodes) - 1:,}{most}." if shown is not topology else ""
    return drawn, " ".join(filter(None, [folded, why]))


def _nodes(
    shown: Topology, topology: Topology, groups: Mapping[str, Group], folded: Collection[str]
) -> dict[str, dict[str, Any]]:
    heads: dict[str, Group] = {}
    for name in folded:  # the outermost come first
        heads.setdefault(groups[name].path, groups[name])
    inner = {group.path: group for group in groups.values() if group.part in (Part.ROUTER, Part.FLOW)}
    nodes = dict(shown.nodes)
    nodes[""] = root_of(topology)
    found = {}
    for path, node in nodes.items():
        about = _node(node, topology)
        head = heads.get(path)
        if head is not None:
            names = [_tail(member) for member in head.members[:_MOST_HIDDEN_NAMES]]
            about |= {"group": head.key, "closed": True, "hides": len(head.members), "hidden": names}
        elif path in inner:
            about |= {"group": inner[path].key, "closed": False}
        found[node_id(path)] = about
    return found


def _node(node: Node, topology: Topology) -> dict[str, Any]:
    problems = [showable(found.message) for found in topology.problems if found.path == node.path and node.path]
    return {
        "path": node.path,
        "name": showable(shortened(node.name, 200)) or str(node.kind),
        "kind": KIND_NAMES[node.kind],
        "about": [showable(line) for line in described(node)[1:]],
        "problems": problems,
    }


def _tail(path: str) -> str:
    return showable(shortened(path, 120, 1))


def _edge(edge: Edge, shown: Topology) -> dict[str, str]:
    names = {"": root_of(shown).name or "any step"}
    tail, head = (
        showable(shortened(shown.nodes[path].name if path else names[""], 60, 1)) for path in (edge.tail, edge.head)
    )
    return {"tail": tail, "head": head, "kind": str(edge.kind), "from": node_id(edge.tail), "to": node_id(edge.head)}


def _boxes(groups: Mapping[str, Group], folded: Collection[str], stands: Mapping[str, str]) -> dict[str, Any]:
    """Return which boxes can be closed, by the box's id in the picture."""
    found = {}
    for name, group in groups.items():
        if name in folded or group.path in stands or group.part in PLAIN_PARTS:
            continue
        box = {
            Part.ROUTER: key("box", group.path),
            Part.FLOW: node_id(group.path),
            Part.FUNCTION: group.key,
        }[group.part]
        found[box] = {"group": name, "name": showable(shortened(group.name, 60, 1)), "part": str(group.part)}
    return found
