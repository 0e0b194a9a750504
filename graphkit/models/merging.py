"""Several requests of one model as one, and its predictions parted again: pure functions, which know no threads.

Requests are merged only if nothing but their inputs and ids differs, and only if the inputs go together: lists of
rows, arrays of one type and row shape, or the same tensors by name.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from graphkit.core.errors import StepError
from graphkit.models.requests import Tensors, kind

_SCALARS: frozenset[type] = frozenset({type(None), bool, int, float, str, bytes})
# What a request has for itself: its inputs are put together, its id is of no use to a model that answers several.
_OWN = frozenset({"inputs", "id"})
_PLAIN = (list, ())


class _NoKey(Exception):
    """A value cannot be told to be equal to another one."""


def key_of(request: Any) -> Hashable | None:
    """Return what requests that may be merged have in common; ``None`` for one that must stay alone.

    >>> key_of({"inputs": [[1]], "id": "a"}) == key_of({"inputs": [[2], [3]]})
    True
    >>> key_of({"inputs": [[1]], "top": 1}) == key_of({"inputs": [[1]], "top": True})
    False
    >>> key_of({"inputs": []}) is None
    True
    """
    if type(request) is not dict or not rows_of(request):
        return None
    form = _form(request["inputs"])
    if form is None or len(request) == 1 or (len(request) == 2 and "id" in request):
        return form
    try:
        return form, frozenset((name, _value_key(value)) for name, value in request.items() if name not in _OWN)
    except _NoKey:
        return None


def _form(inputs: Any) -> Hashable | None:
    """Return what inputs that go together have in common."""
    if type(inputs) is list:
        return _PLAIN
    if isinstance(inputs, Tensors):
        forms = tuple((name, _form(inputs[name])) for name in sorted(inputs))
        return None if any(form is None for _, form in forms) else (Tensors, forms)
    dtype, shape = getattr(inputs, "dtype", None), getattr(inputs, "shape", ())
    if not hasattr(inputs, "__array__") or dtype is None or not shape:
        return None
    return type(inputs), str(dtype), tuple(shape[1:])


def _value_key(value: Any) -> Hashable:
    """Return a key of a further field that only equal values of equal types have."""
    of = type(value)
    if of in _SCALARS:
        return of, value
    if of is list or of is tuple:
        return of, tuple(map(_value_key, value))
    if of is dict:
        return of, frozenset((name, _value_key(item)) for name, item in value.items())
    raise _NoKey


def rows_of(request: Any) -> int | None:
    """Return how many predictions a request asks for; ``None`` where that cannot be told.

    >>> rows_of({"inputs": [[1], [2]]}), rows_of({"instances": [1]})
    (2, None)
    """
    inputs = request.get("inputs") if isinstance(request, dict) else None
    if type(inputs) is list:
        return len(inputs)
    if isinstance(inputs, Tensors):
        counts = {_length(tensor) for tensor in inputs.values()}
        return counts.pop() if len(counts) == 1 else None
    return _length(inputs)


def _length(values: Any) -> int | None:
    if values is None or isinstance(values, (str, bytes, dict)):
        return None
    try:
        return len(values)
    except TypeError:  # no collection, or an array without dimensions
        return None


def without_id(request: Any) -> Any:
    """Return a request as a model that answers several at once gets it.

    >>> without_id({"inputs": [1], "id": "a"})
    {'inputs': [1]}
    """
    if type(request) is dict and "id" in request:
        return {name: value for name, value in request.items() if name != "id"}
    return request


def merged(requests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return requests of one key as a single request: their inputs one after the other.

    >>> merged([{"inputs": [[1]], "top": 3}, {"inputs": [[2], [3]], "top": 3}])
    {'inputs': [[1], [2], [3]], 'top': 3}
    """
    return {**without_id(requests[0]), "inputs": _joined([request["inputs"] for request in requests])}


def _joined(inputs: Sequence[Any]) -> Any:
    first = inputs[0]
    if type(first) is list:
        return [row for rows in inputs for row in rows]
    if isinstance(first, Tensors):
        return Tensors({name: _joined([tensors[name] for tensors in inputs]) for name in first})
    import numpy

    return numpy.concatenate(inputs)


def parted(outputs: Any, counts: Sequence[int], who: str) -> list[Any]:
    """Return the predictions of each of several requests, which asked for so many of them each.

    Predictions are a list, an array, a table, or a dict of such columns.

    Raises
    ------
    StepError
        If there are not as many predictions as inputs.

    Examples
    --------
    >>> parted([1, 2, 3], [1, 2], "model 'm'")
    [[1], [2, 3]]
    >>> parted([1, 2], [1, 2], "model 'm'")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.StepError: model 'm': predict answered with 2 predictions for 3 inputs; requests share a \
batch, so that there must be one for each (without max_batch_size there need not)
    """
    total = sum(counts)
    columns = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    for column in columns or [None]:
        found = _length(column)
        if found != total:
            what = kind(outputs) if found is None else f"{found} predictions"
            raise StepError(
                f"{who}: predict answered with {what} for {total} inputs; requests share a batch, so that there must "
                f"be one for each (without max_batch_size there need not)"
            )
    parts, start = [], 0
    for count in counts:
        parts.append(_part(outputs, start, start + count))
        start += count
    return parts


def _part(outputs: Any, start: int, stop: int) -> Any:
    if isinstance(outputs, dict):
        return {name: _part(column, start, stop) for name, column in outputs.items()}
    # tables and their columns: by place, whatever their index is
    rows = getattr(outputs, "iloc", outputs)
    return rows[start:stop]
