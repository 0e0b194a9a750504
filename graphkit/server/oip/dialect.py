"""Which dialect a request speaks: told by its ``inputs``, tensors or rows."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import choices
from graphkit.models.requests import kind
from graphkit.server.oip.binary import TENSOR

_FIELDS: dict[str, type] = {"name": str, "shape": list, "datatype": str, "data": list, "parameters": dict}
# Rows may be a million, and requests have few tensors.
_MOST_LOOKED_AT = 16
_MOST_BLANKS = 64


def may_bring_tensors(body: dict[str, Any]) -> bool:
    """Return whether it is worth asking which dialect a body speaks.

    >>> may_bring_tensors({"inputs": [{"name": "x"}]}), may_bring_tensors({"inputs": [[1, 2]]})
    (True, False)
    """
    inputs = body.get("inputs")
    return type(inputs) is list and len(inputs) > 0 and type(inputs[0]) is dict


def is_oip(body: Any) -> bool:
    """Return whether a body is a request of the protocol: its ``inputs`` are tensors, all of them.

    >>> is_oip({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}), is_oip({"inputs": [1]})
    (True, False)
    """
    return (
        type(body) is dict
        and may_bring_tensors(body)
        and all(type(item) is dict and item.keys() >= TENSOR for item in body["inputs"])
    )


def brings_tensors(body: Any) -> bool:
    """Return whether a body is meant for the protocol, be it right or not, decoded or text that could not be.

    >>> brings_tensors(b'{"inputs":[{"name":"x","datatype":"FP32","data":[NaN]}]}'), brings_tensors('{"inputs":[NaN]}')
    (True, False)
    """
    if isinstance(body, str):
        return '"datatype"' in body and body[:_MOST_BLANKS].lstrip().startswith("{")
    if isinstance(body, bytes):
        return b'"datatype"' in body and body[:_MOST_BLANKS].lstrip().startswith(b"{")
    return is_oip(body) or half_formed(body) != ""


def half_formed(body: Any) -> str:
    """Return what is wrong with a request that is meant to have tensors, but they are not all whole; else nothing.

    Rows may be dicts of any keys: one is taken for a tensor only if it has a name or a datatype, something more of a
    tensor, each of the type that it has there, and nothing else (unless it has nearly all of a tensor).

    >>> half_formed({"inputs": [{"name": "x", "shape": [1], "data": [1]}]})
    "item 0 of 'inputs' is a tensor without 'datatype', found 'data', 'name', 'shape'"
    >>> half_formed({"inputs": [{"name": "ring", "shape": "round", "price": 5}]})
    ''
    """
    if type(body) is not dict or not may_bring_tensors(body):
        return ""
    inputs = body["inputs"]
    if not any(_is_tensor(item) for item in inputs[:_MOST_LOOKED_AT]):
        return ""
    for number, item in enumerate(inputs):
        if type(item) is not dict:
            return f"item {number} of 'inputs' is no tensor but {kind(item)}, though there are tensors beside it"
        missing = TENSOR - item.keys()
        if missing:
            return f"item {number} of 'inputs' is a tensor without {choices(missing)}, found {choices(item)}"
    return ""


def _is_tensor(item: Any) -> bool:
    """Return whether an item is surely meant to be a tensor."""
    if type(item) is not dict:
        return False
    if item.keys() >= TENSOR:
        return True
    found = item.keys() & _FIELDS.keys()
    if not found & {"name", "datatype"} or any(type(item[field]) is not _FIELDS[field] for field in found):
        return False
    telling = len(found - {"parameters"})
    return telling >= 3 or (telling == 2 and len(found) == len(item))
