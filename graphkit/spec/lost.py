"""What a written spec lacks: objects that were given to a draft and have no name to be found by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphkit.core.held import PLACEHOLDER
from graphkit.spec.steps import Queue, Step, Task, children

_OF_MODELS = ("predict", "predict_proba", "forward", "generate")


def is_model(value: Any) -> bool:
    """Return whether an object is a model that was trained, or a transformer that was fitted.

    >>> is_model({"a": 1}), is_model(str)
    (False, False)
    """
    if isinstance(value, type):
        return False
    # a table has a transform too, but nothing to fit
    fitted = all(callable(getattr(value, method, None)) for method in ("fit", "transform"))
    return fitted or any(callable(getattr(value, method, None)) for method in _OF_MODELS)


def model_advice(name: str = "model") -> str:
    """Return what to do about a model object, which neither a spec nor code can hold.

    Parameters
    ----------
    name
        What the file may be called.
    """
    letters = "".join(letter if letter.isalnum() else "_" for letter in name)
    file = f'"models/{letters or "model"}.joblib"'
    return (
        f"save it to a file (joblib.dump(model, {file}), or with skops or ONNX), give the step model_path={file} "
        f"instead, and let the step's class load it: "
        f"def load(self): file, _ = self.get_model(); self.model = joblib.load(file). "
        f"Pickle and joblib files need allow_pickle=True when they are exported"
    )


def model_argument(values: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the name of the first class argument that is a model object.

    Parameters
    ----------
    values
        The class arguments of each step, as they were given.
    """
    return next((key for args in values.values() for key, value in args.items() if is_model(value)), None)


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
