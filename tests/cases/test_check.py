"""A case is replayed on a server."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit
from graphkit.cases.case import Case
from graphkit.cases.check import check_case


class Half(graphkit.V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return [x / 2 for x in request["inputs"]]


def server_of(handler):
    graph = graphkit.new_flow()
    graph.to(handler, name="step").respond()
    return graph.to_mock_server()


def test_a_case_that_is_answered_as_expected_passes():
    result = check_case(
        server_of(lambda body: {"twice": body["x"] * 2}), Case(name="a", body={"x": 2}, answer={"twice": 4})
    )
    assert result.passed
    assert result.text() == "case 'a' passed"


def test_a_failure_says_where_and_how():
    result = check_case(
        server_of(lambda body: {"twice": [body["x"] * 2]}), Case(name="a", body={"x": 2}, answer={"twice": [5]})
    )
    assert not result.passed
    assert result.text() == "case 'a' failed: 1 difference\n  twice[0]: expected 5, found 4"
    assert result.answer == {"twice": [4]}


def test_a_step_that_raises_is_a_difference_of_the_status():
    result = check_case(server_of(lambda body: body["y"]), Case(name="a", body={"x": 2}, answer=1))
    assert (result.status, [each.path for each in result.differences]) == (500, ["status"])
    assert "step 'step'" in result.text()
    assert "KeyError" in result.text()


def test_an_expected_refusal_passes():
    server = graphkit.create_graph_server()
    server.add_model("half", class_name=Half)
    assert check_case(server, Case(name="a", path="half/infer", body={"inputs": 3}, status=400)).passed
    assert check_case(server, Case(name="a", path="nobody/infer", body={"inputs": [3]}, status=404)).passed
    found = check_case(server, Case(name="a", path="half/infer", body={"inputs": [3]}, status=404))
    assert "status: expected 404, found 200" in found.text()


def test_the_tolerances_and_ignored_places_of_the_case_count():
    server = graphkit.create_graph_server()
    server.add_model("half", class_name=Half)
    answer = {"id": "x", "model_name": "half", "outputs": [1.5000001], "timestamp": "now"}
    case = Case(name="a", path="half/infer", body={"inputs": [3]}, answer=answer, ignore=("id", "timestamp"))
    assert check_case(server, case).passed
    strict = Case(name="a", path="half/infer", body={"inputs": [3]}, answer=answer, ignore=("id", "timestamp"), rtol=0)
    assert [each.path for each in check_case(server, strict).differences] == ["outputs[0]"]


def test_without_an_expected_answer_only_the_status_counts():
    assert check_case(server_of(lambda body: object()), Case(name="a", body=1)).passed


def test_a_step_that_changes_its_body_does_not_change_the_case():
    def greedy(body):
        body["x"].append(1)
        return len(body["x"])

    case = Case(name="a", body={"x": []}, answer=1)
    server = server_of(greedy)
    assert [check_case(server, case).passed for _ in range(2)] == [True, True]


def test_arrays_are_sent_and_compared():
    case = Case(name="a", body=np.array([1.0, 2.0]), answer=np.array([2.0, 4.0]))
    assert check_case(server_of(lambda body: body * 2), case).passed
    assert "[1]: expected 4.0, found 6.0" in check_case(server_of(lambda body: body * [2, 3]), case).text()


def test_headers_and_content_type_are_sent():
    def seen(event):
        return {"type": event.content_type, "header": event.headers.get("X-My"), "method": event.method}

    graph = graphkit.new_flow()
    graph.to(seen, name="seen", full_event=True).respond()
    case = Case(
        name="a", body="hi", content_type="text/plain", headers={"X-My": "1"}, method="PUT", status=200, answer="?"
    )
    assert check_case(graph.to_mock_server(), case).answer == {"type": "text/plain", "header": "1", "method": "PUT"}


@pytest.mark.parametrize("text", ["<b>bold</b>", "a & b"])
def test_the_html_form_shows_texts_as_texts(text):
    html = check_case(server_of(lambda body: text), Case(name="a", body=1, answer="x"))._repr_html_()
    assert text not in html
    assert html.startswith("<pre>")
