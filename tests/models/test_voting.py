from __future__ import annotations

import datetime as dt
import math
import random

import numpy as np
import pandas as pd
import pytest

from graphkit.core.errors import GraphError, StepError
from graphkit.models.voting import Decided, check_weights, column_of, majority, matrix, mean, shares_of, vote

EQUAL = [1 / 3] * 3


# ---- classification -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "shares", "winner"),
    [
        ((1, 2, 2), EQUAL, 2),
        ((-1, -1, 1), EQUAL, -1),
        (("cat", "dog", "cat"), EQUAL, "cat"),
        ((1, 2, 2), [0.6, 0.2, 0.2], 1),
        ((1, 2, 3), [0.2, 0.5, 0.3], 2),
        ((True, False, True), EQUAL, True),
        ((5, 5, 5), [1.0, 0.0, 0.0], 5),
        ((1, 2, 2), [1.0, 0.0, 0.0], 1),
        (("1", 1, "1"), EQUAL, "1"),
        ((10**12, 3, 10**12), EQUAL, 10**12),
    ],
)
def test_the_label_with_the_largest_sum_of_shares_wins(row, shares, winner):
    assert majority([[label] for label in row], shares) == [winner]


@pytest.mark.parametrize(
    ("row", "shares", "winner"),
    [
        ((3, 1), [0.5, 0.5], 1),
        ((1, 3), [0.5, 0.5], 1),
        ((2, -7), [0.5, 0.5], -7),
        (("b", "a"), [0.5, 0.5], "a"),
        (("a", 9), [0.5, 0.5], 9),  # numbers before texts
        ((9, "a"), [0.5, 0.5], 9),
        ((3, 1, 1), [0.3, 0.1, 0.2], 1),  # 0.1 + 0.2 is not quite 0.3
        ((1, 3, 3), [0.3, 0.1, 0.2], 1),
        ((dt.date(2026, 1, 2), dt.date(2026, 1, 1)), [0.5, 0.5], dt.date(2026, 1, 1)),
    ],
)
def test_of_several_labels_with_the_largest_sum_the_smallest_wins(row, shares, winner):
    assert majority([[label] for label in row], shares) == [winner]


def test_many_samples_are_decided_like_single_ones():
    rng = random.Random(5)
    columns = [[rng.choice(["a", "b", -1, 2]) for _ in range(500)] for _ in range(4)]
    shares = [0.4, 0.3, 0.2, 0.1]
    together = majority(columns, shares)
    assert together == [majority([[label] for label in row], shares)[0] for row in zip(*columns, strict=True)]


def test_classification_agrees_with_counting_by_numpy():
    rng = np.random.default_rng(3)
    predictions = rng.integers(0, 3, size=(200, 4))
    weights = [3, 2, 2, 1]
    expected = [np.argmax(np.bincount(row, weights=weights)) for row in predictions]
    assert majority(predictions.T.tolist(), [weight / 8 for weight in weights]) == expected


# ---- regression ---------------------------------------------------------------------------------------------


def test_the_mean_is_weighted():
    assert mean([[1.0, 2.0], [3.0, 6.0]], [0.75, 0.25]) == [1.5, 3.0]
    assert mean([[5], [5], [5]], EQUAL) == [5.0]


def test_the_mean_agrees_with_numpy():
    rng = np.random.default_rng(1)
    predictions = rng.normal(size=(50, 4))
    shares = [0.1, 0.2, 0.3, 0.4]
    assert mean(predictions.T.tolist(), shares) == pytest.approx(predictions @ shares)


# ---- which vote ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "votes"),
    [
        ([[1], [1], [3]], [1]),  # integers in every prediction
        ([[True], [True], [False]], [True]),
        ([[1.0], [1.0], [4.0]], [2.0]),  # floats, though they are whole
        ([[1], [1], [2.5]], [1.5]),
        ([["a"], ["a"], ["b"]], ["a"]),
        ([[1.5], [1.5], ["b"]], [1.5]),  # not all numbers: labels
        ([[], [], []], []),
    ],
)
def test_without_a_type_the_predictions_decide(columns, votes):
    assert vote(columns, EQUAL, None) == votes


def test_the_type_overrules_the_predictions():
    assert vote([[1], [1], [4]], EQUAL, "regression") == [2.0]
    assert vote([[1.5], [1.5], [4.0]], EQUAL, "classification") == [1.5]


# ---- predictions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "predictions",
    [
        [1, 2],
        (1, 2),
        np.array([1, 2]),
        [np.int64(1), np.int64(2)],
        np.array([1, 2], dtype=object),
        pd.Series([1, 2]),
    ],
)
def test_predictions_become_plain_scalars(predictions):
    column = column_of(predictions, "model 'm'")
    assert column == [1, 2]
    assert [type(value) for value in column] == [int, int]


def test_floats_texts_and_dates_are_kept():
    for values in ([0.5, 1.5], ["a", "b"], [1, 0.5, "a", True], [dt.date(2026, 1, 1)], []):
        assert column_of(values, "m") == values
    assert column_of([np.float32(0.5)], "m") == [0.5]
    assert column_of([np.str_("a")], "m") == ["a"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, np.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_a_prediction_that_is_missing_or_not_finite_names_model_and_sample(bad):
    with pytest.raises(StepError, match=r"model 'm' answered .* for sample 1, which cannot be voted on"):
        column_of([0.5, bad], "model 'm'")


@pytest.mark.parametrize("bad", [[1], (1,), {"a": 1}, {1}, np.array([1, 2])])
def test_a_prediction_that_is_no_scalar_names_model_and_way_out(bad):
    with pytest.raises(StepError, match=r"model 'm' answered .* for sample 0; .*extract_results_from_response"):
        column_of([bad], "model 'm'")
    with pytest.raises(StepError, match="one prediction per sample"):
        column_of(np.array([[1, 2], [3, 4]]), "model 'm'")


@pytest.mark.parametrize("bad", [None, 5, "text", {"a": [1]}, np.array(5), np.float64(3)])
def test_predictions_must_be_a_list(bad):
    with pytest.raises(StepError, match="model 'm' must answer with a list of predictions, found"):
        column_of(bad, "model 'm'")


@pytest.mark.parametrize(
    ("columns", "kind"),
    [([[1, 2], [3, 4]], "i"), ([[1, 2], [0.5, 4]], "f"), ([["a"], ["bc"]], "U"), ([[1], ["a"]], "O")],
)
def test_a_matrix_has_a_row_per_sample_and_a_column_per_model(columns, kind):
    array = matrix(columns)
    assert array.dtype.kind == kind
    assert array.tolist() == [list(row) for row in zip(*columns, strict=True)]


def test_a_matrix_of_no_samples_keeps_its_models():
    assert matrix([[], [], []]).shape == (0, 3)


# ---- weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        (None, [0.5, 0.5]),
        ({"a": 1, "b": 1}, [0.5, 0.5]),
        ({"a": 30, "b": 10}, [0.75, 0.25]),
        ({"a": 0.3, "b": 0.1}, [0.75, 0.25]),
        ({"a": 2}, [1.0, 0.0]),
        ({"a": 0, "b": 2}, [0.0, 1.0]),
    ],
)
def test_weights_are_normalised_and_a_model_without_one_counts_nothing(weights, shares):
    check_weights(weights, ["a", "b"], "e")
    assert shares_of(weights, ["a", "b"], "e") == pytest.approx(shares)


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ({"a": -1, "b": 2}, "the weight of 'a' must be a finite number, not negative, found -1"),
        ({"a": math.nan}, "the weight of 'a' must be a finite number, not negative, found nan"),
        ({"a": math.inf}, "the weight of 'a' must be a finite number, not negative, found inf"),
        ({"a": "1"}, "the weight of 'a' must be a finite number, not negative, found '1'"),
        ({"a": None}, "the weight of 'a' must be a finite number"),
        ({"A": 1}, "the weight of 'A' is for no model, did you mean 'a'?; there is 'a', 'b'"),
        ({"a": 0, "b": 0.0}, "the weights of 'a', 'b' are all zero"),
        ({}, "the weights of none are all zero"),
        ([1, 2], "weights is a dict of model and weight, found a value of type list"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights, found):
    with pytest.raises(GraphError) as caught:
        check_weights(weights, ["a", "b"], "ensemble 'e'")
    assert found in str(caught.value)
    assert "ensemble 'e'" in str(caught.value)


def test_all_problems_of_weights_are_told_at_once():
    with pytest.raises(GraphError) as caught:
        check_weights({"a": -1, "c": 1}, ["a", "b"], "ensemble 'e'")
    assert len(caught.value.problems) == 2


def test_no_weight_among_those_that_answered_is_an_error():
    with pytest.raises(StepError, match="none of the models that answered has a weight: 'b'"):
        shares_of({"a": 1}, ["b"], "ensemble 'e'")


# ---- what was decided before ----------------------------------------------------------------------------


def test_what_was_decided_before_decides_again_and_only_with_these_shares():
    decided = Decided()
    kinds = {int}
    for _ in range(2):
        assert vote([[1], [2], [2]], [0.6, 0.2, 0.2], "classification", kinds, decided) == [1]
        assert vote([[1], [2], [2]], [0.6, 0.2, 0.2], "classification", kinds) == [1]
    assert decided.of(kinds) == {(1, 2, 2): 1}
    assert vote([[1], [2], [2]], [0.2, 0.4, 0.4], "classification", kinds, Decided()) == [2]


def test_labels_of_several_types_are_decided_anew():
    decided = Decided()
    assert vote([[1], [1]], [0.5, 0.5], "classification", {int}, decided) == [1]
    (found,) = vote([[True], [True]], [0.5, 0.5], "classification", {bool}, decided)
    assert found is True
    (found,) = vote([[True], [1]], [0.5, 0.5], "classification", {bool, int}, decided)
    assert found is True


def test_what_was_decided_is_bounded():
    decided = Decided()
    for start in range(0, 20_000, 1000):
        column = list(range(start, start + 1000))
        assert vote([column, column], [0.5, 0.5], "classification", {int}, decided) == column
    assert len(decided.of({int})) <= 5096
