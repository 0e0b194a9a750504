"""Shapes and colours. The shapes are those that users of MLRun know; the colours stay apart for colour-blind eyes.

The hues are Okabe and Ito's ("Color Universal Design", 2008), as pale fills with strong borders. No meaning rests
on colour alone: kinds differ in shape, errors in dashes, the answering step in a double border.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from graphkit.plan.topology import EdgeKind, Node
from graphkit.spec.steps import Kind

FONT = "Helvetica"  # one name, no list: the embedded renderer knows its widths, and browsers fall back from it
INK = "#1F2933"
QUIET = "#5B6770"
PAPER = "#FFFFFF"
WRONG = "#B00020"
DOUBT = "#8A5A00"
WRONG_FILL = "#FDECEC"


class Look(msgspec.Struct, frozen=True):
    """Shape, fill and border of a node, or (without a shape) the fill and border of a box around nodes."""

    shape: str
    fill: str
    line: str


class Stroke(msgspec.Struct, frozen=True):
    """Colour, style and width of an edge."""

    color: str
    style: str = "solid"
    width: float = 1.2


START = Look("egg", "#ECEFF1", "#5B6770")
TARGET = Look("cylinder", "#ECEFF1", "#5B6770")
BOX = Look("", "#FAFBFC", "#AEB8C0")
BODY = Look("", "#FFFFFF", "#D9A79A")

KINDS: Mapping[Kind, Look] = MappingProxyType(
    {
        Kind.TASK: Look("ellipse", "#E4F1FB", "#0072B2"),
        Kind.ROUTER: Look("doubleoctagon", "#FFF0D0", "#B07400"),
        Kind.QUEUE: Look("cds", "#DFF3EC", "#00795A"),
        Kind.ERROR: Look("ellipse", "#FCE6DA", "#C04A00"),
        Kind.FLOW: BOX,
        Kind.ROOT: BOX,
    }
)
ROUTE = Look("ellipse", "#FFF9EC", "#B07400")

STROKES: Mapping[EdgeKind, Stroke] = MappingProxyType(
    {
        EdgeKind.FLOW: Stroke("#46525C"),
        EdgeKind.ROUTE: Stroke("#B07400", width=1.0),
        EdgeKind.ERROR: Stroke("#C04A00", "dashed"),
        EdgeKind.RESUME: Stroke("#C04A00"),
    }
)

#: Tints of child functions, in the order in which functions appear; many functions begin again.
FUNCTIONS: Sequence[Look] = (
    Look("", "#F3EEF9", "#7B5EA7"),
    Look("", "#E6F6F9", "#147482"),
    Look("", "#FDFAE0", "#7D6C00"),
    Look("", "#FBEAF3", "#A6437E"),
    Look("", "#EEF3E4", "#4C7216"),
    Look("", "#EAEEF9", "#4A63B5"),
)


def look(node: Node, in_router: bool = False) -> Look:
    """Return how a step is drawn; its own ``shape`` wins over its kind's.

    >>> from graphkit.spec.steps import Task
    >>> step = Task(name="a", handler="f", shape="box")
    >>> look(Node(path="a", name="a", kind=step.kind, step=step, parent="")).shape
    'box'
    """
    base = ROUTE if in_router and node.kind is Kind.TASK else KINDS[node.kind]
    shape = node.step.shape
    return Look(shape, base.fill, base.line) if shape else base


def function_looks(nodes: Mapping[str, Node]) -> dict[str, Look]:
    """Return a tint for each child function, by its first step's place in the graph."""
    names = dict.fromkeys(node.function for node in nodes.values() if node.function)
    return {name: FUNCTIONS[index % len(FUNCTIONS)] for index, name in enumerate(names)}
