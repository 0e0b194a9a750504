"""Tensors to arrays and back, in both forms; what does not fit is refused by name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from graphkit import BadRequest, StepError
from graphkit.server.oip.tensors import (
    BYTES,
    DTYPES,
    datatype_of,
    from_values,
    to_array,
    to_binary,
    to_json_data,
    to_lists,
)


def tensor(data: Any, shape: list[int], datatype: str) -> dict[str, Any]:
    return {"name": "x", "shape": shape, "datatype": datatype, "data": data}


@pytest.mark.parametrize("datatype", DTYPES)
@given(data=st.data())
def test_numbers_survive_json_and_binary(datatype: str, data: st.DataObject) -> None:
    dtype = np.dtype(DTYPES[datatype])
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    array = data.draw(npst.arrays(dtype, npst.array_shapes(max_dims=3, max_side=3), elements=finite or None))
    shape = list(array.shape)
    for written in (to_json_data("x", array), to_binary(array), array.tolist()):
        read = to_array(tensor(written, shape, datatype))
        assert read.dtype == dtype
        assert np.array_equal(read, array)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_texts_survive_json_and_binary(texts: list[str]) -> None:
    array = to_array(tensor(texts, [len(texts)], BYTES))
    assert to_lists(array) == texts
    assert to_lists(to_array(tensor(to_binary(array), [len(texts)], BYTES))) == texts
    assert to_json_data("x", array) == texts


def test_bytes_that_are_no_text_stay_bytes() -> None:
    array = to_array(tensor(b"\x01\x00\x00\x00\xff", [1, 1], BYTES))
    assert to_lists(array) == [[b"\xff"]]
    with pytest.raises(StepError, match="binary_data"):
        to_json_data("x", array)


def test_nested_and_flat_data_are_the_same() -> None:
    nested = to_array(tensor([[1, 2], [3, 4]], [2, 2], "FP32"))
    assert np.array_equal(nested, to_array(tensor([1, 2, 3, 4], [2, 2], "FP32")))
    assert to_lists(to_array(tensor([["a"], ["b"]], [2, 1], BYTES))) == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (tensor([1], [2], "FP32"), r"tensor 'x': the shape \[2\] takes 2 elements, found 1"),
        (tensor([1], [-1], "FP32"), "whole numbers from 0 on"),
        (tensor([1], "1", "FP32"), "whole numbers from 0 on"),  # type: ignore[arg-type]  # what clients send
        (tensor([1], [True], "FP32"), "whole numbers from 0 on"),
        (tensor([1], [1], "FP23"), "did you mean 'FP32'"),
        (tensor([1], [1], None), "has the datatype None"),  # type: ignore[arg-type]  # as above
        (tensor([1], [1], ["FP32"]), "has the datatype"),  # type: ignore[arg-type]  # as above
        (tensor(["a"], [1], "FP32"), "is no FP32"),
        (tensor(["1"], [1], "INT8"), "is no INT8"),
        (tensor([1.5], [1], "INT8"), "does not fit INT8"),
        (tensor([300], [1], "UINT8"), "does not fit UINT8"),
        (tensor([-1], [1], "UINT64"), "does not fit UINT64"),
        (tensor([2], [1], "BOOL"), "does not fit BOOL"),
        (tensor([1e6], [1], "FP16"), "does not fit FP16"),
        (tensor([10**400], [1], "FP64"), "does not fit FP64"),
        (tensor([2**70], [1], "INT64"), "does not fit INT64"),
        (tensor([{}], [1], "FP32"), "does not fit FP32"),
        (tensor([[1], [1, 2]], [3], "FP32"), "does not fit FP32"),
        (tensor([1], [1], BYTES), "are texts, found a value of type int"),
        (tensor(None, [1], "FP32"), "has no data"),
        (tensor(b"\x00", [1], "FP32"), "no whole number of FP32"),
        (tensor(b"\x05\x00\x00\x00a", [1], BYTES), "has 5 bytes, of which 1 are there"),
        (tensor(b"\x05\x00", [1], BYTES), "is cut off"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        to_array(given)


def test_nothing_among_floats_is_not_a_number() -> None:
    assert np.isnan(to_array(tensor([1.5, None], [2], "FP32"))).tolist() == [False, True]


def test_large_whole_numbers_keep_their_last_digit() -> None:
    values = [1, 2**63 + 1, 2**64 - 1]
    assert to_array(tensor(values, [3], "UINT64")).tolist() == values


@pytest.mark.parametrize(
    ("values", "datatype", "data"),
    [
        ([1, 2], "INT64", [1, 2]),
        ([1.5, 2], "FP64", [1.5, 2]),
        ([True], "BOOL", [True]),
        (["a", b"b"], BYTES, ["a", "b"]),
        (["ä", b"\xc3\xa4"], BYTES, ["ä", "ä"]),
        (["ab\x00", "\x00"], BYTES, ["ab\x00", "\x00"]),
        ([[b"ab\x00"], [b"\x00\x00"]], BYTES, ["ab\x00", "\x00\x00"]),
        ((np.bytes_(b"a\x00"), np.str_("a\x00")), BYTES, ["a\x00", "a\x00"]),
        (np.array(["a\x00"], dtype=object), BYTES, ["a\x00"]),
        ("a\x00", BYTES, ["a\x00"]),
        ([[], []], "FP64", []),
        (np.array([1], "f2"), "FP16", [1]),
        (np.array([1], ">i4"), "INT32", [1]),
        (np.array([["a"]]), BYTES, ["a"]),
        (7, "INT64", [7]),
    ],
)
def test_what_models_give_becomes_a_tensor(values: Any, datatype: str, data: list[Any]) -> None:
    found, array = from_values("y", values)
    assert (found, to_json_data("y", array)) == (datatype, data)


def test_a_schema_decides_the_type_of_an_output() -> None:
    assert from_values("y", [1, 2], "FP32")[1].dtype == np.float32
    assert [from_values("y", [], datatype)[0] for datatype in (BYTES, "INT8", None)] == [BYTES, "INT8", "FP64"]


@pytest.mark.parametrize(
    ("values", "datatype", "lost"),
    [
        ([1.0, 0.75], "INT64", "0.75"),
        ([0, -1], "UINT8", "-1"),
        ([[300]], "UINT8", "300"),
        ([float("nan")], "INT32", "nan"),
        ([2], "BOOL", "2"),
        ([1e5], "FP16", "100000.0"),
        (-(2**62), "UINT64", str(-(2**62))),
    ],
)
def test_a_value_that_the_type_of_a_schema_cannot_hold_is_an_error(values: Any, datatype: str, lost: str) -> None:
    with pytest.raises(StepError, match=rf"output 'y' is {datatype} in the model's schema, .* hold {re.escape(lost)}$"):
        from_values("y", values, datatype)


@pytest.mark.parametrize(
    ("values", "datatype"),
    [([1.0, -2.0], "INT8"), ([0.1], "FP16"), ([float("nan"), float("inf")], "FP16"), ([1, 0], "BOOL"), ([], "INT8")],
)
def test_a_value_that_the_type_of_a_schema_can_hold_is_sent_in_it(values: Any, datatype: str) -> None:
    found, array = from_values("y", values, datatype)
    assert (found, array.dtype) == (datatype, np.dtype(DTYPES[datatype]))
    assert np.allclose(array.astype(float), values, rtol=1e-3, equal_nan=True)


def _endless() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1], [1, 2]], "rows differ in length or depth"),
        ([["a"], ["b", "c"]], "rows differ in length or depth"),
        (["a", ["b"]], "rows differ in length or depth"),
        ([["a"], b"b"], "rows differ in length or depth"),
        (_endless(), "rows differ in length or depth"),
        ([{"a": 1}], "found a value of type dict"),
        ([None], "found a value of type NoneType"),
        (["a", 1], "numbers or texts throughout, found a value of type int"),
        ([1, "a"], "numbers or texts throughout, found a value of type int"),
        ([1, b"a"], "numbers or texts throughout, found a value of type int"),
        (np.array([1j]), "its type is complex128"),
    ],
)
def test_what_is_no_tensor_is_an_error_that_names_the_output(values: Any, message: str) -> None:
    with pytest.raises(StepError, match=f"'y' cannot be sent as a tensor: .*{message}"):
        from_values("y", values)


@pytest.mark.parametrize(
    ("name", "datatype"), [("float32", "FP32"), ("INT8", "INT8"), ("string", BYTES), ("odd", "FP64"), ("", "FP64")]
)
def test_types_of_a_schema(name: str, datatype: str) -> None:
    assert datatype_of(name) == datatype
