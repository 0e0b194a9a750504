"""The binary tensor data extension: JSON first, then the tensors' bytes one after the other, in one body.

Source: the Open Inference Protocol's "Binary Tensor Data Extension"; the header ``Inference-Header-Content-Length``
says where the JSON ends, each tensor's parameter ``binary_data_size`` how many bytes are its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from graphkit.core import jsonlike
from graphkit.core.errors import BadRequest, choices

#: What every tensor has.
TENSOR = frozenset({"name", "shape", "datatype"})
#: Says how many bytes of the body are JSON.
HEADER = "Inference-Header-Content-Length"


def split(body: bytes, json_length: Any) -> dict[str, Any]:
    r"""Return a request whose tensors have their bytes as ``data``.

    Parameters
    ----------
    body
        The body of the HTTP request.
    json_length
        What the header says.

    Raises
    ------
    BadRequest
        If lengths do not fit the body, or the first part is no JSON object.

    Examples
    --------
    >>> json = b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1}}]}'
    >>> bytes(split(json + b"\x07", len(json))["inputs"][0]["data"])
    b'\x07'
    """
    length = _length(json_length)
    if length > len(body):
        raise BadRequest(f"{HEADER} is {json_length!r}, but the body has {len(body)} bytes")
    try:
        request = msgspec.json.decode(body[:length])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        reason = jsonlike.why_not(body[:length], exc)
        raise BadRequest(f"the first {length} bytes of the body are no JSON: {reason}") from exc
    tensors = request.get("inputs") if isinstance(request, dict) else None
    if not isinstance(tensors, list) or not tensors or not all(isinstance(tensor, dict) for tensor in tensors):
        raise BadRequest("an inference request is a JSON object with a list of tensors under 'inputs'")
    for tensor in tensors:
        if not tensor.keys() >= TENSOR:
            raise BadRequest(f"a tensor has a name, a shape and a datatype; found one with {choices(tensor)}")
    rest, at = memoryview(body), length
    for tensor in tensors:
        size = _binary_size(tensor)
        if size is None:
            continue
        if at + size > len(body):
            raise BadRequest(
                f"tensor {tensor.get('name')!r} has a binary_data_size of {size}, but {len(body) - at} bytes are left"
            )
        tensor["data"] = rest[at : at + size]
        at += size
    if at != len(body):
        raise BadRequest(f"{len(body) - at} bytes at the end of the body belong to no tensor")
    return request  # type: ignore[no-any-return]  # a dict, as was seen above


def _length(text: Any) -> int:
    text = str(text)
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadRequest(f"{HEADER} is a number of bytes, found {text!r}")
    return int(text)


def _binary_size(tensor: Any) -> int | None:
    parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise BadRequest(f"tensor {tensor.get('name')!r}: binary_data_size is a number of bytes, found {size!r}")
    return size


def has_binary(answer: Any) -> bool:
    """Return whether an answer holds outputs in binary form.

    >>> has_binary({"outputs": [{"name": "y", "data": b"x"}]}), has_binary({"outputs": [1]})
    (True, False)
    """
    outputs = answer.get("outputs") if type(answer) is dict else None
    if type(outputs) is not list or not outputs or type(outputs[0]) is not dict:
        return False  # at once: there may be a million predictions
    return any(type(item) is dict and type(item.get("data")) is bytes for item in outputs)


def join(answer: dict[str, Any]) -> tuple[bytes, int]:
    r"""Return the body of an answer with binary outputs, and how many bytes of it are JSON.

    >>> join({"outputs": [{"name": "y", "data": b"\x07"}]})
    (b'{"outputs":[{"name":"y","parameters":{"binary_data_size":1}}]}\x07', 62)
    """
    parts: list[bytes] = []
    outputs = []
    for output in answer["outputs"]:
        data = output["data"]
        if type(data) is bytes:
            parts.append(data)
            rest = {key: value for key, value in output.items() if key != "data"}
            output = {**rest, "parameters": {**(output.get("parameters") or {}), "binary_data_size": len(data)}}
        outputs.append(output)
    head = jsonlike.encode({**answer, "outputs": outputs})
    return b"".join((head, *parts)), len(head)
