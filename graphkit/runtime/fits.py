"""Which steps cannot feed the next one, as far as annotations and schemas tell before any event does.

Only what conflicts is told: where anything is not annotated, cannot be read, or may be, nothing is said. Nothing is
imported, constructed or called.
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any, TypedDict

from graphkit.core.emit import Emit
from graphkit.core.event import Event, Response
from graphkit.core.held import Held
from graphkit.core.paths import split
from graphkit.plan.topology import Doubt, Edge, EdgeKind, Node, Topology, join
from graphkit.plan.trace import flow_ends
from graphkit.runtime.accepts import conflict, missing_at
from graphkit.runtime.graph import BoundGraph
from graphkit.runtime.hints import UNKNOWN, alternatives, returned, said, taken
from graphkit.runtime.meaning import Meaning, meaning_of, names_for
from graphkit.spec.steps import Flow, Queue, Router
from graphkit.view.text import shortened

#: Beyond this many edges a graph is not checked: a picture is waiting.
MOST_EDGES = 3_000
_MOST_DEEP = 20
_MOST_SHORT = 32
_PLAIN_NAMES = (
    ("ModelRequest | str | bytes | bytearray | None", "{'inputs': [...]}"),
    ("ModelRequest | None", "{'inputs': [...]}"),
    ("ModelAnswer", "a model's answer"),
)


class ModelRequest(TypedDict):
    """What a model of the V2 dialect asks for."""

    inputs: list[Any]


class ModelAnswer(TypedDict):
    """What a model of the V2 dialect answers."""

    id: str
    model_name: str
    outputs: Any
    timestamp: str


def doubts_of(
    topology: Topology,
    namespace: Mapping[str, Any],
    held: Mapping[tuple[str, str], Held],
    objects: Mapping[str, Any] | None = None,
) -> tuple[Doubt, ...]:
    """Return the edges over which something comes that the next step does not take; never raises.

    Parameters
    ----------
    topology
        The graph.
    namespace
        Where names are looked up.
    held
        Objects that were given to the draft, by path and field.
    objects
        Live objects by path, where the graph is bound: models tell their schemas.

    Examples
    --------
    >>> from graphkit.plan.trace import trace_topology
    >>> from graphkit.spec.steps import RootFlow, Task
    >>> def count(text: str) -> int: ...
    >>> def shout(text: str) -> str: ...
    >>> steps = {"a": Task(name="a", handler="count"), "b": Task(name="b", handler="shout", after=("a",))}
    >>> doubts_of(trace_topology(RootFlow(steps=steps)), {"count": count, "shout": shout}, {})[0].message
    "'a' gives int, 'b' takes str"
    """
    if len(topology.edges) > MOST_EDGES:
        return ()
    check = _Check(topology, namespace, held, objects or {})
    found: list[Doubt] = []
    for edge in dict.fromkeys(topology.edges):
        try:
            doubt = check.edge(edge)
        except Exception:  # classes and annotations of users may do anything; a check that fails has nothing to say
            doubt = None
        if doubt is not None:
            found.append(doubt)
    return tuple(found)


def doubts_of_handle(handle: Any, frozen: Any, topology: Topology) -> tuple[Doubt, ...]:
    """Return the doubts about the graph of a handle, with the names and models of the server that bound it last.

    Parameters
    ----------
    handle
        A root, or a router or flow taken as one.
    frozen, topology
        Its frozen form and its topology.
    """
    bound = handle._root._bound
    bound = bound if isinstance(bound, BoundGraph) else None
    prefix = f"{handle.fullname}/" if handle.parent is not None else ""
    objects = {} if bound is None else {path: bound.object_of(prefix + path) for path in topology.nodes if path}
    namespace = names_for(None if bound is None else getattr(bound.context, "server", None))
    return doubts_of(topology, namespace, frozen.held, objects)


class _Check:
    """One graph, with what each step gives and takes."""

    def __init__(
        self,
        topology: Topology,
        namespace: Mapping[str, Any],
        held: Mapping[tuple[str, str], Held],
        objects: Mapping[str, Any],
    ) -> None:
        self.topology = topology
        self.nodes = topology.nodes
        self.namespace = namespace
        self.held = held
        self.objects = objects
        self._meanings: dict[str, Meaning] = {}
        self._before: dict[str, list[str]] = {}
        for edge in topology.edges:
            if edge.kind in (EdgeKind.FLOW, EdgeKind.RESUME):
                self._before.setdefault(edge.head, []).append(edge.tail)

    def edge(self, edge: Edge) -> Doubt | None:
        """Return what is doubtful about an edge."""
        if edge.kind is EdgeKind.ROUTE:
            return self._routes_differ(edge)
        if edge.kind is EdgeKind.ERROR or edge.tail not in self.nodes or edge.head not in self.nodes:
            return None
        for giver, given in self._given(edge.tail):
            for taker, wanted, path in self._wanted(edge.head):
                message, short = self._misfit(giver, given, taker, wanted, path)
                if message:
                    return Doubt(tail=edge.tail, head=edge.head, kind=edge.kind, message=message, short=short)
        return None

    def _misfit(self, giver: str, given: Any, taker: str, wanted: Any, path: str) -> tuple[str, str]:
        if given is UNKNOWN:
            return "", ""
        if path:
            reason, given = missing_at(given, path)
            if reason:
                return _plainly(f"{giver!r} gives {reason}: {taker!r} takes its input from {path!r}"), f"no {path!r}"
        if given is UNKNOWN or wanted is UNKNOWN:
            return "", ""
        reason = conflict(given, wanted)
        if not reason:
            return "", ""
        place = f" at {path!r}" if path else ""
        gives, takes = reason, said(wanted)
        if ", not " in reason and ", whose " not in reason:
            gives, _, takes = reason.partition(", not ")
        short = reason.partition(", which has ")[2] or reason
        return (
            _plainly(f"{giver!r} gives {gives}{place}, {taker!r} takes {takes}"),
            shortened(_plainly(short), _MOST_SHORT, 1),
        )

    # ---- what a step gives --------------------------------------------------------------------------------

    def _given(self, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
        """Yield the steps whose results go on from a step, with their types; itself, unless it only passes them on."""
        node = self.nodes[path]
        if depth > _MOST_DEEP:
            return
        if isinstance(node.step, Queue):
            for before in self._before.get(path, ()):
                yield from self._given(before, depth + 1)
        elif isinstance(node.step, Flow):
            edges = [edge for edge in self.topology.edges if self.nodes[edge.head].parent == path]
            _, _, answer = flow_ends(path, node.step, self.nodes, edges)
            if answer is not None and answer in self.nodes:
                yield from self._given(answer, depth + 1)
        elif getattr(node.step, "result_path", None) is None:
            yield path, self._type_given(node)

    def _type_given(self, node: Node) -> Any:
        meaning = self._meaning(node)
        if isinstance(node.step, Router):
            return self._router_answer(node, meaning)
        if _is_model(meaning.value):
            return ModelAnswer if _answers_plainly(meaning.value) else UNKNOWN
        if meaning.call is None or meaning.wants_event or _sends_on(meaning.value):
            return UNKNOWN
        hint = returned(meaning.call)
        return UNKNOWN if _is_envelope(hint) else hint

    def _router_answer(self, node: Node, meaning: Meaning) -> Any:
        router = _library_class("router", "ModelRouter")
        if meaning.value is not router or router is None:
            return UNKNOWN
        routes = [self._meaning(self.nodes[join(node.path, key)]) for key in getattr(node.step, "routes", {})]
        plain = bool(routes) and all(_is_model(route.value) and _answers_plainly(route.value) for route in routes)
        return ModelAnswer if plain else UNKNOWN

    # ---- what a step takes --------------------------------------------------------------------------------

    def _wanted(self, path: str, depth: int = 0) -> Iterator[tuple[str, Any, str]]:
        """Yield the steps that get what comes to a step: name, type, and where in the body it is looked for."""
        node = self.nodes[path]
        if depth > _MOST_DEEP or isinstance(node.step, Queue):
            return
        if isinstance(node.step, Flow):
            edges = [edge for edge in self.topology.edges if self.nodes[edge.head].parent == path]
            for start in flow_ends(path, node.step, self.nodes, edges)[0]:
                yield from self._wanted(start, depth + 1)
            return
        selected = getattr(node.step, "input_path", None) or ""
        if selected:
            split(selected)  # a path that is none is told elsewhere
        yield path, self._type_wanted(node), selected

    def _type_wanted(self, node: Node) -> Any:
        meaning = self._meaning(node)
        if meaning.kind not in ("class", "function"):
            return UNKNOWN
        protocol = (getattr(node.step, "class_args", None) or {}).get("protocol")
        if _is_model(meaning.value):
            return ModelRequest | None if protocol is None and _asks_plainly(meaning.value) else UNKNOWN
        if isinstance(node.step, Router):
            known = protocol is None and self._asks_models(node, meaning)
            # text is decoded; nothing asks about the models
            return ModelRequest | str | bytes | bytearray | None if known else UNKNOWN
        if meaning.call is None or meaning.wants_event:
            return UNKNOWN
        return taken(meaning.call, unbound=meaning.kind == "class" and _is_method(meaning))

    def _asks_models(self, node: Node, meaning: Meaning) -> bool:
        known = [_library_class("router", "ModelRouter"), _library_class("ensemble", "VotingEnsemble")]
        if meaning.value is None or not any(meaning.value is cls for cls in known):
            return False
        routes = [self._meaning(self.nodes[join(node.path, key)]) for key in getattr(node.step, "routes", {})]
        return bool(routes) and all(_is_model(route.value) and _asks_plainly(route.value) for route in routes)

    # ---- schemas ------------------------------------------------------------------------------------------

    def _routes_differ(self, edge: Edge) -> Doubt | None:
        """Return a doubt where the routes of an ensemble, which all get the same rows, want rows of other widths."""
        router = self.nodes[edge.tail]
        ensembles = [_library_class("ensemble", "VotingEnsemble")]
        value = self._meaning(router).value
        if not isinstance(value, type) or not any(cls is not None and issubclass(value, cls) for cls in ensembles):
            return None
        widths = {key: self._width(join(router.path, key)) for key in getattr(router.step, "routes", {})}
        known = {key: width for key, width in widths.items() if width}
        key = self.nodes[edge.head].name
        if key not in known:
            return None
        usual, count = Counter(known.values()).most_common(1)[0]
        if known[key] == usual or (count == 1 and len(known) > 2):
            return None
        other = next(name for name, width in known.items() if width == usual)
        return Doubt(
            tail=edge.tail,
            head=edge.head,
            kind=edge.kind,
            message=f"{edge.head!r} takes {known[key]} inputs a row, {other!r} takes {usual}; both get the same rows",
            short=f"{known[key]} inputs, not {usual}",
        )

    def _width(self, path: str) -> int:
        meaning = self._meaning(self.nodes[path])
        if not _is_model(meaning.value) or not _asks_plainly(meaning.value):
            return 0
        spec = getattr(self.objects.get(path), "model_spec", None)
        return len(getattr(spec, "inputs", None) or ())

    def _meaning(self, node: Node) -> Meaning:
        found = self._meanings.get(node.path)
        if found is None:
            found = self._meanings[node.path] = meaning_of(node, self.namespace, self.held)
        return found


def _library_class(module: str, name: str) -> Any:
    """Return a class of the models, if it has been loaded: nothing else can be one or come from one."""
    return getattr(sys.modules.get(f"graphkit.models.{module}"), name, None)


def _plainly(text: str) -> str:
    """Return a message in which what models take and give is called as a user would."""
    for name, plain in _PLAIN_NAMES:
        text = text.replace(name, plain)
    return text


def _is_model(cls: Any) -> bool:
    model = _library_class("v2", "V2ModelServer")
    return model is not None and isinstance(cls, type) and issubclass(cls, model)


def _asks_plainly(cls: Any) -> bool:
    return _keeps(cls, ("do_event", "preprocess", "validate", "__init__"))


def _answers_plainly(cls: Any) -> bool:
    return _keeps(cls, ("do_event", "postprocess"))


def _keeps(cls: Any, names: tuple[str, ...]) -> bool:
    """Whether a model overrides none of these methods."""
    model = _library_class("v2", "V2ModelServer")
    return all(getattr(cls, name, None) is getattr(model, name, None) for name in names)


def _is_method(meaning: Meaning) -> bool:
    """Whether what is called is a function of the class that takes ``self`` first."""
    name = getattr(meaning.call, "__name__", "")
    own = inspect.getattr_static(meaning.value, name, None)
    return isinstance(meaning.call, FunctionType) and not isinstance(own, (staticmethod, classmethod))


def _sends_on(value: Any) -> bool:
    return bool(getattr(value, "emits", False)) or hasattr(value, "select_outlets")


def _is_envelope(hint: Any) -> bool:
    """Whether a hint names what carries a body or an answer, rather than the body itself."""
    options = alternatives(hint) if hint is not UNKNOWN else None
    return any(isinstance(option, type) and issubclass(option, (Emit, Event, Response)) for option in options or ())
