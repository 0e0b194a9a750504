"""What the steps of a graph name: functions, classes, expressions, and what the app's spec says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from graphkit.build.freeze import Frozen
from graphkit.core.expr import is_expression
from graphkit.core.held import Held, argument_field
from graphkit.export.collect import Collector
from graphkit.export.scopes import expression_names
from graphkit.export.values import imported_from
from graphkit.spec import codec
from graphkit.spec.lost import is_model, model_advice
from graphkit.spec.steps import Router, Step, Task, children
from graphkit.steps.catalog import is_catalogued


class Reference(msgspec.Struct, frozen=True):
    """One place of a spec that names code.

    Attributes
    ----------
    path
        The step.
    field
        ``class_name``, ``handler``, or a key of ``class_args``.
    value
        A name, a dotted path, an expression, an object, or what is held for one.
    in_args
        Whether the field is a key of ``class_args``.
    """

    path: str
    field: str
    value: Any
    in_args: bool = False

    @property
    def user(self) -> str:
        """The step, for messages."""
        return f"step {self.path!r}" if self.path else "the graph"


def references(frozen: Frozen) -> Iterator[Reference]:
    """Return the places of a frozen graph that name code, step by step."""
    for path, record in steps_of(frozen.spec):
        if not isinstance(record, Task):
            continue
        given = frozen.values.get(path, record.class_args)
        named = [("class_name", record.class_name)]
        if record.class_name is None and not (isinstance(record, Router) and record.class_args):
            named.append(("handler", record.handler))  # with a class it is the name of a method
        for field, text in named:
            if text is not None:
                yield Reference(path, field, frozen.held.get((path, field), text))
        for key, value in given.items():
            if is_function_key(key) or not _is_data(value):
                held = frozen.held.get((path, argument_field(key)))
                yield Reference(path, key, value if held is None else held, in_args=True)


def steps_of(record: Step, path: str = "") -> Iterator[tuple[str, Step]]:
    """Return a record and all below it, with their paths."""
    yield path, record
    for name, child in children(record).items():
        yield from steps_of(child, f"{path}/{name}" if path else name)


def is_function_key(key: str) -> bool:
    """Return whether a class argument names a function, which its leading underscore says."""
    return key.startswith("_") and len(key) > 1


def _is_data(value: Any) -> bool:
    lost: list[Any] = []
    codec.plain(value, lost.append)
    return not lost


class Rewriter:
    """Lets a collector provide what a graph names, and notes what the spec is to say instead.

    Attributes
    ----------
    named
        Dotted paths that the graph names outside of the app's own modules.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.named: set[str] = set()
        self._texts: dict[tuple[str, str, bool], str] = {}

    def add(self, reference: Reference) -> None:
        """Provide what a reference names."""
        value, user = reference.value, reference.user
        if isinstance(value, Held):
            text = self._object(value.current(self.collector.names), value.name, reference)
        elif isinstance(value, str):
            text = self._text(value, user)
        elif callable(value) and not is_model(value):
            text = self._object(value, getattr(value, "__name__", reference.field[1:]), reference)
        else:
            self._refuse(reference)
            return
        if text is not None and text != value:
            self._texts[reference.path, reference.field, reference.in_args] = text

    def provide(self, value: Any, name: str, user: str) -> str | None:
        """Provide an object under a name, and return the name."""
        return self._object(value, name, Reference("", "", value), user)

    def name(self, text: str, user: str) -> str:
        """Provide what a name or dotted path means, and return what the app calls it."""
        # what "__main__" is here is one of the app's modules there
        text = text.removeprefix("__main__.")
        first, _, rest = text.partition(".")
        if self.collector.knows(first):
            self.collector.need(first, user)
            self._note_import(first, rest)
        elif rest and not is_catalogued(text):
            self.named.add(text)
        return text

    def _note_import(self, first: str, rest: str) -> None:
        """Note what a name means that an import brings: the app's settings must allow it."""
        value = self.collector.value_of(first)
        module = getattr(value, "__name__", "") if hasattr(value, "__spec__") else ""
        if module:
            self.named.add(f"{module}.{rest}" if rest else module)
        elif (found := imported_from(value)) is not None:
            self.named.add(".".join(found))

    def _text(self, text: str, user: str) -> str:
        if not is_expression(text):
            return self.name(text, user)
        for name in sorted(expression_names(text) - {"event"}):
            if self.collector.knows(name):
                self.name(name, user)
        return text

    def _object(self, value: Any, name: str, reference: Reference, user: str = "") -> str | None:
        if name == "<lambda>":
            name = reference.path.rpartition("/")[2] or "step"
        text = self.collector.provide(value, name, user or reference.user)
        if text is None:
            return None
        first, _, rest = text.partition(".")
        if self.collector.knows(first):
            self._note_import(first, rest)
        elif rest and (found := imported_from(value)) is not None:
            self.named.add(text if text == ".".join(found) else ".".join(found))
        return text

    def _refuse(self, reference: Reference) -> None:
        value = reference.value
        advice = "save it to a file, give the step its path, and load it there"
        self.collector.problems.append(
            f"{reference.user}: the argument {reference.field!r} is a value of type {type(value).__name__}, which a "
            f"spec cannot hold: {model_advice(reference.field) if is_model(value) else advice}"
        )

    def rewritten(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return a graph's dict with the names that the app uses."""
        copied: dict[str, Any] = codec.plain(spec)
        for (path, field, in_args), text in self._texts.items():
            step = step_of(copied, path)
            if in_args and not is_function_key(field):
                # a function is one by name only under a key that says so
                step["class_args"].pop(field, None)
                step["class_args"][f"_{field}"] = text
            elif in_args:
                step["class_args"][field] = text
            else:
                step[field] = text
        return copied


def step_of(graph: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the dict of a step within a graph's dict."""
    found = graph
    for name in path.split("/") if path else ():
        found = found["steps" if "steps" in found else "routes"][name]
    return found
