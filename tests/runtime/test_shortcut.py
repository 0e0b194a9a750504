"""A router that is all of a graph answers plain models' requests at once: the answers are those of the long way."""

from __future__ import annotations

import asyncio

import pytest

from graphkit import MockEvent, V2ModelServer, create_graph_server, new_flow, new_router


class Doubler(V2ModelServer):
    def load(self): ...

    def predict(self, request):
        request["seen"] = True
        return [2 * x for x in request["inputs"]]


class Greedy(Doubler):
    def predict(self, request):
        outputs = super().predict(request)
        request["inputs"].clear()
        return outputs


class Late(Doubler):
    async def predict(self, request):
        await asyncio.sleep(0)
        return super().predict(request)


class Broken(Doubler):
    def predict(self, request):
        raise ValueError("no such row")


class LateBroken(Doubler):
    async def predict(self, request):
        await asyncio.sleep(0)
        raise ValueError("no such row")


class Prepared(Doubler):
    def preprocess(self, request, operation):
        return {"inputs": [x + 1 for x in request["inputs"]]}


def served(graph):
    server = create_graph_server(graph=graph)
    server.init(namespace={})
    return server


def router_of(*classes):
    graph = new_router()
    for cls in classes:
        graph.add_route(cls.__name__, class_name=cls)
    return served(graph)


def ensemble_of(*classes, **args):
    graph = new_router("VotingEnsemble", vote_type="classification", executor_type="array", **args)
    for number, cls in enumerate(classes):
        graph.add_route(f"{cls.__name__}{number}", class_name=cls)
    return served(graph)


def infer(path, **body):
    return MockEvent(body={"inputs": [1, 2], **body}, path=path, method="POST")


def without_time(answer):
    assert answer.pop("timestamp")
    return answer


@pytest.mark.parametrize("cls", [Doubler, Late, Prepared])
def test_a_model_answers_run_and_run_async_as_it_answers_test(cls):
    server = router_of(cls)
    path = f"/v2/models/{cls.__name__}/infer"
    tested = without_time(server.test(path, {"inputs": [1, 2]}, event_id="e"))
    event = infer(path)
    event.id = "e"
    assert without_time(server.run(event, get_body=True)) == tested
    assert without_time(asyncio.run(server.run_async(event, get_body=True))) == tested


def test_neither_the_event_nor_its_body_is_changed():
    event = infer("/v2/models/Doubler/infer")
    body = event.body
    router_of(Doubler).run(event)
    ensemble_of(Greedy, Doubler).run(event)
    assert event.body is body
    assert body == {"inputs": [1, 2]}
    assert event.path == "/v2/models/Doubler/infer"


def test_the_id_of_the_body_wins_over_that_of_the_event():
    answer = router_of(Doubler).run(infer("/v2/models/Doubler/infer", id="mine"), get_body=True)
    assert answer["id"] == "mine"
    answer = ensemble_of(Doubler).run(infer("/v2/models/infer", id="mine"), get_body=True)
    assert answer["id"] == "mine"
    event = infer("/v2/models/Doubler/infer", id=None)
    assert router_of(Doubler).run(event, get_body=True)["id"] == event.id


@pytest.mark.parametrize("cls", [Broken, LateBroken])
def test_a_model_that_fails_is_named(cls):
    server = router_of(cls, Doubler)
    answer = server.run(infer(f"/v2/models/{cls.__name__}/infer"))
    assert answer.status_code == 500
    assert cls.__name__ in answer.body
    assert "no such row" in answer.body
    later = asyncio.run(server.run_async(infer(f"/v2/models/{cls.__name__}/infer")))
    assert (later.status_code, later.body) == (answer.status_code, answer.body)
    assert server.run(infer("/v2/models/Doubler/infer"), get_body=True)["outputs"] == [2, 4]


@pytest.mark.parametrize("cls", [Broken, LateBroken])
def test_a_member_that_fails_fails_the_vote_or_is_left_out(cls):
    answer = ensemble_of(Doubler, cls).run(infer("/v2/models/infer"))
    assert answer.status_code == 500
    assert cls.__name__ in answer.body
    partial = ensemble_of(Doubler, cls, allow_partial=True).run(infer("/v2/models/infer"), get_body=True)
    assert partial["outputs"] == [2, 4]
    assert list(partial["partial"]["failed"]) == [f"{cls.__name__}1"]


def test_members_do_not_see_what_another_does_to_the_request():
    answer = ensemble_of(Greedy, Greedy, Late).run(infer("/v2/models/infer"), get_body=True)
    assert answer["outputs"] == [2, 4]


def test_the_paths_of_a_vote():
    server = ensemble_of(Doubler, Doubler)
    for path in ("/v2/models/infer", "/v2/models/VotingEnsemble/infer", "infer", "/v2/models/VotingEnsemble/predict"):
        answer = server.run(infer(path), get_body=True)
        assert (answer["model_name"], answer["outputs"]) == ("VotingEnsemble", [2, 4])
    assert server.run(infer("/v2/models/Doubler0/infer"), get_body=True)["model_name"] == "Doubler0"


def test_a_route_named_like_an_operation_is_a_route():
    graph = new_router("VotingEnsemble", executor_type="array")
    graph.add_route("infer", class_name=Doubler)
    assert served(graph).run(infer("/v2/models/infer/infer"), get_body=True)["model_name"] == "infer"


def test_a_router_within_a_flow_takes_the_same_way():
    graph = new_flow()
    graph.to(lambda body: body, name="first").to("*", name="models").respond()
    graph["models"].add_route("m", class_name=Doubler)
    graph["models"].add_route("late", class_name=Late)
    server = served(graph)
    for model in ("m", "late"):
        assert server.run(infer(f"/v2/models/{model}/infer"), get_body=True)["outputs"] == [2, 4]
