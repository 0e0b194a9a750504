"""A run laid over its graph, as a still picture: how long each step took, which failed, and which way events went.

It is drawn for a page that runs no scripts. A live picture colours what it shows by classes instead, with the same
colours of the theme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from graphkit.plan.topology import EdgeKind, Node, Topology
from graphkit.spec.steps import Kind
from graphkit.view import theme
from graphkit.view.dot import edge_id, label_html, node_id
from graphkit.view.images import MOST_SHRUNK_PX, image_html, width_px
from graphkit.view.outline import alt_text
from graphkit.view.run_table import Run, duration
from graphkit.view.text import html, key, quoted_tooltip, shortened, showable

#: Of a larger graph the table says more than a picture would.
MOST_NODES = 120
_TIMEOUT_S = 5.0
# Below a name, whose underscores would touch the words else.
_GAP = '<FONT POINT-SIZE="2">&#160;</FONT>'
# Within texts a quote is escaped, so that no name can look like this.
_ID = re.compile(r'[ \[]id="([^"]+)" class=')


class Mark(msgspec.Struct):
    """What a run says of one step."""

    count: int = 0
    failed: int = 0
    total_us: float = 0.0
    error: str = ""

    def text(self) -> str:
        """Return it in a few words.

        >>> Mark(count=3, total_us=1500).text(), Mark(count=1, failed=1).text()
        ('3 times, 1.5 ms', 'failed')
        """
        words = [f"{self.count:,} times"] if self.count > 1 else []
        if self.failed:
            words.append("failed" if self.failed == self.count else f"{self.failed:,} failed")
        else:
            words.append(duration(self.total_us))
        return ", ".join(words)


def run_marks(topology: Topology, record: Run) -> dict[str, Mark]:
    """Return what a run says of each step that it came to, by path; holders of such steps are marked too.

    Examples
    --------
    >>> from types import SimpleNamespace as Data
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> topology = trace_topology(RootFlow(steps={"a": Task(name="a", handler="f")}))
    >>> step = Data(name="a", duration_us=12.0, error=None)
    >>> run_marks(topology, Data(steps=[step]))["a"].text()
    '12 µs'
    """
    marks: dict[str, Mark] = {}
    for step in record.steps:
        path = step.name if step.name in topology.nodes else ""  # a router at the root has a name, and no path
        mark = marks.setdefault(path, Mark())
        mark.count += 1
        mark.total_us += step.duration_us or 0.0
        if step.error:
            mark.failed += 1
            mark.error = str(step.error)
    return {**marks, **_holders(topology, marks)}


def _holders(topology: Topology, marks: Mapping[str, Mark]) -> dict[str, Mark]:
    """Return what holds steps that ran, and has no run of its own: passed and failed as its parts have."""
    found: dict[str, Mark] = {}
    for path, mark in marks.items():
        node = topology.nodes.get(path)
        while node is not None and node.parent is not None:
            if node.parent not in marks:
                whole = found.setdefault(node.parent, Mark())
                passed = whole.count > whole.failed or mark.count > mark.failed
                whole.failed = int(whole.failed or mark.failed > 0)
                whole.count = whole.failed + passed
                whole.total_us = max(whole.total_us, mark.total_us)
            node = topology.nodes[node.parent]
    return found


def run_picture_html(topology: Topology, record: Run) -> str:
    """Return a run laid over its graph as an ``<img>`` that shows in untrusted notebooks too; empty if it cannot be.

    Parameters
    ----------
    topology
        The graph that the event went through.
    record
        The run.
    """
    if not 0 < len(topology.nodes) - 1 <= MOST_NODES:
        return ""
    marks = run_marks(topology, record)
    try:
        svg = _drawn(topology, marks)
    except Exception:  # no renderer, or one that takes too long; to show a run never fails, and the table says it all
        return ""
    return image_html(svg, f"{alt_text(topology)} {_said(topology, marks)}")


def _said(topology: Topology, marks: Mapping[str, Mark]) -> str:
    """Return the picture's marks in words, for those who do not see it."""
    failed = [shortened(showable(path), 60, 1) for path, mark in marks.items() if mark.failed and path]
    passed = sum(1 for path in marks if path)
    return f"The run came to {passed} of them{'; failed: ' + ', '.join(failed) if failed else ''}."


def _drawn(topology: Topology, marks: Mapping[str, Mark]) -> bytes:
    from graphkit.view.picture import draw  # graphviz loads with the first picture

    for attributes in ({}, {"rankdir": "LR"}):
        picture = draw(topology, **attributes)
        picture.body = marked(topology, marks, picture.body)
        drawn = picture.pipe("svg", timeout_s=_TIMEOUT_S)
        svg = drawn if isinstance(drawn, bytes) else drawn.encode()
        if width_px(svg) <= MOST_SHRUNK_PX:
            break
    return svg


def marked(topology: Topology, marks: Mapping[str, Mark], lines: Sequence[str]) -> list[str]:
    """Return the statements of a picture with a run's marks: later attributes win over those that are there."""
    nodes = {node_id(path): path for path in topology.nodes}
    edges = {edge_id(edge): edge for edge in topology.edges}
    starts = {key("start", path): path for path in topology.starts}
    slowest = max((mark.total_us for path, mark in marks.items() if _is_leaf(topology, path)), default=0.0)
    found = []
    for line in lines:
        match = _ID.search(line)
        name = match.group(1) if match else ""
        extra = ""
        if " -> " in line and name in edges:
            edge = edges[name]
            doubtful = f'class="{edge.kind} warn"' in line
            extra = _edge(edge.kind, _was_taken(edge.kind, marks.get(edge.tail), marks.get(edge.head)), doubtful)
        elif " -> " in line and name in starts:
            extra = _edge(EdgeKind.FLOW, starts[name] in marks, False)
        elif name in nodes and "subgraph" not in line and not line.startswith("\tgraph"):
            path = nodes[name]
            extra = _node(topology, path, marks.get(path), slowest)
        elif line.startswith("\tstart ["):
            extra = _lined(theme.PASSED)
        found.append(f"{line.rstrip().removesuffix(']')}{extra}]\n" if extra else line)
    return found


def _node(topology: Topology, path: str, mark: Mark | None, slowest: float) -> str:
    node = topology.nodes[path]
    if mark is None:
        look = theme.look(node, node.parent is not None and topology.nodes[node.parent].kind is Kind.ROUTER)
        fill, line = theme.mixed(look.fill, theme.IDLE_NODE), theme.mixed(look.line, theme.IDLE_NODE)
        return f' fillcolor="{fill}" color="{line}" fontcolor="{theme.QUIET}"'
    label = _label(node, mark)
    tip = f" tooltip={quoted_tooltip(shortened(f'{node.path}: {mark.error}', 200))}" if mark.error else ""
    if mark.failed:
        fill = theme.mixed(theme.WRONG, theme.FAILED_FILL)
        return f' label={label} style=filled fillcolor="{fill}"{_lined(theme.FAILED)}{tip}'
    heat = theme.heat(mark.total_us / slowest) if slowest and _is_leaf(topology, path) else 0
    warm = f' fillcolor="{theme.mixed(theme.HOT, theme.HEAT[heat])}"' if heat else ""
    return f" label={label}{warm}{_lined(theme.PASSED)}{tip}"


def _label(node: Node, mark: Mark) -> str:
    name = html(shortened(node.name) or str(node.kind))
    color = theme.WRONG_TEXT if mark.failed else theme.INK
    words = f'<FONT POINT-SIZE="9.5" COLOR="{color}">{html(mark.text())}</FONT>'
    return label_html(node, f"{name}<BR/>{_GAP}<BR/>{words}")


def _edge(kind: EdgeKind, taken: bool, doubtful: bool) -> str:
    """Return how an edge is marked; one that may not fit keeps its colour."""
    if taken:
        stroke = theme.TAKEN_ERROR if kind is EdgeKind.ERROR else theme.TAKEN
        return f' penwidth="{stroke.width}"' if doubtful else _lined(stroke)
    color = theme.mixed(theme.DOUBT if doubtful else theme.STROKES[kind].color, theme.IDLE_EDGE)
    return f' color="{color}" fontcolor="{color}"'


def _lined(stroke: theme.Stroke) -> str:
    return f' color="{stroke.color}" penwidth="{stroke.width}"'


def _was_taken(kind: EdgeKind, tail: Mark | None, head: Mark | None) -> bool:
    """Whether events went along an edge; an error's edge only if its tail failed, any other if it did not."""
    if tail is None or head is None:
        return False
    if kind is EdgeKind.ROUTE:
        return True
    return tail.failed > 0 if kind is EdgeKind.ERROR else tail.count > tail.failed


def _is_leaf(topology: Topology, path: str) -> bool:
    node = topology.nodes.get(path)
    return node is not None and node.kind not in (Kind.ROUTER, Kind.FLOW, Kind.ROOT)
