"""How a step is called: from what a name turned out to mean to the callable that a run uses."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.awaiting import is_awaitable
from graphkit.core.emit import Emit, check_outlets
from graphkit.core.errors import GraphError, choices, nearest
from graphkit.core.event import Event
from graphkit.core.paths import getter, setter
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.bytecode import returns_plain

_GIVEN = ("name", "context", "graph_step", "routes")
_PATHS = ("input_path", "result_path")
# Built-in types and functions return plain values and need no look at their results.
_PLAIN_CALLS: tuple[Any, ...] = (str, int, float, bool, len, list, dict, tuple, set, abs, sum, sorted)


def parameters_of(cls: type) -> tuple[Mapping[str, inspect.Parameter], bool] | None:
    """Return the parameters of a class's constructor, and whether it takes any keyword; ``None`` if unknown."""
    try:
        found = inspect.signature(cls).parameters
    except (ValueError, TypeError):
        return None
    open_ended = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values())
    return found, open_ended


def accepts(cls: type, name: str) -> bool:
    """Return whether a constructor takes a keyword by name, its own or one that it hands on to a base class."""
    for base in cls.__mro__:
        init = base.__dict__.get("__init__")
        if init is None or base is object:
            continue
        try:
            found = inspect.signature(init).parameters
        except (ValueError, TypeError):
            return False
        if name in found:
            return True
        if not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values()):
            return False
    return False


def argument_problems(cls: type, args: Mapping[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the arguments of a class's constructor."""
    known = parameters_of(cls)
    if known is None:
        return []
    parameters, open_ended = known
    keyword_kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    allowed = [name for name, item in parameters.items() if item.kind in keyword_kinds]
    problems = []
    if not open_ended:
        own = [name for name in allowed if name not in _GIVEN]
        problems += [
            f"the class {cls.__name__!r} takes no argument {name!r}{nearest(name, own)}; it takes {choices(own)}"
            for name in args
            if name not in allowed
        ]
    for name, item in parameters.items():
        given = name in args or name in extra
        if item.default is inspect.Parameter.empty and item.kind in keyword_kinds and not given:
            problems.append(f"the class {cls.__name__!r} needs the argument {name!r}")
    return problems


def offered(step: BoundStep, cls: type, routes: Any) -> dict[str, Any]:
    """Return what a constructor gets beside the step's own arguments, as far as it accepts it."""
    known = parameters_of(cls)
    parameters, open_ended = known if known is not None else ({}, False)
    given: dict[str, Any] = {"context": step.context, "graph_step": step}
    if step.name:  # an unnamed root is called what its class calls it
        given["name"] = step.name
    if step.kind == "router":
        given["routes"] = routes
    extra = {key: value for key, value in given.items() if open_ended or key in parameters}
    for key in _PATHS:
        path = getattr(step.record, key)
        if path is not None and accepts(cls, key):
            extra[key] = path
    return extra


def attach_object(step: BoundStep, cls: type, instance: Any, extra: Mapping[str, Any]) -> None:
    """Find out how an instance is called; raises GraphError if it cannot be."""
    handler = step.record.handler
    step.object = instance
    step.emits = bool(getattr(instance, "emits", False))
    if handler:
        if not callable(getattr(instance, handler, None)):
            raise GraphError(f"the class {cls.__name__!r} has no method {handler!r}{nearest(handler, dir(cls))}")
        _attach(step, getattr(instance, handler), bool(step.record.full_event), extra)
    elif callable(getattr(instance, "do_event", None)):
        _attach(step, instance.do_event, True, extra)
    elif callable(getattr(instance, "do", None)):
        _attach(step, instance.do, bool(step.record.full_event), extra)
    elif callable(instance):
        _attach(step, instance, bool(step.record.full_event), extra)
    else:
        raise GraphError(
            f"the class {cls.__name__!r} cannot be called with an event: it has neither do_event(event) nor do(body), "
            f"and no handler= names a method"
        )
    if step.emits and step.put is not None:
        raise GraphError(
            f"result_path cannot be used with {cls.__name__!r}, whose results are events of their own; give it to the "
            f"step before or after"
        )
    if callable(getattr(instance, "select_outlets", None)) and not step.emits:
        _select_outlets(step, instance.select_outlets)


def attach_function(step: BoundStep, function: Callable[..., Any]) -> None:
    """Call a function with the body (or the event), and with the context where it has that parameter."""
    call = function
    if not isinstance(function, type) and _wants_context(function):
        call = functools.partial(function, context=step.context)
    _attach(step, call, bool(step.record.full_event), {})


def _attach(step: BoundStep, call: Callable[..., Any], wants_event: bool, extra: Mapping[str, Any]) -> None:
    step.call = call
    step.wants_event = wants_event
    step.is_async = _is_async(call)
    step.may_await = not (any(call is plain for plain in _PLAIN_CALLS) or returns_plain(call))
    record = step.record
    # a class that takes the paths itself applies them itself
    step.get = getter(record.input_path) if record.input_path and "input_path" not in extra else None
    step.put = setter(record.result_path) if record.result_path and "result_path" not in extra else None


def _is_async(call: Any) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))


def _wants_context(function: Any) -> bool:
    try:
        return "context" in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False


def _select_outlets(step: BoundStep, select: Callable[[Any], Any]) -> None:
    """Let an object choose the followers of each event, after its normal call."""
    call, wants_event = step.call, step.wants_event
    full_event = bool(step.record.full_event)
    put = step.put

    def emit(given: Any, body: Any) -> Emit:
        event = given if isinstance(given, Event) else None
        names = select(event if full_event and event is not None else body)
        return Emit((event if event is not None else body,), check_outlets(names, names or (), step.path))

    def finish(given: Any, result: Any) -> Emit:
        if wants_event:
            event = result if isinstance(result, Event) else given
            if event is not result:
                event.body = result
            return emit(event, event.body)
        return emit(None, result)

    def choose(given: Any) -> Any:
        result = call(given)
        return _later(given, result) if is_awaitable(result) else finish(given, result)

    async def _later(given: Any, result: Any) -> Emit:
        return finish(given, await result)

    if put is not None and not wants_event:
        raise GraphError("result_path cannot be used with select_outlets")
    step.call = choose
    step.emits = True
    # a coroutine function stays known as one
    step.may_await = True
