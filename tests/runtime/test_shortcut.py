"""A router that is all of a graph answers plain models' requests at once: the answers are those of the long way."""

from __future__ import annotations

import asyncio

import pytest

from graphkit import MockEvent, StepError, V2ModelServer, create_graph_server, new_flow, new_router


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


# ---- a router keeps what a path asks for -----------------------------------------------------------------


def outputs(server, path="/v2/models/Doubler/infer", **body):
    return server.run(infer(path, **body), get_body=True)["outputs"]


def router_in(server):
    return server.graph.async_object


def test_a_route_that_takes_the_place_of_another_is_asked_from_then_on():
    server, other = router_of(Doubler), router_of(Prepared)
    assert outputs(server) == [2, 4]
    routes = router_in(server).routes
    routes["Doubler"] = router_in(other).routes["Prepared"]
    assert outputs(server) == outputs(server) == [4, 6]
    del routes["Doubler"]
    assert server.run(infer("/v2/models/Doubler/infer")).status_code == 404


def test_a_method_that_is_replaced_on_the_model_is_called():
    server = router_of(Doubler)
    assert outputs(server) == [2, 4]
    model = router_in(server).routes["Doubler"].object
    model.predict = lambda request: ["other"]
    assert outputs(server) == ["other"]


def test_a_model_that_is_not_ready_any_more_refuses():
    server = router_of(Doubler)
    assert outputs(server) == [2, 4]
    router_in(server).routes["Doubler"].object.ready = False
    assert server.run(infer("/v2/models/Doubler/infer")).status_code == 503


def test_paths_are_kept_within_bounds():
    server = router_of(Doubler)
    for number in range(5000):
        assert outputs(server, "/" * number + "v2/models/Doubler/infer") == [2, 4]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", None])
def test_the_method_does_not_matter_where_the_path_names_the_operation(method):
    server = router_of(Doubler)
    event = MockEvent(body={"inputs": [1, 2]}, path="/v2/models/Doubler/infer", method=method)
    tested = server.test("/v2/models/Doubler/infer", {"inputs": [1, 2]}, method=method or "POST")
    assert server.run(event, get_body=True)["outputs"] == tested["outputs"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}]},
        {"inputs": []},
        {"inputs": [1, 2], "operation": "explain", "model": "other"},
        {"inputs": [1, 2], "parameters": {"a": 1}},
        {"inputs": "no list"},
        {"input": [1]},
        {"inputs": [1], "data_url": "file:///etc/hostname"},
        {},
        [1, 2],
        "text",
        None,
    ],
    ids=str,
)
def test_what_is_not_as_usual_is_answered_as_it_is_tested(body):
    server = router_of(Doubler)
    path = "/v2/models/Doubler/infer"
    tested = server.test(path, body, "POST", silent=True, event_id="e")
    for _ in range(2):  # a path that was asked before is known
        found = server.run(MockEvent(body, path=path, method="POST", event_id="e"), get_body=True)
        if isinstance(tested, dict):
            found, expected = ({**answer, "timestamp": "", "id": ""} for answer in (found, tested))
            assert found == expected
        else:
            assert (found.status_code, found.body) == (tested.status_code, tested.body)


def test_answers_do_not_share_what_they_are_made_of():
    server = router_of(Doubler)
    first = server.run(infer("/v2/models/Doubler/infer"), get_body=True)
    second = server.run(infer("/v2/models/Doubler/infer"), get_body=True)
    assert first["id"] != second["id"]
    first.clear()
    assert list(second) == ["id", "model_name", "outputs", "timestamp"]


class Refusing(Doubler):
    def predict(self, request):
        raise StepError("not today", status=503, step="mine") from KeyError("why")


class RefusingLate(Doubler):
    async def predict(self, request):
        await asyncio.sleep(0)
        raise StepError("not today", status=503, step="mine") from KeyError("why")


@pytest.mark.parametrize("cls", [Refusing, RefusingLate])
def test_an_error_that_names_its_step_stays_what_it_is(cls):
    router = router_in(router_of(cls))
    event = infer(f"/v2/models/{cls.__name__}/infer")

    async def ask():
        answer = router.do_event(event)
        return await answer if asyncio.iscoroutine(answer) else answer

    with pytest.raises(StepError, match="not today") as caught:
        asyncio.run(ask())
    assert (caught.value.status, caught.value.step) == (503, "mine")
    assert isinstance(caught.value.__cause__, KeyError)


class Elsewhere(MockEvent):
    """An event that says where it goes in its own way."""

    @property
    def path(self):
        return self.__dict__.get("now", "/v2/models/Doubler/infer")

    @path.setter
    def path(self, value):
        self.__dict__["now"] = value


def test_an_event_of_a_class_of_its_own_goes_where_it_says():
    server = router_of(Doubler, Greedy)
    server.run(infer("/v2/models/Greedy/infer"))
    asked = infer("/v2/models/Greedy/infer")
    for path in (None, asked.path):
        answer = server.run(Elsewhere(asked.body, path=path), get_body=True)
        assert answer["model_name"] == "Doubler"
