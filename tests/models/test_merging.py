"""Which requests may share a call, how they are put together, and how the predictions are parted again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphkit import StepError
from graphkit.models.merging import key_of, merged, parted, rows_of, without_id
from graphkit.models.requests import Tensors


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"inputs": [1]}, {"inputs": [[2], [3]]}),
        ({"inputs": [1], "id": "a"}, {"id": 7, "inputs": [2]}),
        ({"inputs": [1], "top": 3, "deep": {"a": [1, None]}}, {"deep": {"a": [1, None]}, "inputs": [2], "top": 3}),
        ({"inputs": np.zeros((1, 2))}, {"inputs": np.ones((3, 2))}),
        ({"inputs": Tensors(x=np.zeros((1, 2)), y=[1])}, {"inputs": Tensors(y=[2], x=np.ones((1, 2)))}),
    ],
)
def test_requests_that_differ_in_inputs_and_id_only_go_together(one, other):
    assert key_of(one) == key_of(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"inputs": [1], "top": 3}, {"inputs": [1], "top": 4}),
        ({"inputs": [1], "top": 3}, {"inputs": [1]}),
        ({"inputs": [1], "top": 1}, {"inputs": [1], "top": True}),
        ({"inputs": [1], "top": 1}, {"inputs": [1], "top": 1.0}),
        ({"inputs": [1], "top": (1,)}, {"inputs": [1], "top": [1]}),
        ({"inputs": [1], "p": {"a": 1}}, {"inputs": [1], "p": {"a": 2}}),
        ({"inputs": [1]}, {"inputs": np.ones(1)}),
        ({"inputs": np.ones(1)}, {"inputs": np.ones(1, "float32")}),
        ({"inputs": np.ones((1, 2))}, {"inputs": np.ones((1, 3))}),
        ({"inputs": Tensors(x=[1])}, {"inputs": Tensors(y=[1])}),
    ],
)
def test_requests_that_differ_otherwise_do_not(one, other):
    assert key_of(one) is not None
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize(
    "request_",
    [
        {"inputs": []},
        {"inputs": 3},
        {"inputs": "text"},
        {"inputs": np.float64(3)},
        {"inputs": np.array(3)},
        {"instances": [1]},
        {"inputs": [1], "odd": object()},
        {"inputs": [1], "odd": np.ones(2)},
        {"inputs": Tensors(x=[1], y=[1, 2])},
        [1],
        None,
    ],
)
def test_requests_that_cannot_be_compared_or_counted_stay_alone(request_):
    assert key_of(request_) is None


def test_merging_puts_inputs_one_after_the_other_and_leaves_the_requests_as_they_are():
    one, other = {"inputs": [[1]], "id": "a", "top": 2}, {"inputs": [[2], [3]], "id": "b", "top": 2}
    assert merged([one, other]) == {"inputs": [[1], [2], [3]], "top": 2}
    assert one == {"inputs": [[1]], "id": "a", "top": 2}
    arrays = merged([{"inputs": np.ones((1, 2))}, {"inputs": np.zeros((2, 2))}])["inputs"]
    assert arrays.tolist() == [[1, 1], [0, 0], [0, 0]]
    tensors = merged([{"inputs": Tensors(x=[1], y=np.ones(1))}, {"inputs": Tensors(x=[2], y=np.zeros(1))}])["inputs"]
    assert type(tensors) is Tensors
    assert tensors["x"] == [1, 2]
    assert tensors["y"].tolist() == [1, 0]


def test_the_id_is_left_out_also_of_a_request_that_is_alone():
    assert without_id({"inputs": [1], "id": "a"}) == {"inputs": [1]}
    assert without_id("anything") == "anything"
    assert rows_of({"inputs": Tensors(x=[1, 2], y=[3, 4])}) == 2


def test_predictions_are_parted_whatever_holds_them():
    assert parted([1, 2, 3], [2, 1], "m") == [[1, 2], [3]]
    assert [part.tolist() for part in parted(np.array([[1], [2]]), [1, 1], "m")] == [[[1]], [[2]]]
    assert parted({"label": ["a", "b"], "p": (1, 2)}, [1, 1], "m") == [
        {"label": ["a"], "p": (1,)},
        {"label": ["b"], "p": (2,)},
    ]
    series = pd.Series([1, 2, 3], index=[5, 6, 7])
    assert [part.tolist() for part in parted(series, [1, 2], "m")] == [[1], [2, 3]]
    frame = pd.DataFrame({"x": [1, 2]}, index=[9, 8])
    assert [part["x"].tolist() for part in parted(frame, [1, 1], "m")] == [[1], [2]]


@pytest.mark.parametrize(
    ("outputs", "found"),
    [([1], "1 predictions"), ("ab", "type str"), (7, "type int"), (None, "nothing"), ({"a": [1, 2], "b": [1]}, "1 pr")],
)
def test_predictions_that_are_not_one_for_each_input_are_an_error_that_names_the_model(outputs, found):
    with pytest.raises(StepError, match=f"model 'm': .*{found}.* for 2 inputs"):
        parted(outputs, [1, 1], "model 'm'")
