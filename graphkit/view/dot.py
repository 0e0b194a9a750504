"""A topology as lines of DOT. Pure functions: no program runs here, and nothing of graphviz is needed.

Nodes are named ``n0``, ``n1``, ... by their place in the graph, and the steps' names stand in labels: a name may then
hold any character, also ``:``, which DOT would read as a port. Every node, box and edge carries an ``id`` made of paths
and a ``class``, by which a page finds them in the SVG.

DOT has no edges between boxes. An edge of a nested flow, or out of a router with its routes, is written between nodes
inside them, and ``ltail`` or ``lhead`` names the box that is meant, at whose border it is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphkit.plan.topology import Edge, EdgeKind, Node, Topology
from graphkit.spec.steps import Kind, Router, Task
from graphkit.view import theme
from graphkit.view.labels import Outside, described, detail, members, root_of, source_of, targets_of
from graphkit.view.text import html, key, quoted, quoted_tooltip, shortened, wrapped

#: The first statements of every picture: what nodes and edges look like unless they say otherwise.
HEAD = (
    f'\tgraph [compound=true bgcolor="{theme.PAPER}" pad="0.15" nodesep="0.3" ranksep="0.42" '
    f'fontname={theme.FONT} fontsize=11 fontcolor="{theme.INK}"]\n',
    f'\tnode [shape=ellipse style=filled fontname={theme.FONT} fontsize=13 fontcolor="{theme.INK}" penwidth="1.3" '
    f'margin="0.16,0.08" height="0.45"]\n',
    f'\tedge [fontname={theme.FONT} fontsize=10 arrowsize="0.75" color="{theme.EDGE}" penwidth="1.2"]\n',
)
_MOST_FOOTNOTES = 20
# The arrow-like shape of queues is drawn 6 points lower than its node at either side, at which edges would end in the
# air. Its label is a table that fills the shape, at whose border they end.
_CDS_MARGIN = 0.0834
_PORT = "q"
_PORTED = (
    f'<TABLE PORT="{_PORT}" BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
    '<TD WIDTH="9" HEIGHT="26"></TD><TD CELLPADDING="3">TEXT</TD><TD WIDTH="21"></TD></TR></TABLE>'
)


def dot_lines(topology: Topology, source: Any = None, targets: Iterable[Any] | None = None) -> list[str]:
    """Return the statements of a digraph, without its head and tail.

    Parameters
    ----------
    topology
        The graph.
    source
        What the events come from: a name, or an object with ``name`` and ``shape``; left out, an egg named ``start``.
    targets
        Where the output goes: names, or objects with ``name``, ``shape`` and ``after``; ``kind/name`` shows both.

    Raises
    ------
    GraphError
        If a target comes after a step that is not there.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> lines = dot_lines(trace_topology(RootFlow(steps={"a": Task(name="a", handler="f")})))
    >>> [line.split(" [")[0].strip() for line in lines if "->" in line]
    ['start -> n1']
    """
    drawing = _Drawing(topology)
    lines = [*HEAD, _start_line(source_of(source)), *drawing.boxes_and_nodes()]
    lines += (drawing.start_edge(path) for path in topology.starts if topology.root.kind is Kind.ROUTER or path)
    lines += (drawing.edge(edge) for edge in dict.fromkeys(topology.edges))  # a twin is drawn once
    for index, target in enumerate(targets_of(topology, targets)):
        lines += _target_lines(drawing, index, target)
    return lines + drawing.footnotes()


def dot_source(topology: Topology, source: Any = None, targets: Iterable[Any] | None = None) -> str:
    """Return the graph as DOT text; the parameters are those of :func:`dot_lines`."""
    return "".join(["digraph graphkit {\n", *dot_lines(topology, source, targets), "}\n"])


def node_id(path: str) -> str:
    """Return the SVG id of a step's node or box.

    >>> node_id("models/iris")
    'step:models/iris'
    """
    return key("step", path)


def edge_id(edge: Edge) -> str:
    """Return the SVG id of an edge.

    >>> edge_id(Edge(tail="a", head="b"))
    'flow:a:b'
    """
    return key(str(edge.kind), edge.tail, edge.head)


class _Drawing:
    """A topology with what is looked up again and again: ids, children, anchors, marks."""

    def __init__(self, topology: Topology) -> None:
        nodes = {**topology.nodes, "": root_of(topology)}
        self.topology = topology
        self.nodes = nodes
        self.ids = {path: f"n{index}" for index, path in enumerate(nodes)}
        self.tints = theme.function_looks(nodes)
        self.children = members(topology)
        self.marks, self.messages = _marks(topology)
        self.doubts = {(doubt.kind, doubt.tail, doubt.head): doubt for doubt in topology.doubts}
        self.answers = {
            path
            for path, node in nodes.items()
            if isinstance(node.step, Task) and node.step.responder and node.kind is not Kind.ERROR
        }
        if topology.answer and nodes[topology.answer].kind is not Kind.FLOW:
            self.answers.add(topology.answer)
        # The handlers of whole flows: drawn beside a box that holds the rest of the flow.
        self.handlers: dict[str, set[str]] = {}
        for edge in topology.edges:
            if edge.kind is EdgeKind.ERROR and nodes[edge.head].parent == edge.tail:
                self.handlers.setdefault(edge.tail, set()).add(edge.head)
        self.entered = {edge.head for edge in topology.edges if edge.kind is not EdgeKind.ROUTE}
        self.left = {edge.tail for edge in topology.edges if edge.kind is EdgeKind.FLOW}

    # -- boxes and nodes -------------------------------------------------------------------------------------------

    def boxes_and_nodes(self) -> list[str]:
        """Return the statements of all steps, nested as they are; a stack, as flows may nest deeply."""
        lines: list[str] = []
        todo: list[str | Node] = [self.nodes[""]]
        while todo:
            item = todo.pop()
            if isinstance(item, str):
                lines.append(item)
            else:
                todo += reversed(self._opened(item))
        return lines

    def _opened(self, node: Node) -> list[str | Node]:
        inside = self.children.get(node.path, [])
        if isinstance(node.step, Router):
            parts: list[str | Node] = [self._node_line(node), *self._grouped(inside, node)]
            return [self._box(node, "router", theme.ROUTE.fill, "#E3C98F", ""), *parts, "\t}\n"] if inside else parts
        if node.kind is Kind.ROOT:
            return self._flow_parts(node, inside)
        label = f"{html(shortened(node.name))}{self._mark(node.path)}"
        return [
            self._box(node, "flow", theme.BOX.fill, theme.BOX.line, label),
            *(self._flow_parts(node, inside) or [self._empty_line(node)]),
            "\t}\n",
        ]

    def _flow_parts(self, node: Node, inside: list[str]) -> list[str | Node]:
        handlers = self.handlers.get(node.path)
        if not handlers:
            return self._grouped(inside, node)
        body = [path for path in inside if path not in handlers]
        return [
            f"\tsubgraph cluster_body_{self.ids[node.path]} {{\n"
            f'\tgraph [label="" style="rounded,dashed" color="{theme.BODY.line}" margin=10 '
            f'id="{key("body", node.path)}" class=body tooltip="any step of the flow"]\n',
            *(self._grouped(body, node) or [self._empty_line(node)]),
            "\t}\n",
            *self._grouped([path for path in inside if path in handlers], node),
        ]

    def _grouped(self, paths: list[str], holder: Node) -> list[str | Node]:
        """Return the statements of some children; those that run in a function of their own stand in its box."""
        groups: dict[str, list[str]] = {}
        for path in paths:
            groups.setdefault(self.nodes[path].function, []).append(path)
        parts: list[str | Node] = []
        for function, steps in groups.items():
            own = function != holder.function
            if own:
                parts.append(self._function_box(function, holder, steps[0]))
            parts += (self._leaf_or_node(self.nodes[path]) for path in steps)
            if own:
                parts.append("\t}\n")
        return parts

    def _leaf_or_node(self, node: Node) -> str | Node:
        return node if node.kind is Kind.FLOW or node.path in self.children else self._node_line(node)

    def _box(self, node: Node, kind: str, fill: str, line: str, label: str) -> str:
        wrong = node.path in self.marks and kind == "flow"
        # A router's mark is on its node, so that its id belongs to the node too.
        box_id = key("box", node.path) if kind == "router" else node_id(node.path)
        return (
            f"\tsubgraph cluster_{self.ids[node.path]} {{\n"
            f'\tgraph [label=<{label}> labeljust=l labelloc=t style="rounded,filled{",dashed" if wrong else ""}" '
            f'fillcolor="{fill}" color="{theme.WRONG if wrong else line}" penwidth="{1.6 if wrong else 1.0}" margin=10 '
            f'fontcolor="{theme.QUIET}" id="{box_id}" class="{kind}-box{" problem" if wrong else ""}" '
            f"tooltip={quoted_tooltip(self._tooltip(node))}]\n"
        )

    def _function_box(self, function: str, holder: Node, first: str) -> str:
        tint = self.tints[function]
        return (
            f"\tsubgraph cluster_fn_{self.ids[first]} {{\n"
            f'\tgraph [label=<<I>{html(shortened(function))}</I>> labeljust=l labelloc=t style="rounded,filled" '
            f'fillcolor="{tint.fill}" color="{tint.line}" penwidth="1.0" margin=10 fontcolor="{tint.line}" '
            f'id="{key("function", function, holder.path)}" class="function-box" '
            f"tooltip={quoted_tooltip('function ' + function)}]\n"
        )

    def _empty_line(self, node: Node) -> str:
        return (
            f'\t{self.ids[node.path]} [label="no steps" shape=plaintext style="" fontcolor="{theme.QUIET}" fontsize=10 '
            f'id="{key("empty", node.path)}" class=empty]\n'
        )

    def _node_line(self, node: Node) -> str:
        path, parent = node.path, node.parent
        look = theme.look(node, parent is not None and self.nodes[parent].kind is Kind.ROUTER)
        answers = path in self.answers
        wrong = path in self.marks
        extra = _shape(look.shape)
        if answers:
            extra += f' penwidth="1.7"{"" if look.shape == "doubleoctagon" else " peripheries=2"}'
        if wrong:
            extra += ' style="filled,dashed" penwidth="2"'
        classes = f'"{self._classes(node)}{" answer" if answers else ""}{" problem" if wrong else ""}"'
        return (
            f'\t{self.ids[path]} [label={self._label(node)} fillcolor="{theme.WRONG_FILL if wrong else look.fill}" '
            f'color="{theme.WRONG if wrong else look.line}"{extra} id="{node_id(path)}" class={classes} '
            f"tooltip={quoted_tooltip(self._tooltip(node))}]\n"
        )

    def _classes(self, node: Node) -> str:
        routed = node.parent is not None and self.nodes[node.parent].kind is Kind.ROUTER
        return f"{node.kind}{' routed' if routed else ''}{' folded' if node.hides else ''}"

    def _label(self, node: Node) -> str:
        name = shortened(node.name) or str(node.kind)
        below = shortened(detail(node), width=40, lines=1)
        mark = self._mark(node.path)
        if not below and not mark and not _has_port(node):
            return quoted(name)
        if below:
            below = f'<BR/><FONT POINT-SIZE="9.5" COLOR="{theme.QUIET}">{html(below)}</FONT>'
        return label_html(node, f"{html(name)}{mark}{below}")

    def _anchor(self, path: str) -> str:
        return f"{self.ids[path]}:{_PORT}" if _has_port(self.nodes[path]) else self.ids[path]

    def _mark(self, path: str) -> str:
        numbers = self.marks.get(path)
        if not numbers:
            return ""
        shown = ", ".join(map(str, numbers))
        return f' <FONT POINT-SIZE="9.5" COLOR="{theme.WRONG_TEXT}"><B>[{shown}]</B></FONT>'

    def _tooltip(self, node: Node) -> str:
        return "\n".join([*described(node), *(self.messages[number - 1] for number in self.marks.get(node.path, ()))])

    # -- edges -----------------------------------------------------------------------------------------------------

    def start_edge(self, path: str) -> str:
        """Return the edge from the start to a step."""
        head, box = self.entry(path)
        return f'\tstart -> {head} [id="{key("start", path)}" class=flow{_cut("", box)}]\n'

    def edge(self, edge: Edge) -> str:
        """Return the statement of an edge."""
        stroke = theme.STROKES[edge.kind]
        attributes = ""
        doubt = self.doubts.get((edge.kind, edge.tail, edge.head))
        if doubt is not None:
            words = f'<<FONT POINT-SIZE="9.5">&#160;&#160;{html(shortened(doubt.short, 40, 1))} </FONT>>'
            tip = quoted_tooltip(doubt.message)
            attributes = (
                f' color="{theme.DOUBT}" fontcolor="{theme.DOUBT_TEXT}" style=bold penwidth="1.8" label={words} '
                f"tooltip={tip} labeltooltip={tip}"
            )
        elif edge.kind is not EdgeKind.FLOW:
            attributes = f' color="{stroke.color}" style={stroke.style} penwidth="{stroke.width}"'
        head, head_box = self.entry(edge.head)
        if edge.kind is EdgeKind.ROUTE:
            tail, tail_box = self.ids[edge.tail], ""
        elif edge.head in self.handlers.get(edge.tail, ()):
            tail, tail_box = self._body_end(edge.tail), f"cluster_body_{self.ids[edge.tail]}"
        else:
            tail, tail_box = self.exit(edge.tail)
        classes = edge.kind if doubt is None else f'"{edge.kind} warn"'
        return f'\t{tail} -> {head} [id="{edge_id(edge)}" class={classes}{attributes}{_cut(tail_box, head_box)}]\n'

    def entry(self, path: str) -> tuple[str, str]:
        """Return the node at which an edge into a step ends, and the box at whose border it is cut."""
        box = self._box_of(path) if self.nodes[path].kind is Kind.FLOW else ""
        while path in self.children and self.nodes[path].kind is not Kind.ROUTER:
            inside = self.children[path]
            starts = (p for p in inside if p not in self.entered and self.nodes[p].kind is not Kind.ERROR)
            path = next(starts, inside[0])
        return self._anchor(path), box

    def exit(self, path: str) -> tuple[str, str]:
        """Return the node at which an edge out of a step begins, and the box at whose border it is cut.

        From a router's own node an edge would have to leave the box by its side, as the routes lie below. From the
        middle route it leaves at the bottom, as an edge from the whole box should.
        """
        box = self._box_of(path) if path in self.children or self.nodes[path].kind is Kind.FLOW else ""
        while path in self.children:
            path = self._last(path)
        return self._anchor(path), box

    def _last(self, path: str) -> str:
        inside = self.children[path]
        if self.nodes[path].kind is Kind.ROUTER:
            return inside[len(inside) // 2]
        plain = [inner for inner in inside if self.nodes[inner].kind is not Kind.ERROR] or inside
        return next((inner for inner in reversed(plain) if inner not in self.left), plain[-1])

    def _box_of(self, path: str) -> str:
        return f"cluster_{self.ids[path]}"

    def _body_end(self, flow: str) -> str:
        if self.handlers[flow].issuperset(self.children[flow]):
            return self.ids[flow]  # "no steps" stands there
        return self.exit(flow)[0]

    # -- what is wrong ---------------------------------------------------------------------------------------------

    def footnotes(self) -> list[str]:
        """Return the caption that lists the problems, in the order of their numbers."""
        if not self.messages:
            return []
        shown = self.messages[:_MOST_FOOTNOTES]
        lines = [
            f"{'' if index else f'[{number}] '}{line}"
            for number, message in enumerate(shown, 1)
            for index, line in enumerate(wrapped(message, 100))
        ]
        if len(self.messages) > len(shown):
            lines.append(f"... and {len(self.messages) - len(shown)} more problems")
        text = "<BR/>" + "".join(f'{html(line)}<BR ALIGN="LEFT"/>' for line in lines)
        return [f'\tgraph [labelloc=b labeljust=l fontcolor="{theme.WRONG_TEXT}" fontsize=11 label=<{text}>]\n']


def label_html(node: Node, text: str) -> str:
    """Return a step's label of HTML; that of a queue is as large as its shape, and edges end at it."""
    return f"<{_PORTED.replace('TEXT', text)}>" if _has_port(node) else f"<{text}>"


def _has_port(node: Node) -> bool:
    return (node.step.shape or theme.KINDS[node.kind].shape) == "cds"


def _marks(topology: Topology) -> tuple[dict[str, list[int]], list[str]]:
    marks: dict[str, list[int]] = {}
    messages = []
    for number, problem in enumerate(topology.problems, 1):
        if problem.path and problem.path in topology.nodes:
            marks.setdefault(problem.path, []).append(number)
            messages.append(f"{problem.path}: {problem.message}")
        else:
            messages.append(problem.message)
    return marks, messages


def _shape(shape: str) -> str:
    if shape == "ellipse":
        return ""
    if shape in ("record", "Mrecord"):
        # One field looks the same as a box, and braces or bars in a name stay text.
        return ' shape=box style="filled,rounded"' if shape == "Mrecord" else " shape=box"
    if shape == "cds":
        return f' shape=cds margin="0,{_CDS_MARGIN}"'
    return f" shape={quoted(shape)}"


def _cut(tail_box: str, head_box: str) -> str:
    """Cut an edge at the borders of boxes; it is longer, as the borders and captions take their share of its room."""
    cut = f"{f' ltail={tail_box}' if tail_box else ''}{f' lhead={head_box}' if head_box else ''}"
    return f"{cut} minlen=2" if cut else ""


def _start_line(source: Outside) -> str:
    return (
        f'\tstart [label={quoted(shortened(source.name))} shape={quoted(source.shape)} fillcolor="{theme.START.fill}" '
        f'color="{theme.START.line}" id=start class=start tooltip="events come in here"]\n'
    )


def _target_lines(drawing: _Drawing, index: int, target: Outside) -> Iterator[str]:
    kind, slash, short = target.name.partition("/")
    label = quoted(shortened(target.name))
    if slash and kind != short:
        label = f'<{html(shortened(short))}<BR/><FONT POINT-SIZE="9.5" COLOR="{theme.QUIET}">{html(kind)}</FONT>>'
    yield (
        f'\tt{index} [label={label} shape={quoted(target.shape)} fillcolor="{theme.TARGET.fill}" '
        f'color="{theme.TARGET.line}" id="{key("target", str(index), target.name)}" class=target '
        f"tooltip={quoted_tooltip('target ' + target.name)}]\n"
    )
    for path in target.after:
        tail, box = drawing.exit(path)
        yield (f'\t{tail} -> t{index} [id="{key("target-edge", str(index), path)}" class=target{_cut(box, "")}]\n')
