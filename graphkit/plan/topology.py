"""Nodes and edges of a graph, as worked out from its spec; what is wrong stands beside them, as problems."""

from __future__ import annotations

from enum import Enum

import msgspec

from graphkit.spec.steps import AnyStep, Kind, Root

_MOST_ENDS = 5


def join(parent: str, name: str) -> str:
    """Return the path of a child.

    >>> join("", "a"), join("flow", "a")
    ('a', 'flow/a')
    """
    return f"{parent}/{name}" if parent else name


class EdgeKind(str, Enum):
    """What an edge stands for."""

    FLOW = "flow"  # the event goes on
    ROUTE = "route"  # a router may pass the event to this route
    ERROR = "error"  # taken when the tail fails (from the flow itself: when any of its steps fails)
    RESUME = "resume"  # from an error step back into the flow (``before=``)

    __str__ = str.__str__


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One step, with its place in the whole graph.

    ``path`` is the full name (``flow/step``, ``models/iris``; the root itself is ``""``), ``parent`` the path of
    the flow or router that holds it, ``function`` the child function that it runs in (inherited; ``""`` is the root).
    ``hides`` is how many steps a node of a folded picture stands for beside itself.
    """

    path: str
    name: str
    kind: Kind
    step: AnyStep | Root
    parent: str | None
    function: str = ""
    hides: int = 0


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge between two nodes, named by their paths. The tail of a flow's error edge is the flow's own path."""

    tail: str
    head: str
    kind: EdgeKind = EdgeKind.FLOW


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with the structure; ``path`` is the step that it concerns (``""`` for the whole graph)."""

    path: str
    message: str


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """An edge over which something may come that its head does not take: a warning, never an error.

    ``message`` is the sentence, ``short`` a few words to stand at the edge.
    """

    tail: str
    head: str
    kind: EdgeKind = EdgeKind.FLOW
    message: str
    short: str


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """A graph as nodes and edges.

    ``nodes`` holds the root first, then parents before children, in declared order. ``starts`` are the paths of
    the root flow's steps that get the request (the root itself when it is a router). ``ends`` are the steps whose
    output leaves the root flow; ``answer`` is the one whose output is the answer, ``None`` when the flow answers
    with the event's id. Edges whose other end does not exist are left out and listed in ``problems``. ``doubts`` are
    filled in by those who know what the steps are made of.
    """

    root: Root
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    starts: tuple[str, ...]
    ends: tuple[str, ...] = ()
    answer: str | None = None
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Doubt, ...] = ()


def why_an_id(topology: Topology) -> str:
    """Return why a flow answers with the event's id and not with what a step returns; empty where it does not.

    Examples
    --------
    >>> from graphkit.spec.steps import RootFlow
    >>> why_an_id(Topology(root=RootFlow(), nodes={}, edges=(), starts=(), ends=("a", "b")))
    "Several ends ('a', 'b'): the answer is {'id': ...}; mark the step that answers with .respond()."
    """
    ends = topology.ends
    if topology.answer is not None or topology.root.kind is Kind.ROUTER or not ends:
        return ""
    if len(ends) == 1:
        return f"The flow ends in the queue {ends[0]!r}: the answer is {{'id': ...}}."
    shown = ", ".join(map(repr, ends[:_MOST_ENDS])) + (
        f" and {len(ends) - _MOST_ENDS} more" if len(ends) > _MOST_ENDS else ""
    )
    return f"Several ends ({shown}): the answer is {{'id': ...}}; mark the step that answers with .respond()."
