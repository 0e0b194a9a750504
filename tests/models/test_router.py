from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphkit.core.errors import BadRequest, ModelNotFound, ModelNotReady, StepError
from graphkit.core.event import Event
from graphkit.models.router import ModelRouter
from graphkit.models.v2 import V2ModelServer


class Times(V2ModelServer):
    def predict(self, request):
        return [self.get_param("by", 1) * x for x in request["inputs"]]

    def op_path(self, event):
        return event.path


class Broken(V2ModelServer):
    def load(self):
        raise OSError("no such file")


@pytest.fixture
def routes(route):
    made = {}
    for key, by in [("one", 1), ("two", 2), ("v:1", 10), ("v:2", 20)]:
        model = Times(name=key, by=by)
        model.post_init()
        made[key] = route(key, model)
    made["sum"] = route("sum", lambda body: sum(body["inputs"]))
    return made


@pytest.fixture
def router(routes):
    return ModelRouter(name="r", routes=routes)


# ---- where a request goes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "outputs"),
    [
        ("/v2/models/one/infer", [3]),
        ("/v2/models/two/infer", [6]),
        ("/v2/models/two/predict/", [6]),
        ("/v2/models/two", [6]),
        ("two/infer", [6]),
        ("/two/infer", [6]),
        ("two", [6]),
        ("/v2/models/v/versions/1/infer", [30]),
        ("/v2/models/v/versions/2", [60]),
        ("v/versions/2/infer", [60]),
        ("/v2/models/v:2/infer", [60]),
        ("/", [3]),
        ("", [3]),
        ("/v2/models/", [3]),
    ],
)
def test_the_path_chooses_the_model(ask, router, path, outputs):
    assert ask(router, {"inputs": [3]}, path).body["outputs"] == outputs


def test_the_answer_names_model_and_version(ask, router):
    answer = ask(router, {"inputs": [3]}, "/v2/models/v/versions/2/infer", event_id="e1").body
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("e1", "v", "2")


def test_the_body_names_the_model_where_the_url_is_silent(ask, router):
    assert ask(router, {"inputs": [3], "model": "two"}).body["outputs"] == [6]
    assert ask(router, {"inputs": [3], "model": "v:2"}).body["outputs"] == [60]
    assert ask(router, {"inputs": [3], "model": "two"}, "/v2/models/one/infer").body["outputs"] == [3]


def test_the_body_names_the_operation_where_the_url_is_silent(ask, router):
    assert ask(router, {"inputs": [3], "operation": "path"}, "/v2/models/two").body == "path"
    assert ask(router, {"inputs": [3], "model": "two", "operation": "path"}).body == "path"
    assert ask(router, {"inputs": [3], "operation": "path"}, "/v2/models/two/infer").body["outputs"] == [6]


def test_the_body_s_operation_cannot_turn_a_get_into_anything_else(ask, router):
    answer = ask(router, {"inputs": [3], "operation": "infer"}, "/v2/models/two", method="GET").body
    assert answer["name"] == "two"


@pytest.mark.parametrize("key", ["model", "operation"])
def test_model_and_operation_in_the_body_must_be_texts(ask, router, key):
    with pytest.raises(BadRequest, match=f"'{key}' in the body is a text, found a value of type list"):
        ask(router, {"inputs": [3], key: ["two"]})


def test_a_handler_only_route_gets_the_body(ask, router):
    assert ask(router, {"inputs": [1, 2]}, "/v2/models/sum/infer").body == 3
    assert ask(router, {"inputs": [1, 2]}, "/v2/models/sum").body == 3


def test_a_model_s_own_operations_are_reached(ask, router):
    assert ask(router, {}, "/v2/models/two/path").body == "path"
    assert ask(router, None, "/v2/models/two/ready", method="GET").body.status_code == 200
    answer = ask(router, None, "/v2/models/v/versions/1", method="GET")
    assert (answer.body["name"], answer.body["version"]) == ("v", "1")
    assert answer.terminated


def test_routes_may_come_and_go(ask, routes, route):
    router = ModelRouter(routes=routes)
    assert ask(router, {"inputs": [3]}, "/v2/models/two/infer").body["outputs"] == [6]
    routes["new"] = route("new", lambda body: "new")
    assert ask(router, {}, "/v2/models/new/infer").body == "new"
    routes["two"] = route("two", lambda body: "other")
    assert ask(router, {}, "/v2/models/two/infer").body == "other"
    del routes["two"]
    with pytest.raises(ModelNotFound):
        ask(router, {}, "/v2/models/two/infer")


def test_an_own_prefix_is_used(ask, routes):
    router = ModelRouter(routes=routes, url_prefix="/models/v9", health_prefix="/alive")
    assert ask(router, {"inputs": [3]}, "/models/v9/two/infer").body["outputs"] == [6]
    assert ask(router, None, "/alive", method="GET").body["name"] == "ModelRouter"
    with pytest.raises(ModelNotFound):
        ask(router, {"inputs": [3]}, "/v2/models/two/infer")


def test_the_protocol_makes_the_prefixes(ask, routes):
    router = ModelRouter(routes=routes, protocol="v1")
    assert (router.url_prefix, router.health_prefix) == ("/v1/models", "/v1/health")
    assert ask(router, {"inputs": [3]}, "/v1/models/two/infer").body["outputs"] == [6]


# ---- what a router answers itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v2/models/", "/v2/models", "v2/models/"])
def test_get_of_the_prefix_lists_the_models_in_order(ask, router, path):
    answer = ask(router, None, path, method="GET")
    assert answer.body == {"models": ["one", "two", "v:1", "v:2", "sum"]}
    assert answer.terminated


@pytest.mark.parametrize("path", ["/", "/v2/health", "/v2/health/ready", ""])
def test_get_of_root_and_health_tells_about_the_server(ask, router, path):
    answer = ask(router, None, path, method="GET")
    assert answer.body == {"name": "ModelRouter", "version": "v2", "extensions": []}
    assert answer.terminated


def test_get_metadata_may_be_overridden(ask, routes):
    class Own(ModelRouter):
        def get_metadata(self):
            return {"name": "own", "version": "v2", "extensions": ["x"]}

    assert ask(Own(routes=routes), None, "/", method="GET").body["extensions"] == ["x"]


# ---- bad input ----------------------------------------------------------------------------------------------


def test_an_unknown_model_is_not_found_and_the_nearest_is_named(ask, router):
    with pytest.raises(ModelNotFound) as caught:
        ask(router, {"inputs": []}, "/v2/models/tow/infer")
    assert caught.value.status == 404
    assert "router 'r' has no model 'tow', did you mean 'two'?" in str(caught.value)
    assert "'one', 'sum', 'two'" in str(caught.value)


def test_an_unknown_model_in_the_body_is_not_found(ask, router):
    with pytest.raises(ModelNotFound, match="no model 'three'"):
        ask(router, {"inputs": [], "model": "three"})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v2/models/v/versions/3/infer", "model 'v' has no version '3': it has '1', '2'"),
        ("/v2/models/one/versions/3/infer", "model 'one' has no version '3': it has no versions"),
        ("/v2/models/v/infer", "model 'v' is served by version only: add /versions/ and '1', '2'"),
        ("/v2/models/w/versions/3/infer", "no model 'w:3'"),
    ],
)
def test_an_unknown_version_is_not_found_and_the_versions_are_named(ask, router, path, found):
    with pytest.raises(ModelNotFound) as caught:
        ask(router, {"inputs": []}, path)
    assert found in str(caught.value)


def test_another_path_prefix_is_not_found_and_the_form_of_paths_is_told(ask, router):
    with pytest.raises(ModelNotFound) as caught:
        ask(router, {"inputs": []}, "/v3/models/one/infer")
    assert "paths are [/v2/models/]<model>[/versions/<version>]/<operation>, found '/v3/models/one/infer'" in str(
        caught.value
    )


def test_a_router_without_routes_finds_nothing(ask):
    with pytest.raises(ModelNotFound, match="there is none"):
        ask(ModelRouter(name="r"), {"inputs": []})


def test_an_unknown_operation_is_the_model_s_bad_request(ask, router):
    with pytest.raises(BadRequest, match="model 'one' has no operation 'infr'"):
        ask(router, {"inputs": []}, "/v2/models/one/infr")


def test_a_model_that_failed_to_load_leaves_the_others_serving(ask, routes, route):
    broken = Broken(name="broken")
    broken.post_init()
    router = ModelRouter(routes={**routes, "broken": route("broken", broken)})
    with pytest.raises(ModelNotReady, match="no such file"):
        ask(router, {"inputs": []}, "/v2/models/broken/infer")
    assert ask(router, {"inputs": [3]}, "/v2/models/two/infer").body["outputs"] == [6]


def test_a_body_of_the_wrong_type_is_a_bad_request(ask, router):
    for body in ([1, 2], 5, None):
        with pytest.raises(BadRequest, match="expects a dict with 'inputs'"):
            ask(router, body, "/v2/models/one/infer")


# ---- bodies -------------------------------------------------------------------------------------------------


def test_json_text_is_parsed_as_streams_send_it(ask, router):
    text = json.dumps({"inputs": [3], "model": "two"})
    assert ask(router, text).body["outputs"] == [6]
    assert ask(router, text.encode()).body["outputs"] == [6]
    with pytest.raises(BadRequest, match="no valid JSON"):
        ask(router, "{broken", "/v2/models/one/infer")


def test_an_image_becomes_an_input(ask, route):
    router = ModelRouter(routes={"size": route("size", lambda body: len(body["inputs"][0].read()))})
    assert ask(router, b"\x89PNG", "/v2/models/size/infer", content_type="image/png").body == 4


def test_the_first_protocol_calls_inputs_instances(ask, route):
    router = ModelRouter(protocol="v1", routes={"keys": route("keys", list)})
    assert ask(router, b"\x89PNG", "/v1/models/keys/infer", content_type="image/png").body == ["instances"]


def test_parse_event_may_be_overridden(ask, routes):
    class Csv(ModelRouter):
        def parse_event(self, event):
            return {"inputs": [int(cell) for cell in event.body.split(",")]}

    assert ask(Csv(routes=routes), "1,2", "/v2/models/two/infer").body["outputs"] == [2, 4]


def test_the_caller_s_body_and_path_are_never_changed(ask, routes):
    router = ModelRouter(routes=routes, input_path="a", result_path="b")
    body = {"a": {"inputs": [1], "model": "two"}}
    before = copy.deepcopy(body)
    answered = ask(router, body, "/v2/models/one/infer")
    assert body == before
    assert answered.path == "/v2/models/one/infer"


def test_paths_select_the_request_and_place_the_answer(ask, routes):
    router = ModelRouter(routes=routes, input_path="a.b", result_path="c")
    answer = ask(router, {"a": {"b": {"inputs": [1]}}, "d": 1}, "/v2/models/two/infer").body
    assert answer["c"]["outputs"] == [2]
    assert (answer["a"], answer["d"]) == ({"b": {"inputs": [1]}}, 1)
    assert ask(router, None, "/v2/models/", method="GET").body["models"]
    assert ask(router, None, "/v2/models/two/ready", method="GET").body.status_code == 200


# ---- hooks --------------------------------------------------------------------------------------------------


class Hooked(ModelRouter):
    def preprocess(self, event):
        event.body = {"inputs": [x + 1 for x in event.body["inputs"]]}
        return event

    def postprocess(self, event):
        event.body = {"answer": event.body["outputs"]}
        return event


class HookedLater(ModelRouter):
    async def preprocess(self, event):
        event.body = {"inputs": [x + 1 for x in event.body["inputs"]]}
        return event

    async def postprocess(self, event):
        event.body = {"answer": event.body["outputs"]}
        return event


def test_preprocess_and_postprocess_may_be_overridden(ask, routes):
    router = Hooked(routes=routes, result_path="r")
    assert ask(router, {"inputs": [1]}, "two/infer").body == {"inputs": [1], "r": {"answer": [4]}}


def test_preprocess_and_postprocess_may_be_async(ask_async, routes):
    router = HookedLater(routes=routes, result_path="r")
    assert ask_async(router, {"inputs": [1]}, "two/infer").body == {"inputs": [1], "r": {"answer": [4]}}


def test_hooks_may_hand_on_to_the_base(ask, routes):
    class Polite(ModelRouter):
        def preprocess(self, event):
            return super().preprocess(event)

        def parse_event(self, event):
            return super().parse_event(event)

        def postprocess(self, event):
            return super().postprocess(event)

    assert ask(Polite(routes=routes), '{"inputs": [1]}', "two/infer").body["outputs"] == [2]


def test_preprocess_may_choose_the_route(ask, routes):
    class Choosing(ModelRouter):
        def preprocess(self, event):
            event.path = "/v2/models/two/infer"
            return event

    assert ask(Choosing(routes=routes), {"inputs": [1]}, "/v2/models/one/infer").body["outputs"] == [2]


@pytest.mark.parametrize("hook", ["preprocess", "postprocess"])
def test_a_hook_that_returns_nothing_is_named(ask, routes, hook):
    forgetful = type("Forgetful", (ModelRouter,), {hook: lambda self, event: None})
    with pytest.raises(StepError, match=f"{hook} returned nothing, it must return the event"):
        ask(forgetful(name="r", routes=routes), {"inputs": [1]}, "two/infer")


def test_an_async_route_is_awaited(ask_async, route):
    class Later(V2ModelServer):
        async def predict(self, request):
            return request["inputs"]

    model = Later(name="l")
    model.post_init()
    router = ModelRouter(routes={"l": route("l", model)}, result_path="r")
    assert ask_async(router, {"inputs": [1]}, "l/infer").body["r"]["outputs"] == [1]


def test_what_a_route_raises_passes_as_it_is(ask, route):
    def fail(body):
        raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError, match="inside"):
        ask(ModelRouter(routes={"f": route("f", fail)}), {}, "f/infer")


def test_the_event_has_its_path_again_after_the_route(ask, ask_async, route):
    seen = []

    class Spy:
        name = "spy"

        def run(self, event):
            seen.append((event.path, event.id))
            return event

    class SpyLater(Spy):
        async def run(self, event):
            return super().run(event)

    class Failing(Spy):
        def run(self, event):
            raise KeyError(event.path)

    path = "/v2/models/spy/some/op"
    for spy, send in ((Spy(), ask), (SpyLater(), ask_async)):
        event = send(ModelRouter(routes={"spy": spy}), {"inputs": []}, path, event_id="e")
        assert event.path == path
        assert seen.pop() == ("some/op", "e")
    event = Event({"inputs": []}, path=path)
    with pytest.raises(KeyError, match="some/op"):
        ModelRouter(routes={"spy": Failing()}).do_event(event)
    assert event.path == path


def test_many_threads_reach_their_own_models(router):
    def one(number):
        by = 2 if number % 2 else 1
        event = Event({"inputs": [number]}, path=f"/v2/models/{'two' if number % 2 else 'one'}/infer")
        return router.do_event(event).body["outputs"] == [by * number]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(500)))


def test_post_init_tells_the_routes(make_context, routes, caplog):
    import logging

    context = make_context()
    context.logger = type(context.logger)(level="debug")
    with caplog.at_level(logging.DEBUG):
        ModelRouter(context, "r", routes).post_init()
    assert "router 'r' has the routes 'one'" in caplog.text
