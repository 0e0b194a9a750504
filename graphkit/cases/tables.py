"""Arrays, tables and their scalars as plain data, and back; numpy and pandas load only where such a value is met."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.errors import CaseError
from graphkit.core.extras import load

#: Returned for a value that is none of this module's.
UNKNOWN = object()

Encode = Callable[..., Any]
Decode = Callable[[Any, str], Any]


def encode(value: Any, where: str, inner: Encode, natural: bool) -> Any:
    """Return an array, a NumPy scalar, a DataFrame or a Series as plain data; any other value is ``UNKNOWN``.

    Raises
    ------
    CaseError
        If it would not come back as it is.
    """
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    if package not in ("numpy", "pandas"):
        return UNKNOWN
    numpy, pandas = sys.modules["numpy"], sys.modules.get("pandas")
    if kind is numpy.ndarray:
        written = _array(value, where, inner)
        again: Any = decode_array
    elif isinstance(value, numpy.generic):
        if natural and value.dtype.kind in "biuf":
            return value.item()
        written = {"$scalar": inner(value.item(), where), "dtype": _dtype(value.dtype)}
        again = decode_scalar
    elif pandas is not None and kind is pandas.DataFrame:
        written = _frame(value, where, inner)
        again = decode_frame
    elif pandas is not None and kind is pandas.Series:
        written = _series(value, where, inner)
        again = decode_series
    else:
        return UNKNOWN
    _check_same(value, written, again, where)
    return written


def _check_same(value: Any, written: dict[str, Any], again: Callable[..., Any], where: str) -> None:
    """Refuse what does not come back as it was, whatever the reason: there are more dtypes than one can list."""
    from graphkit.cases.values import decode

    problem = ""
    try:
        same = _same(value, again(written, decode))
    except CaseError:
        raise
    except Exception as exc:
        same, problem = False, f": {exc}"
    if not same:
        raise CaseError(f"{where} is {_described(value)}, which would not be read back as it is{problem}")


def _same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    if hasattr(value, "equals"):  # pandas; it knows which missing values are alike
        own, its = value.index, other.index
        alike = own.equals(its) and own.dtype == its.dtype and list(own.names) == list(its.names)
        if hasattr(value, "columns"):
            alike = alike and list(value.columns) == list(other.columns) and list(value.dtypes) == list(other.dtypes)
        else:
            alike = alike and value.name == other.name and value.dtype == other.dtype
        return bool(alike and value.equals(other))
    return bool(value.dtype == other.dtype and value.shape == other.shape and value.tobytes() == other.tobytes())


def _described(value: Any) -> str:
    if hasattr(value, "columns"):
        return f"a DataFrame with the dtypes {', '.join(sorted({str(each) for each in value.dtypes}))}"
    return f"a value of type {type(value).__name__} with dtype {value.dtype}"


# ---- arrays ---------------------------------------------------------------------------------------------------


def _dtype(dtype: Any) -> str:
    return str(dtype) if dtype.isnative else str(dtype.str)


def _array(value: Any, where: str, inner: Encode) -> dict[str, Any]:
    kind = value.dtype.kind
    if kind in "OV":
        raise CaseError(f"{where} is an array of dtype {value.dtype}, which a case cannot hold; send a list")
    items = value.astype(str).tolist() if kind == "M" else value.astype("int64").tolist() if kind == "m" else None
    written = {"$array": inner(value.tolist() if items is None else items, where), "dtype": _dtype(value.dtype)}
    if 0 in value.shape:
        written["shape"] = list(value.shape)  # a list of nothing does not tell
    return written


def decode_array(data: Mapping[str, Any], inner: Decode) -> Any:
    """Return the array that plain data stand for."""
    numpy = load("numpy", "a case with an array", "examples")
    array = numpy.array(inner(data["$array"], "$array"), dtype=data.get("dtype"))
    return array.reshape(data["shape"]) if "shape" in data else array


def decode_scalar(data: Mapping[str, Any], inner: Decode) -> Any:
    """Return the NumPy scalar that plain data stand for."""
    numpy = load("numpy", "a case with a NumPy scalar", "examples")
    return numpy.array(inner(data["$scalar"], "$scalar"), dtype=data["dtype"])[()]


# ---- tables ---------------------------------------------------------------------------------------------------


def _frame(value: Any, where: str, inner: Encode) -> dict[str, Any]:
    names = list(value.columns)
    if any(type(name) is not str for name in names) or len(set(names)) < len(names) or value.columns.name is not None:
        raise CaseError(f"{where} is a DataFrame whose columns are not texts, or not unique, which a case cannot hold")
    written: dict[str, Any] = {
        "$frame": {name: _column(value[name], f"{where}.{name}", inner) for name in names},
        "dtypes": {name: str(value[name].dtype) for name in names},
    }
    return {**written, **_index(value.index, where, inner)}


def _series(value: Any, where: str, inner: Encode) -> dict[str, Any]:
    written = {"$series": _column(value, where, inner), "dtype": str(value.dtype)}
    if value.name is not None:
        written["name"] = inner(value.name, f"{where}: its name")
    return {**written, **_index(value.index, where, inner)}


def _column(series: Any, where: str, inner: Encode) -> list[Any]:
    kind = getattr(series.dtype, "kind", "O")
    missing = series.isna().tolist()
    items: list[Any] = []
    for index, (item, absent) in enumerate(zip(series.tolist(), missing, strict=True)):
        if kind == "f":
            items.append(None if type(item).__name__ == "NAType" else item)
        elif absent and str(series.dtype) != "object":
            items.append(None)
        elif kind in "Mm":
            items.append(item.isoformat())
        else:
            items.append(inner(item, f"{where}[{index}]"))
    return items


def _index(index: Any, where: str, inner: Encode) -> dict[str, Any]:
    pandas = sys.modules["pandas"]
    plain = pandas.RangeIndex(len(index))
    if type(index) is pandas.RangeIndex and index.equals(plain) and index.name is None:
        return {}
    if getattr(index, "nlevels", 1) > 1:
        raise CaseError(f"{where} has an index with several levels, which a case cannot hold; use reset_index()")
    written = {"index": _column(index.to_series(), f"{where}: its index", inner), "index_dtype": str(index.dtype)}
    return written if index.name is None else {**written, "index_name": index.name}


def decode_frame(data: Mapping[str, Any], inner: Decode) -> Any:
    """Return the DataFrame that plain data stand for."""
    pandas = load("pandas", "a case with a DataFrame", "examples")
    index = _read_index(pandas, data, inner)
    dtypes = data.get("dtypes", {})
    columns = {
        name: pandas.Series(inner(items, name), index=index, dtype=dtypes.get(name))
        for name, items in data["$frame"].items()
    }
    return pandas.DataFrame(columns, index=index)


def decode_series(data: Mapping[str, Any], inner: Decode) -> Any:
    """Return the Series that plain data stand for."""
    pandas = load("pandas", "a case with a Series", "examples")
    name = inner(data.get("name"), "name")
    index = _read_index(pandas, data, inner)
    return pandas.Series(inner(data["$series"], "$series"), index=index, dtype=data["dtype"], name=name)


def _read_index(pandas: Any, data: Mapping[str, Any], inner: Decode) -> Any:
    if "index" not in data:
        columns = data.get("$frame")
        rows = next(iter(columns.values()), []) if columns is not None else data["$series"]
        return pandas.RangeIndex(len(rows))
    return pandas.Index(inner(data["index"], "index"), dtype=data.get("index_dtype"), name=data.get("index_name"))
