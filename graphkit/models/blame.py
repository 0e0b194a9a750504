"""Whether a request is at fault for what a model raised. Nobody asks before something has been raised.

Libraries refuse rows of a wrong length, or texts among numbers, with plain exceptions, which are answered like failures
of the server. A request is blamed only where two things come together: its rows do not fit the model, and what was
raised speaks of just that. One of them alone may be the fault of the model's own code.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from reprlib import repr as short_repr
from typing import Any

from graphkit.core.errors import BadRequest, GraphkitError, StepError, told
from graphkit.models.requests import Tensors, kind, rows_in_order

# What code raises that reads a row which is not as the schema says.
_MISFITS = (LookupError, TypeError, ValueError)
_MOST_CAUSES = 5
_MOST_TEXT = 2_000
_ROWS = (list, tuple, dict)

# How scikit-learn, NumPy, pandas and Python itself speak of rows that do not fit.
_WIDTHS = re.compile(r"X has \d+ features?, but .+? is expecting (\d+) features? as input")
_RAGGED = re.compile(r"inhomogeneous shape after 1 |mismatched lengths|array element with a sequence")
_NONE = re.compile(r"array=\[\]|with 0 sample")
_EMPTY = re.compile(r"with 0 feature")
_NO_ROWS = re.compile(r"Expected 2D array|got scalar array")
_ROW_OF_DICTS = re.compile(r"Expected 2D array, got 1D array instead:\s+array=\[\{")
_NO_SEQUENCE = re.compile(r"'(\w+)' (?:object is not (?:iterable|subscriptable)|has no len)")
_NOT_FINITE = re.compile(r"contains (?:NaN|infinity)")
_TEXT_QUOTED = re.compile(r"could not convert string|invalid literal for int\(\)")
_TEXTS = re.compile(r"arrays of bytes/strings|decimal numbers with dtype")
_SEQUENCES = re.compile(r"array element with a sequence|array with dim")
_NO_NUMBER = re.compile(r"argument must be a string or a (?:real )?number|must be real number")
# Types of a schema that are numbers.
_NUMERIC = re.compile(r"u?int|float|fp\d|double|number", re.IGNORECASE)


def diagnosed(server: Any, exc: Exception, requests: Sequence[Any], loads: bool) -> Exception:
    """Return what a model raises for an exception of its ``predict`` or ``explain``: itself, unless more can be said.

    Parameters
    ----------
    server
        The model: its name, its ``model`` object, its ``model_spec``.
    exc
        The exception.
    requests
        What the model was asked; also what had come in, where hooks may have changed it. A request is at fault only if
        all of them are.
    loads
        The model's class has a ``load`` of its own.
    """
    who = f"model {server.name!r}"
    asks_nothing = isinstance(exc, AttributeError) and exc.obj is None and exc.name in ("predict", "predict_proba")
    if server.model is None and not loads and asks_nothing:
        remedy = "give model=, or model_path= and a class with a load method"
        return AttributeError(f"{exc}: {who} has no model object, {remedy}")
    schema = getattr(server.model_spec, "inputs", None) or ()
    refusal: Exception = exc
    for request in requests:
        blame = blamed(exc, request, server.model, schema, who)
        if blame is None:
            return exc
        refusal = blame
    return refusal


def blamed(exc: Exception, request: Any, model: Any, schema: Sequence[Any], who: str) -> BadRequest | None:
    """Return the refusal of a request that is at fault for an exception; ``None`` where that is not known surely.

    Parameters
    ----------
    exc
        What ``predict`` or ``explain`` raised.
    request
        The request that it was given.
    model
        The model's object; those of scikit-learn, and others like them, know how many features they take.
    schema
        The model's inputs, as far as its ``model_spec`` names them.
    who
        How messages speak of the model.

    Examples
    --------
    >>> exc = ValueError("X has 3 features, but GaussianNB is expecting 4 features as input.")
    >>> blamed(exc, {"inputs": [[1, 2, 3]]}, None, [], "model 'iris'")
    BadRequest("model 'iris' expects 4 features in each row of 'inputs', found 3 in row 0")
    >>> blamed(exc, {"inputs": [[1, 2, 3, 4]]}, None, [], "model 'iris'") is None
    True
    """
    if isinstance(exc, GraphkitError) or not isinstance(request, dict):
        return None
    message = _Misfit(exc, model, schema, who).of(request.get("inputs"))
    if not message:
        return None
    refusal = BadRequest(message)
    refusal.in_hindsight = True
    return refusal


def unless_contradicted(refusal: BadRequest, answers: Iterable[Any], who: str) -> Exception:
    """Return what an ensemble raises where a model blames the request: other models, who got the same, may know better.

    Parameters
    ----------
    refusal
        What the model says.
    answers
        What each model of the ensemble said; exceptions are failures.
    who
        How messages speak of the ensemble.

    Examples
    --------
    >>> unless_contradicted(BadRequest("model 'a' expects 4 features"), [[0.5]], "ensemble 'e'")
    StepError("model 'a' expects 4 features; other models of ensemble 'e' took the same request")
    """
    others = [answer for answer in answers if not isinstance(answer, BadRequest)]
    failed = [answer for answer in others if isinstance(answer, Exception)]
    if failed or not others:
        return failed[0] if failed else refusal
    contradicted = StepError(f"{refusal.message}; other models of {who} took the same request", step=refusal.step)
    contradicted.__cause__ = refusal.__cause__
    return contradicted


class _Misfit:
    """What an exception says, beside what the model is known to take."""

    def __init__(self, exc: Exception, model: Any, schema: Sequence[Any], who: str) -> None:
        self.who = who
        self.said = _said(exc)
        self.numbers = {int(number) for number in re.findall(r"\d{1,9}", self.said)}
        self.no_sequence = set(_NO_SEQUENCE.findall(self.said))
        self.not_finite = bool(_NOT_FINITE.search(self.said))
        # an operation of the model itself found no number
        self.no_operand = isinstance(exc, TypeError) and _is_of_model(exc, model)
        # an input that has dimensions, or is the only one, may be more than a column
        columns = () if len(schema) < 2 or any(getattr(feature, "dims", None) for feature in schema) else schema
        # what a schema says holds also where the exception says nothing of it
        self.by_schema = bool(columns) and isinstance(exc, _MISFITS)
        self.names = [feature.name for feature in columns] or _names_in(model)
        self.numeric = [bool(_NUMERIC.match(getattr(feature, "value_type", None) or "")) for feature in columns]
        said_width = _WIDTHS.search(self.said)
        # the schema first: the model's code may make further features of what comes in
        self.width = len(columns) or _width_in(model) or (int(said_width[1]) if said_width else 0)

    def of(self, inputs: Any) -> str:
        """Return what is wrong with the inputs, as a sentence; nothing where they fit, or nobody knows."""
        if isinstance(inputs, Tensors):
            return self._of_names(inputs, [inputs])
        first = 0
        if getattr(getattr(inputs, "dtype", None), "kind", "") in ("b", "i", "u", "f"):
            first, inputs = _telling_row(inputs)
        elif hasattr(inputs, "tolist"):
            inputs = inputs.tolist()
        if not isinstance(inputs, list):
            return ""
        if not inputs:
            return f"{self.who} expects at least one row in 'inputs', found none" if _NONE.search(self.said) else ""
        if not any(isinstance(row, _ROWS) for row in inputs):
            return self._of_single(inputs) or self._of_cells(inputs, "item")
        if all(isinstance(row, dict) for row in inputs) and (message := self._of_names(inputs, inputs)):
            return message
        return (
            self._of_rows(inputs, first)
            or self._of_dicts(inputs, first)
            or next(
                filter(None, (self._of_cells(row, f"row {index}, column") for index, row in enumerate(inputs, first))),
                "",
            )
        )

    # ---- how many features ----------------------------------------------------------------------------------

    def _of_rows(self, rows: list[Any], first: int) -> str:
        lengths = [len(row) if isinstance(row, _ROWS) else None for row in rows]
        usual = self.width or Counter(length for length in lengths if length is not None).most_common(1)[0][0]
        at = next((index for index, length in enumerate(lengths) if length != usual), None)
        if at is None or not self._is_due_to(rows[at], lengths[at], usual, ragged=len(set(lengths)) > 1):
            return ""
        found = kind(rows[at]) if lengths[at] is None else lengths[at]
        features = f"{usual} feature{'' if usual == 1 else 's'}"
        asked = f"{features} in each row of 'inputs'" if self.width else f"rows of one length, {features} in most,"
        return f"{self.who} expects {asked}, found {found} in row {first + at}"

    def _is_due_to(self, row: Any, length: int | None, usual: int, ragged: bool) -> bool:
        """Return whether the exception is due to a row that is not as long as it should be."""
        if self.by_schema and not isinstance(row, dict):  # by name, further ones do no harm
            return True
        if ragged and (_RAGGED.search(self.said) or self.not_finite):  # tables fill short rows with NaN
            return True
        if length is None:
            return type(row).__name__ in self.no_sequence
        return self.width > 0 and (
            self.numbers >= {length, usual} or (not length and _EMPTY.search(self.said) is not None)
        )

    def _of_single(self, row: list[Any]) -> str:
        """Return what is wrong where there is a row alone, which some models take."""
        one_each = self.numbers >= {1, self.width} or type(row[0]).__name__ in self.no_sequence
        if _NO_ROWS.search(self.said) or (self.width > 1 and one_each):
            return f"{self.who} expects a list of rows as 'inputs', found a single row: put it into a list"
        if self.width > 1 and len(row) != self.width and self.numbers >= {len(row), self.width}:
            return f"{self.who} expects {self.width} features in 'inputs', found {len(row)}"
        return ""

    # ---- which names ----------------------------------------------------------------------------------------

    def _of_names(self, inputs: Any, rows: Sequence[Any]) -> str:
        """Return which features are missing, where they go by name."""
        there = Counter(name for row in rows for name in row)
        missing = [name for name in self.names if there[name] < len(rows)]
        if missing and (self.by_schema or (len(missing) < len(self.names) and self._cites(missing))):
            return _lacking(inputs, self.names, self.who)
        missing = [name for name, count in there.items() if count < len(rows)]
        if missing and (self.not_finite or self._cites(missing)):  # tables fill gaps with NaN
            return _lacking(inputs, list(there), self.who)
        return ""

    def _of_dicts(self, rows: list[Any], first: int) -> str:
        """Return where a row has names, which the model's code read as a list of values."""
        as_number = "'dict'" in self.said and _NO_NUMBER.search(self.said)
        if not as_number and not _ROW_OF_DICTS.search(self.said):
            return ""
        at = next((index for index, row in enumerate(rows, first) if isinstance(row, dict)), None)
        if at is None or any(isinstance(cell, dict) for row in rows if isinstance(row, _ROWS) for cell in _cells(row)):
            return ""
        return (
            f"{self.who} expects a list of values as each row of 'inputs', found a dict in row {at}; rows with names "
            f"go to 'infer_dict'"
        )

    def _cites(self, names: Iterable[Any]) -> bool:
        found = (str(name) for name in names if str(name) in self.said)
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.said) for name in found)

    # ---- which values ---------------------------------------------------------------------------------------

    def _of_cells(self, row: Any, where: str) -> str:
        for place, cell in row.items() if isinstance(row, dict) else enumerate(row if isinstance(row, _ROWS) else ()):
            column: Any = self.names.index(str(place)) if place in self.names else place
            must_be = column in range(len(self.numeric)) and self.numeric[column]
            if self._is_no_number(cell, must_be):
                return f"{self.who} expects numbers in 'inputs', found {short_repr(cell)} in {where} {place!r}"
        return ""

    def _is_no_number(self, cell: Any, must_be: bool) -> bool:
        """Return whether the exception, or the schema, shows that a value should have been a number."""
        if isinstance(cell, float):
            return self.not_finite and not math.isfinite(cell)
        if isinstance(cell, int) or hasattr(cell, "dtype"):
            return False
        if must_be and self.by_schema and not _reads_as_number(cell):
            return True
        if isinstance(cell, (str, bytes)):
            quoted = _TEXT_QUOTED.search(self.said) is not None and repr(cell) in self.said
            return quoted or _TEXTS.search(self.said) is not None
        if cell is None and self.not_finite:
            return True
        if isinstance(cell, _ROWS) and _SEQUENCES.search(self.said):
            return True
        cited = f"'{type(cell).__name__}'" in self.said
        return cited and (self.no_operand or _NO_NUMBER.search(self.said) is not None)


def _said(exc: BaseException) -> str:
    """Return what an exception and its causes say."""
    texts: list[str] = []
    one: BaseException | None = exc
    while one is not None and len(texts) < _MOST_CAUSES:
        texts.append(told(one)[:_MOST_TEXT])
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(texts)


def _is_of_model(exc: BaseException, model: Any) -> bool:
    """Return whether the library of a model's object raised an exception, rather than the code around it."""
    packages: list[str] = []
    tb = exc.__traceback__
    while tb is not None:
        packages.append(str(tb.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        tb = tb.tb_next
    around = next((package for package in packages if package != __name__.partition(".")[0]), "")
    package = type(model).__module__.partition(".")[0]
    return package != around and package in packages


def _width_in(model: Any) -> int:
    """Return how many features a model says that it takes; 0 where it does not say."""
    try:
        return int(getattr(model, "n_features_in_", 0))
    except Exception:  # a property, which may do anything before the model is fitted
        return 0


def _names_in(model: Any) -> list[str]:
    try:
        return [str(name) for name in getattr(model, "feature_names_in_", ())]
    except Exception:  # as above
        return []


def _telling_row(array: Any) -> tuple[int, list[Any]]:
    """Return one row of an array of numbers, and which: the first that is not finite throughout, else the first.

    A large array is not made into lists for it.
    """
    import numpy

    if array.ndim < 2:
        return 0, array.reshape(-1).tolist()
    odd = numpy.flatnonzero(~numpy.isfinite(array).reshape(len(array), -1).all(axis=1))
    first = int(odd[0]) if len(odd) else 0
    return first, array[first : first + 1].tolist()


def _lacking(inputs: Any, names: Sequence[str], who: str) -> str:
    try:
        rows_in_order(inputs, names, who)
    except BadRequest as refusal:
        return refusal.message
    return ""


def _cells(row: Any) -> Iterable[Any]:
    return row.values() if isinstance(row, dict) else row


def _reads_as_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
