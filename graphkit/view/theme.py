"""Shapes and colours. The shapes are those that users of MLRun know; the colours stay apart for colour-blind eyes.

The hues are Okabe and Ito's ("Color Universal Design", 2008), as pale fills with strong borders. No meaning rests
on colour alone: kinds differ in shape, errors in dashes, the answering step in a double border, and what failed in a
run says so. Still pictures stand on white paper. A live one takes the same hues and shares, and mixes them with the
paper and ink of the page.
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
EDGE = "#46525C"
WRONG = "#D32F2F"
WRONG_FILL = "#FDECEC"
DOUBT = "#C27C00"
#: Grounds of white text on small signs, such as a status; strong enough in either theme.
GOOD_SIGN = "#00795A"
WRONG_SIGN = "#B3362B"


def mixed(color: str, share: float, other: str = PAPER) -> str:
    """Return a share of a colour, and the rest of another one, as CSS mixes them in ``srgb``.

    >>> mixed("#FF0000", 0.5), mixed("#000000", 1, INK)
    ('#FF8080', '#000000')
    """
    parts = zip(bytes.fromhex(color[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(share * one + (1 - share) * two):02X}" for one, two in parts)


#: Text in these colours is darker than lines are, and can be read on the fills.
WRONG_TEXT = mixed(WRONG, 0.8, INK)
DOUBT_TEXT = mixed(DOUBT, 0.7, INK)


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

#: Of which the fills of routers are made.
ROUTER_HUE = "#E69F00"
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
        EdgeKind.FLOW: Stroke(EDGE),
        EdgeKind.ROUTE: Stroke("#B07400", width=1.0),
        EdgeKind.ERROR: Stroke("#C04A00", "dashed"),
        EdgeKind.RESUME: Stroke("#C04A00"),
    }
)

# ---- a run, laid over its graph ----------------------------------------------------------------------------------

#: Of a hue that shows the way of an event, how much is in its lines; the rest is ink.
DEEP = 0.86
LIT = "#009E73"
PASSED = Stroke(mixed(LIT, DEEP, INK), width=2.0)
FAILED = Stroke(WRONG, width=2.4)
TAKEN = Stroke(mixed(LIT, DEEP, INK), width=2.2)
TAKEN_ERROR = Stroke(mixed(WRONG, DEEP, INK), width=2.2)
#: How much of its colours is left of what the event did not come to.
IDLE_NODE = 0.62
IDLE_EDGE = 0.45
#: How much of the hues is in the fill of what failed, and, from the quickest steps to the slowest, of what passed.
FAILED_FILL = 0.18
HOT = "#E67300"
HEAT: Sequence[float] = (0.0, 0.12, 0.24, 0.36, 0.5)
_HOTTER_FROM = (0.02, 0.15, 0.35, 0.65)


def heat(share: float) -> int:
    """Return which of the fills a step gets that took this share of the slowest step's time; 0 is its kind's own.

    >>> heat(0), heat(0.4), heat(1)
    (0, 3, 4)
    """
    return sum(share > least for least in _HOTTER_FROM)


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
