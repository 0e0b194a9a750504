"""A run laid over a drawing: which node and edge gets which mark. Plain data; nothing is laid out anew for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.notebook.drawing import Drawing
from graphkit.notebook.glance import glance
from graphkit.notebook.tally import Did, Outcome, together
from graphkit.plan.topology import Edge, EdgeKind
from graphkit.spec.steps import Kind
from graphkit.view import theme
from graphkit.view.dot import edge_id, node_id
from graphkit.view.preview import preview
from graphkit.view.run_table import duration
from graphkit.view.text import key, shortened, showable

_MOST_ERROR = 2000


def paint(
    drawing: Drawing,
    outcome: Outcome,
    steps: Mapping[str, Did],
    bound: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the marks of a run as the page gets them.

    Parameters
    ----------
    drawing
        What is shown.
    outcome, steps
        A run, as of :meth:`graphkit.notebook.tally.Tally.seen`.
    bound
        For steps that are ``unbound`` or ``stale``, which; ``None`` where no server has bound the graph.
    """
    told = _as_shown(drawing, steps)
    if drawing.drawn is None:  # there is an outline, and nothing on it to mark
        return {"run": _run(drawing, outcome, told), "nodes": {}, "edges": {}, "bound": {}}
    reached = _with_holders(drawing, told)
    slowest = max((did.total_us for path, did in told.items() if _is_leaf(drawing, path)), default=0.0)
    nodes = {
        node_id(path): _node(did, slowest if _is_leaf(drawing, path) else 0.0)
        for path, did in told.items()
        if path in drawing.shown.nodes
    }
    if outcome.state:
        nodes["start"] = {"state": "ok"}
    marks: dict[str, str] = {}
    for path, mark in (bound or {}).items():
        seen = drawing.stands.get(path, path)
        marks[node_id(seen)] = "stale" if mark == "stale" else marks.get(node_id(seen), str(mark))
    return {
        "run": _run(drawing, outcome, told),
        "nodes": nodes,
        "edges": _edges(drawing, reached) if outcome.state else {},
        "bound": marks,
    }


def _as_shown(drawing: Drawing, steps: Mapping[str, Did]) -> dict[str, Did]:
    """Return what each node's step did, with what stands for several as the sum of them."""
    known = drawing.topology.nodes
    parts: dict[str, list[Did]] = {}
    for name, did in steps.items():
        path = name if name in known else ""  # a graph that is one router has a name, and no path
        parts.setdefault(drawing.stands.get(path, path), []).append(did)
    told = {path: together(own) for path, own in parts.items()}
    for path in told:
        if path in steps and len(parts[path]) > 1 and known[path].kind in (Kind.ROUTER, Kind.FLOW):
            told[path] = steps[path]  # its time holds that of its parts
    return told


def _node(did: Did, slowest: float) -> dict[str, Any]:
    state = "run" if did.active else "bad" if did.failed else "ok"
    about: dict[str, Any] = {"state": state}
    if did.count:
        share = did.total_us / slowest if slowest else 0.0
        about |= {"time": duration(did.total_us), "count": did.count, "heat": theme.heat(share)}
    if did.failed:
        about["failed"] = did.failed
    record = did.record
    if record is not None and record.error is None:
        about |= {"gave": showable(glance(record.output)), "more": _line(preview(record.output, 160))}
    if record is not None and record.error is not None:
        about["error"] = showable(str(record.error)[:_MOST_ERROR])
    return about


def _run(drawing: Drawing, outcome: Outcome, told: Mapping[str, Did]) -> dict[str, Any]:
    if not outcome.state:
        return {}
    about: dict[str, Any] = {"state": outcome.state, "request": _line(outcome.request), "id": _line(outcome.id)}
    if outcome.status is not None:
        about |= {"status": outcome.status, "time": duration(outcome.duration_us), "runs": outcome.runs}
    bad = [(did.order, path, did) for path, did in told.items() if did.failed and did.record is not None]
    leaves = [found for found in bad if _is_leaf(drawing, found[1])] or bad
    if leaves:
        _, path, did = max(leaves)[0:3]
        about |= {"failed": node_id(path), "name": _line(path), "error": _line(str(did.record.error))}
    elif outcome.state == "bad":
        about["error"] = _line(outcome.answer if isinstance(outcome.answer, str) else preview(outcome.answer, 200))
    return about


def _edges(drawing: Drawing, reached: Mapping[str, Did]) -> dict[str, dict[str, Any]]:
    found = {}
    for edge in drawing.shown.edges:
        if not _was_taken(edge, reached):
            continue
        tail = reached[edge.tail]
        found[edge_id(edge)] = _crossing(tail.record, "input" if edge.kind is EdgeKind.ROUTE else "output")
        if reached[edge.head].active:
            found[edge_id(edge)]["state"] = "run"
    for path in drawing.shown.starts:
        if path in reached:
            found[key("start", path)] = _crossing(reached[path].record, "input")
    return found


def _crossing(record: Any, side: str) -> dict[str, Any]:
    if record is None or (side == "output" and record.error is not None):
        return {"state": "ok"}
    value = getattr(record, side)
    return {"state": "ok", "short": showable(glance(value, 18)), "more": _line(preview(value, 160))}


def _was_taken(edge: Edge, reached: Mapping[str, Did]) -> bool:
    """Return whether events went along an edge; an error's edge only if its tail failed, any other if it did not."""
    tail, head = reached.get(edge.tail), reached.get(edge.head)
    if tail is None or head is None:
        return False
    if edge.kind is EdgeKind.ROUTE:
        return True
    if edge.kind is EdgeKind.ERROR:
        return tail.failed > 0
    return tail.count > tail.failed


def _with_holders(drawing: Drawing, told: Mapping[str, Did]) -> dict[str, Did]:
    """Return what steps did, with flows and routers whose own run is not recorded as the sum of their parts."""
    nodes = drawing.shown.nodes
    inside: dict[str, list[Did]] = {}
    for path, did in told.items():
        node = nodes.get(path)
        while node is not None and node.parent is not None:
            if node.parent not in told:
                inside.setdefault(node.parent, []).append(did)
            node = nodes.get(node.parent)
    return {**told, **{path: _outward(parts) for path, parts in inside.items()}}


def _outward(parts: list[Did]) -> Did:
    """Return a flow as its parts make it: what failed inside and was caught there did not fail the flow."""
    whole = together(parts)
    whole.count = max(whole.count, whole.failed + any(did.count > did.failed for did in parts))
    return whole


def _is_leaf(drawing: Drawing, path: str) -> bool:
    node = drawing.shown.nodes.get(path)
    return node is None or node.hides > 0 or node.kind not in (Kind.ROUTER, Kind.FLOW, Kind.ROOT)


def _line(text: str) -> str:
    return shortened(showable(text).replace("\n", " "), 300)
