"""Requests of the protocol through every kind of graph: the graph sees plain data, the client gets tensors."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit import Event, GraphServer, StepError, V2ModelServer, create_graph_server, new_flow
from graphkit.server.oip.dialect import half_formed, is_oip
from graphkit.server.oip.tensors import to_array, to_binary


class Total(V2ModelServer):
    """Adds up each row."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [sum(row) for row in request["inputs"]]


class Same(V2ModelServer):
    """Gives back what it got, as arrays."""

    oip_inputs: ClassVar[str] = "arrays"

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        inputs = request["inputs"]
        assert isinstance(inputs, (dict, np.ndarray, list)), inputs
        return inputs


class SameLists(V2ModelServer):
    """Gives back what it got, as lists."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        assert not isinstance(request["inputs"], np.ndarray)
        return request["inputs"]


class Gives(V2ModelServer):
    """Gives what it was told to."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return self.get_param("outputs")


def tensor(name: str = "x", shape: Any = (2, 2), datatype: str = "FP32", data: Any = (1, 2, 3, 4)) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": list(data)}


@pytest.fixture
def server() -> GraphServer:
    server = create_graph_server()
    server.add_model("total", class_name=Total)
    server.add_model("total:2", class_name=Total)
    server.add_model("same", class_name=Same)
    return server


def test_one_tensor_is_the_rows_of_the_plain_dialect(server: GraphServer) -> None:
    answer = server.test("/v2/models/total/infer", {"id": "7", "inputs": [tensor()]})
    assert answer == {
        "id": "7",
        "model_name": "total",
        "outputs": [{"name": "output_0", "shape": [2], "datatype": "FP64", "data": [3.0, 7.0]}],
    }


def test_test_run_and_run_async_answer_alike(server: GraphServer) -> None:
    import asyncio

    body = {"id": "7", "inputs": [tensor()]}
    event = Event(body, path="/v2/models/total/infer", method="POST")
    tested = server.test("/v2/models/total/infer", body)
    assert server.run(event, get_body=True) == tested
    assert asyncio.run(server.run_async(event, get_body=True)) == tested
    assert event.body is body
    assert is_oip(body)


def test_a_version_is_answered_by_name(server: GraphServer) -> None:
    answer = server.test("/v2/models/total/versions/2/infer", {"inputs": [tensor()]})
    assert (answer["model_name"], answer["model_version"]) == ("total", "2")


def test_a_model_may_want_arrays_of_the_tensors_own_types(server: GraphServer) -> None:
    answer = server.test("/v2/models/same/infer", {"inputs": [tensor(datatype="INT8")]})
    assert answer["outputs"] == [{"name": "output_0", "shape": [2, 2], "datatype": "INT8", "data": [1, 2, 3, 4]}]


def test_several_tensors_are_given_and_answered_by_name(server: GraphServer) -> None:
    tensors = [tensor("a"), tensor("b", [1], "BYTES", ["t"])]
    answer = server.test("/v2/models/same/infer", {"inputs": tensors})
    assert [(item["name"], item["data"]) for item in answer["outputs"]] == [("a", [1, 2, 3, 4]), ("b", ["t"])]


def test_outputs_that_are_wanted_come_in_the_wanted_form(server: GraphServer) -> None:
    wanted = [{"name": "b", "parameters": {"binary_data": True}}]
    body = {"inputs": [tensor("a"), tensor("b", [1], "INT16", [5])], "outputs": wanted}
    assert [item["data"] for item in server.test("/v2/models/same/infer", body)["outputs"]] == [b"\x05\x00"]
    response = server.test("/v2/models/same/infer", body, get_body=False)
    length = int(response.headers["Inference-Header-Content-Length"])
    assert response.content_type == "application/octet-stream"
    assert response.body[length:] == b"\x05\x00"
    assert json.loads(response.body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 2}


def test_a_binary_request_needs_its_header(server: GraphServer) -> None:
    given = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    head = json.dumps({"inputs": [given]}).encode()
    body = head + np.array([1, 2], "<f4").tobytes()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = server.test("/v2/models/total/infer", body, content_type="application/octet-stream", headers=headers)
    assert answer["outputs"][0]["data"] == [3.0]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"inputs": [tensor(shape=[3])]}, 400, "takes 3 elements"),
        ({"inputs": [tensor(), tensor()]}, 400, "two tensors of the name 'x'"),
        ({"inputs": [tensor()], "outputs": [{"name": "output_1"}]}, 400, "did you mean 'output_0'"),
        ({"inputs": [tensor()], "outputs": "y"}, 400, "list of objects"),
        ({"inputs": [{**tensor(), "name": 1}]}, 400, "a tensor's name is a text"),
        ({"inputs": [tensor(datatype="BYTES", data="abcd")]}, 500, "unsupported operand"),
    ],
)
def test_failures_are_answered_in_the_protocols_form(server: GraphServer, body: Any, status: int, message: str) -> None:
    response = server.test("/v2/models/total/infer", body, silent=True)
    assert (response.status_code, response.content_type) == (status, "application/json")
    assert message in json.loads(response.body)["error"]
    with pytest.raises(StepError, match=message):
        server.test("/v2/models/total/infer", body)


def test_an_unknown_model_is_answered_in_the_protocols_form(server: GraphServer) -> None:
    response = server.test("/v2/models/totl/infer", {"inputs": [tensor()]}, silent=True)
    assert response.status_code == 404
    assert "did you mean 'total'" in json.loads(response.body)["error"]


def test_the_plain_dialect_is_left_alone(server: GraphServer) -> None:
    assert server.test("/v2/models/total/infer", {"inputs": [[1, 2]]})["outputs"] == [3]
    response = server.test("/v2/models/total/infer", {"input": []}, silent=True)
    assert response.content_type == "text/plain"


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([], False),
        ([1], False),
        ([{"name": "x", "shape": [1]}], False),
        ([tensor(), {"name": "x"}], False),
        ([{"name": "x"}, tensor()], False),
        ([tensor(), tensor("y")], True),
        ({"name": "x", "shape": [1], "datatype": "FP32"}, False),
    ],
)
def test_the_shape_of_a_request_tells_the_dialect(inputs: Any, expected: bool) -> None:
    assert is_oip({"inputs": inputs}) is expected


NO_SHAPE = {"name": "x", "datatype": "FP32", "data": [1]}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([{"name": "x", "shape": [1]}], "item 0 of 'inputs' is a tensor without 'datatype', found 'name', 'shape'"),
        ([{"name": "x", "data": [1]}], "without 'datatype', 'shape'"),
        ([{"name": "x", "datatype": "FP32"}], "without 'shape'"),
        ([NO_SHAPE], "without 'shape', found 'data', 'datatype', 'name'"),
        ([{**NO_SHAPE, "parameters": {}}], "without 'shape'"),
        ([{**NO_SHAPE, "dims": [1]}], "without 'shape', found 'data', 'datatype', 'dims', 'name'"),
        ([{"name": "x", "shape": [1], "dtype": "FP32", "data": [1]}], "without 'datatype', found 'data', 'dtype'"),
        ([{"shape": [1], "datatype": "FP32", "data": [1]}], "without 'name'"),
        ([tensor(), {"name": "y"}], "item 1 of 'inputs' is a tensor without 'datatype', 'shape'"),
        ([{"name": "y"}, tensor()], "item 0 of 'inputs' is a tensor without 'datatype', 'shape'"),
        ([tensor(), [1, 2]], "item 1 of 'inputs' is no tensor but a value of type list"),
    ],
)
@pytest.mark.parametrize("path", ["total/infer", "total/predict", "total/explain", "total", ""])
def test_a_tensor_that_is_not_whole_is_refused(server: GraphServer, inputs: Any, message: str, path: str) -> None:
    response = server.test(f"/v2/models/{path}", {"inputs": inputs}, silent=True)
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert message in json.loads(response.body)["error"]
    event = Event({"inputs": inputs}, path=f"/v2/models/{path}", method="POST")
    assert server.run(event).body == response.body


@pytest.mark.parametrize(
    "row",
    [
        {"name": "x"},
        {},
        {"name": "ring", "shape": "round", "price": 5},
        {"name": "ring", "shape": "round"},
        {"name": "x", "data": "text"},
        {"name": "x", "data": [1], "unit": "m"},
        {"shape": [1], "data": [1]},
        {"data": [1]},
        {"name": 5, "shape": [1]},
        {"datatype": "FP32", "size": 3},
    ],
)
def test_rows_may_be_dicts_of_any_keys(row: Any) -> None:
    server = create_graph_server()
    server.add_model("lists", class_name=SameLists)
    assert half_formed({"inputs": [row]}) == ""
    assert server.test("lists/infer", {"inputs": [row, row]})["outputs"] == [row, row]


@pytest.mark.parametrize("inputs", [[NO_SHAPE], [{"name": "x", "data": [1]}]])
def test_functions_and_other_operations_take_what_they_like(inputs: Any) -> None:
    class Names(V2ModelServer):
        def load(self) -> None: ...

        def op_names(self, event: Any) -> Any:
            return [item["name"] for item in event.body["inputs"]]

    server = create_graph_server()
    server.add_model("m", class_name=Names)
    server.graph.add_route("f", handler="(event['inputs'])")
    assert server.test("m/names", {"inputs": inputs}) == ["x"]
    assert server.test("/v2/models/m", {"inputs": inputs, "operation": "names"}) == ["x"]
    assert server.test("f/infer", {"inputs": inputs}) == inputs
    flow = new_flow("flow")
    flow.to(name="same", handler="(event['inputs'])").respond()
    assert flow.to_mock_server().test(body={"inputs": inputs}) == inputs


def test_rows_by_name_are_left_alone() -> None:
    class ByName(SameLists):
        def load(self) -> None:
            feature = SimpleNamespace(name="name", value_type="str"), SimpleNamespace(name="data", value_type="list")
            self.model_spec = SimpleNamespace(inputs=feature, outputs=())

    server = create_graph_server()
    server.add_model("m", class_name=ByName)
    assert server.test("m/infer_dict", {"inputs": [{"name": "x", "data": [1]}]})["outputs"] == [["x", [1]]]


class Explains(Total):
    """Says how much each number counts; its schema is that of its predictions."""

    def load(self) -> None:
        self.model_spec = SimpleNamespace(inputs=(), outputs=(SimpleNamespace(name="label", value_type="int"),))

    def predict(self, request: Any) -> Any:
        return [1 for _ in request["inputs"]]

    def explain(self, request: Any) -> Any:
        return [[x / sum(row) for x in row] for row in request["inputs"]]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("m/explain", {}),
        ("m/versions/1/explain", {}),
        ("m", {"operation": "explain"}),
        ("", {"model": "m", "operation": "explain"}),
    ],
)
def test_explanations_are_asked_and_answered_by_tensors(path: str, more: Any) -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Explains)
    server.add_model("m:1", class_name=Explains)
    answer = server.test(f"/v2/models/{path}", {"inputs": [tensor(data=[1, 3, 1, 1])], **more})
    expected = {"name": "output_0", "shape": [2, 2], "datatype": "FP64", "data": [0.25, 0.75, 0.5, 0.5]}
    assert answer["outputs"] == [expected]
    (output,) = server.test("m/infer", {"inputs": [tensor()]})["outputs"]
    assert (output["name"], output["datatype"]) == ("label", "INT64")


def test_a_model_that_explains_nothing_says_so_in_the_protocols_form(server: GraphServer) -> None:
    response = server.test("/v2/models/total/explain", {"inputs": [tensor()]}, silent=True)
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert "no operation 'explain'" in json.loads(response.body)["error"]


def test_predict_is_another_word_for_infer(server: GraphServer) -> None:
    body = {"id": "7", "inputs": [tensor()]}
    assert server.test("total/predict", body) == server.test("total/infer", body)


def test_other_operations_get_tensors_as_they_came(server: GraphServer) -> None:
    class Lists(V2ModelServer):
        def load(self) -> None: ...

        def op_names(self, event: Any) -> Any:
            return [item["name"] for item in event.body["inputs"]]

    server.add_model("lists", class_name=Lists)
    assert server.test("/v2/models/lists/names", {"inputs": [tensor()]}) == ["x"]
    assert server.test("/v2/models/lists", {"inputs": [tensor()], "operation": "names"}) == ["x"]


def test_a_model_may_take_tensors_only() -> None:
    server = create_graph_server()
    server.add_model("strict", class_name=Same, protocol="oip")
    assert server.test("/v2/models/strict/infer", {"inputs": [tensor()]})["outputs"][0]["datatype"] == "FP32"
    response = server.test("/v2/models/strict/infer", {"inputs": [[1]]}, silent=True)
    assert (response.status_code, "Open Inference Protocol only" in response.body) == (400, True)


def test_a_model_with_a_protocol_of_its_own_gets_the_request_as_it_came() -> None:
    class Raw(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            return request["inputs"][0]["datatype"]

    server = create_graph_server()
    server.add_model("raw", class_name=Raw, protocol="plain")
    assert server.test("/v2/models/raw/infer", {"inputs": [tensor()]})["outputs"] == "FP32"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([1, 2], [("output_0", [2], "INT64", [1, 2])]),
        (np.array([[1.0]], "f4"), [("output_0", [1, 1], "FP32", [1.0])]),
        ({"a": [1], "b": ["x"]}, [("a", [1], "INT64", [1]), ("b", [1], "BYTES", ["x"])]),
        ([{"a": 1, "b": 2.5}, {"a": 3, "b": 4.5}], [("a", [2], "INT64", [1, 3]), ("b", [2], "FP64", [2.5, 4.5])]),
        (pd.DataFrame({"a": [1, 2]}), [("a", [2], "INT64", [1, 2])]),
        ([{**tensor("made")}], [("made", [2, 2], "FP32", [1, 2, 3, 4])]),
        (5, [("output_0", [1], "INT64", [5])]),
        ([], [("output_0", [0], "FP64", [])]),
    ],
)
def test_whatever_a_model_gives_becomes_tensors(outputs: Any, expected: list[Any]) -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Gives, outputs=outputs)
    answer = server.test("/v2/models/m/infer", {"inputs": [tensor()]})
    found = [(item["name"], item["shape"], item["datatype"], item["data"]) for item in answer["outputs"]]
    assert found == expected


def _echoes() -> GraphServer:
    server = create_graph_server()
    server.add_model("arrays", class_name=Same)
    server.add_model("lists", class_name=SameLists)
    return server


ECHOES = _echoes()
TEXTS = st.text("\x00aä€😀", max_size=4)  # few characters, so that many end in NULs
NO_TEXTS = st.lists(st.sampled_from(b"\x00\x01a\xff"), max_size=4).map(bytes)


@pytest.mark.parametrize("model", ["arrays", "lists"])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@given(data=st.data())
def test_bytes_come_back_as_they_were_sent(model: str, binary_in: bool, binary_out: bool, data: st.DataObject) -> None:
    elements = TEXTS.map(str.encode) if not (binary_in and binary_out) else TEXTS.map(str.encode) | NO_TEXTS
    sent = data.draw(st.lists(elements, min_size=1, max_size=6))
    shape = data.draw(st.sampled_from([[len(sent)], [1, len(sent)], [len(sent), 1]]))
    texts = [] if binary_in else [element.decode() for element in sent]
    given = tensor("x", shape, "BYTES", texts)
    if binary_in:
        array = np.empty(len(sent), dtype=object)
        array[:] = sent
        given["data"] = to_binary(array)
    body = {"inputs": [given], "parameters": {"binary_data_output": binary_out}}
    event = Event(body, method="POST", path=f"/v2/models/{model}/infer")
    (output,) = ECHOES.run(event, get_body=True)["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", shape)
    assert to_array(output).ravel().tolist() == sent


def test_rows_that_differ_cannot_be_tensors() -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Gives, outputs=[{"a": 1}, {"b": 1}])
    with pytest.raises(StepError, match="not every row has 'a'"):
        server.test("/v2/models/m/infer", {"inputs": [tensor()]})


def test_an_ensemble_votes_on_tensors() -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", name="vote", exist_ok=True, vote_type="regression")
    for key in "ab":
        server.add_model(key, class_name=Total)
    answer = server.test("/v2/models/vote/infer", {"inputs": [tensor()]})
    assert answer["model_name"] == "vote"
    assert answer["outputs"][0]["data"] == [3.0, 7.0]
    response = server.test("/v2/models/infer", {"inputs": [NO_SHAPE]}, silent=True)
    assert (response.status_code, "without 'shape'" in response.body) == (400, True)


def test_steps_around_a_router_see_plain_data() -> None:
    graph = new_flow("chain")
    graph.to(name="twice", handler="({'inputs': [[2 * x for x in row] for row in event['inputs']]})").to(
        "*", name="models"
    ).respond()
    graph["models"].add_route("total", class_name=Total)
    answer = graph.to_mock_server(namespace=globals()).test("/v2/models/total/infer", {"inputs": [tensor()]})
    assert answer["outputs"][0]["data"] == [6.0, 14.0]


def test_a_flow_answers_under_its_own_name() -> None:
    graph = new_flow("sum")
    graph.to(name="add", handler="([sum(row) for row in event['inputs']])").respond()
    answer = graph.to_mock_server().test("/v2/models/sum/infer", {"inputs": [tensor()]})
    assert (answer["model_name"], answer["outputs"][0]["data"]) == ("sum", [3.0, 7.0])


@pytest.mark.parametrize("body", [None, b"", "[]"])
def test_a_binary_request_without_json_is_refused(server: GraphServer, body: Any) -> None:
    headers = {"Inference-Header-Content-Length": "0"}
    response = server.test("/v2/models/total/infer", body, "POST", headers=headers, silent=True)
    assert (response.status_code, response.content_type) == (400, "application/json")


def written(data: str) -> bytes:
    """Return a request as a client would write it, with data that need not be JSON."""
    return b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":' + data.encode() + b"}]}"


@pytest.mark.parametrize("content_type", ["application/json", None, "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("[NaN]", "JSON has no NaN; a tensor holds null for it"),
        ("[-Infinity]", "JSON has no -Infinity; a tensor in binary form holds it"),
        ("[1", "JSON is malformed"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_refused_in_the_protocols_form(
    server: GraphServer, content_type: str | None, as_text: bool, data: str, message: str
) -> None:
    body = written(data).decode() if as_text else written(data)
    response = server.test("/v2/models/total/infer", body, content_type=content_type, silent=True)
    assert (response.status_code, response.content_type) == (400, "application/json")
    error = json.loads(response.body)["error"]
    assert message in error or content_type == "application/x-www-form-urlencoded"


def test_a_plain_body_that_cannot_be_decoded_is_refused_in_words(server: GraphServer) -> None:
    body = b'{"inputs":[[NaN]]}'
    response = server.test("/v2/models/total/infer", body, content_type="application/json", silent=True)
    assert (response.status_code, response.content_type) == (400, "text/plain")
    assert response.body.startswith("the body is not usable JSON: JSON has no NaN")


def test_json_before_binary_tensors_is_refused_by_what_it_lacks(server: GraphServer) -> None:
    body = written("[NaN]")
    headers = {"Inference-Header-Content-Length": str(len(body))}
    response = server.test("/v2/models/total/infer", body, headers=headers, silent=True)
    assert "JSON has no NaN" in json.loads(response.body)["error"]


def test_null_stands_for_what_json_lacks() -> None:
    path = "/v2/models/arrays/infer"
    body: dict[str, Any] = {"inputs": [tensor("x", [3], "FP32", [None, float("inf"), -float("inf")])]}
    assert json.loads(ECHOES.run(Event(body, method="POST", path=path)).body)["outputs"][0]["data"] == [None] * 3
    body["parameters"] = {"binary_data_output": True}
    response = ECHOES.run(Event(body, method="POST", path=path))
    length = int(response.headers["Inference-Header-Content-Length"])
    found = np.frombuffer(response.body[length:], "<f4")
    assert np.array_equal(found, [np.nan, np.inf, -np.inf], equal_nan=True)
