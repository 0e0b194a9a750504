"""What a playground offers to ask, and how it reads what a user typed."""

from __future__ import annotations

from typing import Any

import pytest

from graphkit import GraphServer, V2ModelServer, new_flow, new_router
from graphkit.models.model_spec import Feature, ModelSpec
from graphkit.notebook.asking import Example, body_text, examples_of, paths_of, read_typed


@pytest.mark.parametrize(
    ("text", "value"), [("", None), ("  \n", None), ("null", None), ("[1]", [1]), ('"x"', "x"), ("1e3", 1000.0)]
)
def test_json_is_read(text: str, value: Any) -> None:
    typed = read_typed(text)
    assert (typed.value, typed.said) == (value, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1, column 2: Expecting property name enclosed in double quotes"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6: Expecting ':' delimiter"),
        ("{'a': 1}", "line 1, column 2: JSON writes text in double quotes"),
        ('{"a": True}', "line 1, column 7: JSON writes true, false and null in small letters"),
        ("NaN", "NaN is not JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        ("hello", "line 1, column 1: Expecting value"),
    ],
)
def test_what_is_no_json_is_said_with_its_place(text: str, said: str) -> None:
    assert read_typed(text).said == said


@pytest.mark.parametrize("text", ['{"a": 1,}', "[1, 2, ]"])
def test_a_trailing_comma_is_said_the_same_in_every_version(text: str) -> None:
    assert "Illegal trailing comma before end of" in read_typed(text).said


class Model(V2ModelServer):
    def load(self) -> None:
        self.model_spec = ModelSpec(
            inputs=[
                Feature(name="a", value_type="float"),
                Feature(name="b", value_type="int64"),
                Feature(name="c", value_type="str", default="x"),
                Feature(name="d", value_type="float", dims=[2, 3]),
            ]
        )

    def predict(self, request: Any) -> Any:
        return [0]


def test_paths_of_models_versions_ensembles_and_functions() -> None:
    graph = new_flow()
    models = graph.to("*", "models", url_prefix="/api/m/")
    models.add_route("iris:v1", class_name=Model)
    models.to("*VotingEnsemble", "vote").add_route("one", class_name=Model)
    graph.add_step("*ParallelRun", "all", after="vote").add_route("f", handler="(event)")
    paths = paths_of(graph)
    assert paths[:2] == ["/", "/api/m/"]
    assert {"/api/m/iris/versions/v1/infer", "/v2/models/vote/infer", "/v2/models/infer", "/f"} <= set(paths)


def test_a_router_at_the_root_has_its_paths_and_so_have_earlier_runs() -> None:
    router = new_router()
    router.add_route("m", class_name=Model)
    server = GraphServer(router)
    server.test("/v2/models/m/infer", {"inputs": [1]})
    server.test("/m/metrics", silent=True)
    paths = paths_of(server.graph, server.runs)
    assert paths.count("/v2/models/m/infer") == 1
    assert paths[-1] == "/m/metrics"


def test_every_offered_path_is_answered_by_the_models() -> None:
    graph = new_flow()
    graph.to("*", "models").add_route("iris:v1", class_name=Model)
    server = graph.to_mock_server()
    for path in paths_of(graph)[1:]:
        body = {"inputs": [1]} if path.endswith("infer") else None
        assert server.test(path, body, get_body=False).status_code == 200, path


def test_a_graph_that_is_not_right_yet_has_paths_too() -> None:
    graph = new_flow()
    graph.to("*", "empty")
    graph.to(name="a", handler="f")
    graph["a"].after = ["nobody"]
    assert paths_of(graph)[0] == "/"


def test_examples_are_what_was_asked_last_and_what_models_take() -> None:
    graph = new_flow()
    graph.to("*", "models").add_route("m", class_name=Model)
    server = graph.to_mock_server()
    assert examples_of(graph, {}, server.runs) == []
    server.test("/v2/models/m/infer", {"inputs": [5]})
    server.test("/v2/models/m/infer", {"inputs": [6]})
    server.test("/v2/models/m/infer", {"inputs": [6]})
    steps = graph._bound.steps
    found = examples_of(graph, steps, server.runs)
    assert [example.body for example in found] == [
        '{"inputs": [6]}',
        '{"inputs": [5]}',
        '{"inputs": [[0.0, 0, "x", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]]}',
    ]
    assert found[-1] == Example("schema of m", "/v2/models/m/infer", "POST", found[-1].body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, ""),
        ({"x": 1}, '{"x": 1}'),
        ('{"x": 1}', '{"x": 1}'),
        (object(), None),
        ("no json", None),
        (b"\xff", None),
    ],
)
def test_bodies_of_runs_as_text_to_edit(body: Any, text: str | None) -> None:
    graph = new_flow()
    graph.to(name="a", handler="(1)")
    server = graph.to_mock_server()
    server.test(body=body, silent=True)
    assert server.last_run is not None
    assert body_text(server.last_run) == text


@pytest.mark.parametrize("size", [10**6, 10**7])
def test_a_body_that_is_too_large_to_edit_or_was_to_keep_is_no_example(size: int) -> None:
    graph = new_flow()
    graph.to(name="a", handler="(1)")
    server = graph.to_mock_server()
    server.test(body=["x" * size])
    assert examples_of(graph, {}, server.runs) == []
