"""A graph as a Mermaid flowchart, for documents whose reader draws Mermaid (GitHub, MkDocs, ...)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from graphkit.plan.topology import EdgeKind, Node, Topology
from graphkit.spec.steps import Kind
from graphkit.view import theme
from graphkit.view.labels import detail, members, root_of, source_of, targets_of
from graphkit.view.text import shortened, showable

_ARROWS: Mapping[EdgeKind, str] = MappingProxyType(
    {EdgeKind.FLOW: "-->", EdgeKind.ROUTE: "-->", EdgeKind.ERROR: "-.->", EdgeKind.RESUME: "-->"}
)
_SHAPES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ellipse": ("([", "])"),
        "doubleoctagon": ("{{", "}}"),
        "cds": (">", "]"),
        "egg": ("((", "))"),
        "cylinder": ("[(", ")]"),
        "box": ("[", "]"),
        "diamond": ("{", "}"),
        "circle": ("((", "))"),
    }
)
# Mermaid reads Markdown, HTML and its own entities (#35;) inside quoted labels; as codes they are text.
_SPECIAL = re.compile(r"[^\w ,:.!?+/=\n-]", re.ASCII)
_DIRECTIONS = ("TB", "TD", "BT", "LR", "RL")


def mermaid(
    topology: Topology, source: Any = None, targets: Iterable[Any] | None = None, rankdir: str | None = None
) -> str:
    """Return the graph as a Mermaid flowchart.

    Parameters
    ----------
    topology
        The graph.
    source, targets
        Where events come from and where output goes; see :func:`graphkit.view.dot.dot_lines`.
    rankdir
        ``TB`` (the default), ``LR``, ``BT`` or ``RL``.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> print(mermaid(trace_topology(RootFlow(steps={"a": Task(name="a", handler="f")}))))
    flowchart TB
      start(("start")):::start
      n1(["a"]):::task
      start --> n1
      classDef start ...
    """
    ids = {path: f"n{index}" for index, path in enumerate(topology.nodes)}
    outer = source_of(source)
    doubts = {(doubt.kind, doubt.tail, doubt.head): doubt.short for doubt in topology.doubts}
    lines = [f"flowchart {rankdir if rankdir in _DIRECTIONS else 'TB'}"]
    lines.append(f"  start{_shaped(outer.shape, _text(outer.name))}:::start")
    lines += _members(topology, ids)
    for path in topology.starts:
        lines.append(f"  start --> {ids[path]}")
    for edge in dict.fromkeys(topology.edges):
        # the root has no box that an edge could leave
        tail = ids[edge.tail] if edge.tail or topology.root.kind is Kind.ROUTER else "start"
        said = doubts.get((edge.kind, edge.tail, edge.head))
        label = f'|"{_text(said)}"|' if said else ""
        lines.append(f"  {tail} {_ARROWS[edge.kind]}{label} {ids[edge.head]}")
    for index, target in enumerate(targets_of(topology, targets)):
        lines.append(f"  t{index}{_shaped(target.shape, _text(target.name))}:::start")
        lines += (f"  {ids[path]} --> t{index}" for path in target.after)
    return "\n".join([*lines, *_classes()]) + "\n"


def _members(topology: Topology, ids: Mapping[str, str]) -> list[str]:
    inside = members(topology)
    wrong = {problem.path for problem in topology.problems if problem.path}
    lines: list[str] = []
    todo: list[tuple[int, str]] = [(0, "")]
    while todo:
        depth, path = todo.pop()
        if depth < 0:
            lines.append(f"{'  ' * -depth}end")
            continue
        node = topology.nodes[path] if path else root_of(topology)
        pad = "  " * depth
        children = [(depth + 1, child) for child in reversed(inside.get(path, []))]
        if node.kind is Kind.FLOW:
            lines.append(f'{pad}subgraph {ids[path]}["{_text(node.name)}"]')
            todo += [(-depth, ""), *children]
        elif node.kind is Kind.ROUTER and children:
            lines += [f'{pad or "  "}subgraph box_{ids[path]}[" "]', f"{pad}  {_node(topology, node, ids, wrong)}"]
            todo += [(-(depth or 1), ""), *children]
        elif node.kind is Kind.ROOT:
            todo += children
        else:
            lines.append(f"{pad or '  '}{_node(topology, node, ids, wrong)}")
    return lines


def _node(topology: Topology, node: Node, ids: Mapping[str, str], wrong: set[str]) -> str:
    text = _text(node.name or str(node.kind))
    below = detail(node)
    if below:
        text += f"<br/><small>{_text(below)}</small>"
    holder = topology.nodes[node.parent].function if node.parent is not None else ""
    if node.function != holder:
        text += f"<br/><small><i>{_text(node.function)}</i></small>"
    kind = "problem" if node.path in wrong else node.kind
    return f"{ids[node.path]}{_shaped(theme.look(node).shape, text)}:::{kind}"


def _shaped(shape: str, text: str) -> str:
    left, right = _SHAPES.get(shape, ("[", "]"))
    return f'{left}"{text}"{right}'


def _text(text: str) -> str:
    coded = _SPECIAL.sub(lambda found: f"#{ord(found[0])};", showable(shortened(text)))
    return coded.replace("\n", "<br/>") or " "


def _classes() -> list[str]:
    looks = {"start": theme.START, **{str(kind): look for kind, look in theme.KINDS.items() if look.shape}}
    lines = [f"  classDef {name} fill:{look.fill},stroke:{look.line},color:{theme.INK}" for name, look in looks.items()]
    return [
        *lines,
        f"  classDef problem fill:{theme.WRONG_FILL},stroke:{theme.WRONG},stroke-dasharray:4,color:{theme.INK}",
    ]
