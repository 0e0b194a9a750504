"""From what users write in ``to(...)`` to a handle: ``">>"``, ``"*Class"``, bare functions, dicts and objects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphkit.build.base import BaseStep
from graphkit.build.freeze import thaw
from graphkit.build.steps import ErrorStep, QueueStep, RouterStep, TaskStep
from graphkit.core.errors import GraphError
from graphkit.core.expr import is_expression
from graphkit.spec import codec

QUEUES = (">>", "$queue")
#: Beginnings of class names that carry a dot but belong to the step's path.
_DEFAULT_NAMES = {"$remote": "remote"}


def make_step(
    class_name: Any,
    name: str | None,
    handler: Any,
    *,
    graph_shape: str | None = None,
    function: str | None = None,
    full_event: bool | None = None,
    input_path: str | None = None,
    result_path: str | None = None,
    class_args: Mapping[str, Any],
) -> Any:
    """Return a new handle for what was written; raises GraphError when it cannot be named or understood."""
    args = dict(class_args)
    common = {"function": function, "input_path": input_path, "result_path": result_path}
    if isinstance(class_name, (BaseStep, Mapping)) or _is_described(class_name):
        return _given(class_name, name, graph_shape, full_event, common)
    if isinstance(class_name, str) and class_name in QUEUES:
        if full_event is not None:
            args["full_event"] = full_event
        step: Any = QueueStep(name or "queue", **args)
    elif isinstance(class_name, str) and class_name.startswith("*"):
        routes = args.pop("routes", None)
        target = class_name[1:] or None
        step = RouterStep(
            target, args, handler, routes, name or (derived_name(target, None) if target else "router"), **common
        )
    else:
        class_name, handler = _bare(class_name, handler)
        step = TaskStep(
            class_name, args, handler, name or derived_name(class_name, handler), None, full_event, **common
        )
    if graph_shape:
        step.shape = graph_shape
    return step


def make_error_step(
    class_name: Any,
    name: str | None,
    handler: Any,
    *,
    before: Any,
    function: str | None,
    full_event: bool | None,
    input_path: str | None,
    result_path: str | None,
    class_args: Mapping[str, Any],
) -> ErrorStep:
    """Return a new error handler; raises GraphError when nothing says what it does."""
    class_name, handler = _bare(class_name, handler)
    if class_name is None and handler is None:
        raise GraphError("an error handler needs class_name or handler")
    return ErrorStep(
        class_name,
        class_args,
        handler,
        name or derived_name(class_name, handler),
        None,
        full_event,
        function,
        None,
        input_path,
        result_path,
        before,
    )


def make_route(
    key: str, route: Any, class_name: Any, handler: Any, function: str | None, class_args: Mapping[str, Any]
) -> Any:
    """Return the handle of a route, named by its key."""
    if not isinstance(key, str) or not key or "/" in key:
        raise GraphError(f"{key!r} is no route key: a key is a text without '/', such as 'iris' or 'iris:v2'")
    if isinstance(route, (BaseStep, Mapping)) or _is_described(route):
        step = _given(route, key, None, None, {"function": function})
    elif route is None and class_name is None and handler is None:
        raise GraphError(f"route {key!r} needs a class_name, a handler or a route object")
    else:
        class_name, handler = _bare(class_name if route is None else route, handler)
        step = TaskStep(class_name, class_args, handler, name=key, function=function)
    if isinstance(step, QueueStep):
        raise GraphError(f"route {key!r} is a queue; a router's routes are classes, functions or routers")
    return step


def derived_name(class_name: Any, handler: Any) -> str:
    """Return the name that a class or function gives to its step.

    >>> derived_name("package.Clean", None), derived_name(None, len)
    ('Clean', 'len')
    """
    source = class_name if class_name is not None else handler
    if source is None:
        raise GraphError("a step needs class_name or handler")
    if isinstance(source, str):
        if is_expression(source):
            raise GraphError(f"the expression {source!r} gives no name to its step: give name=...")
        name = _DEFAULT_NAMES.get(source) or source.rsplit(".", 1)[-1]
    else:
        name = getattr(source, "__name__", "") or ""
        if not name.isidentifier():
            raise GraphError(f"{_described(source)} gives no name to its step: give name=...")
    return name


def _bare(class_name: Any, handler: Any) -> tuple[Any, Any]:
    """Tell a bare function given in the first place from a class."""
    if class_name is None or isinstance(class_name, (str, type)):
        if isinstance(class_name, str) and is_expression(class_name) and handler is None:
            return None, class_name
        return class_name, handler
    if not callable(class_name):
        raise GraphError(
            f"a step is made of a class, a function, a name, a step or its dict; found {type(class_name).__name__}"
        )
    if handler is not None:
        raise GraphError(f"{_described(class_name)} is a function, so that handler={handler!r} has no class to be in")
    return None, class_name


def _given(
    given: Any, name: str | None, graph_shape: str | None, full_event: bool | None, common: Mapping[str, Any]
) -> Any:
    """Take over a step object, or make one from a dict or from an object that describes itself."""
    if isinstance(given, BaseStep):
        # A step without a place moves in as it is, so that the caller's handle stays good.
        step: Any = given if given._parent is None else thaw_copy(given)
    else:
        struct = given if isinstance(given, Mapping) else given.to_dict()
        step = thaw(codec.from_dict({**struct}, default_kind="task"), values=struct.get("class_args"))
    step.name = name or step.name or derived_name(getattr(step, "class_name", None), getattr(step, "handler", None))
    changes = {**common, "shape": graph_shape, "full_event": full_event}
    for field, value in changes.items():
        if value is not None:
            setattr(step, field, value)
    return step


def thaw_copy(step: Any) -> Any:
    """Return a free copy of a step, with what it holds."""
    from graphkit.build.freeze import freeze

    frozen = freeze(step)
    copy = thaw(frozen.spec, frozen=frozen)
    copy.after = []
    return copy


def _is_described(value: Any) -> bool:
    """Whether an object can say how it would be made, as models and routers do."""
    return not isinstance(value, type) and callable(getattr(value, "to_dict", None)) and not inspect.isroutine(value)


def _described(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or type(value).__name__
    return f"{name!r}"
