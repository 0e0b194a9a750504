"""From what users write in ``to(...)`` to a handle: ``">>"``, ``"*Class"``, bare functions, dicts and objects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphkit.build.base import BaseStep
from graphkit.build.freeze import free_copy, thaw
from graphkit.build.queue import QUEUES, QueueStep
from graphkit.build.steps import ErrorStep, RouterStep, TaskStep
from graphkit.core.errors import GraphError
from graphkit.core.expr import is_expression
from graphkit.spec import codec
from graphkit.spec.keywords import misspelt, no_arguments

#: Beginnings of class names that carry a dot but belong to the step's path.
_DEFAULT_NAMES = {"$remote": "remote"}
_MADE_OF = ("class_name", "handler")
#: Methods that a user most likely means who gives an object as a step, the likeliest first.
_USUAL_METHODS = ("do", "predict", "transform", "run")


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
    place: Any = None,
) -> Any:
    """Return a handle for what was written; raises GraphError when it cannot be named or understood.

    ``place`` is the flow that it goes to: a step object that stands there already is taken as it is.
    """
    if name is not None and not isinstance(name, str):
        raise GraphError(f"name is a text, found {_described(name)}: a step is given first, its name second")
    fields = {
        "function": function,
        "full_event": full_event,
        "input_path": input_path,
        "result_path": result_path,
        "shape": graph_shape,
    }
    given = {field: value for field, value in fields.items() if value is not None}
    if isinstance(class_name, (BaseStep, Mapping)) or _is_described(class_name):
        return _taken(class_name, name, handler, given, class_args, place)
    if isinstance(class_name, str) and class_name in QUEUES:
        return _queue(name or "queue", handler, given, class_args)
    if isinstance(class_name, str) and class_name.startswith("*"):
        step: Any = _router(class_name[1:], name, handler, class_args)
    else:
        class_name, handler = _bare(class_name, handler, class_args)
        _check_keywords(class_name, name, handler, class_args)
        step = TaskStep(class_name, class_args, handler, name or derived_name(class_name, handler))
    return _with_fields(step, given)


def _queue(name: str, handler: Any, given: dict[str, Any], class_args: Mapping[str, Any]) -> QueueStep:
    args = dict(class_args)
    if "full_event" in given:
        args["full_event"] = given.pop("full_event")
    if handler is not None:
        given["handler"] = handler
    step: QueueStep = _with_fields(QueueStep(name, **args), given)
    return step


def _router(target: str, name: str | None, handler: Any, class_args: Mapping[str, Any]) -> RouterStep:
    args = dict(class_args)
    routes = args.pop("routes", None)
    name = name or (derived_name(target, None) if target else "router")
    return RouterStep(target or None, args, handler, routes, name)


def _with_fields(step: Any, given: Mapping[str, Any]) -> Any:
    """Set fields that were given beside what the step is made of."""
    for field, value in given.items():
        if field not in step._fields:
            why = "it runs where the step before it runs" if step.kind == "queue" else "give it to the steps inside"
            raise GraphError(f"step {step.name!r}: a {step.kind} takes no {field}=; {why}")
        setattr(step, field, value)
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
    if callable(name) and (class_name is None or isinstance(class_name, str)):
        class_name, name = name, class_name  # written as in to(function, "name")
    if name is not None and not isinstance(name, str):
        raise GraphError(f"name is a text, found {_described(name)}: a function is given as handler=...")
    if class_name is None and handler is None:
        raise GraphError(f"an error handler needs class_name or handler{misspelt(class_args, _MADE_OF)}")
    class_name, handler = _bare(class_name, handler, class_args)
    _check_keywords(class_name, name, handler, class_args)
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
    router: Any,
    key: str,
    route: Any,
    class_name: Any,
    handler: Any,
    function: str | None,
    class_args: Mapping[str, Any],
) -> Any:
    """Return the handle of a route, named by its key."""
    if not isinstance(key, str) or not key or "/" in key:
        raise GraphError(f"{key!r} is no route key: a key is a text without '/', such as 'iris' or 'iris:v2'")
    if route is None and class_name is None and handler is None:
        raise GraphError(f"route {key!r} needs a class_name, a handler or a route object")
    if route is not None and class_name is not None:
        raise GraphError(f"route {key!r} is given twice, as route and as class_name: give one of them")
    step = make_step(
        class_name if route is None else route, key, handler, function=function, class_args=class_args, place=router
    )
    if not isinstance(step, TaskStep):
        raise GraphError(f"route {key!r} is a {step.kind}; a router's routes are classes, functions or routers")
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


def _bare(class_name: Any, handler: Any, class_args: Mapping[str, Any]) -> tuple[Any, Any]:
    """Tell a bare function given in the first place from a class."""
    if not class_name and not handler:
        raise GraphError(f"a step needs class_name or handler{misspelt(class_args, _MADE_OF)}")
    if class_name is None or isinstance(class_name, (str, type)):
        if isinstance(class_name, str) and is_expression(class_name) and handler is None:
            return None, class_name
        return class_name, handler
    if not callable(class_name):
        raise GraphError(
            f"a step is made of a class, a function, a name, a step or its dict; found {type(class_name).__name__}"
            f"{_method_of(class_name)}"
        )
    if handler is not None:
        raise GraphError(f"{_described(class_name)} is a function, so that handler={handler!r} has no class to be in")
    return None, class_name


def _method_of(value: Any) -> str:
    """Return how the method of an object is given instead of the object, as the end of a message."""
    for name in _USUAL_METHODS:
        if callable(getattr(value, name, None)):
            return f" object; give its method: {type(value).__name__}(...).{name}"
    return ""


def _check_keywords(class_name: Any, name: str | None, handler: Any, class_args: Mapping[str, Any]) -> None:
    """Refuse what is no keyword of a step where there is no class either whose argument it could be."""
    if class_name is not None or not class_args:
        return
    who = name or (handler if isinstance(handler, str) else _described(handler).strip("'"))
    raise GraphError(f"step {who!r}: {no_arguments(class_args)}")


def _taken(
    given: Any, name: str | None, handler: Any, fields: dict[str, Any], class_args: Mapping[str, Any], place: Any
) -> Any:
    """Take over a step object, or make one from a dict or from an object that describes itself."""
    if isinstance(given, BaseStep):
        # A step without a place moves in as it is, so that the caller's handle stays good when its cell runs again.
        own = given._parent is None or (given._parent is place and name in (None, given.name))
        step: Any = given if own else free_copy(given)
    else:
        struct = given if isinstance(given, Mapping) else given.to_dict()
        step = thaw(codec.from_dict({**struct}, default_kind="task"), values=struct.get("class_args"))
    wanted = name or step.name or derived_name(getattr(step, "class_name", None), getattr(step, "handler", None))
    if wanted != step.name:
        step.name = wanted
    if handler is not None:
        fields["handler"] = handler
    _with_fields(step, fields)
    if class_args:
        if "class_args" not in step._fields:
            raise GraphError(
                f"step {step.name!r}: a {step.kind} takes no {', '.join(class_args)}; set it on the object"
            )
        step.class_args.update(class_args)
    return step


def _is_described(value: Any) -> bool:
    """Whether an object can say how it would be made, as models and routers do."""
    return not isinstance(value, type) and callable(getattr(value, "to_dict", None)) and not inspect.isroutine(value)


def _described(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or type(value).__name__
    return f"{name!r}"
