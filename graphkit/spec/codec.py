"""Records to dicts, JSON and YAML, and back. Unknown keys are refused with the nearest match, all at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from graphkit.core.errors import SpecError, choices, nearest
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Server, Step, Task
from graphkit.spec.text import from_json, from_yaml, read, to_json, to_yaml, write

__all__ = [
    "from_dict",
    "from_json",
    "from_yaml",
    "plain",
    "read",
    "server_from_dict",
    "to_dict",
    "to_json",
    "to_yaml",
    "write",
]

#: The fields of each record, in the order in which they are written.
_STEP_HEAD = ("name", "after", "comment", "shape", "on_error")
_TASK = ("class_name", "class_args", "handler", "function", "full_event", "responder", "input_path", "result_path")
FIELDS: Mapping[type[Any], tuple[str, ...]] = {
    Task: (*_STEP_HEAD, *_TASK),
    Router: (*_STEP_HEAD, *_TASK, "routes"),
    Error: (*_STEP_HEAD, *_TASK, "before"),
    Queue: (*_STEP_HEAD, "path", "shards", "retention_in_hours", "trigger_args", "options"),
    Flow: (*_STEP_HEAD, "engine", "final_step", "steps"),
    RootFlow: (*_STEP_HEAD, "engine", "final_step", "steps"),
    Server: tuple(Server.__struct_fields__),
}
_KINDS: Mapping[str, type[Step]] = {
    str(record.__struct_config__.tag): record for record in (Task, Router, Queue, Error, Flow, RootFlow)
}
# Keys that MLRun writes and that mean nothing outside its platform. They are dropped; any other key is an error.
_MLRUN_ONLY = frozenset(
    [
        *(
            "allow_cyclic",
            "base_step",
            "cycle_from",
            "default_final_step",
            "endpoint_type",
            "max_iterations",
            "model_endpoint_creation_strategy",
        ),
        *("model_endpoints_names", "model_endpoints_routes_names", "pool_factor", "shared_max_processes"),
        *("shared_max_threads", "shared_models", "shared_models_mechanism", "skip_context", "track_models"),
        # of servers
        *("default_content_type", "filename", "function_hash", "function_name", "function_tag"),
        *("model_endpoint_creation_task_name", "project", "streaming"),
    ]
)
# Texts for which "" is another way of saying nothing.
_MAY_BE_EMPTY = frozenset({"class_name", "handler", "function", "input_path", "result_path"})
_NESTED = ("routes", "steps", "graph")
_TEXTS = frozenset({"name", "comment", "shape", "on_error", "class_name", "handler", "function", "input_path"})
# Keys that YAML holds as what they are.
_KEYS = frozenset({str, int, float, bool, dt.date, dt.datetime, type(None)})
# A value that is nested more deeply contains itself.
_MOST_DEPTH = 100
_DEFAULTS: Mapping[type[Any], dict[str, Any]] = {
    record: {
        field.name: field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        for field in msgspec.structs.fields(record)
    }
    for record in FIELDS
}


def to_dict(record: Any) -> dict[str, Any]:
    """Return a record as a plain dict; fields that hold their default are left out."""
    kind = str(record.__struct_config__.tag)
    out: dict[str, Any] = {"kind": kind}
    defaults = _DEFAULTS[type(record)]
    for field in FIELDS[type(record)]:
        value = getattr(record, field)
        if value == defaults[field] and type(value) is type(defaults[field]):
            continue
        if field in ("routes", "steps"):
            value = {key: _child_dict(key, child) for key, child in value.items()}
        elif field == "graph":
            value = to_dict(value)
        elif field in ("after", "before"):
            value = list(value)
        elif field == "secret_sources":
            value = [plain(source) for source in value]
        else:
            value = plain(value)
        out[field] = value
    return out


def _child_dict(key: str, child: Step) -> dict[str, Any]:
    out = to_dict(child)
    if out.get("name") == key:
        del out["name"]
    return out


def from_dict(data: Any, default_kind: str = "root") -> Any:
    """Return the record that a dict describes.

    Raises
    ------
    SpecError
        With every problem found: unknown kinds and keys (with the nearest match) and values of the wrong type.
    """
    problems: list[str] = []
    record = _outermost(data, default_kind, problems)
    if problems:
        raise SpecError(problems=problems)
    return record


def server_from_dict(data: Any) -> Server:
    """Return the server record that a dict describes; raises SpecError like :func:`from_dict`."""
    problems: list[str] = []
    if not isinstance(data, Mapping):
        raise SpecError(f"a server is written as a dict, found {_named(data)}")
    fields = _known(data, Server, "the server", problems)
    if fields.get("graph") is not None:
        fields["graph"] = _outermost(fields["graph"], "root", problems)
    sources = fields.get("secret_sources")
    if isinstance(sources, (list, tuple)):
        fields["secret_sources"] = tuple(sources)
    record = _make(Server, fields, "the server", problems)
    if problems:
        raise SpecError(problems=problems)
    assert isinstance(record, Server)
    return record


def handle_of_graph(data: Any) -> str:
    """Return the handle that reads a dict that describes a graph, an empty text where it describes something else.

    >>> handle_of_graph({"steps": {}}), handle_of_graph({"kind": "router"}), handle_of_graph({"kind": "server"})
    ('RootFlowStep', 'RouterStep', '')
    """
    if not isinstance(data, Mapping):
        return ""
    kind = data.get("kind") or ("root" if "steps" in data else "router" if "routes" in data else "")
    return {"root": "RootFlowStep", "flow": "FlowStep", "router": "RouterStep"}.get(str(kind), "")


def _outermost(data: Any, default_kind: str, problems: list[str]) -> Any:
    if isinstance(data, Mapping) and data.get("kind") == "server":
        raise SpecError(
            "the dict describes a server, not a graph: GraphServer.from_dict() and GraphServer.load() read it"
        )
    try:
        return _decode(data, default_kind, "", problems)
    except RecursionError:
        raise SpecError("the graph is nested too deeply") from None


def _decode(data: Any, default_kind: str, path: str, problems: list[str]) -> Any:
    where = f"step {path!r}" if path else "the graph"
    if isinstance(data, Step):
        return data
    if not isinstance(data, Mapping):
        problems.append(f"{where} is written as a dict, found {_named(data)}")
        return None
    kind = str(data.get("kind") or default_kind)
    record = _KINDS.get(kind)
    if record is None:
        problems.append(f"{where} has the unknown kind {kind!r}; there is {choices(_KINDS)}{nearest(kind, _KINDS)}")
        return None
    if path and record is RootFlow:
        problems.append(
            f"{where} is of kind 'root', which only the outermost flow may be; a flow inside is of kind 'flow'"
        )
        return None
    fields = _known(data, record, where, problems)
    for field in ("routes", "steps"):
        if fields.get(field) is not None:
            fields[field] = _decode_children(fields[field], field, path, where, problems)
    for field in ("after", "before"):
        value = fields.get(field)
        if isinstance(value, str):
            fields[field] = (value,) if value else ()
        elif isinstance(value, list):
            fields[field] = tuple(value)
    return _make(record, fields, where, problems)


def _decode_children(value: Any, field: str, path: str, where: str, problems: list[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        problems.append(f"{where}: {field} is a dict of steps by name, found {_named(value)}")
        return {}
    found = {}
    for key, child in value.items():
        child_path = f"{path}/{key}" if path else str(key)
        if not isinstance(key, str):
            problems.append(f"{where}: {field} has the key {key!r}, which is no text; put it in quotes")
            continue
        if isinstance(child, Mapping):
            if child.get("name") not in (None, "", key):
                problems.append(f"step {child_path!r} stands under another name: {child['name']!r}")
            child = {**child, "name": key}
        found[key] = _decode(child, "task", child_path, problems)
    return found


def _known(data: Mapping[str, Any], record: type[Any], where: str, problems: list[str]) -> dict[str, Any]:
    allowed = FIELDS[record]
    fields = {}
    for key, value in data.items():
        if key in allowed:
            if value is not None and not (value == "" and key in _MAY_BE_EMPTY):
                fields[key] = value
        elif key != "kind" and key not in _MLRUN_ONLY:
            problems.append(
                f"{where} has the unknown key {key!r}; there is {choices(allowed, most=20)}{nearest(key, allowed)}"
            )
    return fields


def _make(record: type[Any], fields: dict[str, Any], where: str, problems: list[str]) -> Any:
    children = {key: fields.pop(key) for key in _NESTED if fields.get(key) is not None}
    fields = {key: plain(value, _kept) for key, value in fields.items() if value is not None}
    wrong = type_problems(record, fields)
    if wrong:
        problems += [f"{where}: {problem}" for problem in wrong]
        return None
    made = msgspec.convert({"kind": record.__struct_config__.tag, **fields}, record)
    return msgspec.structs.replace(made, **children) if children else made


def type_problems(record: type[Any], fields: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the types of some fields of a record, one sentence each.

    >>> type_problems(Queue, {"path": "memory://x", "shards": "two", "after": [1]})
    ['shards: Expected `int | null`, got `str`', 'after[0]: Expected `str`, got `int`']
    """
    kind = record.__struct_config__.tag
    try:
        msgspec.convert({"kind": kind, **fields}, record)
    except msgspec.ValidationError:
        pass
    else:
        return []
    found = []
    for field, value in fields.items():
        # one at a time, since msgspec stops at the first
        try:
            msgspec.convert({"kind": kind, field: value}, record)
        except msgspec.ValidationError as exc:
            if isinstance(value, dict) and (odd := [key for key in value if not isinstance(key, str)]):
                found.append(f"{field} has the key {odd[0]!r}, which is no text; put it in quotes")
                continue
            text, _, place = str(exc).partition(" - at `$.")
            found.append(f"{place.rstrip('`') or field}: {text}")
    return found


def record_problems(record: Step) -> list[str]:
    """Return what is wrong with the types of a record's own fields; records made by hand were never checked.

    >>> record_problems(Task(name="a", full_event="yes"))
    ['full_event: Expected `bool | null`, got `str`']
    """
    defaults = _DEFAULTS[type(record)]
    fields = {
        field: value
        for field in FIELDS[type(record)]
        if (value := getattr(record, field)) is not None and value is not defaults[field] and field not in _NESTED
    }
    if all(type(value) is str and field in _TEXTS for field, value in fields.items()):
        return []  # the quick way, which most records go
    return type_problems(type(record), fields)


def _placeholder(value: Any) -> dict[str, str]:
    return {"$object": type(value).__qualname__}


def _kept(value: Any) -> Any:
    return value


def plain(value: Any, other: Callable[[Any], Any] = _placeholder, depth: int = 0) -> Any:
    """Return a copy of a value as plain data: dicts (their keys texts, numbers or dates), lists, texts, numbers, dates.

    Tuples become lists, paths texts.

    Parameters
    ----------
    value
        Any value; scalars of numpy become numbers.
    other
        What to make of a value that is no plain data, or that is nested too deeply; left out, a placeholder,
        ``{"$object": "<type>"}``, which says what a saved spec lacks.
    depth
        How deep the value stands; for the recursion.

    Examples
    --------
    >>> plain({"path": (1, 2), "model": object()})
    {'path': [1, 2], 'model': {'$object': 'object'}}
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str, dt.datetime, dt.date):
        return value
    if depth > _MOST_DEPTH:
        return other(value)
    if isinstance(value, Mapping):
        keys = [plain(key, _kept, _MOST_DEPTH) for key in value]
        if not _KEYS.issuperset(map(type, keys)):
            return other(value)  # as texts, two keys might be one, and what asks for the key would not find it
        return {key: plain(item, other, depth + 1) for key, item in zip(keys, value.values(), strict=True)}
    if isinstance(value, (list, tuple)):
        return [plain(item, other, depth + 1) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)  # not str(value), by which an enum gives its own name
    for base in (int, float):
        if isinstance(value, base):
            return base(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return plain(value.item(), other, _MOST_DEPTH)
    return other(value)


def _named(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
