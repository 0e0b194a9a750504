"""How a step is called: from what a name turned out to mean to the callable that a run uses."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.awaiting import then
from graphkit.core.emit import Emit, outlet_names
from graphkit.core.errors import GraphError, nearest
from graphkit.core.paths import getter, setter
from graphkit.runtime.bound import BoundStep, as_result
from graphkit.runtime.bytecode import returns_plain
from graphkit.runtime.failures import Answered

# Built-in types and functions that make plain values of plain ones; of a list of odd objects, sum may make anything.
_PLAIN_CALLS: tuple[Any, ...] = (str, int, float, bool, len, list, dict, tuple, set, abs, sorted)


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
        step.shortcut = getattr(instance, "shortcut", None) if step.direct else None
        # a plain method may return what is awaited, always: of a model that collects requests
        step.is_async = step.is_async or getattr(instance, "awaits", False) is True
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
    step.direct = wants_event and step.get is None and step.put is None


def _is_async(call: Any) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    # a type's __call__ is its metaclass's, and says nothing of what it makes
    own = None if isinstance(call, (types.FunctionType, type)) else getattr(call, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(own)


def _wants_context(function: Any) -> bool:
    if type(function) is types.FunctionType and not function.__dict__:
        code = function.__code__
        return "context" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    try:
        return "context" in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False


def _select_outlets(step: BoundStep, select: Callable[[Any], Any]) -> None:
    """Let an object choose the followers of each event, after its normal call."""
    call, wants_event = step.call, step.wants_event
    full_event = bool(step.record.full_event)

    def chosen(item: Any, body: Any) -> Any:
        return then(
            select(item if full_event and wants_event else body),
            lambda names: Emit((item,), outlet_names(names, step.path)),
        )

    def finish(given: Any, result: Any) -> Any:
        if not wants_event:
            return chosen(result, result)
        event = result if result is given else as_result(given, result)
        if event.terminated:
            raise Answered(event.body)
        return chosen(event, event.body)

    def choose(given: Any) -> Any:
        return then(call(given), lambda result: finish(given, result))

    if step.put is not None:
        raise GraphError("result_path cannot be used with select_outlets")
    step.call = choose
    step.emits = step.may_await = True
    step.is_async = step.is_async or _is_async(select)
