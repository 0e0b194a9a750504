"""What stands beside the picture for what is selected: a step's inspector, the data on an edge, a folded group."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from graphkit.notebook import inspector
from graphkit.notebook.drawing import Drawing
from graphkit.notebook.tally import Did
from graphkit.plan.topology import Edge
from graphkit.view.dot import node_id
from graphkit.view.fold import Group, Part
from graphkit.view.preview import preview
from graphkit.view.run_table import duration
from graphkit.view.text import key, showable

_MOST_MEMBERS = 200


def inspected(drawing: Drawing, steps: Mapping[str, Did], name: str, root: Any, server: Any) -> str:
    """Return the HTML for a node, box or edge, given by its id on the picture; all user text in it is escaped.

    Never raises: what goes wrong while a value is shown is shown in its place.
    """
    try:
        if name in drawing.edges:
            return _edge(drawing, drawing.edges[name], root, server)
        if name == "start" or name.startswith("start:"):
            return _start(drawing, name, root, server)
        group = _group(drawing, name)
        if group is not None:
            return _members(group, steps)
        path = drawing.paths.get(name)
        return "<p>This step is not there any more.</p>" if path is None else inspector.panel(root, server, path)
    except Exception as exc:
        return f"<p>This cannot be shown: {escape(showable(f'{type(exc).__name__}: {exc}'))}</p>"


def _group(drawing: Drawing, name: str) -> Group | None:
    """Return the group that is selected, if it is one without a step of its own."""
    for name_of_group in drawing.closed:
        group = drawing.groups[name_of_group]
        if group.part not in (Part.ROUTER, Part.FLOW) and node_id(group.path) == name:
            return group
    return drawing.groups.get(name)


def _members(group: Group, steps: Mapping[str, Did]) -> str:
    paths = [group.path, *group.members]
    rows = "".join(f"<tr><td>{_text(path)}</td>{_cells(steps.get(path))}</tr>" for path in paths[:_MOST_MEMBERS])
    more = f"<p>… {len(paths) - _MOST_MEMBERS:,} more</p>" if len(paths) > _MOST_MEMBERS else ""
    return (
        f"<p>{len(paths):,} steps</p><table><thead><tr><th>step</th><th>time</th><th>output</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _cells(did: Did | None) -> str:
    if did is None or did.record is None:
        return "<td></td><td></td>"
    record = did.record
    shown = f"failed: {_text(record.error)}" if record.error is not None else _text(preview(record.output, 60))
    return f"<td>{_text(duration(did.total_us))}</td><td>{shown}</td>"


def _edge(drawing: Drawing, shown: Edge, root: Any, server: Any) -> str:
    """Return what crossed an edge; one of a folded group is the first of those that it stands for."""
    stands = drawing.stands
    whole = (
        edge
        for edge in drawing.topology.edges
        if (stands.get(edge.tail, edge.tail), stands.get(edge.head, edge.head)) == (shown.tail, shown.head)
    )
    found = next(whole, shown)
    return inspector.edge(root, server, found.tail, found.head)


def _start(drawing: Drawing, name: str, root: Any, server: Any) -> str:
    starts = drawing.topology.starts
    path = next((path for path in starts if key("start", path) == name), starts[0] if starts else None)
    return "<p>Events come in here.</p>" if path is None else inspector.edge(root, server, "", path)


def _text(value: Any) -> str:
    return escape(showable(str(value)))
