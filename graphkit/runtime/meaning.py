"""What a step's names mean now, for those who only look: nothing is imported, constructed or noted anywhere.

Binding resolves names for good (:mod:`graphkit.runtime.bind`). A picture or an inspector asks here instead, also of a
graph that is half built: what cannot be told without importing something is unknown.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from graphkit.core.expr import is_expression
from graphkit.core.held import PLACEHOLDER, Held
from graphkit.core.namespace import caller_namespace
from graphkit.plan.topology import Node
from graphkit.runtime.bind import DEFAULT_ROUTER
from graphkit.runtime.lookup import ABSENT
from graphkit.runtime.resolve import is_builtin_step, library
from graphkit.spec.steps import Flow, Queue, Router, Task


class Meaning(msgspec.Struct, frozen=True):
    """What a step is made of.

    Attributes
    ----------
    kind
        ``"class"``, ``"function"``, ``"expression"``, ``"queue"``, ``"flow"``, or ``"unknown"``.
    value
        The class or function; the text of an expression.
    call
        What is called for each event, ``None`` where that cannot be told: a function, or a function of the class
        that also takes ``self``.
    wants_event
        Whether it is called with the Event rather than with the body.
    why
        Why it is unknown.
    """

    kind: str
    value: Any = None
    call: Any = None
    wants_event: bool = False
    why: str = ""


def meaning_of(node: Node, namespace: Mapping[str, Any], held: Mapping[tuple[str, str], Held]) -> Meaning:
    """Return what a step of a topology is made of, as far as it can be told by looking.

    Parameters
    ----------
    node
        The step.
    namespace
        Where names are looked up.
    held
        Objects that were given to the draft, by path and field.

    Examples
    --------
    >>> from graphkit.spec.steps import Task
    >>> def double(body): ...
    >>> step = Task(name="double", handler="double")
    >>> node = Node(path="double", name="double", kind=step.kind, step=step, parent="")
    >>> meaning_of(node, {"double": double}, {}).kind, meaning_of(node, {}, {}).why
    ('function', "'double' is not defined")
    """
    step = node.step
    if isinstance(step, Queue):
        return Meaning("queue")
    if isinstance(step, Flow):
        return Meaning("flow")
    assert isinstance(step, Task)
    if step.class_name is None and step.handler is not None and not (isinstance(step, Router) and step.class_args):
        if is_expression(step.handler) and (node.path, "handler") not in held:
            return Meaning("expression", step.handler, wants_event=bool(step.full_event))
        return _function(_looked_up(node.path, "handler", step.handler, namespace, held), step)
    name = step.class_name or (DEFAULT_ROUTER if isinstance(step, Router) else None)
    if name is None:
        return Meaning("unknown", why="neither a class nor a handler is given")
    found = _looked_up(node.path, "class_name", name, namespace, held)
    if isinstance(found, Meaning) or not isinstance(found, type):
        return _function(found, step)
    return _class(found, step)


def names_for(server: Any) -> Mapping[str, Any]:
    """Return where those who look find names: a server's namespace, else the notebook's, else the caller's."""
    own = getattr(server, "_namespace", None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    # what shows an object, or tells of a click, calls from frames that are not the user's
    names: Mapping[str, Any] | None = getattr(shell, "user_ns", None)
    return caller_namespace() if names is None else names


def peek(name: str, namespace: Mapping[str, Any]) -> Any:
    """Return what a name or dotted path means, among what is loaded; else ``ABSENT``.

    >>> import json
    >>> peek("json.dumps", {}) is json.dumps, peek("no_such_module.f", {}) is ABSENT
    (True, True)
    """
    first, _, rest = name.partition(".")
    found = library(name)
    if first in namespace:
        alias = rest and getattr(namespace[first], "__name__", "") == "graphkit"
        return found if alias and found is not None else _attributes(namespace[first], rest)
    if found is not None:
        return found
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is not None:
            return _attributes(module, ".".join(parts[cut:]))
    return getattr(builtins, name) if is_builtin_step(name) else ABSENT


def _looked_up(
    path: str, field: str, name: str, namespace: Mapping[str, Any], held: Mapping[tuple[str, str], Held]
) -> Any:
    given = held.get((path, field))
    if given is not None:
        # not Held.current(), which makes a note of where it found the object
        return given.value if given.home is None else given.home.get(given.name, given.value)
    if name.startswith(PLACEHOLDER):
        return Meaning("unknown", why=f"{name.removeprefix(PLACEHOLDER)!r} was an object that a saved spec cannot hold")
    found = peek(name, namespace)
    if found is not ABSENT:
        return found
    missing = "not imported yet" if "." in name and name.partition(".")[0] not in namespace else "not defined"
    return Meaning("unknown", why=f"{name!r} is {missing}")


def _function(found: Any, step: Task) -> Meaning:
    if isinstance(found, Meaning):
        return found
    if not callable(found):
        return Meaning("unknown", why=f"it is no function but a value of type {type(found).__name__}")
    return Meaning("function", found, found, bool(step.full_event))


def _class(cls: type, step: Task) -> Meaning:
    full_event = bool(step.full_event)
    if step.handler:
        return Meaning("class", cls, _method(cls, step.handler), full_event)
    if (call := _method(cls, "do_event")) is not None:
        return Meaning("class", cls, call, True)
    if (call := _method(cls, "do")) is not None:
        return Meaning("class", cls, call, full_event)
    if any("__call__" in base.__dict__ for base in cls.__mro__[:-1]):
        return Meaning("class", cls, _method(cls, "__call__"), full_event)
    return Meaning("function", cls, cls, full_event) if not step.class_args else Meaning("class", cls)


def _method(cls: type, name: str) -> Any:
    found = getattr(cls, name, None)
    return found if callable(found) else None


def _attributes(value: Any, rest: str) -> Any:
    for part in rest.split(".") if rest else ():
        try:
            value = getattr(value, part)
        except Exception:  # a property of the user's may raise anything
            return ABSENT
    return value
