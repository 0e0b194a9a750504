import json
import math
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from graphkit.core.context import GraphContext
from graphkit.core.errors import BadRequest, GraphError, MissingExtra, StepError
from graphkit.core.event import Event
from graphkit.steps.batch_http import BatchHttpRequests
from graphkit.steps.remote import RemoteStep

BOTH = pytest.mark.parametrize("cls", [RemoteStep, BatchHttpRequests])


@pytest.fixture
def remote(close_after):
    return lambda *args, **kwargs: close_after(RemoteStep(*args, **{"backoff_factor": 0.001, "name": "call", **kwargs}))


@pytest.fixture
def batch(close_after):
    def make(*args, **kwargs):
        return close_after(BatchHttpRequests(*args, **{"backoff_factor": 0.001, "name": "calls", **kwargs}))

    return make


def ask(step, body=None, **event):
    return step.do_event(Event(body, **event)).body


# ---- what is sent


def test_the_body_goes_out_as_json_and_the_answer_becomes_the_body(service, remote):
    sent = ask(remote(service.url), {"x": np.array([1, 2])})
    assert (sent["method"], sent["path"], json.loads(sent["body"])) == ("POST", "/", {"x": [1, 2]})
    assert sent["headers"]["Content-Type"] == "application/json"


def test_the_event_that_comes_out_is_the_one_that_went_in(service, remote):
    event = Event(1)
    assert remote(service.url).do_event(event) is event


@pytest.mark.parametrize(("body", "content"), [("text", "text"), (b"bytes", "bytes"), (None, "")])
def test_texts_and_bytes_go_out_as_they_are(service, remote, body, content):
    sent = ask(remote(service.url), body)
    assert sent["body"] == content
    assert "Content-Type" not in sent["headers"]


def test_the_events_id_and_path_travel_as_headers(service, remote):
    headers = ask(remote(service.url), 1, event_id="7", path="/a/b")["headers"]
    assert (headers["X-Event-Id"], headers["X-Event-Path"]) == ("7", "/a/b")
    assert "X-Event-Path" not in ask(remote(service.url), 1)["headers"]


def test_headers_are_sent_and_can_replace_the_usual_ones(service, remote):
    step = remote(service.url, headers={"X-A": 1, "content-type": "application/x-own", "X-Event-Id": "mine"})
    headers = {name.lower(): value for name, value in ask(step, {"x": 1})["headers"].items()}
    assert (headers["x-a"], headers["content-type"], headers["x-event-id"]) == ("1", "application/x-own", "mine")


@pytest.mark.parametrize(
    ("method", "event_method", "sent"),
    [(None, None, "POST"), (None, "PUT", "PUT"), ("put", "POST", "PUT"), ("GET", None, "GET"), (None, "GET", "GET")],
)
def test_the_method_is_the_steps_else_the_events_else_post(service, remote, method, event_method, sent):
    told = ask(remote(service.url, method=method), {"x": 1}, method=event_method)
    assert told["method"] == sent
    assert told["body"] == ("" if sent == "GET" else '{"x":1}')


@pytest.mark.parametrize(
    ("subpath", "path", "sent"),
    [
        ("sub/x", "/", "/base/sub/x"),
        ("/sub", "/ignored", "/base/sub"),
        ("$path", "/v2/models", "/base/v2/models"),
        ("$path", "/", "/base"),
        (None, "/ignored", "/base"),
    ],
)
def test_what_follows_the_url(service, remote, subpath, path, sent):
    assert ask(remote(f"{service.url}/base/", subpath), 1, path=path)["path"] == sent


def test_expressions_make_the_url_body_and_headers(service, remote):
    step = remote(
        url_expression="event['base'] + '/made'",
        body_expression="{'sum': event['a'] + event['b']}",
        headers_expression="{'X-A': event['a']}",
    )
    sent = ask(step, {"base": service.url, "a": 1, "b": 2})
    assert (sent["path"], sent["body"], sent["headers"]["X-A"]) == ("/made", '{"sum":3}', "1")


def test_with_full_event_expressions_see_the_event(service, remote):
    step = remote(service.url, body_expression="event.path", graph_step=SimpleNamespace(full_event=True))
    assert ask(step, {"x": 1}, path="/p")["body"] == "/p"


def test_expressions_know_endpoint_parameters_and_secrets_but_not_the_server(service, remote):
    server = SimpleNamespace(parameters={"level": 3}, verbose=False, _secrets={"TOKEN": "s3cr3t"}, function_uri=None)
    context = GraphContext(server=server)
    step = remote(
        service.url,
        body_expression="{'level': get_param('level'), 'at': endpoint}",
        headers_expression="{'Authorization': 'Bearer ' + get_secret('TOKEN')}",
        context=context,
    )
    sent = ask(step, 1)
    assert json.loads(sent["body"]) == {"level": 3, "at": service.url}
    assert sent["headers"]["Authorization"] == "Bearer s3cr3t"
    with pytest.raises(GraphError, match="'context', which is not defined"):
        ask(remote(service.url, body_expression="context.server", context=context), 1)


def test_a_headers_expression_that_makes_no_dict_is_an_error(service, remote):
    with pytest.raises(GraphError, match=r"^headers_expression must be a dict, not a value of type int"):
        ask(remote(service.url, headers_expression="5"), 1)


def test_a_part_of_the_body_is_sent_and_the_answer_put_beside(service, remote):
    event = Event({"in": {"x": 1}, "keep": 2})
    before = event.body
    remote(service.url, input_path="in", result_path="out.answer").do_event(event)
    assert event.body["out"]["answer"]["body"] == '{"x":1}'
    assert (event.body["in"], event.body["keep"]) == ({"x": 1}, 2)
    assert "out" not in before


def test_a_body_that_json_cannot_hold_is_an_error_that_names_its_type(service, remote):
    with pytest.raises(StepError, match=r"^the body cannot be sent: a value of type builtin"):
        ask(remote(service.url), {"x": len})
    assert service.seen == []


def test_a_function_is_called_by_the_name_that_the_endpoints_give_it(service, remote):
    context = GraphContext(server=SimpleNamespace(parameters={"endpoints": {"scorer": service.url}}, verbose=False))
    assert ask(remote("scorer", "x", context=context), 1)["path"] == "/x"
    with pytest.raises(GraphError, match="no URL is known for the function 'scorr'"):
        RemoteStep("scorr", context=context)
    with pytest.raises(GraphError, match="'scorer' is the name of a function; without a graph's context"):
        RemoteStep("scorer")


# ---- what comes back


def test_json_is_read_whatever_the_type_says_unless_told_otherwise(service, remote):
    assert ask(remote(f"{service.url}/text", return_json=False), 1) == b"hello"
    with pytest.raises(StepError, match=r"/text: it answered 200, but not with JSON: 'hello'; return_json=False"):
        ask(remote(f"{service.url}/text"), 1)


def test_json_is_read_where_the_type_says_so(service, remote):
    assert math.isnan(ask(remote(f"{service.url}/json-text", return_json=False), 1)["n"])


def test_an_empty_answer_is_none(service, remote):
    assert ask(remote(f"{service.url}/empty"), 1) is None
    assert ask(remote(f"{service.url}/empty", return_json=False), 1) == b""


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_an_error_at_once_that_names_url_status_and_reason(service, remote, status):
    url = service.url.replace("http://", "http://me:pw@")
    with pytest.raises(StepError) as caught:
        ask(remote(f"{url}/status/{status}?token=secret"), 1)
    message = str(caught.value)
    assert f"POST http://***@127.0.0.1:{service.server_address[1]}/status/{status}" in message
    assert f"it answered {status}: 'told so" in message
    assert len(message) < 400
    assert "secret" not in message
    assert "pw" not in message
    assert (len(service.seen), caught.value.status) == (1, 500)


def test_a_redirect_is_an_error_that_says_where_to(service, remote):
    with pytest.raises(StepError, match=r"it answered 307 \(to http://elsewhere\.example/x\)") as caught:
        ask(remote(f"{service.url}/status/307"), 1)
    assert "secret" not in str(caught.value)


# ---- trying again


def test_a_service_that_fails_is_asked_again(service, remote):
    service.fail_first = 2
    assert ask(remote(service.url), 1)["method"] == "POST"
    assert len(service.seen) == 3


def test_a_service_that_goes_on_failing_is_an_error(service, remote):
    with pytest.raises(StepError, match="it answered 503: 'told so"):
        ask(remote(f"{service.url}/status/503", retries=2), 1)
    assert len(service.seen) == 3


def test_no_retries_means_one_request(service, remote):
    with pytest.raises(StepError):
        ask(remote(f"{service.url}/status/500", retries=0), 1)
    assert len(service.seen) == 1


def test_waits_double(service, remote, monkeypatch):
    waits = []
    monkeypatch.setattr("graphkit.steps.http.time.sleep", waits.append)
    with pytest.raises(StepError):
        ask(remote(f"{service.url}/status/500", retries=8, backoff_factor=1), 1)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_service_that_is_not_there_is_an_error_that_says_so(remote, free_port, start_service):
    url = f"http://127.0.0.1:{free_port}"
    with pytest.raises(StepError, match=rf"POST {url}: the service cannot be reached: .*refused"):
        ask(remote(url, retries=1), 1)


def test_a_service_that_comes_up_late_is_reached(remote, free_port, start_service, monkeypatch):
    step = remote(f"http://127.0.0.1:{free_port}")
    monkeypatch.setattr("graphkit.steps.http.time.sleep", lambda seconds: start_service(free_port))
    assert ask(step, 1)["body"] == "1"


def test_a_service_that_is_too_slow_is_an_error_and_not_asked_again(service, remote):
    with pytest.raises(StepError, match=r"no answer came within 0\.05 s"):
        ask(remote(f"{service.url}/slow/0.5", timeout=0.05), 1)
    assert len(service.seen) == 1


def test_a_connection_that_breaks_is_an_error_and_not_asked_again(service, remote):
    with pytest.raises(StepError, match=r"/break: RemoteProtocolError: "):
        ask(remote(f"{service.url}/break"), 1)
    assert len(service.seen) == 1


def test_a_url_that_is_none_is_an_error(remote):
    with pytest.raises(StepError, match="InvalidURL"):
        ask(remote("http://host:port/"), 1)


# ---- how it lives


def test_a_closed_step_can_be_used_again(service, remote):
    step = remote(service.url)
    ask(step, 1)
    step.close()
    step.close()
    assert ask(step, 2)["body"] == "2"


def test_no_more_than_max_in_flight_requests_are_under_way(service, remote):
    step = remote(f"{service.url}/slow/0.02", max_in_flight=2)
    threads = [threading.Thread(target=ask, args=(step, i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.seen) == 8
    assert service.most_at_once <= 2


def test_threads_get_their_own_answers(service, remote):
    step, answers = remote(service.url), {}

    def work(i):
        answers[i] = json.loads(ask(step, {"i": i})["body"])["i"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {i: i for i in range(20)}


@BOTH
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "needs url or url_expression"),
        ({"url": "http://a", "url_expression": "event"}, "needs url or url_expression, one of them"),
        ({"url_expression": "event", "subpath": "x"}, "subpath goes with url"),
        ({"url": "http://a", "headers": 5}, "headers must be a dict"),
        ({"url": "http://a", "retries": -1}, "retries must be a whole number, zero or more, not -1"),
        ({"url": "http://a", "retries": 1.5}, "retries must be a whole number"),
        ({"url": "http://a", "backoff_factor": "1"}, "backoff_factor must be a number"),
        ({"url": "http://a", "timeout": -1}, "timeout must be a number"),
        ({"url": "http://a", "max_in_flight": 0}, "max_in_flight must be a whole number from 1 on"),
        ({"url": "http://a", "body_expression": "event +"}, "body_expression: .* is not an expression"),
        ({"url": "http://a", "headers_expression": "event.__class__"}, "private"),
    ],
)
def test_bad_arguments_are_refused_when_the_step_is_made(cls, arguments, told):
    with pytest.raises(GraphError, match=told):
        cls(name="c", **arguments)


@BOTH
def test_a_missing_httpx_is_named_with_its_pip_command(cls, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'graphkit-serving\[remote\]'"):
        cls("http://a")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "no url", 5, None])
def test_a_made_url_must_be_one_of_http(remote, url):
    with pytest.raises(BadRequest, match="is not a URL that starts with http"):
        ask(remote(url_expression="event"), url)


# ---- batches


def test_each_item_is_sent_and_the_answers_keep_the_order(service, batch):
    answers = ask(batch(f"{service.url}/jitter"), [0, 1, 2, 3, 4, 5])
    assert [json.loads(answer["body"]) for answer in answers] == [0, 1, 2, 3, 4, 5]
    assert service.most_at_once > 1


def test_expressions_see_the_item(service, batch):
    step = batch(
        url_expression="event['url']",
        body_expression="event['data']",
        headers_expression="{'X-A': event['data']}",
        input_path="req",
        result_path="resp",
    )
    items = [{"url": f"{service.url}/{i}", "data": i} for i in range(3)]
    body = ask(step, {"req": items})
    assert [(answer["path"], answer["body"]) for answer in body["resp"]] == [("/0", "0"), ("/1", "1"), ("/2", "2")]
    assert [answer["headers"]["X-A"] for answer in body["resp"]] == ["0", "1", "2"]
    assert body["req"] == items


def test_no_items_need_no_requests(service, batch):
    assert ask(batch(service.url), []) == []
    assert service.seen == []


@pytest.mark.parametrize("body", [None, {"a": 1}, "text", 5])
def test_a_batch_needs_a_list(service, batch, body):
    with pytest.raises(BadRequest, match=r"^BatchHttpRequests needs a list of items"):
        ask(batch(service.url), body)


def test_no_more_than_max_in_flight_items_are_under_way(service, batch):
    ask(batch(f"{service.url}/slow/0.01", max_in_flight=3), list(range(12)))
    assert len(service.seen) == 12
    assert 1 < service.most_at_once <= 3


def test_a_failing_item_fails_the_step_and_is_named(service, batch):
    step = batch(url_expression="event", retries=0, max_in_flight=1)
    urls = [f"{service.url}/0", f"{service.url}/status/404", *[f"{service.url}/slow/0.05"] * 20]
    with pytest.raises(StepError, match=r"it answered 404.*\(item 1\)"):
        ask(step, urls)
    step.close()
    assert len(service.seen) < 10


def test_items_are_tried_again_each_for_itself(service, batch):
    service.fail_first = 3
    answers = ask(batch(service.url), [1, 2, 3])
    assert [json.loads(answer["body"]) for answer in answers] == [1, 2, 3]
    assert len(service.seen) == 6


def test_a_closed_batch_step_can_be_used_again(service, batch):
    step = batch(service.url)
    ask(step, [1])
    step.close()
    step.close()
    assert len(ask(step, [1, 2])) == 2
