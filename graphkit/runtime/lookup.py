"""What the names of a step mean now, and which of them to watch: a re-run cell gives a name another meaning."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from graphkit.core.errors import GraphError
from graphkit.core.expr import compile_expression
from graphkit.core.held import Held, argument_field
from graphkit.core.trust import Trust
from graphkit.runtime.resolve import Unresolved, resolve
from graphkit.runtime.trusted import check_expression, resolve_trusted

ABSENT = object()


class Meant(dict[str, Any]):
    """What the names of an expression meant when it was bound; the nearest name to a wrong one is any of its home's."""

    home: Mapping[str, Any]

    def __iter__(self) -> Iterator[str]:
        return iter(self.home)


class Compiled:
    """An expression, parsed: the same text in the same namespace is the same function.

    What its names mean is looked up when it is bound, so that a run sees the same functions in all of its steps, and a
    re-run cell as every other step does: after the next test.
    """

    __slots__ = ("call", "home", "meant", "text")

    def __init__(self, text: str, home: Mapping[str, Any], where: str, watch: Watch) -> None:
        self.text = text
        self.home = home
        self.meant = Meant()
        self.meant.home = home

        def look_up(names: Iterable[str]) -> Mapping[str, Any]:
            for name in names:
                watch.add(home, name)
                if name in home:
                    self.meant[name] = home[name]
            return self.meant

        self.call = compile_expression(text, home, where, look_up)

    def same(self, other: Compiled) -> bool:
        """Return whether both do the same, once their names mean the same."""
        return self.text == other.text and self.home is other.home

    def take_over(self, other: Compiled) -> bool:
        """Let the names mean what they mean to the same expression, bound later; returns whether that is news."""
        mine, its = dict.items(self.meant), other.meant
        if len(mine) == len(its) and all(name in its and its[name] is value for name, value in mine):
            return False
        self.meant.update(dict.items(its))
        for name in [*dict.keys(self.meant)]:
            if name not in its:
                del self.meant[name]
        return True


class Watch:
    """Names that were looked up, with what they meant then, and containers that a user may change in place."""

    __slots__ = ("_containers", "_dotted", "_names")

    def __init__(self) -> None:
        self._names: dict[tuple[int, str], tuple[Mapping[str, Any], str, Any]] = {}
        self._dotted: dict[tuple[int, str], tuple[Mapping[str, Any], str, Any]] = {}
        self._containers: list[tuple[Any, Any]] = []

    def add(self, namespace: Mapping[str, Any], name: str) -> None:
        """Note what a name means now."""
        key = id(namespace), name
        if key not in self._names:
            self._names[key] = (namespace, name, namespace.get(name, ABSENT))

    def add_path(self, namespace: Mapping[str, Any], path: str, value: Any) -> None:
        """Note what a dotted path means now: a module may be loaded again."""
        self._dotted[id(namespace), path] = (namespace, path, value)

    def add_container(self, value: Any) -> None:
        """Note what a list or dict among the class arguments holds now."""
        self._containers.append((value, private(value)))

    def changed(self) -> bool:
        """Return whether a name means something else by now, or a container holds something else."""
        # not a generator: this runs at every test, and a plain loop is half the price
        for namespace, name, value in self._names.values():
            if namespace.get(name, ABSENT) is not value:
                return True
        for namespace, path, value in self._dotted.values():
            try:
                if not is_same(resolve(path, namespace), value):
                    return True
            except Unresolved:
                return True
        return not all(same_value(value, copy) for value, copy in self._containers)


def private(value: Any) -> Any:
    """Return a copy of plain containers; other objects as they are.

    >>> given = {"rows": [1]}
    >>> private(given) == given, private(given)["rows"] is given["rows"]
    (True, False)
    """
    if type(value) is dict:
        return {key: private(item) for key, item in value.items()}
    if type(value) is list:
        return [private(item) for item in value]
    return value


def same_value(mine: Any, its: Any) -> bool:
    """Return whether two class arguments are the same: plain values by what they hold, others as objects."""
    if is_same(mine, its):
        return True
    if type(mine) is Compiled:
        return type(its) is Compiled and mine.same(its)
    plain = (bool, int, float, str, type(None), list, tuple, dict)
    if type(mine) is not type(its) or not isinstance(mine, plain):
        return False
    if isinstance(mine, dict):
        return mine.keys() == its.keys() and all(same_value(value, its[key]) for key, value in mine.items())
    if isinstance(mine, (list, tuple)):
        return len(mine) == len(its) and all(map(same_value, mine, its))
    return bool(mine == its)


def is_same(mine: Any, its: Any) -> bool:
    """Return whether two look-ups gave the same; a method is made anew each time that it is looked up.

    >>> text = "abc"
    >>> is_same(text.upper, text.upper), is_same([], [])
    (True, False)
    """
    if mine is its:
        return True
    if type(mine) is not type(its) or not isinstance(mine, (types.MethodType, types.BuiltinMethodType)):
        return False
    return mine.__self__ is its.__self__ and mine.__name__ == its.__name__


class Lookup:
    """Looks names up in one namespace, within an app's bounds if it has some, and collects what cannot be found."""

    def __init__(
        self, namespace: Mapping[str, Any], held: Mapping[tuple[str, str], Held], trust: Trust | None = None
    ) -> None:
        self.namespace = namespace
        self._trust = trust
        self.watch = Watch()
        self.problems: list[str] = []
        self._held = held

    def problem(self, path: str, message: str) -> None:
        """Note that something is wrong with a step."""
        self.problems.append(f"step {path!r}: {message}" if path else message)

    def field(self, path: str, field: str, text: str) -> Any:
        """Return what a step's ``class_name`` or ``handler`` means; ``ABSENT`` after noting a problem."""
        held = self._held.get((path, field))
        if held is not None:
            value = held.current(self.namespace)
            if held.home is not None:
                self.watch.add(held.home, held.name)
            elif self.namespace is not None:
                self.watch.add(self.namespace, held.name)
            return value
        return self.name(path, text, field)

    def argument(self, path: str, key: str, value: Any) -> Any:
        """Return a class argument; a function or class that was given under its name is followed by it."""
        if (path, argument_field(key)) not in self._held:
            return value
        now = self.field(path, argument_field(key), "")
        if not callable(now):
            self.problem(path, f"class_args: {key!r} was a function, and is now a value of type {type(now).__name__}")
            return value
        return now

    def name(self, path: str, text: str, field: str) -> Any:
        """Return what a name means; ``ABSENT`` after noting a problem."""
        try:
            value = resolve_trusted(text, self.namespace, self._trust)
        except Unresolved as exc:
            self.problem(path, f"{field}: {exc.args[0]}")
            return ABSENT
        self.watch.add(self.namespace, text.partition(".")[0])
        if "." in text:
            self.watch.add_path(self.namespace, text, value)
        return value

    def expression(self, path: str, text: str, field: str) -> Compiled | Any:
        """Return an expression, parsed; ``ABSENT`` after noting a problem."""
        refusal = check_expression(text, self.namespace, self._trust)
        if refusal is not None:
            self.problem(path, f"{field}: {refusal}")
            return ABSENT
        try:
            return Compiled(text, self.namespace, field, self.watch)
        except GraphError as exc:
            self.problem(path, exc.message)
            return ABSENT

    def function(self, path: str, text: Any, field: str) -> Callable[..., Any] | Any:
        """Return a function given by name or as it is; ``ABSENT`` after noting a problem."""
        if callable(text):
            return text
        if not isinstance(text, str):
            self.problem(path, f"{field}: a function is given by name or expression, found {type(text).__name__}")
            return ABSENT
        value = self.name(path, text, field)
        if value is not ABSENT and not callable(value):
            self.problem(path, f"{field}: {text!r} is no function but a value of type {type(value).__name__}")
            return ABSENT
        return value
