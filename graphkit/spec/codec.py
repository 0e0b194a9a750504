"""Records to dicts, JSON and YAML, and back. Unknown keys are refused with the nearest match, all at once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec

from graphkit.core.errors import SpecError, choices, nearest
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Server, Step, Task

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
    {"model_endpoint_creation_strategy", "endpoint_type", "skip_context", "base_step", "max_iterations", "cycle_from"}
)
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
    record = _decode(data, default_kind, "", problems)
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
        fields["graph"] = _decode(fields["graph"], "root", "", problems)
    sources = fields.get("secret_sources")
    if isinstance(sources, (list, tuple)):
        fields["secret_sources"] = tuple(sources)
    record = _make(Server, fields, "the server", problems)
    if problems:
        raise SpecError(problems=problems)
    assert isinstance(record, Server)
    return record


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
        problems.append(f"{where} has the unknown kind {kind!r}{nearest(kind, _KINDS)}; there is {choices(_KINDS)}")
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
        if isinstance(child, Mapping):
            if child.get("name") not in (None, key) and field == "steps":
                problems.append(f"step {child_path!r} stands under another name: {child['name']!r}")
            child = {**child, "name": child.get("name") or key}
        found[str(key)] = _decode(child, "task", child_path, problems)
    return found


def _known(data: Mapping[str, Any], record: type[Any], where: str, problems: list[str]) -> dict[str, Any]:
    allowed = FIELDS[record]
    fields = {}
    for key, value in data.items():
        if key == "kind" or key in _MLRUN_ONLY:
            continue
        if key not in allowed:
            problems.append(
                f"{where} has the unknown key {key!r}{nearest(key, allowed)}; there is {choices(allowed, most=20)}"
            )
        elif value is not None:
            fields[key] = value
    return fields


def _make(record: type[Any], fields: dict[str, Any], where: str, problems: list[str]) -> Any:
    fields = {key: value for key, value in fields.items() if value is not None}
    children = {key: fields.pop(key) for key in ("routes", "steps", "graph") if key in fields}
    try:
        # msgspec checks the types; the children are records already
        made = msgspec.convert({"kind": record.__struct_config__.tag, **fields}, record, strict=True)
    except msgspec.ValidationError as exc:
        problems.append(f"{where}: {_worded(str(exc))}")
        return None
    return msgspec.structs.replace(made, **children) if children else made


def _worded(message: str) -> str:
    text, _, place = message.partition(" - at `$.")
    return f"{place.rstrip('`')}: {text}" if place else text


def plain(value: Any) -> Any:
    """Return a copy of a value as plain data: dicts, lists, texts, numbers, dates.

    What is no plain data becomes a placeholder, ``{"$object": "<type>"}``, which says what a saved spec lacks.

    >>> plain({"path": (1, 2), "model": object()})
    {'path': [1, 2], 'model': {'$object': 'object'}}
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value
    for base in (bool, int, float, str):
        if isinstance(value, base):
            return base(value)
    return {"$object": kind.__qualname__}


def to_json(data: Mapping[str, Any]) -> str:
    """Return a dict as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def from_json(text: str | bytes) -> Any:
    """Read JSON; raises SpecError when it is broken or names a key twice."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError as exc:
        raise SpecError(f"the text is not JSON: {exc}") from exc


def to_yaml(data: Mapping[str, Any]) -> str:
    """Return a dict as YAML, in the dict's own order."""
    import yaml

    text: str = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)
    return text


def from_yaml(text: str | bytes) -> Any:
    """Read YAML; raises SpecError when it is broken or names a key twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice: YAML would silently keep the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            _check_unique(keys)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506  # a safe loader
    except yaml.YAMLError as exc:
        raise SpecError(f"the text is not YAML: {exc}") from exc


def write(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write a dict to a ``.json`` or ``.yaml`` file."""
    Path(path).write_text(_form(path, to_json, to_yaml)(data), encoding="utf-8")


def read(path: str | Path) -> Any:
    """Read a ``.json`` or ``.yaml`` file; raises SpecError when it is not there or broken."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise SpecError(f"{str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    return _form(path, from_json, from_yaml)(text)


def _form(path: str | Path, for_json: Callable[..., Any], for_yaml: Callable[..., Any]) -> Callable[..., Any]:
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return for_json
    if suffix in (".yaml", ".yml"):
        return for_yaml
    raise SpecError(f"{str(path)!r} has no known form: use the suffix .yaml, .yml or .json")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_unique(key for key, _ in pairs)
    return dict(pairs)


def _check_unique(keys: Iterable[Any]) -> None:
    seen: set[Any] = set()
    for key in keys:
        if key in seen:
            raise SpecError(f"the key {key!r} stands twice in one place")
        seen.add(key)


def _named(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
