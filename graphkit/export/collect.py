"""Which statements of the user's cells a graph needs, transitively, and what cannot be had."""

from __future__ import annotations

import ast
import builtins
import io
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphkit.build.base import BaseStep
from graphkit.core.errors import nearest
from graphkit.export.scopes import Names, names_of
from graphkit.export.sources import named_definition, same_code
from graphkit.export.statements import Statement
from graphkit.export.values import (
    Expression,
    Inexpressible,
    assignment,
    expression_of,
    imported_from,
    is_large,
    is_small_data,
)
from graphkit.spec.lost import is_model, model_advice

# What a module has by itself.
_OF_MODULES = frozenset({"__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__package__", "__path__"})
_OF_NOTEBOOKS = frozenset({"get_ipython", "In", "Out", "exit", "quit"})


class Collector:
    """Collects statements; what is wrong is noted, so that all of it can be told at once.

    Parameters
    ----------
    names
        The namespace in which the graph's names mean something.
    home
        The globals that the statements belong to; often the same.
    statements
        What ran there, in order.
    """

    def __init__(self, names: Mapping[str, Any], home: Mapping[str, Any], statements: Sequence[Statement]) -> None:
        self.problems: list[str] = []
        #: The statements that are needed, with the names that each is needed for.
        self.taken: dict[Statement, set[str]] = {}
        self.names = names
        self._home = home
        self._done: set[str] = set()
        self._binding: dict[str, list[Statement]] = {}
        self._changing: dict[str, list[Statement]] = {}
        self._stars: list[Statement] = []
        self._places = 0
        for statement in statements:
            self._places = statement.place + 1
            if statement.star_module is not None:
                self._stars.append(statement)
                continue
            for name in statement.names.binds:
                self._binding.setdefault(name, []).append(statement)
            for name in statement.changes:
                self._changing.setdefault(name, []).append(statement)
        self._registering = self._registered(statements)

    def _registered(self, statements: Sequence[Statement]) -> dict[str, list[Statement]]:
        """Return the containers that decorators fill, with the definitions that stand below such a decorator."""
        found: dict[str, list[Statement]] = {}
        for statement in statements:
            for decorator in getattr(statement.node, "decorator_list", ()):
                roots = {part.id for part in ast.walk(decorator) if isinstance(part, ast.Name)}
                makers = [maker for root in roots for maker in self._binding.get(root, ())[-1:]]
                for name in {name for maker in makers for name in maker.names.later}:
                    if isinstance(self._home.get(name), (dict, list, set)):
                        found.setdefault(name, []).append(statement)
        return found

    def value_of(self, name: str) -> Any:
        """Return what a name means now; raises KeyError."""
        return self.names[name] if name in self.names else self._home[name]

    def knows(self, name: str) -> bool:
        """Return whether a name means something in the user's namespace."""
        return name in self.names or name in self._home

    # ---- names ----------------------------------------------------------------------------------------------

    def need(self, name: str, user: str) -> None:
        """Take what a name needs.

        Parameters
        ----------
        name
            A global name.
        user
            Who uses it, for messages.
        """
        if name in self._done or name in _OF_MODULES:
            return
        self._done.add(name)
        if name in _OF_NOTEBOOKS:
            self._problem(name, user, "which only a notebook has: leave out its commands (%magics, !shell) there")
            return
        if not self.knows(name):
            self._need_absent(name, user)
            return
        value = self.value_of(name)
        chosen = self._chosen(name, value)
        reason = self._refusal(name, value)
        if reason is not None and (chosen is None or not chosen.is_import):
            self._problem(name, user, reason, chosen)
        elif chosen is None:
            self._need_unseen(name, value, user)
        elif chosen.is_import or chosen.is_definition or not is_small_data(value):
            self._take(name, chosen)
        else:
            self._take_or_write(name, chosen, value)

    def provide(self, value: Any, name: str, user: str) -> str | None:
        """Return how a spec names an object that was given to a step; ``None`` after noting a problem."""
        if self.knows(name) and self.value_of(name) is value:
            self.need(name, user)
            return name
        found = imported_from(value)
        if found is not None and found[0] != self._home.get("__name__"):
            return ".".join(found)
        try:
            written = expression_of(value, self._home)
        except Inexpressible:
            return self._define(value, self._free_name(name), user)
        if _is_path(written):
            for used in written.names:
                self.need(used, user)
            return written.text
        return self._define(value, self._free_name(name), user)

    def _define(self, value: Any, name: str, user: str) -> str | None:
        try:
            definition = named_definition(value, name, self._home)
        except Inexpressible as exc:
            self.problems.append(f"{user}: {_shown(value)} cannot be written as code: {exc}")
            return None
        self._done.add(name)
        self._import_modules(definition.modules)
        self._add(name, definition.text, user)
        return name

    def _free_name(self, name: str) -> str:
        """Return a name for something that had none, which means nothing else here."""
        wanted = "".join(letter if letter.isalnum() else "_" for letter in name).strip("_") or "step"
        wanted = wanted if wanted.isidentifier() else f"step_{wanted}"
        free, number = wanted, 2
        while self.knows(free) or free in self._done or hasattr(builtins, free):
            free, number = f"{wanted}_{number}", number + 1
        return free

    # ---- choosing -------------------------------------------------------------------------------------------

    def _chosen(self, name: str, value: Any) -> Statement | None:
        """Return the statement that gave a name its meaning: the newest, or the one that the live function is of."""
        candidates = self._binding.get(name, [])
        if self._home.get(name, value) is not value:
            return None
        star = self._star_of(name, value)
        if star is not None and (not candidates or candidates[-1].place < star.place):
            return None
        if isinstance(value, types.FunctionType) and not hasattr(value, "__wrapped__"):
            for statement in reversed(candidates):
                if statement.is_definition and same_code(statement.text, value.__code__):
                    return statement
        return candidates[-1] if candidates else None

    def _star_of(self, name: str, value: Any) -> Statement | None:
        for statement in reversed(self._stars):
            module = sys.modules.get(statement.star_module or "")
            if module is not None and getattr(module, name, self) is value:
                return statement
        return None

    def _refusal(self, name: str, value: Any) -> str | None:
        """Return why an object cannot be part of a module."""
        if isinstance(value, BaseStep):
            return "which is a part of the graph itself; reach it through the context"
        if not isinstance(value, type) and getattr(type(value), "kind", None) == "server":
            return "which is the server of the graph; reach it through the context"
        if isinstance(value, io.IOBase):
            return "which is an open file; open it where it is used"
        if isinstance(value, (type, types.ModuleType, types.FunctionType)) or self._is_own(type(value)):
            return None
        if is_model(value):
            return f"which is a model object ({type(value).__name__}) that code cannot hold: {model_advice(name)}"
        return None

    def _is_own(self, cls: type) -> bool:
        return cls.__module__ in ("__main__", self._home.get("__name__"))

    # ---- taking ---------------------------------------------------------------------------------------------

    def _take(self, name: str, statement: Statement, settled: bool = False) -> None:
        """Take a statement for one of its names; one that is ``settled`` gives the value that it has now."""
        needed = self.taken.setdefault(statement, set())
        known = bool(needed)
        needed.add(name)
        if statement.is_import:
            return
        user = _user(statement)
        if not known and statement.awaits:
            self.problems.append(f"{user} is made with 'await' at the top level, which only a notebook can do")
        if not known:
            for read in sorted(statement.names.now):
                self.need(read, user)
            for read in sorted(statement.names.later):
                if self.knows(read) or not self._sets_itself(read, statement):
                    self.need(read, user)
            for read in sorted(statement.names.maybe):
                self._need_maybe(read, user)
        if settled:
            return
        if not statement.certain:
            self._take_earlier(name, statement)
        for change in self._changing.get(name, ()):
            if change.place > statement.place and change not in self.taken:
                self._take(name, change)
        for definition in self._registering.get(name, ()):
            self._take_registered(definition)

    def _take_registered(self, definition: Statement) -> None:
        """Take what a decorator put into a container that is needed; what cannot be had of it is left out."""
        names = [name for name in sorted(definition.names.binds) if name not in self._done]
        if not names or self._binding[names[0]][-1] is not definition:
            return
        saved = self._saved()
        for name in names:
            self.need(name, "")
        if len(self.problems) > saved[2]:
            self._restore(saved)

    def _saved(self) -> tuple[dict[Statement, set[str]], set[str], int]:
        return {key: set(needed) for key, needed in self.taken.items()}, set(self._done), len(self.problems)

    def _restore(self, saved: tuple[dict[Statement, set[str]], set[str], int]) -> None:
        self.taken, self._done = saved[0], saved[1]
        del self.problems[saved[2] :]

    def _sets_itself(self, name: str, statement: Statement) -> bool:
        """Return whether a function makes a global of its own: it is not there before the function runs."""
        return any(isinstance(part, ast.Global) and name in part.names for part in ast.walk(statement.node))

    def _take_earlier(self, name: str, statement: Statement) -> None:
        """Take what a name meant before a statement that may leave it as it is."""
        earlier = [other for other in self._binding.get(name, ()) if other.place < statement.place]
        if earlier and earlier[-1] not in self.taken:
            self._take(name, earlier[-1])

    def _take_or_write(self, name: str, statement: Statement, value: Any) -> None:
        """Take the source of plain data; where that needs what cannot be had, write what it is now."""
        saved = self._saved()
        self._take(name, statement)
        from_data = any(map(self._is_data, set(self.taken) - set(saved[0])))
        if len(self.problems) == saved[2] and not from_data and not self._is_stale(statement):
            return
        self._restore(saved)
        self._write(name, value, statement)

    def _is_stale(self, statement: Statement) -> bool:
        """Return whether what a statement was made of was defined anew since: it would come to something else now."""
        made = [statement, *(change for name in statement.names.binds for change in self._changing.get(name, ()))]
        return any(self._has_newer(each, each.names.now) for each in made)

    def _has_newer(self, statement: Statement, names: Iterable[str]) -> bool:
        seen: set[str] = set(statement.names.binds | statement.changes)
        waiting = [*names]
        while waiting:
            name = waiting.pop()
            if name in seen or not self.knows(name):
                continue
            seen.add(name)
            chosen = self._chosen(name, self.value_of(name))
            if chosen is None or chosen.is_import:
                continue
            made = (*self._binding.get(name, ()), *self._changing.get(name, ()))
            if any(other.place > statement.place for other in made):
                return True
            waiting += chosen.names.reads
        return False

    def _is_data(self, statement: Statement) -> bool:
        """Return whether a statement made something large, such as a table: code need not make it to know a number."""
        if statement.is_import or statement.is_definition:
            return False
        return any(is_large(self._home.get(name)) for name in statement.names.binds)

    def _write(self, name: str, value: Any, statement: Statement | None) -> None:
        written = expression_of(value, {})
        self._import_modules(written.modules)
        source = statement.text.strip() if statement is not None else ""
        self._add(name, assignment(name, value, written, source), "", statement, settled=True)

    def _need_absent(self, name: str, user: str) -> None:
        if hasattr(builtins, name):
            if name == "display":  # a notebook puts it there
                self._add(name, "from IPython.display import display", user)
            return
        known = [key for key in (*self.names, *self._home) if isinstance(key, str) and not key.startswith("_")]
        was = self._binding.get(name)
        if was:
            self._problem(name, user, f"which is not there any more (it was defined in {was[-1].label})")
        else:
            self._problem(name, user, f"which is not defined{nearest(name, known)}")

    def _need_maybe(self, name: str, user: str) -> None:
        if name in self._done or not self.knows(name):
            return
        value = self.value_of(name)
        if self._refusal(name, value) is None and isinstance(value, (type, types.ModuleType)):
            self.need(name, user)

    def _need_unseen(self, name: str, value: Any, user: str) -> None:
        """Provide a name that no statement gave its meaning: a star import, an alias, data."""
        star = self._star_of(name, value)
        if star is not None:
            self._add(name, f"from {star.star_module} import {name}", user, star)
            return
        if isinstance(value, types.ModuleType) and value.__name__ != "__main__":
            self._add(name, f"import {value.__name__} as {name}", user)
            return
        found = imported_from(value)
        if found is not None and found[0] != self._home.get("__name__") and "." not in found[1]:
            self._add(name, f"from {found[0]} import {found[1]} as {name}", user)
            return
        try:
            written = expression_of(value, {key: item for key, item in self._home.items() if key != name})
        except Inexpressible:
            self._define_unseen(name, value, user)
            return
        for used in sorted(written.names):
            self.need(used, user)
        self._import_modules(written.modules)
        self._add(name, f"{name} = {written.text}", user)

    def _define_unseen(self, name: str, value: Any, user: str) -> None:
        try:
            definition = named_definition(value, name, self._home)
        except Inexpressible as exc:
            self._problem(name, user, f"which no cell defines, and {exc}")
            return
        self._import_modules(definition.modules)
        self._add(name, definition.text, user)

    def _import_modules(self, modules: Iterable[str]) -> None:
        for module in sorted(modules):
            top = module.partition(".")[0]
            if self.knows(top) and not isinstance(self.value_of(top), types.ModuleType):
                self.problems.append(f"the module {module!r} is needed, but {top!r} means something else here")
            self._add(top, f"import {module}", "")

    def _add(self, name: str, text: str, user: str, instead: Statement | None = None, settled: bool = False) -> None:
        """Take a statement that the user did not write."""
        nodes = ast.parse(text).body
        found = [names_of(node, ast.unparse(node)) for node in nodes]
        binds = frozenset[str]().union(*(names.binds for names in found))
        now = frozenset[str]().union(*(names.now for names in found)) - binds
        later = frozenset[str]().union(*(names.later for names in found)) - binds
        place = instead.place if instead is not None else self._places
        self._places += 1
        label = instead.label if instead is not None else user
        self._done |= binds
        self._take(name, Statement(place, label, nodes[0], text, Names(binds, now, later)), settled)

    def _problem(self, name: str, user: str, reason: str, chosen: Statement | None = None) -> None:
        where = f" ({chosen.label})" if chosen is not None else ""
        self.problems.append(f"{user} uses {name!r}{where}, {reason}")


def _user(statement: Statement) -> str:
    bound = ", ".join(repr(name) for name in sorted(statement.names.binds or statement.changes)[:3])
    return f"{bound} in {statement.label}" if statement.label else bound


def _shown(value: Any) -> str:
    name = getattr(value, "__name__", None)
    if name == "<lambda>":
        return "the lambda"
    return f"{name!r}" if isinstance(name, str) else f"the value of type {type(value).__name__}"


def _is_path(written: Expression) -> bool:
    return bool(written.names) and not written.modules and all(part.isidentifier() for part in written.text.split("."))
