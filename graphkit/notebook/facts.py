"""What there is to say of one step, gathered as data: how it is defined, how it is bound, and what it last did.

It works on a graph that is half built, before any run, and without a server. Gathering changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from graphkit.build.freeze import Frozen, freeze
from graphkit.build.picture import drawn_topology
from graphkit.core.errors import GraphError, choices, nearest
from graphkit.notebook.difference import Change, differences, is_frame
from graphkit.notebook.places import Source, source_of
from graphkit.plan.topology import EdgeKind, Node, Topology
from graphkit.runtime.freshness import Freshness, not_fresh
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.meaning import Meaning, meaning_of, names_for
from graphkit.spec.steps import Kind, Queue, Router
from graphkit.view.excerpt import redacted_preview
from graphkit.view.labels import KIND_NAMES, root_of

_FIELDS = ("class_name", "handler", "full_event", "function", "input_path", "result_path", "responder", "before")
_MOST_ROUTES = 60


class State(msgspec.Struct, frozen=True):
    """How a step stands: ``level`` is ``"good"``, ``"idle"``, ``"changed"`` or ``"wrong"``; ``text`` says it."""

    level: str
    text: str
    detail: str = ""


class Route(msgspec.Struct, frozen=True):
    """One route of a router."""

    name: str
    made_of: str
    state: State


class LastRun(msgspec.Struct, frozen=True):
    """What a step did in the last run that it had a part in.

    ``steps`` are its records in that run; ``latest`` says whether it is the server's last run, and ``comparable``
    whether what the step returned is what it got, with changes.
    """

    run: Any
    steps: tuple[Any, ...]
    latest: bool
    comparable: bool = False
    changes: tuple[Change, ...] = ()


class Crossing(msgspec.Struct, frozen=True):
    """What went over an edge in the last run in which something did; ``error`` where it is an error's edge."""

    run: Any
    value: Any
    latest: bool
    error: str = ""


class Facts(msgspec.Struct, frozen=True):
    """All of it, for one step."""

    path: str
    node: Node
    kind: str
    meaning: Meaning
    source: Source
    state: State
    fields: tuple[tuple[str, str], ...]
    arguments: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    routes: tuple[Route, ...]
    hidden_routes: int
    queue: str
    last: LastRun | None
    whole_run: Any
    redact: Callable[[str], str] | None


class Subject:
    """A graph, and the server whose runs are looked at, if there is one.

    Parameters
    ----------
    root
        The root of a draft.
    server
        A server over it. Left out, the one that bound it last is used.
    """

    def __init__(self, root: Any, server: Any = None) -> None:
        bound = root._bound if isinstance(root._bound, BoundGraph) else None
        if server is None and bound is not None:
            server = getattr(bound.context, "server", None)
        self.root = root
        self.server = server
        own = getattr(server, "_bound", None)
        self.bound: BoundGraph | None = own if isinstance(own, BoundGraph) else bound
        self.frozen: Frozen = freeze(root)
        self.topology: Topology = drawn_topology(root, self.frozen)
        self.nodes: Mapping[str, Node] = {**self.topology.nodes, "": root_of(self.topology)}
        self.namespace = names_for(server)
        secrets = getattr(server, "_secrets", None)
        self.redact: Callable[[str], str] | None = (
            secrets.redact if secrets is not None and secrets.any_sources else None
        )

    def node(self, path: str) -> Node:
        """Return the node of a step; raises GraphError where there is none of that path."""
        if path not in self.nodes:
            known = [name for name in self.nodes if name]
            raise GraphError(f"there is no step {path!r}; there is {choices(known)}{nearest(path, known)}")
        return self.nodes[path]

    def meaning(self, node: Node) -> Meaning:
        """Return what a step is made of."""
        return meaning_of(node, self.namespace, self.frozen.held)

    def state(self, node: Node, meaning: Meaning) -> State:
        """Return how a step stands."""
        if meaning.kind == "unknown":
            return State("wrong", "cannot be bound", meaning.why)
        step = None if self.bound is None else self.bound.steps.get(node.path)
        if step is None:
            if self.bound is not None and self.bound.revision == self.root._revision:
                return State("idle", "runs elsewhere", f"in the function {node.function or 'of the root'!s}")
            return State("idle", "not bound yet", "the next test binds it")
        if self.freshness.get(node.path) is Freshness.STALE:
            return State("changed", "changed since", "the next test binds it again")
        return _loaded(step.object, self.redact or str) or State("good", "bound")

    @cached_property
    def freshness(self) -> Mapping[str, Freshness]:
        """The steps that are not what is bound, by path."""
        bound = self.bound
        if bound is None or (bound.revision == self.root._revision and not bound.watch.changed()):
            return {}
        return not_fresh(bound, self.topology, self.namespace, self.frozen)

    def last_run(self, path: str) -> LastRun | None:
        """Return what a step did in the last run that it had a part in."""
        runs = list(getattr(self.server, "runs", None) or ())
        names = {path} if path else {"", self.nodes[""].name}
        for back, run in enumerate(reversed(runs)):
            steps = tuple(step for step in run.steps if step.name in names)
            if steps:
                last = steps[-1]
                if last.error or not _alike(last.input, last.output):
                    return LastRun(run, steps, back == 0)
                changes = tuple(differences(last.input, last.output, self.redact))
                return LastRun(run, steps, back == 0, True, changes)
        return None

    def crossing(self, tail: Node, head: Node) -> Crossing | None:
        """Return what went over an edge in the last run in which something did."""
        kinds = {edge.kind for edge in self.topology.edges if (edge.tail, edge.head) == (tail.path, head.path)}
        for back, run in enumerate(reversed(list(getattr(self.server, "runs", None) or ()))):
            got = next((step for step in reversed(run.steps) if step.name == head.path), None)
            if got is None:
                continue
            if EdgeKind.ERROR in kinds:
                failed = [step for step in run.steps if step.error and step.name.startswith(tail.path)]
                return Crossing(run, got.input, back == 0, failed[-1].error if failed else "")
            gave = [step for step in run.steps if step.name == tail.path and not step.error]
            # a router's own output is what its routes gave; into a route goes what the route got
            plain = EdgeKind.FLOW in kinds and len(gave) == 1 and not getattr(tail.step, "result_path", None)
            return Crossing(run, gave[0].output if plain else got.input, back == 0)
        return None


def facts_of(subject: Subject, path: str) -> Facts:
    """Return what there is to say of a step.

    Raises
    ------
    GraphError
        If there is no step of that path.
    """
    node = subject.node(path)
    step = node.step
    meaning = subject.meaning(node)
    source = Source()
    if meaning.kind == "expression":
        source = Source(str(meaning.value))
    elif meaning.value is not None:
        source = source_of(meaning.value)
    routes = list(step.routes) if isinstance(step, Router) else []
    prefix = f"{path}/" if path else ""
    given = subject.frozen.values.get(path, {})
    redact = subject.redact or str
    return Facts(
        path=path,
        node=node,
        kind=KIND_NAMES[node.kind],
        meaning=meaning,
        source=source,
        state=subject.state(node, meaning),
        fields=tuple((name, redact(text)) for name, text in _fields(step)),
        arguments=tuple((key, redacted_preview(value, subject.redact, 200)) for key, value in given.items()),
        problems=tuple(problem.message for problem in subject.topology.problems if problem.path == path),
        warnings=tuple(doubt.message for doubt in subject.topology.doubts if path in (doubt.tail, doubt.head)),
        routes=tuple(_route(subject, prefix + name) for name in routes[:_MOST_ROUTES]),
        hidden_routes=max(len(routes) - _MOST_ROUTES, 0),
        queue=_queue(subject, node),
        last=subject.last_run(path),
        whole_run=getattr(subject.server, "last_run", None) if node.kind is Kind.ROOT else None,
        redact=subject.redact,
    )


def _fields(step: Any) -> list[tuple[str, str]]:
    names: tuple[str, ...] = _FIELDS
    if isinstance(step, Queue):
        names = ("path", "shards", "retention_in_hours", "trigger_args", "options")
    elif step.kind in (Kind.FLOW, Kind.ROOT):
        names = ("engine", "final_step")
    found = [(name, getattr(step, name, None)) for name in (*names, "after", "on_error", "comment")]
    return [(name, ", ".join(value) if isinstance(value, tuple) else str(value)) for name, value in found if value]


def _route(subject: Subject, path: str) -> Route:
    node = subject.nodes[path]
    meaning = subject.meaning(node)
    value = meaning.value
    made_of = value if isinstance(value, str) else str(getattr(value, "__name__", "") or meaning.why)
    return Route(node.name, made_of, subject.state(node, meaning))


def _loaded(thing: Any, redact: Callable[[str], str]) -> State | None:
    """Return how a model stands: anything that has ``ready`` and ``error`` tells it."""
    try:
        ready, error = thing.ready, thing.error
    except Exception:  # no model; or a property of the user's that raises
        return None
    if isinstance(error, BaseException):
        text = redacted_preview(error, redact, 400)
        return State("wrong", "its model could not be loaded", text)
    if not isinstance(ready, bool):
        return None
    return State("good", "bound, its model is loaded") if ready else State("idle", "its model is loading")


def _alike(before: Any, after: Any) -> bool:
    """Whether two bodies are worth comparing: with keys or columns of which some are in both."""
    if isinstance(before, dict) and isinstance(after, dict):
        return not before.keys().isdisjoint(after)
    return is_frame(before) and is_frame(after)


def _queue(subject: Subject, node: Node) -> str:
    """Return where a queue writes to, and how many entries are there."""
    if not isinstance(node.step, Queue):
        return ""
    stream = None if subject.bound is None else subject.bound.object_of(node.path)
    if stream is None:
        return node.step.path or "in memory"
    try:
        count = len(stream)
    except Exception as exc:  # its server cannot be asked just now
        return f"{stream.url} (cannot be counted: {type(exc).__name__})"
    return f"{stream.url}, {count:,} entr{'y' if count == 1 else 'ies'}"
