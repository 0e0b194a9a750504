"""One request of the Open Inference Protocol: tensors in, a plain request for the graph, tensors out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphkit.core.errors import BadRequest, StepError, choices, nearest
from graphkit.core.yielded import is_stream, mapped
from graphkit.models.requests import Tensors
from graphkit.runtime.bound import is_response
from graphkit.server.oip.binary import TENSOR
from graphkit.server.oip.tensors import datatype_of, from_values, to_array, to_binary, to_json_data, to_lists


class Exchange:
    """One request and how its answer is sent back.

    Parameters
    ----------
    request
        The request, with its tensors.
    model
        The object of the model that it goes to, where that is known: it may want arrays, and its schema names outputs.
    name, version
        What the URL says.
    of_schema
        Whether the outputs are those of the model's schema, which names them and their types.

    Raises
    ------
    BadRequest
        If a tensor's type, shape and data do not fit together.

    Examples
    --------
    >>> tensor = {"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}
    >>> exchange = Exchange({"id": "7", "inputs": [tensor]}, None, "m", "")
    >>> exchange.plain
    {'id': '7', 'inputs': [[1.0], [2.0]]}
    >>> exchange.answer({"id": "7", "model_name": "m", "outputs": [3, 4]})["outputs"]
    [{'name': 'output_0', 'shape': [2], 'datatype': 'INT64', 'data': [3, 4]}]
    """

    def __init__(self, request: dict[str, Any], model: Any, name: str, version: str, of_schema: bool = True) -> None:
        self._schema = (getattr(getattr(model, "model_spec", None), "outputs", None) or []) if of_schema else []
        self._name = name
        self._version = version
        parameters = request.get("parameters")
        self._parameters: dict[str, Any] = parameters if isinstance(parameters, dict) else {}
        self._id = request.get("id")
        self._wanted = _wanted(request.get("outputs"))
        arrays = {tensor["name"]: to_array(tensor) for tensor in _tensors(request)}
        #: The request as the graph gets it.
        self.plain: dict[str, Any] = {
            **{key: value for key, value in request.items() if key != "outputs"},
            "inputs": _inputs(arrays, getattr(model, "oip_inputs", "lists")),
        }

    def answer(self, result: Any) -> Any:
        """Return the answer with its outputs as tensors; a complete Response stays as it is.

        An output that is wanted in binary form has ``bytes`` as its data. Of a generator each chunk becomes an answer,
        without binary outputs.

        Raises
        ------
        BadRequest
            If an output is wanted that is not there.
        StepError
            If the outputs are no tensors.
        """
        if is_response(result):
            return result
        if is_stream(result):
            return mapped(result, partial(self._answer, as_text=True))
        return self._answer(result)

    def _answer(self, result: Any, as_text: bool = False) -> dict[str, Any]:
        whole = isinstance(result, Mapping) and "outputs" in result
        outputs = self._tensors_of(result["outputs"] if whole else result)
        unknown = [name for name in self._wanted if name not in outputs]
        if unknown:
            raise BadRequest(
                f"there is no output {unknown[0]!r}{nearest(unknown[0], outputs)}; there is {choices(outputs)}"
            )
        answer: dict[str, Any] = {"model_name": self._name, "outputs": []}
        if whole:
            answer = {**answer, **{key: value for key, value in result.items() if key not in ("outputs", "timestamp")}}
        if self._version:
            answer.setdefault("model_version", self._version)
        if self._id is not None:
            answer["id"] = str(self._id)
        names = self._wanted or outputs
        answer["outputs"] = [self._written(name, outputs[name], as_text) for name in names]
        return answer

    def _tensors_of(self, values: Any) -> dict[str, Any]:
        """Return the outputs by name: as datatype and array, or as tensors that the model made itself."""
        if hasattr(values, "columns") and callable(getattr(values, "items", None)):  # a table
            values = {str(name): column.to_numpy() for name, column in values.items()}
        if isinstance(values, list) and values and all(isinstance(item, Mapping) for item in values):
            if all(item.keys() >= TENSOR for item in values):
                return {item["name"]: dict(item) for item in values}
            values = _columns(values)
        declared = {feature.name: datatype_of(feature.value_type, "") for feature in self._schema}
        if not isinstance(values, Mapping):
            values = {next(iter(declared)) if len(declared) == 1 else "output_0": values}
        return {str(name): from_values(name, value, declared.get(name)) for name, value in values.items()}

    def _written(self, name: str, output: Any, as_text: bool) -> dict[str, Any]:
        if isinstance(output, dict):
            return output
        datatype, array = output
        shape = list(array.shape) or [1]
        parameters = self._wanted.get(name, {})
        binary = parameters.get("binary_data", self._parameters.get("binary_data_output", False))
        data = to_binary(array) if binary is True and not as_text else to_json_data(name, array)
        return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _tensors(request: dict[str, Any]) -> list[dict[str, Any]]:
    tensors = request["inputs"]
    if not tensors:
        raise BadRequest("an inference request has at least one tensor under 'inputs'")
    names: set[str] = set()
    for tensor in tensors:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            raise BadRequest(f"a tensor's name is a text, found {name!r}")
        if name in names:
            raise BadRequest(f"there are two tensors of the name {name!r}")
        names.add(name)
    return list(tensors)


def _inputs(arrays: dict[str, Any], form: str) -> Any:
    """Return what a model gets as ``inputs``: a single tensor itself, several by name."""
    values = arrays if form == "arrays" else {name: to_lists(array) for name, array in arrays.items()}
    if len(values) > 1:
        return Tensors(values)
    (only,) = values.values()
    # a tensor without dimensions is one row
    return only if form == "arrays" or isinstance(only, list) else [only]


def _wanted(outputs: Any) -> dict[str, dict[str, Any]]:
    """Return the parameters of the outputs that a request names."""
    if outputs is None:
        return {}
    if not isinstance(outputs, list) or not all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in outputs
    ):
        raise BadRequest("'outputs' is a list of objects with a 'name'")
    found = {}
    for item in outputs:
        parameters = item.get("parameters")
        found[item["name"]] = parameters if isinstance(parameters, dict) else {}
    return found


def _columns(rows: list[Any]) -> dict[str, list[Any]]:
    """Return rows by name as columns by name."""
    names = list(rows[0])
    if any(list(row) != names for row in rows):
        raise StepError(f"the outputs cannot be sent as tensors: not every row has {choices(names)}, in this order")
    return {name: [row[name] for row in rows] for name in names}
