"""From a draft to its spec and back. What a spec cannot hold stands beside it, by path and field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from graphkit.core.held import Held, argument_field
from graphkit.core.namespace import caller_namespace
from graphkit.spec import codec
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Step, Task, children


class Frozen(msgspec.Struct, frozen=True):
    """A spec, with the objects that were given to the draft.

    ``held`` maps (path, field) to a class or function; ``values`` maps the path of a step to its class arguments
    as they were given; ``added`` maps it to an object that is another one each time that the step is added.
    """

    spec: Any
    held: Mapping[tuple[str, str], Held]
    values: Mapping[str, Mapping[str, Any]]
    added: Mapping[str, Any]


def freeze(step: Any) -> Frozen:
    """Return the spec of a draft; the draft is not changed."""
    held: dict[tuple[str, str], Held] = {}
    values: dict[str, Mapping[str, Any]] = {}
    added: dict[str, Any] = {}
    spec = _freeze(step, "", held, values, added)
    return Frozen(spec, MappingProxyType(held), MappingProxyType(values), MappingProxyType(added))


def _freeze(
    step: Any,
    path: str,
    held: dict[tuple[str, str], Held],
    values: dict[str, Mapping[str, Any]],
    added: dict[str, Any],
) -> Step:
    fields: dict[str, Any] = {
        "name": step.name,
        "after": tuple(step._after),
        "comment": step.comment,
        "shape": step.shape,
        "on_error": step.on_error,
    }
    for field, value in step._held.items():
        held[path, field] = value
    added[path] = step._added
    kind = step.kind
    if kind == "queue":
        trigger = step.trigger_args
        return Queue(
            **fields,
            path=step.path,
            shards=step.shards,
            retention_in_hours=step.retention_in_hours,
            trigger_args=None if trigger is None else codec.plain(trigger),
            options=codec.plain(step.options),
        )
    if kind in ("flow", "root"):
        below = {
            name: _freeze(child, f"{path}/{name}" if path else name, held, values, added)
            for name, child in step._steps.items()
        }
        # a graph that was put into another one, by its own handle, is a nested flow there
        record = RootFlow if step._parent is None and kind == "root" else Flow
        return record(**fields, engine=step.engine, final_step=step.final_step, steps=below)  # type: ignore[arg-type]
    args = step._class_args
    written: dict[str, Any] = {}
    if args:
        values[path] = dict(args)
        named = _named_arguments(step, args)
        held.update({(path, argument_field(key)): item for key, item in named.items()})
        written = _written_arguments(args, named)
    fields.update(
        class_name=step._class_name,
        class_args=written,
        handler=step._handler,
        function=step.function,
        full_event=step.full_event,
        responder=step.responder,
        input_path=step.input_path,
        result_path=step.result_path,
    )
    if kind == "router":
        routes = {
            key: _freeze(route, f"{path}/{key}" if path else key, held, values, added)
            for key, route in step._routes.items()
        }
        return Router(**fields, routes=routes)  # type: ignore[arg-type]
    if kind == "error_step":
        return Error(**fields, before=tuple(step._before))
    return Task(**fields)


def _named_arguments(step: Any, args: Mapping[str, Any]) -> Mapping[str, Held]:
    """Return the class arguments that are functions or classes with a name of their own.

    What a name was is remembered: once its cell has run again, the object that was given stands nowhere any more.
    """
    if not any(callable(value) for value in args.values()):
        return {}
    named = {}
    for key, value in args.items():
        if callable(value):
            given, item = step._named.get(key, (None, None))
            named[key] = (value, item if given is value else Held(value, caller_namespace()))
    step.__dict__["_named"] = named
    return {key: item for key, (_, item) in named.items() if item.home is not None}


def _written_arguments(args: Mapping[str, Any], named: Mapping[str, Held]) -> dict[str, Any]:
    """Return class arguments as a spec holds them: a function that has a name is one by name, as under ``_key``."""
    written: dict[str, Any] = {}
    for key, value in args.items():
        by_name = key if key.startswith("_") and len(key) > 1 else f"_{key}"
        if key in named and (by_name == key or by_name not in args):
            written[by_name] = named[key].text
        else:
            written[key] = codec.plain(value)
    return written


def thaw(spec: Any, *, frozen: Frozen | None = None, values: Mapping[str, Any] | None = None) -> Any:
    """Return handles for a spec.

    Parameters
    ----------
    spec
        A record.
    frozen
        Where the record comes from, if it is a copy of a draft: its objects go along.
    values
        The class arguments of the outermost step as they were given.
    """
    given = frozen.values if frozen is not None else {"": values} if values else {}
    return _thaw(spec, "", frozen.held if frozen is not None else {}, given)


def free_copy(step: Any) -> Any:
    """Return a copy of a step that stands in no graph, with what it holds."""
    frozen = freeze(step)
    copied = thaw(frozen.spec, frozen=frozen)
    copied.after = ()
    return copied


def _thaw(
    spec: Any, path: str, held: Mapping[tuple[str, str], Held], values: Mapping[str, Mapping[str, Any] | None]
) -> Any:
    step = _new(spec, values.get(path))
    for field in ("comment", "shape", "on_error"):
        step.__dict__[field] = getattr(spec, field)
    own = {field: held[path, field] for field in ("class_name", "handler") if (path, field) in held}
    if own:
        step.__dict__["_held"] = own
    below = {
        name: _thaw(child, f"{path}/{name}" if path else name, held, values) for name, child in children(spec).items()
    }
    for child in below.values():
        child.set_parent(step)
    if isinstance(spec, (Router, Flow)):
        step.__dict__["_routes" if isinstance(spec, Router) else "_steps"] = below
    return step


def _new(spec: Any, values: Mapping[str, Any] | None) -> Any:
    from graphkit.build import flow, queue, steps

    if isinstance(spec, Queue):
        step: Any = queue.QueueStep(
            spec.name, spec.path, spec.after, spec.shards, spec.retention_in_hours, spec.trigger_args
        )
        step.options.update(spec.options)
        return step
    if isinstance(spec, RootFlow):
        return flow.RootFlowStep(spec.name, None, spec.after, spec.engine, spec.final_step)
    if isinstance(spec, Flow):
        return flow.FlowStep(spec.name, None, spec.after, spec.engine, spec.final_step)
    kinds: dict[Any, Any] = {Router: steps.RouterStep, Error: steps.ErrorStep, Task: steps.TaskStep}
    step = kinds[type(spec)](
        spec.class_name,
        values if values is not None else spec.class_args,
        spec.handler,
        name=spec.name,
        function=spec.function,
        input_path=spec.input_path,
        result_path=spec.result_path,
    )
    step.__dict__.update(full_event=spec.full_event, responder=spec.responder)
    step.after = spec.after
    if isinstance(spec, Error):
        step.before = spec.before
    return step
