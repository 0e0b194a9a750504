from __future__ import annotations

import copy
import datetime as dt
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphkit import create_graph_server
from graphkit.core.context import StreamContext
from graphkit.core.errors import BadRequest, GraphError, ModelNotReady, StepError
from graphkit.core.event import Event, Response
from graphkit.models.v2 import V2ModelServer


class Doubler(V2ModelServer):
    def predict(self, request):
        return [2 * x for x in request["inputs"]]


class Hooked(Doubler):
    """Every hook leaves a mark."""

    def preprocess(self, request, operation):
        return {**request, "inputs": request["inputs"] + [operation]}

    def validate(self, request, operation):
        return {**request, "inputs": [str(x) for x in request["inputs"]]}

    def postprocess(self, response):
        return {"wrapped": response}


class AsyncHooked(V2ModelServer):
    async def preprocess(self, request, operation):
        return {**request, "inputs": request["inputs"] + [operation]}

    async def validate(self, request, operation):
        return {**request, "inputs": [str(x) for x in request["inputs"]]}

    async def predict(self, request):
        return [2 * x for x in request["inputs"]]

    async def postprocess(self, response):
        return {"wrapped": response}


class Explained(Doubler):
    def explain(self, request):
        return [f"because {x}" for x in request["inputs"]]


class Custom(Doubler):
    def op_size(self, event):
        return len(event.body["inputs"])

    async def op_later(self, event):
        return "later"

    def op_busy(self, event):
        return Response(body="busy", status_code=429)


def loaded(model):
    model.post_init()
    return model


# ---- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["infer", "/infer", "predict", "infer/", "", "/"])
def test_infer_and_predict_answer_with_the_envelope(ask, path):
    answer = ask(loaded(Doubler(name="d")), {"inputs": [1, 2]}, path, event_id="e1").body
    assert list(answer) == ["id", "model_name", "outputs", "timestamp"]
    assert (answer["id"], answer["model_name"], answer["outputs"]) == ("e1", "d", [2, 4])


def test_the_timestamp_is_the_present_in_utc_with_microseconds(ask):
    before = dt.datetime.now(dt.timezone.utc)
    text = ask(loaded(Doubler(name="d")), {"inputs": []}).body["timestamp"]
    stamp = dt.datetime.fromisoformat(text)
    assert before - dt.timedelta(microseconds=1) <= stamp <= dt.datetime.now(dt.timezone.utc)
    assert len(text) == len("2026-11-22 18:50:00.123456+00:00")
    assert text[10] == " "


def test_the_name_is_split_into_name_and_version(ask):
    model = loaded(Doubler(name="d:v1"))
    assert (model.name, model.version) == ("d", "v1")
    answer = ask(model, {"inputs": [1]}).body
    assert list(answer)[-1] == "model_version"
    assert (answer["model_name"], answer["model_version"]) == ("d", "v1")


def test_the_id_of_the_body_counts_if_given(ask):
    model = loaded(Doubler(name="d"))
    assert ask(model, {"inputs": [], "id": "mine"}, event_id="e").body["id"] == "mine"
    assert ask(model, {"inputs": [], "id": 0}, event_id="e").body["id"] == 0
    assert ask(model, {"inputs": [], "id": None}, event_id="e").body["id"] == "e"
    assert ask(model, {"inputs": []}).body["id"]  # generated


def test_hooks_run_in_order(ask):
    answer = ask(loaded(Hooked(name="h")), {"inputs": [1]}, "infer").body
    assert answer["wrapped"]["outputs"] == ["11", "inferinfer"]


def test_any_hook_may_be_async(ask_async):
    answer = ask_async(loaded(AsyncHooked(name="h")), {"inputs": [1]}, "infer").body
    assert answer["wrapped"]["outputs"] == ["11", "inferinfer"]


def test_an_async_predict_alone_is_awaited(ask_async):
    class Later(V2ModelServer):
        async def predict(self, request):
            return request["inputs"]

    assert ask_async(loaded(Later(name="l")), {"inputs": [1]}).body["outputs"] == [1]


def test_a_plain_predict_that_returns_an_awaitable_is_awaited(ask_async):
    class Delegating(V2ModelServer):
        def predict(self, request):
            return self.call(request["inputs"])

        async def call(self, inputs):
            return inputs

    assert ask_async(loaded(Delegating(name="d")), {"inputs": [1]}).body["outputs"] == [1]


def test_explain_has_the_same_envelope(ask):
    answer = ask(loaded(Explained(name="x:2")), {"inputs": [1]}, "explain").body
    assert list(answer) == ["id", "model_name", "outputs", "timestamp", "model_version"]
    assert answer["outputs"] == ["because 1"]


def test_a_custom_operation_answers_with_its_value_as_it_is(ask, ask_async):
    model = loaded(Custom(name="c"))
    assert ask(model, {"inputs": [1, 2, 3]}, "size").body == 3
    assert ask_async(model, {}, "later").body == "later"
    assert ask(model, {}, "busy").body == Response(body="busy", status_code=429)


def test_the_url_s_operation_wins_and_the_body_s_counts_where_the_url_is_silent(ask):
    model = loaded(Custom(name="c"))
    body = {"inputs": [1], "operation": "size"}
    assert ask(model, body, "infer").body["outputs"] == [2]
    assert ask(model, body, "/").body == 1
    assert ask(model, body, "", method="GET").body["name"] == "c"
    assert ask(model, {"inputs": [1], "operation": "/predict/"}).body["outputs"] == [2]


def test_the_event_that_came_in_is_returned():
    event = Event({"inputs": [1]}, path="infer")
    assert loaded(Doubler(name="d")).do_event(event) is event


# ---- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, "expects the key 'inputs' in the request, found none"),
        ({"input": [1]}, "expects the key 'inputs' in the request, found 'input'"),
        ({"inputs": 5}, "expects 'inputs' to be a list, found a value of type int"),
        ({"inputs": None}, "expects 'inputs' to be a list, found nothing"),
        ({"inputs": {"a": 1}}, "expects 'inputs' to be a list, found a value of type dict"),
        (None, "expects a dict with 'inputs', found nothing"),
        ([1, 2], "expects a dict with 'inputs', found a value of type list"),
        ("text", "expects a dict with 'inputs', found a value of type str"),
    ],
)
def test_a_request_without_a_list_of_inputs_is_a_bad_request(ask, body, found):
    with pytest.raises(BadRequest, match="model 'd' ") as caught:
        ask(loaded(Doubler(name="d")), body, "infer")
    assert found in str(caught.value)
    assert caught.value.status == 400


def test_another_protocol_leaves_requests_unchecked(ask):
    class Free(V2ModelServer):
        def predict(self, request):
            return request

    assert ask(loaded(Free(name="f", protocol="own")), {"rows": 3}).body["outputs"] == {"rows": 3}


def test_what_validate_raises_is_a_bad_request(ask, ask_async):
    class Strict(Doubler):
        def validate(self, request, operation):
            raise KeyError("age")

    class StrictLater(Doubler):
        async def validate(self, request, operation):
            raise KeyError("age")

    for target, send in ((Strict(name="s"), ask), (StrictLater(name="s"), ask_async)):
        with pytest.raises(BadRequest, match="model 's' refuses the request: KeyError: 'age'") as caught:
            send(loaded(target), {"inputs": []})
        assert isinstance(caught.value.__cause__, KeyError)


def test_a_status_that_validate_chose_is_kept(ask):
    class Strict(Doubler):
        def validate(self, request, operation):
            raise StepError("too large", status=413)

    with pytest.raises(StepError) as caught:
        ask(loaded(Strict(name="s")), {"inputs": []})
    assert caught.value.status == 413


def test_an_override_of_validate_may_call_the_base(ask):
    class Capped(Doubler):
        def validate(self, request, operation):
            request = super().validate(request, operation)
            return {"inputs": request["inputs"][:1]}

    model = loaded(Capped(name="c"))
    assert ask(model, {"inputs": [1, 2]}).body["outputs"] == [2]
    with pytest.raises(BadRequest, match="'inputs'"):
        ask(model, {})


def test_an_async_validate_may_refuse_with_a_status_of_its_own(ask_async):
    class Strict(Doubler):
        async def validate(self, request, operation):
            raise StepError("too large", status=413)

    with pytest.raises(StepError, match="too large") as caught:
        ask_async(loaded(Strict(name="s")), {"inputs": []})
    assert caught.value.status == 413


@pytest.mark.parametrize("hook", ["preprocess", "validate"])
def test_a_hook_that_forgets_to_return_the_request_is_named(ask, ask_async, hook):
    async def forget(self, request, operation):
        """Return nothing."""

    for function, send in ((lambda self, request, operation: None, ask), (forget, ask_async)):
        model = loaded(type("Forgetful", (Doubler,), {hook: function})(name="f"))
        with pytest.raises(
            StepError, match=f"model 'f': {hook} returned nothing, it must return the request"
        ) as caught:
            send(model, {"inputs": [1]})
        assert caught.value.status == 500


def test_every_hook_may_hand_on_to_the_base(ask):
    class Polite(Doubler):
        def preprocess(self, request, operation):
            return super().preprocess(request, operation)

        def postprocess(self, response):
            return super().postprocess(response)

        def explain(self, request):
            return super().explain(request)

    model = loaded(Polite(name="p"))
    assert ask(model, {"inputs": [1]}).body["outputs"] == [2]
    with pytest.raises(BadRequest, match="expects a dict"):
        ask(model, None, "infer")
    with pytest.raises(BadRequest, match="has no operation 'explain'"):
        ask(model, {"inputs": [1]}, "explain")


@pytest.mark.parametrize("hook", ["preprocess", "predict", "postprocess"])
def test_what_other_hooks_raise_passes_as_it_is(ask, hook):
    def fail(self, *args):
        raise ZeroDivisionError("inside")

    model = loaded(type("Failing", (Doubler,), {hook: fail})(name="f"))
    with pytest.raises(ZeroDivisionError, match="inside"):
        ask(model, {"inputs": [1]})


def test_an_unknown_operation_names_those_there_are(ask):
    model = loaded(Custom(name="c"))
    with pytest.raises(BadRequest) as caught:
        ask(model, {"inputs": []}, "sze")
    message = str(caught.value)
    assert "model 'c' has no operation 'sze', did you mean 'size'?" in message
    for known in ("'infer'", "'predict_dict'", "'size'", "'ready'"):
        assert known in message
    assert "explain" not in message


def test_explain_is_unknown_to_a_model_without_it(ask):
    with pytest.raises(BadRequest, match="model 'd' has no operation 'explain'"):
        ask(loaded(Doubler(name="d")), {"inputs": []}, "explain")


@pytest.mark.parametrize("operation", ["_init__", "x/../infer", "__class__", "infer/me"])
def test_an_operation_reaches_nothing_but_operations(ask, operation):
    with pytest.raises(BadRequest, match="has no operation"):
        ask(loaded(Doubler(name="d")), {"inputs": []}, operation)


def test_an_operation_in_the_body_must_be_a_text(ask):
    with pytest.raises(BadRequest, match="'operation' is a text, found a value of type int"):
        ask(loaded(Doubler(name="d")), {"inputs": [], "operation": 5})


def test_a_class_without_predict_says_so(ask):
    class Empty(V2ModelServer):
        pass

    with pytest.raises(StepError, match="class Empty has no predict method: override predict") as caught:
        ask(loaded(Empty(name="e")), {"inputs": []})
    assert caught.value.status == 500


# ---- rows by name -------------------------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"")
    (tmp_path / "model_spec.yaml").write_text(
        "model_file: m.pkl\n"
        "parameters: {rate: 7, depth: 3}\n"
        "inputs:\n- {name: a, value_type: int}\n- {name: b, value_type: float}\n"
        "outputs:\n- {name: label, value_type: str}\n"
    )

    class Named(V2ModelServer):
        def load(self):
            self.file, self.extra = self.get_model()

        def predict(self, request):
            return request["inputs"]

    return loaded(Named(name="n:1", model_path=str(tmp_path), depth=9))


@pytest.mark.parametrize("operation", ["infer_dict", "predict_dict"])
def test_rows_by_name_are_ordered_by_the_schema(ask, named, operation):
    rows = [{"b": 2, "a": 1}, {"a": 3, "b": 4, "other": 5}]
    assert ask(named, {"inputs": rows}, operation).body["outputs"] == [[1, 2], [3, 4]]


def test_a_single_row_by_name_becomes_one_list(ask, named):
    assert ask(named, {"inputs": {"b": 2, "a": 1}}, "infer_dict").body["outputs"] == [1, 2]


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (
            [{"a": 1, "b": 2}, {"a": 1, "B": 2}],
            "row 1 of 'inputs' lacks 'b', found 'B', 'a' (for 'b', did you mean 'B'?)",
        ),
        ({"a": 1}, "'inputs' lacks 'b', found 'a'"),
        ([[1, 2]], "expects 'inputs' to be a dict with the keys 'a', 'b', or a list of such dicts"),
        (None, "or a list of such dicts, found nothing"),
    ],
)
def test_rows_by_name_that_do_not_fit_are_bad_requests(ask, named, inputs, found):
    with pytest.raises(BadRequest) as caught:
        ask(named, {"inputs": inputs}, "infer_dict")
    assert found in str(caught.value)


def test_rows_by_name_need_a_schema(ask):
    with pytest.raises(BadRequest, match="model 'd' cannot read inputs by name: it has no schema"):
        ask(loaded(Doubler(name="d")), {"inputs": [{"a": 1}]}, "infer_dict")


def test_rows_by_name_need_a_dict(ask, named):
    with pytest.raises(BadRequest, match="expects a dict with 'inputs', found a value of type list"):
        ask(named, [{"a": 1}], "infer_dict")


# ---- the caller's request -----------------------------------------------------------------------------------


def test_the_caller_s_request_is_never_changed(ask, named):
    class Greedy(Doubler):
        def preprocess(self, request, operation):
            request["inputs"] = [5]
            request["seen"] = True
            return request

        def predict(self, request):
            request.clear()
            return []

    bodies = [
        (loaded(Greedy(name="g")), {"inputs": [1], "id": "x"}, "infer"),
        (named, {"inputs": [{"b": 2, "a": 1}]}, "infer_dict"),
        (loaded(Doubler(name="d", result_path="out")), {"inputs": [1]}, "infer"),
    ]
    for model, body, operation in bodies:
        before = copy.deepcopy(body)
        ask(model, body, operation)
        assert body == before


def test_many_threads_get_their_own_answers():
    class Slow(V2ModelServer):
        def preprocess(self, request, operation):
            return {**request, "inputs": [x + 1 for x in request["inputs"]]}

        def predict(self, request):
            return [x * 10 for x in request["inputs"]]

    model = loaded(Slow(name="s"))

    def one(number):
        answer = model.do_event(Event({"inputs": [number], "id": number}, path="infer")).body
        return answer["id"], answer["outputs"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(500))) == [(n, [(n + 1) * 10]) for n in range(500)]


# ---- paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "infer"])
def test_input_path_selects_the_request_and_result_path_places_the_answer(ask, path):
    model = loaded(Doubler(name="d", input_path="data.request", result_path="data.answer"))
    body = {"data": {"request": {"inputs": [1], "id": "r"}}, "other": 1}
    answer = ask(model, body, path).body
    assert answer["data"]["answer"]["outputs"] == [2]
    assert answer["data"]["answer"]["id"] == "r"
    assert answer["data"]["request"] == {"inputs": [1], "id": "r"}
    assert answer["other"] == 1
    assert "answer" not in body["data"]


def test_a_custom_operation_gets_and_places_by_paths_too(ask):
    model = loaded(Custom(name="c", input_path="data", result_path="size"))
    assert ask(model, {"data": {"inputs": [1, 2]}}, "size").body == {"data": {"inputs": [1, 2]}, "size": 2}
    assert isinstance(ask(model, {"data": {}}, "busy").body, Response)


def test_an_input_path_that_is_not_there_is_a_bad_request(ask):
    with pytest.raises(BadRequest, match=r"data"):
        ask(loaded(Doubler(name="d", input_path="data")), {"inputs": []})


def test_questions_about_the_model_need_no_paths(ask):
    model = loaded(Doubler(name="d", input_path="data", result_path="out"))
    assert ask(model, None, "", method="GET").body["name"] == "d"
    assert ask(model, None, "ready", method="GET").body.status_code == 200


# ---- loading ------------------------------------------------------------------------------------------------


def test_a_given_model_object_is_ready_and_not_loaded(ask):
    class Given(V2ModelServer):
        def load(self):
            raise AssertionError("not called")

        def predict(self, request):
            return self.model

    falsy = []  # a model may be false, such as an empty pipeline
    model = Given(name="g", model=falsy)
    assert model.ready
    model.post_init()
    assert ask(model, {"inputs": []}).body["outputs"] is falsy


def test_post_init_loads_at_once():
    class Loading(Doubler):
        def load(self):
            self.model = "loaded"

    model = Loading(name="l")
    assert not model.ready
    model.post_init("sync")
    assert model.ready
    assert model.model == "loaded"


def test_async_load_runs_in_a_background_thread_and_ready_answers_408_meanwhile(ask):
    go = threading.Event()
    begun = threading.Event()
    threads = []

    class Slow(Doubler):
        def load(self):
            threads.append(threading.current_thread())
            begun.set()
            go.wait(10)

    model = Slow(name="s")
    model.post_init("async")
    assert begun.wait(10)
    assert threads[0].daemon
    answer = ask(model, None, "ready", method="GET")
    assert answer.body.status_code == 408
    assert answer.terminated
    with pytest.raises(ModelNotReady, match="model 's' is not ready") as caught:
        ask(model, {"inputs": [1]}, "infer")
    assert caught.value.status == 503
    go.set()
    threads[0].join(10)
    assert ask(model, None, "ready", method="GET").body.status_code == 200
    assert ask(model, {"inputs": [1]}, "infer").body["outputs"] == [2]


def test_a_load_that_fails_is_logged_with_its_traceback_unless_its_message_says_all(make_context, caplog, tmp_path):
    class Stored(V2ModelServer):
        def load(self):
            self.get_model()
            raise OSError("unreadable")

        def predict(self, request):
            return request["inputs"]

    (tmp_path / "model.pkl").write_bytes(b"")
    for place, traces in (("nowhere.pkl", [False]), ("model.pkl", [True])):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            Stored(make_context(), "m", str(tmp_path / place)).post_init()
        assert [record.exc_info is not None for record in caplog.records] == traces


def test_a_load_that_fails_is_kept_and_named_in_every_answer(ask, make_context, caplog):
    class Broken(Custom):
        def load(self):
            raise FileNotFoundError("no weights.bin")

    model = Broken(make_context(), "b")
    with caplog.at_level(logging.ERROR):
        model.post_init()  # does not raise, the other models serve
    assert isinstance(model.error, FileNotFoundError)
    assert "no weights.bin" in caplog.text
    for operation in ("infer", "size"):
        with pytest.raises(
            ModelNotReady, match=r"model 'b' could not be loaded: FileNotFoundError: no weights.bin"
        ) as caught:
            ask(model, {"inputs": []}, operation)
        assert caught.value.__cause__ is model.error
    answer = ask(model, None, "ready", method="GET").body
    assert answer.status_code == 408
    assert b"no weights.bin" in answer.body


def test_a_load_that_failed_may_be_tried_again(ask):
    class Flaky(Doubler):
        tries = 0

        def load(self):
            self.tries += 1
            if self.tries == 1:
                raise OSError("busy")

    model = Flaky(name="f")
    model.post_init()
    assert not model.ready
    model.post_init()
    assert model.ready
    assert model.error is None
    assert ask(model, {"inputs": [1]}).body["outputs"] == [2]


def test_an_async_load_method_is_refused_with_a_way_out():
    class Wrong(Doubler):
        async def load(self):
            """Would never run."""

    model = Wrong(name="w")
    model.post_init()
    assert not model.ready
    assert "load must be a plain method" in str(model.error)
    gc.collect()  # a coroutine that was never awaited would warn here


def test_a_model_path_without_a_load_method_is_refused():
    model = loaded(Doubler(name="d", model_path="somewhere"))
    assert not model.ready
    assert "class Doubler has no load method" in str(model.error)


def test_a_model_that_was_never_initialised_is_not_ready(ask):
    with pytest.raises(ModelNotReady, match="not loaded yet"):
        ask(Doubler(name="d"), {"inputs": []})


def test_get_model_gives_file_and_extra_data_and_fills_spec_and_parameters(named, tmp_path):
    assert named.ready, named.error
    assert named.file == str(tmp_path / "m.pkl")
    assert named.extra == {}
    assert [feature.name for feature in named.model_spec.inputs] == ["a", "b"]
    assert named.get_param("rate") == 7
    assert named.get_param("depth") == 9  # the graph's argument takes precedence


def test_get_model_needs_a_model_path():
    with pytest.raises(GraphError, match="model 'd' has no model_path"):
        Doubler(name="d").get_model()


def test_model_path_is_not_checked_before_get_model():
    assert Doubler(name="d", model_path="nowhere/at/all").model_path == "nowhere/at/all"


def test_metadata_has_name_version_inputs_and_outputs(ask, named):
    assert ask(loaded(Doubler(name="d")), None, "/", method="GET").body == {
        "name": "d",
        "version": "",
        "inputs": [],
        "outputs": [],
    }
    answer = ask(named, None, "", method="GET")
    assert answer.terminated
    assert answer.body == {
        "name": "n",
        "version": "1",
        "inputs": [{"name": "a", "value_type": "int"}, {"name": "b", "value_type": "float"}],
        "outputs": [{"name": "label", "value_type": "str"}],
    }


def test_ready_is_asked_by_get_only(ask):
    with pytest.raises(BadRequest, match="'ready' by GET"):
        ask(loaded(Doubler(name="d")), {"inputs": []}, "ready")


def test_ready_answers_with_the_context_s_response(ask, make_context):
    class Other(Response):
        pass

    context = make_context()
    context.Response = Other
    assert type(ask(loaded(Doubler(context, "d")), None, "ready", method="GET").body) is Other


# ---- parameters, tracking -----------------------------------------------------------------------------------


def test_get_param_looks_in_the_arguments_then_the_server_then_at_the_default(make_context):
    model = Doubler(make_context(rate=1, depth=2), "d", rate=5, none=None, graph_step=object())
    assert model.get_param("rate") == 5
    assert model.get_param("depth") == 2
    assert model.get_param("none", 3) is None
    assert model.get_param("missing") is None
    assert model.get_param("missing", 3) == 3
    assert model.get_param("graph_step") is None
    assert Doubler(name="alone").get_param("rate", 4) == 4


class Records:
    def __init__(self):
        self.all = []

    def push(self, data, **kwargs):
        self.all.extend(data)


@pytest.fixture
def tracked(make_context):
    context = make_context()
    context.is_mock = True  # records are pushed one by one
    context.stream = StreamContext(Records(), "p/f")
    return context


def test_each_request_is_recorded_with_inputs_outputs_latency_metrics_and_labels(ask, tracked):
    class Measured(Doubler):
        def predict(self, request):
            self.set_metric("drift", 0.5)
            return super().predict(request)

    model = loaded(Measured(tracked, "m:2"))
    model.labels["team"] = "a"
    ask(model, {"inputs": [1]}, "infer", event_id="e1")
    (record,) = tracked.stream.output_stream.all
    assert (record["class"], record["model"], record["version"], record["op"]) == ("Measured", "m", "2", "infer")
    assert record["request"] == {"inputs": [1], "id": "e1"}
    assert record["resp"]["outputs"] == [2]
    assert record["metrics"] == {"drift": 0.5}
    assert record["labels"] == {"team": "a"}
    assert isinstance(record["microsec"], int)
    assert "error" not in record


@pytest.mark.parametrize("later", [False, True])
def test_a_failing_prediction_is_recorded_with_its_error(ask, ask_async, tracked, later):
    class Failing(V2ModelServer):
        def predict(self, request):
            raise ValueError("bad row")

    class FailingLater(V2ModelServer):
        async def predict(self, request):
            raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        (ask_async if later else ask)(
            loaded((FailingLater if later else Failing)(tracked, "f")), {"inputs": [1]}, event_id="e"
        )
    (record,) = tracked.stream.output_stream.all
    assert record["error"] == "ValueError: bad row"
    assert record["request"] == {"inputs": [1], "id": "e"}


def test_logged_results_replace_what_is_recorded_not_what_is_answered(ask, tracked):
    class Chosen(Doubler):
        def logged_results(self, request, response, op):
            return [op], [response["outputs"][0] + 1]

    answer = ask(loaded(Chosen(tracked, "c")), {"inputs": [1]}, "predict", event_id="e").body
    assert answer["outputs"] == [2]
    (record,) = tracked.stream.output_stream.all
    assert record["request"] == {"id": "e", "inputs": ["predict"]}
    assert record["resp"] == {"outputs": [3]}


def test_logged_results_may_replace_one_side_only(ask, tracked):
    class Hidden(Doubler):
        def logged_results(self, request, response, op):
            return None, response["outputs"]

    ask(loaded(Hidden(tracked, "h")), {"inputs": [1]})
    assert tracked.stream.output_stream.all[0]["request"]["inputs"] == []


def test_all_threads_write_to_one_log(tracked):
    model = Doubler(tracked, "d", model=1)  # no post_init: the log is opened by the first requests
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: model.do_event(Event({"inputs": [n]}, path="infer")), range(100)))
    model.flush_tracking()
    assert len(tracked.stream.output_stream.all) == 100


def test_tracking_settings_that_are_wrong_fail_when_the_graph_is_bound(make_context):
    context = make_context(sampling_percentage="many")
    context.stream = StreamContext(Records(), "p/f")
    with pytest.raises(GraphError, match="sampling_percentage"):
        Doubler(context, "d").post_init()


def test_without_a_stream_nothing_is_recorded(ask, make_context):
    model = loaded(Doubler(make_context(), "d"))
    ask(model, {"inputs": [1]})
    assert model._log is None


def test_repr_is_stable():
    assert repr(Doubler(name="d")) == "Doubler(name='d')"
    assert Doubler().name == "Doubler"


class Asking(V2ModelServer):
    def predict(self, request):
        return self.model.predict(request["inputs"])


class AskingWithHook(Asking):
    def validate(self, request, operation):
        return request


class Loading(Asking):
    def load(self):
        pass


@pytest.mark.parametrize(("cls", "remedy"), [(Asking, True), (AskingWithHook, True), (Loading, False)])
def test_a_model_that_was_given_no_object_to_ask_says_how_to_give_it(cls, remedy):
    server = create_graph_server()
    server.add_model("m", class_name=cls)
    with pytest.raises(StepError, match="'NoneType' object has no attribute 'predict'") as caught:
        server.test("m/infer", {"inputs": [1]})
    told = "model 'm' has no model object, give model=, or model_path= and a class with a load method"
    assert (told in str(caught.value)) is remedy
