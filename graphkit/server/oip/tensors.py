"""Tensors of the Open Inference Protocol to NumPy arrays and back.

Source of the types and of the binary form: the Open Inference Protocol's REST specification, "Tensor Data Types", and
the binary tensor data extension. Numbers are little endian; an element of BYTES is preceded by its length.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Any

from graphkit.core.errors import BadRequest, StepError, choices, nearest
from graphkit.core.extras import load

#: NumPy's names of the protocol's types; BYTES stands for itself.
DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BYTES = "BYTES"
_NAMES = {dtype.lstrip("<"): name for name, dtype in DTYPES.items()} | {"b1": "BOOL"}
_MOST_DIMENSIONS = 64  # of a NumPy array
# How a model's schema may name a type.
_ALIASES = {
    "bool": "BOOL",
    "boolean": "BOOL",
    "int": "INT64",
    "integer": "INT64",
    "float": "FP64",
    "double": "FP64",
    "str": BYTES,
    "string": BYTES,
    "bytes": BYTES,
}


def numpy() -> Any:
    """Return NumPy; raises MissingExtra."""
    return load("numpy", "the Open Inference Protocol", "serve")


def datatype_of(value_type: str | None, default: str = "FP64") -> str:
    """Return the protocol's name of a type that a model's schema names.

    >>> datatype_of("float"), datatype_of("int32"), datatype_of("FP16"), datatype_of(None)
    ('FP64', 'INT32', 'FP16', 'FP64')
    """
    if not value_type:
        return default
    if value_type.upper() in (*DTYPES, BYTES):
        return value_type.upper()
    if value_type.lower() in _ALIASES:
        return _ALIASES[value_type.lower()]
    try:
        dtype = numpy().dtype(value_type)
    except TypeError:
        return default
    return _NAMES.get(dtype.str.lstrip("<>=|"), default)


def to_array(tensor: Any) -> Any:
    """Return a request's tensor as an array of its shape and type; one of BYTES holds ``bytes`` objects.

    Parameters
    ----------
    tensor
        ``{"name", "shape", "datatype", "data"}``; the data is a list, nested or flat, or the bytes of its binary form.

    Raises
    ------
    BadRequest
        If type, shape and data do not fit together; the message names the tensor.

    Examples
    --------
    >>> to_array({"name": "x", "shape": [2, 1], "datatype": "INT8", "data": [1, 2]}).tolist()
    [[1], [2]]
    """
    who = f"tensor {tensor.get('name')!r}"
    datatype = tensor.get("datatype")
    if datatype not in (BYTES, *DTYPES):
        known = [*DTYPES, BYTES]
        raise BadRequest(
            f"{who} has the datatype {datatype!r}{nearest(str(datatype), known)}; there is {choices(known)}"
        )
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadRequest(f"{who}: its shape is a list of whole numbers from 0 on, found {shape!r}")
    data = tensor.get("data")
    if isinstance(data, (bytes, memoryview)):
        flat = _from_binary(data, datatype, who)
    elif isinstance(data, list):
        flat = _bytes_from_list(data, who) if datatype == BYTES else _numbers_from_list(data, datatype, who)
    else:
        raise BadRequest(f"{who} has no data: a list under 'data', or 'binary_data_size' among its parameters")
    if flat.size != math.prod(shape):
        raise BadRequest(f"{who}: the shape {shape} takes {math.prod(shape)} elements, found {flat.size}")
    try:
        return flat.reshape(shape)
    except ValueError as exc:
        raise BadRequest(f"{who}: {exc}") from exc


def _from_binary(data: bytes | memoryview, datatype: str, who: str) -> Any:
    np = numpy()
    if datatype == BYTES:
        return _as_objects(_split(data, who))
    dtype = np.dtype(DTYPES[datatype])
    if len(data) % dtype.itemsize:
        raise BadRequest(f"{who}: {len(data)} bytes are no whole number of {datatype} elements")
    return np.frombuffer(data, dtype)


def _split(data: bytes | memoryview, who: str) -> list[bytes]:
    """Return the elements of BYTES in binary form: each follows its length, 4 bytes, little endian."""
    elements: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        if at + 4 > end:
            raise BadRequest(f"{who}: the length of element {len(elements)} is cut off")
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > end:
            raise BadRequest(f"{who}: element {len(elements)} has {length} bytes, of which {end - at} are there")
        elements.append(bytes(data[at : at + length]))
        at += length
    return elements


def _bytes_from_list(data: list[Any], who: str) -> Any:
    elements: list[bytes] = []
    todo = [iter(data)]
    while todo:
        for item in todo[-1]:
            if isinstance(item, list):
                todo.append(iter(item))
                break
            if not isinstance(item, str):
                raise BadRequest(f"{who}: its elements are texts, found a value of type {type(item).__name__}")
            elements.append(item.encode("utf-8", "surrogatepass"))
        else:
            todo.pop()
    return _as_objects(elements)


def _numbers_from_list(data: list[Any], datatype: str, who: str) -> Any:
    np = numpy()
    dtype = np.dtype(DTYPES[datatype])
    try:
        found = np.array(data)
        if found.size == 0:
            return np.empty(0, dtype)
        # a number of text is refused, although NumPy would read it
        if found.dtype.kind not in "biufO" or (datatype == "BOOL" and found.dtype.kind not in "biu"):
            raise BadRequest(f"{who}: its data is no {datatype} but {found.dtype.name}")
        if found.dtype != dtype:
            found = _as_type(data, found, dtype, f"{who}: its data does not fit {datatype}")
    except BadRequest:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise BadRequest(f"{who}: its data does not fit {datatype}: {exc}") from exc
    return found.reshape(-1)


def _as_type(data: list[Any], found: Any, dtype: Any, refusal: str) -> Any:
    """Return an array with another type; values that the type cannot hold are refused."""
    np = numpy()
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        if found.dtype.kind == "O" or (found.dtype.kind == "f" and dtype.kind != "f"):
            # large whole numbers of either sign became floats, which have lost their last digits
            array = np.array(data, dtype)
        else:
            array = found.astype(dtype)
    if dtype.kind == "f":
        fits = found.dtype.kind == "O" or np.array_equal(np.isinf(array), np.isinf(found))
    else:
        fits = np.array_equal(array, found)
    if not fits:
        raise BadRequest(refusal)
    return array


def _as_objects(elements: Iterable[Any]) -> Any:
    items = list(elements)
    array = numpy().empty(len(items), dtype=object)
    array[:] = items
    return array


def to_lists(array: Any) -> Any:
    """Return an array as nested lists; elements of BYTES as texts, or as they are where one of them is no UTF-8.

    >>> to_lists(to_array({"name": "x", "shape": [1], "datatype": "BYTES", "data": ["ab"]}))
    ['ab']
    """
    if array.dtype != object:
        return array.tolist()
    try:
        texts = [element.decode() for element in array.ravel()]
    except UnicodeDecodeError:
        return array.tolist()
    return _as_objects(texts).reshape(array.shape).tolist()


def from_values(name: str, values: Any, datatype: str | None = None) -> tuple[str, Any]:
    """Return the datatype and the array of what a model gave for one output.

    Parameters
    ----------
    name
        The output, for messages.
    values
        A list, nested or not, an array, a table's column, a scalar.
    datatype
        What the model's schema says; left out, it follows from the values.

    Raises
    ------
    StepError
        If the values are no tensor (ragged, or of several kinds), or one is lost in the type of the schema.

    Examples
    --------
    >>> from_values("y", [[1.5], [2.5]])[0], from_values("y", ["a"])[0], from_values("y", [True])[0]
    ('FP64', 'BYTES', 'BOOL')
    """
    try:
        array = _as_array(values)
    except ValueError as exc:
        raise StepError(
            f"the output {name!r} cannot be sent as a tensor: its rows differ in length or depth ({exc})"
        ) from exc
    if array.dtype.kind == "O" or (array.size == 0 and datatype == BYTES):
        elements = [_as_bytes(name, element) for element in array.ravel().tolist()]
        return BYTES, _as_objects(elements).reshape(array.shape)
    if datatype in DTYPES:
        return str(datatype), _as_declared(name, array, str(datatype))
    found = _NAMES.get(array.dtype.str.lstrip("<>=|"))
    if found is None:
        raise StepError(f"the output {name!r} cannot be sent as a tensor: its type is {array.dtype.name}")
    return found, array.astype(DTYPES[found], copy=False)


def _as_declared(name: str, array: Any, datatype: str) -> Any:
    """Return numbers in the type that a schema declares; fractions of one that has more digits may be rounded."""
    np = numpy()
    with np.errstate(all="ignore"):  # what a cast loses is looked for
        cast = array.astype(DTYPES[datatype])
    kept = np.isfinite(cast) | ~np.isfinite(array) if cast.dtype.kind == "f" else cast == array
    if not kept.all():
        lost = array[~kept].ravel()[0].item()
        raise StepError(f"the output {name!r} is {datatype} in the model's schema, which cannot hold {lost!r}")
    return cast


def _as_array(values: Any) -> Any:
    """Return values as an array; texts and bytes as objects.

    NumPy's own arrays of texts cut off the NULs at their ends, and give each the room that the longest one takes.
    """
    np = numpy()
    if isinstance(_first_of(values), (str, bytes)):
        return np.asarray(values, dtype=object)
    array = np.asarray(values)
    return np.asarray(values, dtype=object) if array.dtype.kind in "US" else array


def _first_of(values: Any) -> Any:
    for _ in range(_MOST_DIMENSIONS):
        if not isinstance(values, (list, tuple)) or not values:
            break
        values = values[0]
    return values


def _as_bytes(name: str, element: Any) -> bytes:
    if isinstance(element, str):
        return element.encode("utf-8", "surrogatepass")
    if isinstance(element, (bytes, bytearray)):
        return bytes(element)
    if isinstance(element, (list, tuple)):
        raise StepError(f"the output {name!r} cannot be sent as a tensor: its rows differ in length or depth")
    raise StepError(
        f"the output {name!r} cannot be sent as a tensor: its elements are numbers or texts throughout, found a value "
        f"of type {type(element).__name__}"
    )


def to_binary(array: Any) -> bytes:
    r"""Return an array in binary form.

    >>> to_binary(to_array({"name": "x", "shape": [1], "datatype": "BYTES", "data": ["ab"]}))
    b'\x02\x00\x00\x00ab'
    """
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(element)) + element for element in array.ravel())
    return bytes(array.tobytes())


def to_json_data(name: str, array: Any) -> list[Any]:
    """Return an array's elements as a flat list, row by row.

    NaN and infinities stay here; written as JSON they become null. A tensor of a request has null for NaN, too.

    Raises
    ------
    StepError
        If an element of BYTES is no text, which JSON cannot hold.
    """
    flat: list[Any] = array.ravel().tolist()
    if array.dtype != object:
        return flat
    try:
        return [element.decode() for element in flat]
    except UnicodeDecodeError as exc:
        raise StepError(
            f"the output {name!r} holds bytes that are no UTF-8 text, which JSON cannot hold: ask for it with "
            f"the parameter binary_data"
        ) from exc
