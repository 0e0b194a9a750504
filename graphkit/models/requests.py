"""What requests must look like: pure checks and conversions, whose messages name who refuses and what was found."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from graphkit.core import jsonlike
from graphkit.core.copying import copies
from graphkit.core.errors import BadRequest, choices, nearest

_SCALARS: frozenset[type] = frozenset({bool, int, float, str})


class Tensors(dict[str, Any]):
    """Several tensors of one request by name, where the plain dialect has a list of rows."""


def check_inputs(request: Any, who: str, arrays: bool = False) -> Any:
    """Return the request if it is a dict whose ``inputs`` is a list, or what tensors were made into.

    With ``arrays`` it may be an array, too.

    >>> check_inputs({"input": [1]}, "model 'm'")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.BadRequest: model 'm' expects the key 'inputs' in the request, found 'input'
    """
    if type(request) is dict and type(request.get("inputs")) is list:
        return request
    if not isinstance(request, dict):
        raise BadRequest(f"{who} expects a dict with 'inputs', found {kind(request)}")
    if "inputs" not in request:
        raise BadRequest(f"{who} expects the key 'inputs' in the request, found {choices(request)}")
    inputs = request["inputs"]
    if isinstance(inputs, (list, Tensors)) or (arrays and hasattr(inputs, "__array__")):
        return request
    raise BadRequest(f"{who} expects 'inputs' to be a list, found {kind(inputs)}{_as_list(inputs)}")


def _as_list(inputs: Any) -> str:
    """Return how an array or a table is made into a list, as the end of a message."""
    if callable(getattr(inputs, "tolist", None)):
        return "; give it as a list: .tolist()"
    if not hasattr(inputs, "columns"):
        return ""
    return f"; give its rows as a list: {'.values' if hasattr(inputs, 'values') else '.to_numpy()'}.tolist()"


def has_rows(request: dict[str, Any]) -> bool:
    """Return whether a request has inputs as the plain dialect has them: a list, and not one of tensors.

    >>> has_rows({"inputs": [[1, 2]]}), has_rows({"inputs": [{"name": "x", "datatype": "FP32"}]}), has_rows({})
    (True, False, False)
    """
    inputs = request.get("inputs")
    return type(inputs) is list and not (inputs and is_tensor(inputs[0]))


def is_tensor(first: Any) -> bool:
    """Return whether the first of a request's inputs is a tensor of the Open Inference Protocol.

    >>> is_tensor({"name": "x", "datatype": "FP32"}), is_tensor([1.5])
    (True, False)
    """
    return type(first) is dict and "datatype" in first


def request_copies(request: dict[str, Any], count: int) -> list[Any]:
    """Return several copies of a request; one that holds nothing but a list of scalars, the commonest, at once.

    >>> request_copies({"inputs": [1, 2]}, 2)
    [{'inputs': [1, 2]}, {'inputs': [1, 2]}]
    """
    inputs = request["inputs"]
    if len(request) == 1 and _SCALARS.issuperset(map(type, inputs)):
        return [{"inputs": inputs.copy()} for _ in range(count)]
    return copies(request, count)


def rows_in_order(inputs: Any, names: Sequence[str], who: str) -> list[Any]:
    """Return rows given by feature name as lists in the order of ``names``; a single row stays a single one.

    >>> rows_in_order([{"b": 2, "a": 1}], ["a", "b"], "model 'm'")
    [[1, 2]]
    >>> rows_in_order({"b": 2, "a": 1}, ["a", "b"], "model 'm'")
    [1, 2]
    """
    if isinstance(inputs, dict):
        return _row(inputs, names, f"{who}: 'inputs'")
    if isinstance(inputs, list) and all(isinstance(row, dict) for row in inputs):
        return [_row(row, names, f"{who}: row {index} of 'inputs'") for index, row in enumerate(inputs)]
    raise BadRequest(
        f"{who} expects 'inputs' to be a dict with the keys {choices(names)}, or a list of such dicts, "
        f"found {kind(inputs)}"
    )


def _row(row: dict[str, Any], names: Sequence[str], where: str) -> list[Any]:
    try:
        return [row[name] for name in names]
    except KeyError:
        missing = [name for name in names if name not in row]
        hint = nearest(missing[0], (key for key in row if key not in names))
        hint = f" (for {missing[0]!r}{hint})" if hint else ""
        raise BadRequest(f"{where} lacks {choices(missing)}, found {choices(row)}{hint}") from None


def body_of(body: Any, content_type: str | None, inputs_key: str, who: str) -> Any:
    """Return the request that a body holds: JSON text is decoded, an image becomes one input; objects stay.

    Text of another declared type stays too, unless it is a JSON object all the same, which is what command line
    tools send under a form's type.

    >>> body_of('{"inputs": [1]}', None, "inputs", "router 'r'")
    {'inputs': [1]}
    """
    if not isinstance(body, (str, bytes, bytearray)) or not body:
        return body
    declared = (content_type or "").partition(";")[0].strip().lower()
    if declared.startswith("image/") and not isinstance(body, str):
        return {inputs_key: [io.BytesIO(body)]}
    must_decode = not declared or declared.endswith("json")
    text = body if isinstance(body, str) else bytes(body)
    try:
        decoded = jsonlike.decode(text)
    except ValueError as exc:
        if must_decode:
            reason = jsonlike.why_not(text, exc)
            raise BadRequest(f"{who} cannot read the body: it is no valid JSON: {reason}") from exc
        return body
    return decoded if must_decode or isinstance(decoded, dict) else body


def with_id(request: Any, request_id: Any) -> Any:
    """Return a request as a record of it should have it: with its id.

    >>> with_id({"inputs": [1]}, "e1")
    {'inputs': [1], 'id': 'e1'}
    """
    return {**request, "id": request_id} if isinstance(request, dict) else request


def kind(value: Any) -> str:
    """Return how a message speaks of a value.

    >>> kind([1]), kind(None)
    ('a value of type list', 'nothing')
    """
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
