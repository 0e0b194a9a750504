"""``server.test``: what goes in as which event, what comes out, and in which form."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit import BadRequest, Event, GraphServer, Response, StepError, V2ModelServer, create_graph_server

Serve = Callable[..., GraphServer]


@dataclasses.dataclass
class Point:
    x: int
    values: Any = None


def seen(event: Event) -> dict[str, Any]:
    """Return what a step sees of its event."""
    return {name: getattr(event, name) for name in ("body", "path", "method", "id", "content_type", "headers", "time")}


# ---- what a step sees ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({}, "path", "/"),
        ({"path": "my/infer"}, "path", "my/infer"),
        ({"path": ""}, "path", "/"),
        ({}, "method", "GET"),
        ({"body": {"x": 1}}, "method", "POST"),
        ({"body": 0}, "method", "POST"),
        ({"body": ""}, "method", "POST"),
        ({"body": {"x": 1}, "method": "PUT"}, "method", "PUT"),
        ({"method": "DELETE"}, "method", "DELETE"),
        ({"content_type": "image/png"}, "content_type", "image/png"),
        ({"headers": {"X-Color": "red"}}, "headers", {"X-Color": "red"}),
        ({}, "headers", {}),
        ({"event_id": "e1"}, "id", "e1"),
        ({"headers": {"X-Event-Id": "e2"}}, "id", "e2"),
        ({"headers": {"x-event-id": b"e3"}}, "id", "e3"),
        ({"headers": {"MLRUN_EVENT_ID": "e4"}}, "id", "e4"),
        ({"headers": {"X-Event-Path": "/a"}}, "path", "/a"),
        ({"headers": {"MLRUN_EVENT_PATH": "/b"}}, "path", "/b"),
        ({"time": "2026-11-22"}, "time", "2026-11-22"),
    ],
)
def test_the_event_is_made_of_the_arguments(serve: Serve, given: dict[str, Any], field: str, expected: Any) -> None:
    assert serve(seen, full_event=True).test(**given)[field] == expected


def test_trigger_and_offset_reach_the_step(serve: Serve) -> None:
    server = serve(lambda event: (event.trigger, event.offset), full_event=True)
    trigger = object()
    assert server.test(trigger=trigger, offset=7) == (trigger, 7)
    no_trigger, offset = server.test()
    assert (no_trigger.kind, no_trigger.name, offset) == ("", "", 0)


def test_an_event_without_an_id_or_time_gets_them(serve: Serve) -> None:
    server = serve(seen, full_event=True)
    before = dt.datetime.now(dt.timezone.utc)
    first, second = server.test(), server.test()
    assert first["id"] != second["id"]
    assert before <= first["time"] <= second["time"]


def test_a_header_does_not_override_the_path_of_the_url(serve: Serve) -> None:
    server = serve(seen, full_event=True)
    assert server.test("/public", headers={"X-Event-Path": "/secret"})["path"] == "/public"


def test_the_callers_headers_are_not_the_events(serve: Serve) -> None:
    headers = {"a": 1}
    serve(lambda event: event.headers.clear(), full_event=True).test(headers=headers)
    assert headers == {"a": 1}


# ---- decoding the body --------------------------------------------------------------------------------------------

BODIES = [None, 0, 2.5, True, {"x": [1]}, [1, 2], (1,), {3}, dt.date(2026, 11, 22), Point(1)]


@pytest.mark.parametrize("body", BODIES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("content_type", [None, "application/json", "text/csv"])
def test_a_body_that_is_an_object_is_taken_as_it_is(serve: Serve, body: Any, content_type: str | None) -> None:
    server = serve(lambda event: [event.body], full_event=True)
    (answer,) = server.test(body=body, content_type=content_type)
    assert answer == body
    # plain containers come as they would be decoded; objects come themselves
    assert (answer is body) == (type(body) not in (dict, list, set))
    assert server.run(Event(body, content_type), get_body=True)[0] is body


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2.5, null, true]", [1, 2.5, None, True]),
        ("5", 5),
        ('"x"', "x"),
        ("null", None),
        (" 7 ", 7),
        (str(2**70), 2**70),
        ('{"ü": "\\u00fc"}', {"ü": "ü"}),
    ],
)
@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "Application/JSON; charset=utf-8", "json", "application/ld+json"]
)
def test_json_is_decoded(serve: Serve, text: str, value: Any, as_bytes: bool, content_type: str | None) -> None:
    server = serve(lambda event: [event.body], full_event=True)
    assert server.test(body=text.encode() if as_bytes else text, content_type=content_type) == [value]


BROKEN = ['{"a": 1', "hello", "", "NaN", "[1,]", "[" * 100_000, b"", b"\xff\xfe", "\ud800", b'{"a": 1} x']


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:12]))
def test_text_that_is_no_json_is_left_alone_where_no_type_is_given(serve: Serve, body: Any) -> None:
    (answer,) = serve(lambda event: [event.body], full_event=True).test(body=body)
    assert answer == body


def test_json_is_decoded_under_the_type_of_a_form_and_a_form_is_left_alone(serve: Serve) -> None:
    server = serve(lambda body: body)
    form = "application/x-www-form-urlencoded"  # what curl says of any body
    assert server.test(body=b'{"a": 1}', content_type=form) == {"a": 1}
    assert server.test(body=b"a=1&b=2", content_type=form) == b"a=1&b=2"


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize("content_type", ["application/json", "json"])
def test_content_that_says_json_and_is_none_is_a_bad_request(serve: Serve, body: Any, content_type: str) -> None:
    server = serve(lambda x: x)
    with pytest.raises(BadRequest, match="the body is not usable JSON") as caught:
        server.test(body=body, content_type=content_type)
    assert caught.value.status == 400
    assert server.test(body=1) == 1


@pytest.mark.parametrize("content_type", ["text/plain", "text/csv", "application/octet-stream", "image/png"])
@pytest.mark.parametrize("body", ['{"a": 1}', b"[1]", b"\xff"])
def test_other_content_is_left_alone(serve: Serve, content_type: str, body: Any) -> None:
    assert serve(lambda x: [x]).test(body=body, content_type=content_type) == [body]


# ---- the answer as an object, or as a Response --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [*BODIES, "text", b"\x00", float("inf"), len, object()], ids=lambda value: type(value).__name__
)
def test_the_answer_is_the_object_that_the_last_step_returned(serve: Serve, value: Any) -> None:
    assert serve(lambda x: value).test(body=1) is value


FRAME = pd.DataFrame({"a": [1, 2], "at": pd.to_datetime(pd.Series(["2026-11-22", None]))})
SERIALISED = [
    ({"a": [1, 2.5, None, True]}, {"a": [1, 2.5, None, True]}),
    (None, None),
    (0, 0),
    (float("nan"), None),
    ([float("inf"), 1.0], [None, 1.0]),
    (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (np.array([1.0, np.nan]), [1.0, None]),
    ({"outputs": np.float32(0.5), "label": np.str_("x")}, {"outputs": 0.5, "label": "x"}),
    ({np.int64(1): np.bool_(True)}, {"1": True}),
    (FRAME, [{"a": 1, "at": "2026-11-22T00:00:00"}, {"a": 2, "at": None}]),
    (pd.DataFrame({"status_code": [1], "body": [2], "headers": [3]}), [{"status_code": 1, "body": 2, "headers": 3}]),
    (pd.Series([1, 2]), [1, 2]),
    (dt.datetime(2026, 11, 22, 10, tzinfo=dt.timezone.utc), "2026-11-22T10:00:00Z"),
    (Point(1, np.arange(2)), {"x": 1, "values": [0, 1]}),
    ({"raw": b"\x00\x01"}, {"raw": "AAE="}),
    ((1, {2}), [1, [2]]),
    (2**70, 2**70),
]


@pytest.mark.parametrize(("value", "plain"), SERIALISED, ids=lambda value: type(value).__name__)
def test_the_response_holds_json(serve: Serve, value: Any, plain: Any) -> None:
    answer = serve(lambda x: value).test(body=1, get_body=False)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert isinstance(answer.body, str)
    assert json.loads(answer.body) == plain


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ("text", "text", "text/plain"),
        ("", "", "text/plain"),
        (np.str_("text"), "text", "text/plain"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        (bytearray(b"\x01"), b"\x01", "application/octet-stream"),
    ],
)
def test_text_and_bytes_are_sent_as_they_are(serve: Serve, value: Any, body: Any, content_type: str) -> None:
    answer = serve(lambda x: value).test(body=1, get_body=False)
    assert (answer.body, answer.content_type, answer.status_code) == (body, content_type, 200)


class Stubborn:
    def to_dict(self) -> Any:
        raise KeyError("no")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "object"),
        ({"f": [len]}, "builtin_function_or_method"),
        ({(1, 2): 3}, "tuple cannot be a key"),
        (Stubborn(), "Stubborn"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        (Event(1), "Event"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_that_has_no_json_form_is_an_error(serve: Serve, value: Any, named: str) -> None:
    values = iter([value, {"fine": 1}])
    server = serve(lambda x: next(values))
    with pytest.raises(StepError, match="the answer cannot be sent") as caught:
        server.test(body=1, get_body=False)
    assert named in str(caught.value)
    assert caught.value.status == 500
    assert server.test(body=1, get_body=False).body == '{"fine":1}'


def test_an_answer_that_cannot_be_sent_tells_whose_it_is_and_where(serve: Serve) -> None:
    server = serve(lambda x: {"a": [1, {"b": object()}]})
    with pytest.raises(StepError) as caught:
        server.test(body=1, get_body=False)
    (name,) = server.graph.steps
    assert caught.value.step == name
    assert caught.value.message == (
        f"step {name!r}: the answer cannot be sent: a value of type object cannot be written as JSON, at ['a'][1]['b']"
    )


def test_a_response_of_a_step_is_the_answer_in_both_forms(serve: Serve) -> None:
    response = Response({"X-Rate": "5"}, "busy", "text/html", 203)
    server = serve(lambda x: response)
    assert server.test(body=1) is response
    assert server.test(body=1, get_body=False) is response


@pytest.mark.parametrize(
    ("given", "content_type"), [(None, "application/json"), ("application/ld+json", "application/ld+json")]
)
def test_the_body_of_a_response_is_written_out(serve: Serve, given: str | None, content_type: str) -> None:
    server = serve(lambda x: Response({"a": "b"}, {"x": np.arange(2)}, given, 201))
    answer = server.test(body=1, get_body=False)
    assert (answer.body, answer.content_type) == ('{"x":[0,1]}', content_type)
    assert (answer.status_code, answer.headers) == (201, {"a": "b"})


def test_none_goes_in_and_out(serve: Serve) -> None:
    assert serve(lambda x: [x]).test() == [None]
    assert serve(lambda x: None).test(body=1) is None
    assert serve(lambda x: None).test(body=1, get_body=False).body == "null"


# ---- errors -------------------------------------------------------------------------------------------------------


def fail(x: Any) -> Any:
    raise ZeroDivisionError(f"no {x}")


def test_a_failing_step_raises_a_runtime_error_that_names_it(serve: Serve) -> None:
    with pytest.raises(RuntimeError, match="step 'step' failed: ZeroDivisionError: no 1") as caught:
        serve(fail).test(body=1)
    assert isinstance(caught.value, StepError)
    assert (caught.value.status, caught.value.step) == (500, "step")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.__cause__.__traceback__ is not None


@pytest.mark.parametrize("get_body", [True, False])
def test_silent_returns_the_error_as_a_response(serve: Serve, get_body: bool) -> None:
    answer = serve(fail).test(body=1, silent=True, get_body=get_body)
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.content_type) == (500, "text/plain")
    assert answer.body == "step 'step' failed: ZeroDivisionError: no 1"


def test_silent_changes_no_answer_that_is_fine(serve: Serve) -> None:
    assert serve("(event + 1)").test(body=1, silent=True) == 2


def test_a_step_chooses_the_status_of_its_error(serve: Serve) -> None:
    def refuse(x: Any) -> Any:
        raise StepError("teapot", status=418)

    with pytest.raises(StepError, match="step 'step': teapot") as caught:
        serve(refuse).test(body=1)
    assert caught.value.status == 418


@pytest.mark.parametrize("status", [300, 404, 408, 503])
@pytest.mark.parametrize("body", ["not now", b"not now"])
def test_a_response_of_status_300_and_more_raises_too(serve: Serve, status: int, body: Any) -> None:
    server = serve(lambda x: Response(body=body, status_code=status))
    with pytest.raises(StepError, match=f"step 'step' answered with status {status}: not now") as caught:
        server.test(body=1)
    assert (caught.value.status, caught.value.step) == (status, "step")
    silent = server.test(body=1, silent=True)
    assert (silent.status_code, silent.body) == (status, body)


def test_a_response_below_300_does_not_raise(serve: Serve) -> None:
    assert serve(lambda x: Response(body="later", status_code=299)).test(body=1).status_code == 299


def test_a_foreign_response_is_known_by_its_form(serve: Serve) -> None:
    class Other:
        class Response:
            def __init__(self) -> None:
                self.body, self.status_code = "gone", 410

    with pytest.raises(StepError, match="410: gone"):
        serve(lambda x: Other.Response()).test(body=1)


class Refuses:
    def __init__(self) -> None:
        raise OSError("no disk")

    def do(self, x: Any) -> Any: ...


def test_bind_errors_come_the_same_way(graph: Any) -> None:
    graph.to(Refuses, "broken").to(name="last", handler="(event)").respond()
    server = graph.to_mock_server()
    with pytest.raises(StepError, match="step 'broken' could not be made: OSError: no disk") as caught:
        server.test(body=1)
    assert (caught.value.status, caught.value.step) == (500, "broken")
    assert server.test(body=1, silent=True).status_code == 500
    graph["last"].after = []
    del graph["broken"]
    assert server.test(body=1) == 1


class Broken(V2ModelServer):
    def load(self) -> None:
        raise OSError("no file")

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Fine(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


def test_load_errors_come_the_same_way_and_the_other_models_serve() -> None:
    server = create_graph_server()
    server.add_model("broken", class_name=Broken)
    server.add_model("fine", class_name=Fine)
    for _ in range(2):
        with pytest.raises(StepError, match="no file") as caught:
            server.test("broken/infer", {"inputs": [1]})
        assert (caught.value.status, caught.value.step) == (503, "broken")
        assert isinstance(caught.value.__cause__, Exception)
        assert server.test("fine/infer", {"inputs": [1]})["outputs"] == [1]


def test_the_server_goes_on_after_each_kind_of_error(graph: Any) -> None:
    def picky(x: Any) -> Any:
        if x == "raise":
            raise ValueError(x)
        return Response(status_code=500) if x == "respond" else object() if x == "odd" else x

    graph.to(name="picky", handler=picky).respond()
    server = graph.to_mock_server()
    bad: list[dict[str, Any]] = [
        {"body": "raise"},
        {"body": "respond"},
        {"body": "odd", "get_body": False},
        {"body": "{", "content_type": "json"},
        {"body": {"graphkit_event": 1}},
    ]
    for kwargs in bad * 2:
        with pytest.raises(StepError):
            server.test(**kwargs)
        assert server.test(body="fine") == "fine"


def test_it_works_inside_a_running_loop(graph: Any) -> None:
    async def slowly(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    graph.to(name="slowly", handler=slowly).respond()
    server = graph.to_mock_server()

    async def cell() -> Any:
        return server.test(body=1)

    assert asyncio.run(cell()) == 2
    server.wait_for_completion()
