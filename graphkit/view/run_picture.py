"""A run laid over its graph, as a still picture: how long each step took, which failed, and which way events went.

It is drawn for a page that runs no scripts. A live picture colours what it shows by classes instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from graphkit.plan.topology import EdgeKind, Node, Topology
from graphkit.spec.steps import Kind
from graphkit.view import theme
from graphkit.view.dot import edge_id, node_id
from graphkit.view.images import MOST_SHRUNK_PX, image_html, width_px
from graphkit.view.outline import alt_text
from graphkit.view.run_table import Run, duration
from graphkit.view.text import html, key, quoted_tooltip, shortened, showable

#: Of a larger graph the table says more than a picture would.
MOST_NODES = 120
_TIMEOUT_S = 5.0
#: Fills by the share that a step has of the slowest step's time; the shares at which the next one begins.
_HEAT: Sequence[str] = ("#EAF4EE", "#FFF3CF", "#FFE0A3", "#FFC266", "#FF9D3D")
_SHARES = (0.02, 0.15, 0.35, 0.65)
# Below a name, whose underscores would touch the words else.
_GAP = '<FONT POINT-SIZE="2">&#160;</FONT>'
_FADED = "#A9B3BC"
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
    for path in list(marks):
        node = topology.nodes.get(path)
        while node is not None and node.parent is not None:
            parent = topology.nodes[node.parent]
            if node.parent not in marks:
                marks[node.parent] = Mark(count=1, total_us=marks[path].total_us)
            node = parent
    return marks


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
            extra = _edge(_was_taken(edge.kind, marks.get(edge.tail), marks.get(edge.head)))
        elif " -> " in line and name in starts:
            extra = _edge(starts[name] in marks)
        elif name in nodes and "subgraph" not in line and not line.startswith("\tgraph"):
            path = nodes[name]
            extra = _node(topology.nodes[path], marks.get(path), slowest if _is_leaf(topology, path) else 0.0)
        found.append(f"{line.rstrip().removesuffix(']')}{extra}]\n" if extra else line)
    return found


def _node(node: Node, mark: Mark | None, slowest: float) -> str:
    name = html(shortened(node.name) or str(node.kind))
    if mark is None:
        return f' fillcolor="{theme.PAPER}" color="{_FADED}" fontcolor="{theme.QUIET}"'
    fill, line, style = _heat(mark, slowest), "#46525C", ""
    if mark.failed:
        fill, line, style = theme.WRONG_FILL, theme.WRONG, ' style="filled,dashed" penwidth="2"'
    words = f'<FONT POINT-SIZE="9.5" COLOR="{theme.WRONG if mark.failed else theme.INK}">{html(mark.text())}</FONT>'
    tip = f" tooltip={quoted_tooltip(shortened(f'{node.path}: {mark.error}', 200))}" if mark.error else ""
    return f' label=<{name}<BR/>{_GAP}<BR/>{words}> fillcolor="{fill}" color="{line}"{style}{tip}'


def _heat(mark: Mark, slowest: float) -> str:
    share = mark.total_us / slowest if slowest else 0.0
    return _HEAT[sum(share > least for least in _SHARES)]


def _edge(taken: bool) -> str:
    return ' penwidth="2"' if taken else f' color="{_FADED}" penwidth="0.8" fontcolor="{_FADED}"'


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
