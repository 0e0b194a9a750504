"""How predictions of several models become one: pure functions on columns, the predictions of one model each.

Plain Python throughout: requests are small, and for them an array costs more to make than a vote to count.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from itertools import chain
from operator import mul
from typing import Any

from graphkit.core.errors import GraphError, StepError, choices, nearest
from graphkit.core.extras import load
from graphkit.models.requests import kind

_ALWAYS_GOOD = frozenset({int, str, bool})
_INTEGERS = frozenset({int, bool})
_NUMBERS = frozenset({int, bool, float})
# Sums of shares that differ by less are equal: 0.1 + 0.2 ties with 0.3.
_MOST_DECIDED = 4096
_TIE = 1e-9
# Shares sum to 1: what has more than half of them can tie with nothing.
_MOST = 0.5 + _TIE


class VoteType(str, Enum):
    """How an ensemble votes."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"

    __str__ = str.__str__


def column_of(predictions: Any, who: str) -> list[Any]:
    """Return a model's predictions as a list of plain scalars, one per sample.

    Raises
    ------
    StepError
        If they are no list, or one of them is missing, not finite, or no scalar.

    Examples
    --------
    >>> column_of((1, 2), "model 'm'")
    [1, 2]
    >>> column_of([0.5, float("nan")], "model 'm'")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.StepError: model 'm' answered nan for sample 1, which cannot be voted on
    """
    if type(predictions) is not list:
        predictions = predictions.tolist() if hasattr(predictions, "tolist") else predictions
        if not isinstance(predictions, (list, tuple)):
            raise StepError(f"{who} must answer with a list of predictions, found {kind(predictions)}")
    if plain_kinds([predictions]) is not None:
        return list(predictions)
    return [_scalar(value, index, who) for index, value in enumerate(predictions)]


def plain_kinds(columns: Collection[Any]) -> set[type] | None:
    """Return the types of all predictions, if they are lists of plain labels and finite numbers; nearly always so.

    >>> plain_kinds([[1], ["a"]]) == {int, str}
    True
    >>> plain_kinds([[1.5], [None]]), plain_kinds([[1], (2,)])
    (None, None)
    """
    for column in columns:
        if type(column) is not list:
            return None
    kinds = set(map(type, chain.from_iterable(columns)))
    try:
        if kinds <= _ALWAYS_GOOD or (kinds <= _NUMBERS and all(map(math.isfinite, chain.from_iterable(columns)))):
            return kinds
    except OverflowError:
        pass  # a whole number beyond all floats: it is looked at one by one
    return None


def are_numbers(kinds: Set[type]) -> bool:
    """Return whether a mean can be built of predictions of these types.

    >>> are_numbers({int, float}), are_numbers({str})
    (True, False)
    """
    return kinds <= _NUMBERS


def _scalar(value: Any, index: int, who: str) -> Any:
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float):
        usable = math.isfinite(value)
    else:
        usable = value is not None and type(value).__name__ not in ("NAType", "NaTType")
    if not usable:
        raise StepError(f"{who} answered {value!r} for sample {index}, which cannot be voted on")
    if isinstance(value, (list, tuple, dict, set)) or type(value).__hash__ is None:
        raise StepError(
            f"{who} answered {kind(value)} for sample {index}; a vote needs one prediction per sample "
            f"(extract_results_from_response may be overridden to choose it)"
        )
    return value


def vote(
    columns: Sequence[Sequence[Any]],
    shares: Sequence[float],
    vote_type: str | None,
    kinds: Set[type] | None = None,
    decided: Decided | None = None,
) -> list[Any]:
    """Return one prediction per sample.

    Parameters
    ----------
    columns
        The predictions of each model, all of the same length.
    shares
        The weight of each model; they sum to 1.
    vote_type
        ``"classification"``, ``"regression"``, or ``None``: regression if they are numbers, and one of them a float.
    kinds
        The types of all predictions, if they are known.
    decided
        What was decided with these shares before.

    Examples
    --------
    >>> vote([["cat"], ["dog"], ["cat"]], [0.4, 0.3, 0.3], None)
    ['cat']
    >>> vote([[1.0], [2.0]], [0.75, 0.25], None)
    [1.25]
    """
    if vote_type is None:
        kinds = set(map(type, chain.from_iterable(columns))) if kinds is None else kinds
        vote_type = "regression" if kinds <= _NUMBERS and not kinds <= _INTEGERS else "classification"
    if vote_type == "regression":
        return mean(columns, shares)
    return majority(columns, shares, None if decided is None or kinds is None else decided.of(kinds))


class Decided:
    """What came of votes so far: there are few labels, so that most samples have been decided before.

    Only of labels of one type: ``1`` and ``True`` are one key of a dict, and yet are not one answer.

    Examples
    --------
    >>> decided = Decided()
    >>> majority([["cat"], ["cat"]], [0.5, 0.5], decided.of({str})), decided.of({str})
    (['cat'], {('cat', 'cat'): 'cat'})
    >>> decided.of({int, str}) is None
    True
    """

    __slots__ = ("_won",)

    def __init__(self) -> None:
        self._won: dict[type, dict[tuple[Any, ...], Any]] = {int: {}, str: {}}

    def of(self, kinds: Set[type]) -> dict[tuple[Any, ...], Any] | None:
        """Return what was decided of labels of these types; it is written to, and bounded."""
        if len(kinds) != 1:
            return None
        (kind_of,) = kinds
        won = self._won.get(kind_of)
        if won is not None and len(won) > _MOST_DECIDED:
            won.clear()
        return won


def majority(
    columns: Sequence[Sequence[Any]], shares: Sequence[float], won: dict[tuple[Any, ...], Any] | None = None
) -> list[Any]:
    """Return, per sample, the label with the largest sum of shares; the smallest one if several have it.

    Numbers are smaller than texts, and those than anything else. ``won`` holds what was decided before.

    >>> majority([[-1, "b"], [2, "a"]], [0.5, 0.5])
    [-1, 'a']
    """
    votes = []
    if won is None:
        won = {}
        for row in zip(*columns, strict=True):
            if row.count(row[0]) == len(row):
                votes.append(row[0])
            else:
                if row not in won:
                    won[row] = _winner(row, shares)
                votes.append(won[row])
        return votes
    for row in zip(*columns, strict=True):
        label = won.get(row)
        if label is None:
            label = won[row] = _winner(row, shares)
        votes.append(label)
    return votes


def _winner(row: tuple[Any, ...], shares: Sequence[float]) -> Any:
    sums: dict[Any, float] = {}
    for label, share in zip(row, shares, strict=True):
        sums[label] = sums[label] + share if label in sums else share
    for label, total in sums.items():
        if total > _MOST:
            return label
    enough = max(sums.values()) - _TIE
    best = [label for label, total in sums.items() if total >= enough]
    return best[0] if len(best) == 1 else min(best, key=_rank)


def _rank(label: Any) -> tuple[Any, ...]:
    if isinstance(label, (int, float)):
        return (0, label)
    return (1, label) if isinstance(label, str) else (2, type(label).__name__, repr(label))


def mean(columns: Sequence[Sequence[float]], shares: Sequence[float]) -> list[float]:
    """Return, per sample, the mean weighted by ``shares``.

    Raises
    ------
    OverflowError
        If a whole number is larger than any float; :func:`too_large` tells whose it is.

    >>> mean([[1, 3], [2, 5]], [0.5, 0.5])
    [1.5, 4.0]
    """
    return [math.fsum(map(mul, row, shares)) for row in zip(*columns, strict=True)]


def too_large(columns: Mapping[str, Sequence[Any]], who: str) -> StepError:
    """Return the error of a vote in which a prediction is too large to be averaged.

    >>> too_large({"a": [1], "b": [10**400]}, "ensemble 'e'").message
    "ensemble 'e': model 'b' answered a whole number for sample 0 that is too large to be averaged"
    """
    for key, column in columns.items():
        for index, value in enumerate(column):
            if isinstance(value, int) and abs(value) > sys.float_info.max:
                return StepError(
                    f"{who}: model {key!r} answered a whole number for sample {index} that is too large to be averaged"
                )
    return StepError(f"{who}: the predictions are too large to be averaged")


def check_numbers(column: Sequence[Any], who: str) -> None:
    """Refuse a column with which no mean can be built."""
    for index, value in enumerate(column):
        if not isinstance(value, (int, float)):
            raise StepError(f"{who} answered {value!r} for sample {index}; a regression needs numbers")


def matrix(columns: Sequence[Sequence[Any]]) -> Any:
    """Return columns as an array ``(n_samples, n_models)``; of objects, where numbers and texts are mixed.

    >>> matrix([[1, 2], [3, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    numpy = _numpy()
    arrays = [numpy.asarray(column) for column in columns]
    if all(array.dtype.kind in "biuf" for array in arrays) or all(array.dtype.kind == "U" for array in arrays):
        return numpy.column_stack(arrays)
    mixed = numpy.empty((len(columns[0]), len(columns)), dtype=object)
    for number, column in enumerate(columns):
        mixed[:, number] = column
    return mixed


def row_of(shares: Sequence[float]) -> Any:
    """Return shares as an array ``(n_models,) float64``.

    >>> row_of([0.5, 0.5]).shape
    (2,)
    """
    return _numpy().asarray(shares, dtype=float)


def _numpy() -> Any:
    return load("numpy", "a VotingEnsemble with its own logic", "examples")


def check_weights(weights: Any, models: Iterable[str], who: str) -> None:
    """Refuse weights that are negative, not finite, all zero, or for unknown models; all problems at once.

    Raises
    ------
    GraphError
        The problems, each naming the model.
    """
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise GraphError(f"{who}: weights is a dict of model and weight, found {kind(weights)}")
    models = list(models)
    problems = []
    for model, weight in weights.items():
        if model not in models:
            problems.append(
                f"{who}: the weight of {model!r} is for no model{nearest(model, models)}; there is {choices(models)}"
            )
        if not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight < 0:
            problems.append(f"{who}: the weight of {model!r} must be a finite number, not negative, found {weight!r}")
    if not problems and models and not any(weights.values()):
        problems.append(f"{who}: the weights of {choices(weights)} are all zero")
    if problems:
        raise GraphError(problems=problems)


def shares_of(weights: Mapping[str, float] | None, models: Iterable[str], who: str) -> list[float]:
    """Return the weights of models, scaled so that they sum to 1; a model without one counts nothing.

    >>> shares_of({"a": 3, "b": 1}, ["a", "b", "c"], "ensemble 'e'")
    [0.75, 0.25, 0.0]
    """
    models = list(models)
    given = [1.0 if weights is None else float(weights.get(model, 0)) for model in models]
    largest = max(given, default=0.0)
    if not largest:
        raise StepError(f"{who}: none of the models that answered has a weight: {choices(models)}")
    if largest > 1e300:
        given = [weight / largest for weight in given]  # the sum of them must be a float, too
    total = math.fsum(given)
    return [weight / total for weight in given]
