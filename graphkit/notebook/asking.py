"""What a playground offers to ask a graph: paths, examples of bodies, and what a user typed, read as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from graphkit.build.picture import topology_of
from graphkit.core import jsonlike
from graphkit.plan.topology import EdgeKind, Node, Topology
from graphkit.runtime.records import RunRecord
from graphkit.runtime.snapshot import Incomplete, thawed
from graphkit.spec.steps import Kind, Router

#: Routers that answer in the V2 dialect, by the last part of the class's name; unnamed routers are the first of them.
_V2_ROUTERS = ("ModelRouter", "VotingEnsemble")
_PREFIX = "/v2/models"
_MOST_PATHS = 500
_MOST_EXAMPLES = 12
_MOST_LOOKED_AT = 12
_MOST_BODY = 100_000
_ZEROS = {"int": 0, "float": 0.0, "double": 0.0, "bool": False, "str": "", "string": "", "datetime": "2026-01-01"}


class Typed(msgspec.Struct, frozen=True):
    """What a user typed, read as JSON: the ``value``, or what is wrong with it, in which ``line`` and ``column``."""

    value: Any = None
    problem: str = ""
    line: int = 0
    column: int = 0

    @property
    def said(self) -> str:
        """What is wrong, with its place; empty where nothing is."""
        if not self.problem:
            return ""
        return f"line {self.line}, column {self.column}: {self.problem}" if self.line else self.problem


class Example(msgspec.Struct, frozen=True):
    """A request to begin with."""

    name: str
    path: str
    method: str
    body: str


def read_typed(text: str) -> Typed:
    """Return what a user typed as a value; nothing at all is no body.

    >>> read_typed('{"a": 1}').value, read_typed("").value
    ({'a': 1}, None)
    >>> read_typed('{"a": 1,}').said
    'line 1, column ...: Illegal trailing comma before end of object'
    """
    if not text.strip():
        return Typed()
    try:
        return Typed(json.loads(text, parse_constant=_no_constant))
    except json.JSONDecodeError as exc:
        return Typed(None, _plainly(exc, text), exc.lineno, exc.colno)
    except ValueError as exc:
        return Typed(None, str(exc))
    except RecursionError:
        return Typed(None, "it is nested too deeply")


def _plainly(exc: json.JSONDecodeError, text: str) -> str:
    # what most often goes wrong is said in plainer words, and the same in every version of Python
    rest = text[exc.pos :].lstrip(" \t\r\n,")
    before = text[: exc.pos].rstrip(" \t\r\n")
    if rest[:1] in ("}", "]") and (before.endswith(",") or text[exc.pos : exc.pos + 1] == ","):
        return f"Illegal trailing comma before end of {'object' if rest[0] == '}' else 'array'}"
    if rest[:1] == "'":
        return "JSON writes text in double quotes"
    if rest.startswith(("True", "False", "None")):
        return "JSON writes true, false and null in small letters"
    return exc.msg


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def paths_of(root: Any, runs: Iterable[RunRecord] = ()) -> list[str]:
    """Return paths that a request may have: of models and routes, and those that were asked for before.

    Examples
    --------
    >>> from graphkit.build.flow import new_flow
    >>> graph = new_flow()
    >>> _ = graph.to("*", name="models").add_route("iris", class_name="Model")
    >>> paths_of(graph)
    ['/', '/v2/models/', '/v2/models/iris/infer', '/v2/models/iris/', '/v2/models/iris/ready']
    """
    found: dict[str, None] = {"/": None}
    topology = topology_of(root)
    routes = _routes(topology)
    for path, node in topology.nodes.items():
        if node.kind is Kind.ROUTER:
            found.update(dict.fromkeys(_paths_of_router(node, routes.get(path, []))))
    found.update(dict.fromkeys(run.path for run in runs if isinstance(run.path, str)))
    return list(found)[:_MOST_PATHS]


def _routes(topology: Topology) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for edge in topology.edges:
        if edge.kind is EdgeKind.ROUTE:
            found.setdefault(edge.tail, []).append(topology.nodes[edge.head])
    return found


def _paths_of_router(router: Node, routes: Iterable[Node]) -> list[str]:
    step = router.step
    assert isinstance(step, Router)
    class_name = (step.class_name or _V2_ROUTERS[0]).rpartition(".")[2]
    prefix = step.class_args.get("url_prefix") or _PREFIX
    if class_name not in _V2_ROUTERS or not isinstance(prefix, str):
        return [f"/{route.name}" for route in routes]
    prefix = "/" + prefix.strip("/")
    found = [f"{prefix}/"]
    if class_name == "VotingEnsemble":
        found += [f"{prefix}/infer", f"{prefix}/{router.name or class_name}/infer"]
    for route in routes:
        name, _, version = route.name.partition(":")
        model = f"{prefix}/{name}" + (f"/versions/{version}" if version else "")
        found += [f"{model}/infer", f"{model}/", f"{model}/ready"]
    return found


def examples_of(root: Any, steps: Mapping[str, Any], runs: Iterable[RunRecord]) -> list[Example]:
    """Return requests to begin with: what was asked last, and what models say that they take.

    Parameters
    ----------
    root
        The graph.
    steps
        The bound steps by path, where there are any: only a loaded model has a schema.
    runs
        Recorded runs; the last are offered first.
    """
    found: dict[tuple[str, str], Example] = {}
    for run in list(runs)[: -_MOST_LOOKED_AT - 1 : -1]:
        body = body_text(run)
        if body is not None and len(found) < _MOST_EXAMPLES // 2:
            example = Example(f"as in run {run.id[:8]}", run.path, run.method, body)
            found.setdefault((run.path, body), example)
    topology = topology_of(root)
    for router, routes in _routes(topology).items():
        for route in routes:
            spec = getattr(getattr(steps.get(route.path), "object", None), "model_spec", None)
            body = _body_of_schema(getattr(spec, "inputs", None))
            infer = [path for path in _paths_of_router(topology.nodes[router], [route]) if path.endswith("infer")]
            if body is not None and infer and len(found) < _MOST_EXAMPLES:
                found.setdefault((infer[-1], body), Example(f"schema of {route.name}", infer[-1], "POST", body))
    return list(found.values())


def _body_of_schema(inputs: Any) -> str | None:
    if not isinstance(inputs, list) or not inputs:
        return None
    row = [_sample(feature) for feature in inputs]
    try:
        return json.dumps({"inputs": [row]})
    except (TypeError, ValueError):  # a default that is no JSON
        return None


def _sample(feature: Any) -> Any:
    default = getattr(feature, "default", None)
    if default is not None:
        return default
    kind = str(getattr(feature, "value_type", "") or "").lower()
    value = next((zero for name, zero in _ZEROS.items() if kind.startswith(name)), 0.0)
    for size in reversed(getattr(feature, "dims", None) or ()):
        value = [value] * min(size or 1, 4)
    return value


def body_text(run: RunRecord) -> str | None:
    """Return the body of a recorded run as JSON to edit; ``None`` if it has no such form, or is very long."""
    if run.event is None:
        return None
    try:
        body = thawed(run.body)
        if body is None:
            return ""
        if type(body) is bytes:
            return None
        written = jsonlike.encode(body) if type(body) is not str else body
        value = json.loads(written) if len(written) <= _MOST_BODY else None
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False)
        return json.dumps(value, indent=1, ensure_ascii=False) if len(text) > 100 else text
    except (Incomplete, TypeError, ValueError, RecursionError):
        return None
