"""What runs expressions: simpleeval, with the doors closed that it leaves open, and arrays let through.

Against simpleeval's own: what an expression makes cannot grow without bound, in whatever way (``core.growth``); formats
that come with the event are no format strings; arrays and tables can be added and multiplied; and looking at a large
event costs nothing, since only what an expression touches is looked at.
"""

from __future__ import annotations

import ast
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import simpleeval

from graphkit.core.errors import choices, nearest
from graphkit.core.growth import MOST_IN_ALL, Growth
from graphkit.core.reach import why_not

_BUILTINS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (abs, all, any, bool, dict, float, int, len, list, max, min, round, set, sorted, str, sum, tuple)
}
#: Attributes that lead out of the values that an expression was given.
REFUSED_ATTRIBUTES = frozenset(
    [
        *simpleeval.DISALLOW_METHODS,
        *("ag_await", "ag_code", "co_code", "cr_await", "cr_code", "f_back", "f_builtins", "f_code", "f_globals"),
        *("f_locals", "gi_code", "gi_yieldfrom", "tb_next"),
    ]
)
_REFUSED_FUNCTIONS = (breakpoint, delattr, dir, input, vars)
# What a notebook puts into the user's namespace by itself: a shell, among other things.
_REFUSED_PACKAGES = frozenset({"IPython", "ipykernel"})


class Missing(Exception):
    """The event lacks what the expression reads; the text says what, and what is there."""


class Names(Mapping[str, Any]):
    """``event`` and the data and functions of the namespace, looked up when they are needed.

    No copy of a notebook's globals is made.
    """

    __slots__ = ("_event", "_namespace")

    def __init__(self, event: Any, namespace: Mapping[str, Any]) -> None:
        self._event = event
        self._namespace = namespace

    def __getitem__(self, name: str) -> Any:
        if name == "event":
            return self._event
        if name.startswith("_"):
            raise KeyError(name)
        if name in self._namespace:
            value = self._namespace[name]
            if isinstance(value, types.ModuleType):
                raise simpleeval.FeatureNotAvailable(f"{name} is a module; call a function of your own instead")
            if _package(value) in _REFUSED_PACKAGES:
                raise simpleeval.FeatureNotAvailable(f"{name} belongs to the notebook, not to the graph")
            return value
        return _BUILTINS[name]

    def __iter__(self) -> Iterator[str]:
        return iter({"event", *self._namespace, *_BUILTINS})

    def __len__(self) -> int:
        return len({"event", *self._namespace, *_BUILTINS})


class Evaluator(simpleeval.EvalWithCompoundTypes):  # type: ignore[misc]  # simpleeval ships no types
    """Evaluates one expression at a time; ``names`` are set for each."""

    def __init__(self) -> None:
        # Not super().__init__(): it silences warnings for a moment, of all threads, and could leave them silenced.
        growth = self._growth = Growth()
        self.operators = {
            **_OPERATORS,
            ast.Add: growth.add,
            ast.Mult: growth.multiply,
            ast.Pow: growth.power,
            ast.Mod: growth.modulo,
            **{kind: growth.compared(_OPERATORS[kind]) for kind in _COMPARING},
        }
        self.functions: dict[str, Any] = {}
        self.names: Mapping[str, Any] = {}
        self.allowed_attrs = None
        self.ATTR_INDEX_FALLBACK = True
        self.nodes = {node: getattr(self, method) for node, method in _METHODS.items()}

    def eval(self, expr: str, previously_parsed: Any = None) -> Any:
        """Evaluate an expression."""
        self._growth.left = MOST_IN_ALL
        return super().eval(expr, previously_parsed)

    def _check_disallowed_items(self, item: Any) -> None:
        # simpleeval looks through whole containers, at every node; what is in them is looked at when it is taken out
        if isinstance(item, types.ModuleType):
            raise simpleeval.FeatureNotAvailable("modules are not allowed")
        if callable(item) and id(item) in _FORBIDDEN:
            raise simpleeval.FeatureNotAvailable("this function is not allowed")

    def _eval_call(self, node: Any) -> Any:
        if isinstance(node.func, ast.Attribute):
            function = self._eval(node.func)
        else:
            try:
                function = self.names[node.func.id]
            except KeyError:
                raise simpleeval.FunctionNotDefined(node.func.id, self.expr) from None
            self._check_disallowed_items(function)
            if not callable(function):
                raise simpleeval.FeatureNotAvailable(f"{node.func.id} is no function")
        args = [self._eval(arg) for arg in node.args]
        keywords = {keyword.arg: self._eval(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        if len(keywords) < len(node.keywords):
            raise simpleeval.FeatureNotAvailable("unpacking (**) is not allowed")
        return self._growth.call(function, args, keywords, id(function) in _BUILTIN_IDS)

    def _eval_subscript(self, node: Any) -> Any:
        container = self._eval(node.value)
        key = self._eval(node.slice)
        try:
            return self._growth.made(container[key]) if type(key) is slice else container[key]
        except (KeyError, IndexError) as exc:
            raise Missing(_not_there(container, key)) from exc
        except TypeError as exc:
            raise Missing(f"looks up {key!r} in {_titled(container)}") from exc

    def _eval_attribute(self, node: Any) -> Any:
        name = node.attr
        if name.startswith(("_", "func_")) or name in REFUSED_ATTRIBUTES:
            raise simpleeval.FeatureNotAvailable(f"the attribute {name!r} is not allowed")
        owner = self._eval(node.value)
        try:
            value = getattr(owner, name)
        except (AttributeError, TypeError) as exc:
            try:
                value = owner[name]  # so that event.price reads an item, too
            except (KeyError, TypeError, IndexError):
                raise Missing(f"found no {name!r} in {_titled(owner)}") from exc
        self._check_disallowed_items(value)
        if why := why_not(owner, name, value):
            raise simpleeval.FeatureNotAvailable(why)
        return value

    def _eval_comprehension(self, node: Any) -> Any:
        try:
            return super()._eval_comprehension(node)
        except simpleeval.IterableTooLong:
            if self._max_count <= simpleeval.MAX_COMPREHENSION_LENGTH:
                raise  # it was not the loop, but what it made
            raise simpleeval.IterableTooLong(
                f"the loops of an expression go through {simpleeval.MAX_COMPREHENSION_LENGTH:,} items at most, and "
                f"here there are more; use a function, which has no limit"
            ) from None

    def _eval_formattedvalue(self, node: Any) -> str:
        value = self._eval(node.value)
        self._growth.check_text_of(value)
        if node.conversion in _CONVERSIONS:
            value = _CONVERSIONS[node.conversion](value)
        form = "" if node.format_spec is None else self._eval(node.format_spec)
        self._growth.check_form(form)
        # not str.format(), in which a form that came with the event could reach attributes
        return format(value, form)

    def _eval_joinedstr(self, node: Any) -> Any:
        return self._growth.made(super()._eval_joinedstr(node))


def _not_there(container: Any, key: Any) -> str:
    if isinstance(container, Mapping):
        near = nearest(key, container) if isinstance(key, str) else ""
        return f"found no {key!r}; there is {choices(container)}{near}"
    length = f" of {len(container)}" if hasattr(container, "__len__") else ""
    return f"found no {key!r} in {_titled(container)}{length}"


def _titled(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _package(value: Any) -> str:
    module = getattr(value, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


_CONVERSIONS: Mapping[int, Callable[[Any], str]] = {ord("s"): str, ord("r"): repr, ord("a"): ascii}
# by identity: not every callable can be hashed, and these live for ever
_COMPARING = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_BUILTIN_IDS = frozenset(map(id, _BUILTINS.values()))
_FORBIDDEN = frozenset(map(id, (*simpleeval.DISALLOW_FUNCTIONS, *_REFUSED_FUNCTIONS)))
_METHODS = {node: method.__name__ for node, method in simpleeval.EvalWithCompoundTypes().nodes.items()}
#: Expressions that have a meaning.
KNOWN = frozenset(_METHODS) - {ast.Name, ast.Attribute, ast.Call}
_OPERATORS = {**simpleeval.DEFAULT_OPERATORS, ast.MatMult: operator.matmul}
