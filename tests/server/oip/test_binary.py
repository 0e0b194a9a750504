"""The binary extension: lengths that do not fit are refused, and nothing is read past them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit import BadRequest
from graphkit.server.oip.binary import has_binary, join, split


def body(size: Any, data: bytes = b"\x01\x02") -> tuple[bytes, int]:
    tensor = {"name": "x", "shape": [2], "datatype": "UINT8", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + data, len(head)


def test_tensors_get_their_bytes_in_order() -> None:
    tensors = [
        {"name": name, "shape": [size], "datatype": "UINT8", "parameters": {"binary_data_size": size}}
        for name, size in (("a", 1), ("b", 0), ("c", 2))
    ]
    plain = {"name": "d", "shape": [1], "datatype": "UINT8", "data": [9]}
    head = json.dumps({"inputs": [*tensors, plain]}).encode()
    found = split(head + b"abc", str(len(head)))["inputs"]
    assert [bytes(tensor["data"]) for tensor in found] == [b"a", b"", b"bc", bytes([9])]


@pytest.mark.parametrize("size", [-1, 3, 1, "2", 2.0, True])
def test_a_size_that_does_not_fit_is_refused(size: Any) -> None:
    with pytest.raises(BadRequest):
        split(*body(size))


@pytest.mark.parametrize("length", ["", "x", "-1", "1e3", "٣", "9" * 30, 10**6, 3])
def test_a_length_of_json_that_does_not_fit_is_refused(length: Any) -> None:
    with pytest.raises(BadRequest):
        split(body(2)[0], length)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_a_request_or_refused(data: bytes, length: int) -> None:
    try:
        assert isinstance(split(data, length), dict)
    except BadRequest:
        pass


def test_outputs_in_binary_form_follow_the_json() -> None:
    answer = {"outputs": [{"name": "a", "data": b"xy"}, {"name": "b", "data": [1]}, {"name": "c", "data": b"z"}]}
    assert has_binary(answer)
    sent, length = join(answer)
    assert sent[length:] == b"xyz"
    outputs = json.loads(sent[:length])["outputs"]
    assert outputs[0] == {"name": "a", "parameters": {"binary_data_size": 2}}
    assert outputs[1] == {"name": "b", "data": [1]}
