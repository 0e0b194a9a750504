"""A run becomes a case, which passes when it is replayed, and fails when the graph has changed."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import graphkit
from graphkit import Case, CaseError, CaseFile, GraphError, check_case


class Model(graphkit.V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return [sum(row) for row in request["inputs"]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cases.yaml"


@pytest.fixture
def models():
    server = graphkit.create_graph_server()
    server.add_model("sum", class_name=Model)
    return server


def again(server, path, name="a"):
    return check_case(server, CaseFile.load(path)[name])


def test_a_run_of_a_model_passes_when_it_is_replayed(models, path):
    models.test("sum/infer", {"inputs": [[1, 2.5]]})
    case = models.record("a", path=path)
    assert case.answer["outputs"] == [3.5]
    assert case.ignore == ("id", "timestamp")
    assert again(models, path).passed


def test_a_changed_graph_fails_with_the_place(models, path):
    models.test("sum/infer", {"inputs": [[1, 2.5]]})
    models.record("a", path=path)

    class Other(Model):
        def predict(self, request):
            return [max(row) for row in request["inputs"]]

    models.add_model("sum", class_name=Other)
    assert [each.path for each in again(models, path).differences] == ["outputs[0]"]


def test_an_id_that_the_caller_gave_is_compared(models, path):
    models.test("sum/infer", {"inputs": [[1]], "id": "mine"})
    assert models.record("body", path=path).ignore == ("timestamp",)
    models.test("sum/infer", {"inputs": [[1]]}, event_id="mine")
    assert models.record("argument", path=path).ignore == ("timestamp",)
    models.test("sum/infer", {"inputs": [[1]]}, headers={"X-Event-Id": "mine"})
    assert models.record("header", path=path).ignore == ("timestamp",)
    for name in ("body", "argument", "header"):
        result = again(models, path, name)
        assert result.passed, result
        assert result.answer["id"] == "mine"


def test_the_ids_and_times_of_answers_within_the_answer_are_not_compared(path):
    def ask(event):
        answer = {"model_name": "m", "id": event.id, "timestamp": str(dt.datetime.now()), "outputs": [1]}
        return {"models": [answer, answer], "timestamp": "mine"}

    graph = graphkit.new_flow()
    graph.to(lambda event: graphkit.Response(body=ask(event)), name="ask", full_event=True).respond()
    server = graph.to_mock_server()
    server.test("/", {"inputs": [[1]]})
    case = server.record("a", path=path)
    assert case.ignore == ("models[0].id", "models[0].timestamp", "models[1].id", "models[1].timestamp")
    assert again(server, path).passed


def test_the_id_of_a_flow_with_several_ends_is_not_compared(path):
    graph = graphkit.new_flow()
    graph.to(name="one", handler="(event)")
    graph.add_step(name="two", handler="(event)", after=[])
    server = graph.to_mock_server()
    server.test(body=1)
    assert server.record("a", path=path).ignore == ("id",)
    assert again(server, path).passed


def test_more_places_and_tolerances_are_written(models, path):
    models.test("sum/infer", {"inputs": [[1]]})
    models.record("a", path=path, rtol=0.1, atol=0.2, ignore="outputs[*]")
    case = CaseFile.load(path)["a"]
    assert (case.rtol, case.atol, case.ignore) == (0.1, 0.2, ("id", "timestamp", "outputs[*]"))


def test_a_refusal_is_a_case_too(models, path):
    models.test("sum/infer", {"inputs": 3}, silent=True)
    assert models.record("a", path=path).status == 400
    assert again(models, path).passed


def test_an_older_run_is_recorded_by_place_id_or_record(models, path):
    for number in range(3):
        models.test("sum/infer", {"inputs": [[number]]}, event_id=f"run {number}")
    assert models.record("a", 0, path=path).answer["outputs"] == [0]
    assert models.record("a", "run 1", path=path).answer["outputs"] == [1]
    assert models.record("a", models.runs[2], path=path).answer["outputs"] == [2]
    assert len(CaseFile.load(path)) == 1


def test_without_a_run_there_is_no_case(models, path):
    with pytest.raises(GraphError, match=r"there is no recorded run.*server\.test"):
        models.record("a", path=path)
    assert not path.exists()


@pytest.mark.parametrize("get_body", [True, False])
@pytest.mark.parametrize(("body", "content_type"), [('{"x": 1}', None), (b'{"x": 1}', "application/json")])
def test_a_body_given_as_json_and_an_answer_taken_as_json(path, get_body, body, content_type):
    graph = graphkit.new_flow()
    graph.to(lambda body: {"y": [body["x"] * 2]}, name="double").respond()
    server = graph.to_mock_server()
    server.test(body=body, content_type=content_type, get_body=get_body)
    case = server.record("a", path=path)
    assert (case.body, case.answer) == (body, {"y": [2]})
    assert again(server, path).passed


def test_an_answer_that_is_json_text_stays_text(path):
    graph = graphkit.new_flow()
    graph.to(lambda body: '{"y": 1}', name="text").respond()
    server = graph.to_mock_server()
    server.test(body=1)
    assert server.record("a", path=path).answer == '{"y": 1}'
    assert again(server, path).passed


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2026-01-31", None])}),
        b"\x00\xff",
        dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc),
        {"deep": [np.float32(0.5), (1, {2, 3})]},
        "two\nlines",
        [],
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_of_all_kinds_are_recorded_and_replayed(path, value):
    graph = graphkit.new_flow()
    graph.to(lambda body: body, name="same").respond()
    server = graph.to_mock_server()
    server.test(body=value, content_type="text/plain" if isinstance(value, (str, bytes)) else None)
    server.record("a", path=path)
    result = again(server, path)
    assert result.passed, result
    assert type(result.answer) is type(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"x": [0] * 10**6}, "case 'a': body.* of which a run keeps only a preview .* too large"),
        ({"x": object()}, "case 'a': body.x is of type object"),
    ],
)
def test_what_a_record_does_not_hold_whole_is_refused(path, value, words):
    graph = graphkit.new_flow()
    graph.to(lambda body: 1, name="one").respond()
    server = graph.to_mock_server()
    server.test(body=value)
    with pytest.raises(CaseError, match=words):
        server.record("a", path=path)
    assert not path.exists()


def test_a_secret_is_not_written_down(path):
    graph = graphkit.new_flow()
    graph.to(lambda body, context: {"said": context.get_secret("KEY")}, name="tells").respond()
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"KEY": "abracadabra"}}])
    server.test(body=1)
    with pytest.raises(CaseError, match=r"answer\.said holds a secret, which is never written down"):
        server.record("a", path=path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"time": dt.datetime(2026, 1, 31)}, "the event had a time of its own"),
        ({"offset": 5}, "the event had offset"),
        ({"headers": {"a": 1}}, "the headers are not all texts"),
    ],
)
def test_what_a_case_has_no_field_for_is_refused(models, path, given, words):
    models.test("sum/infer", {"inputs": [[1]]}, **given)
    with pytest.raises(CaseError, match=words):
        models.record("a", path=path)


def test_a_bad_name_or_place_is_refused(models, path):
    models.test("sum/infer", {"inputs": [[1]]})
    with pytest.raises(CaseError, match="a case needs a name"):
        models.record("", path=path)
    with pytest.raises(CaseError, match="case 'a': ignore: 'x\\[' cannot be read"):
        models.record("a", path=path, ignore=["x["])


def test_the_file_is_the_one_that_was_there(models, path):
    path.write_text("graph: app.py  # mine\ncases:\n- {name: old, body: 1}\n")
    models.test("sum/infer", {"inputs": [[1]]})
    models.record("a", path=path)
    file = CaseFile.load(path)
    assert (file.graph, [case.name for case in file]) == ("app.py", ["old", "a"])
    assert file["old"] == Case(name="old", body=1)
    assert "# mine" in path.read_text()
