import collections
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from graphkit.core.jsonlike import decode, encode, snapshot


class Text(str):
    __slots__ = ()


class Point:
    def to_dict(self):
        return {"x": 1}


class Dumped:
    def model_dump(self):
        return {"y": np.int64(2)}


class Broken:
    def to_dict(self):
        raise KeyError("lost")


class Grumpy:
    def __repr__(self):
        raise ValueError("no")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        ({"a": [1, 2.5, "x", True]}, {"a": [1, 2.5, "x", True]}),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (
            {"n": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True), "s": np.str_("x")},
            {"n": 0.5, "i": 3, "b": True, "s": "x"},
        ),
        (np.array(["a", None], dtype=object), ["a", None]),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.Timestamp("2026-11-22"), "2026-11-22T00:00:00"),
        ([pd.NaT, pd.NA, float("nan"), float("inf")], [None, None, None, None]),
        (dt.date(2026, 11, 22), "2026-11-22"),
        (np.array(["2026-11-22T10:00", "NaT"], "datetime64[ns]"), ["2026-11-22T10:00:00", None]),
        (np.array(["2026-11-22"], "datetime64[D]"), ["2026-11-22"]),
        ([np.timedelta64(1500, "ms").astype("m8[ns]"), pd.Timedelta("90s")], ["PT1.5S", "PT90S"]),
        (pd.Series(pd.to_datetime(["2026-11-22"], utc=True)), ["2026-11-22T00:00:00+00:00"]),
        (pd.DataFrame({"at": pd.to_datetime(["2026-11-22", None])}), [{"at": "2026-11-22T00:00:00"}, {"at": None}]),
        ([Point(), Dumped()], [{"x": 1}, {"y": 2}]),
        ({True: 1, None: 2, np.bool_(False): 3}, {"true": 1, "null": 2, "false": 3}),
        (Text("x"), "x"),
        (collections.deque([1]), [1]),
        (collections.UserDict(a=1), {"a": 1}),
        ({"a": 1}.keys(), ["a"]),
        (range(3), [0, 1, 2]),
        (2**70, 2**70),
        ({1: "a", np.int64(2): "b", Text("k"): "c"}, {"1": "a", "2": "b", "k": "c"}),
    ],
)
def test_what_bodies_hold_becomes_json_and_comes_back_plain(value, plain):
    assert decode(encode(value)) == plain
    assert decode(snapshot(value)) == plain


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "type object"),
        ({"a": [len]}, "type builtin_function_or_method"),
        (int, "type type"),
        ((i for i in "ab"), "type generator"),
        ({(1, 2): 3}, "type tuple cannot be a key"),
        (1j, "type complex cannot be written"),
        (Broken(), "type Broken cannot be written as JSON: 'lost'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        ("\ud800", "surrogates"),
        (nested(200_000), "recursion"),
        (cyclic(), "recursion"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_encode_and_described_by_snapshot(value, told):
    with pytest.raises(TypeError, match=told):
        encode(value)
    decode(snapshot(value))


def test_snapshot_keeps_what_stands_beside_an_odd_value():
    assert decode(snapshot({"x": 1, "odd": len})) == {"x": 1, "odd": "<built-in function len>"}


def test_snapshot_survives_an_object_whose_repr_fails():
    assert decode(snapshot([Grumpy()])) == ["<Grumpy: its repr raised ValueError>"]


def test_snapshot_cuts_long_reprs():
    assert len(decode(snapshot({("k",): "x" * 10_000}))) < 300
