"""What a written spec lacks: objects that were given to a draft and have no name to be found by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphkit.core.held import PLACEHOLDER
from graphkit.spec.steps import Queue, Step, Task, children


def lost_object(value: Any) -> Any:
    """Return what a placeholder in a class argument stands for, wherever it is; ``None`` if there is none.

    >>> lost_object([{"fn": {"$object": "function"}}]), lost_object({"x": 1})
    ('function', None)
    """
    if type(value) is dict:
        if set(value) == {"$object"}:
            return value["$object"]
        value = list(value.values())
    if type(value) is list:
        return next((lost for lost in map(lost_object, value) if lost is not None), None)
    return None


def lost_objects(spec: Step) -> list[str]:
    """Return which objects a spec lacks, step by step.

    >>> lost_objects(Task(name="f", handler="$object:<lambda>", class_args={"scale": {"$object": "Scale"}}))
    ["step 'f': handler (<lambda>)", "step 'f': class_args['scale'] (Scale)"]
    """
    found: list[str] = []
    todo: list[tuple[str, Any]] = [("", spec)]
    while todo:
        path, step = todo.pop()
        owner = path or step.name or ""
        found += [f"step {owner!r}: {text}" if owner else text for text in _lost_in(step)]
        below = reversed(list(children(step).items()))
        todo += [(f"{path}/{name}" if path else name, child) for name, child in below]
    return found


def _lost_in(step: Any) -> Iterator[str]:
    if isinstance(step, Task):
        for field in ("class_name", "handler"):
            text = getattr(step, field)
            if text and text.startswith(PLACEHOLDER):
                yield f"{field} ({text.removeprefix(PLACEHOLDER)})"
        yield from _lost_values("class_args", step.class_args)
    elif isinstance(step, Queue):
        yield from _lost_values("options", step.options)
        yield from _lost_values("trigger_args", step.trigger_args or {})


def _lost_values(field: str, values: Any) -> Iterator[str]:
    for key, value in values.items():
        lost = lost_object(value)
        if lost is not None:
            yield f"{field}[{key!r}] ({lost})"
