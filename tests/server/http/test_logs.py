"""Lines of the log: what a record tells, to which request and step it belongs, and which secrets it does not tell."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from graphkit import GraphServer, V2ModelServer, create_graph_server, new_flow
from graphkit.core.logger import Logger
from graphkit.server.http.logs import JsonLines, TextLines
from graphkit.server.settings import Settings

Asked = Callable[..., httpx.Response]
Log = Callable[[], list[dict[str, Any]]]


class Own:
    """A logger with lines of JSON of its own."""

    def __init__(self, formatter: logging.Formatter, name: str = "test-lines") -> None:
        self.out = io.StringIO()
        self.logger = logging.getLogger(name)
        self.handler = logging.StreamHandler(self.out)
        self.handler.setFormatter(formatter)
        self.logger.addHandler(self.handler)
        self.logger.setLevel(logging.DEBUG)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@pytest.fixture
def own() -> Iterator[Callable[..., Own]]:
    made: list[Own] = []

    def make(formatter: logging.Formatter | None = None, name: str = "test-lines") -> Own:
        made.append(Own(formatter or JsonLines(), name))
        return made[-1]

    yield make
    for log in made:
        log.logger.removeHandler(log.handler)


def noting(x: Any) -> Any:
    logging.getLogger("test-lines").info("noting %s", x)
    return x


async def noting_later(x: Any) -> Any:
    await asyncio.sleep(0)
    return noting(x)


class Noting(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        logging.getLogger("test-lines").info("predicting")
        return request["inputs"]


# ---- lines --------------------------------------------------------------------------------------------------------


def test_a_line_holds_what_the_record_holds(own: Any) -> None:
    log = own()
    log.logger.warning("%d sold\nto many", 3, extra={"shop": "north", "items": [1, 2], "message_": {"odd": object}})
    (line,) = log.lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "test-lines",
        "message": "3 sold\nto many",
        "shop": "north",
        "items": [1, 2],
        "message_": {"odd": "<class 'object'>"},
    }


def test_an_exception_is_a_field(own: Any) -> None:
    log = own()
    try:
        raise ValueError("no such shop")
    except ValueError:
        log.logger.exception("failed")
    (line,) = log.lines()
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert line["exception"].endswith("ValueError: no such shop")


def test_key_value_pairs_of_steps_are_fields(own: Any) -> None:
    log = own(name="test-lines-of-steps")
    logger = Logger("test-lines-of-steps", redact=lambda value: json.loads(json.dumps(value).replace("s3cr3t", "***")))
    logger.info_with("sold s3cr3t", items=3, level="high", token="s3cr3t")
    logger.info("plain")
    first, second = log.lines()
    assert (first["message"], first["items"], first["level"], first["level_"]) == ("sold ***", 3, "info", "high")
    assert first["token"] == "***"
    assert second["message"] == "plain"


def test_secrets_are_taken_out_of_all_of_a_line(own: Any) -> None:
    server = GraphServer(secret_sources=[{"kind": "inline", "source": {"TOKEN": "s3cr3t-value"}}])
    assert server._secrets.get("TOKEN") == "s3cr3t-value"
    for formatter in (JsonLines(server._secrets.redact), TextLines(server._secrets.redact)):
        log = own(formatter)
        try:
            raise ValueError("s3cr3t-value")
        except ValueError:
            log.logger.exception("no %s", "s3cr3t-value", extra={"got": {"in": ["s3cr3t-value"]}})
        log.logger.removeHandler(log.handler)
        assert "s3cr3t" not in log.out.getvalue()
        assert log.out.getvalue().count("***") >= 3


def test_lines_of_text_tell_the_same_behind_the_message(own: Any) -> None:
    log = own(TextLines())
    log.logger.info("sold", extra={"shop": "north"})
    assert log.out.getvalue().endswith(" INFO test-lines: sold shop=north\n")


# ---- requests and steps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [noting, noting_later])
def test_what_steps_log_carries_the_id_of_the_request(own: Any, asked: Asked, step: Any) -> None:
    graph = new_flow()
    graph.to(step, name="note").respond()
    log = own()
    for number in range(2):
        headers = {"x-request-id": f"r-{number}"}
        assert asked(graph.to_mock_server(), "POST", "/", json=number, headers=headers).json() == number
    assert [(line["message"], line["request_id"]) for line in log.lines()] == [("noting 0", "r-0"), ("noting 1", "r-1")]
    assert "step" not in log.lines()[0]


def test_a_request_without_an_id_gets_the_one_of_its_event(own: Any, asked: Asked) -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Noting)
    log = own()
    answer = asked(server, "POST", "/v2/models/m/infer", json={"inputs": [1]})
    assert [line["request_id"] for line in log.lines()] == [answer.json()["id"]] == [answer.headers["x-request-id"]]


def test_models_that_run_in_threads_or_share_calls_are_known_too(own: Any, asked: Asked) -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", executor_type="thread", exist_ok=True)
    for key, args in {"a": {}, "b": {}, "c": {"max_batch_size": 4, "max_delay_ms": 1}}.items():
        server.add_model(key, class_name=Noting, **args)
    log = own()
    settings = Settings(log_steps=True)
    headers = {"x-request-id": "r-1"}
    assert asked(server, "POST", "/v2/models/infer", settings, json={"inputs": [1]}, headers=headers).status_code == 200
    assert sorted((line["request_id"], line["step"]) for line in log.lines()) == [("r-1", key) for key in "abc"]


def test_lines_name_the_step_where_that_is_wanted(own: Any, asked: Asked) -> None:
    graph = new_flow()
    graph.to(noting, name="first").to(noting_later, name="second").to(noting, name="third").respond()
    log = own()
    asked(graph.to_mock_server(), "POST", "/", Settings(log_steps=True), json=1)
    noting("outside")
    assert [line.get("step") for line in log.lines()] == ["first", "second", "third", None]


def test_a_step_that_failed_is_not_the_one_that_runs_after_it(own: Any, asked: Asked) -> None:
    def fails(x: Any) -> Any:
        raise ValueError("no")

    graph = new_flow()
    graph.to(fails, name="fails").error_handler(name="mend", handler=noting, before="end")
    graph.add_step(name="end", handler=noting, after="fails").respond()
    log = own()
    assert asked(graph.to_mock_server(), "POST", "/", Settings(log_steps=True), json=1).json() == 1
    assert [line["step"] for line in log.lines()] == ["mend", "end"]


def test_each_request_is_logged_where_that_is_wanted(own: Any, asked: Asked) -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Noting)
    log = own(name="graphkit.access")
    settings = Settings(access_log=True)
    asked(server, "POST", "/v2/models/m/infer", settings, json={"inputs": [1]}, headers={"x-request-id": "r-1"})
    unknown = asked(server, "GET", "/v2/models/n", settings)
    first, second = log.lines()
    assert first["duration_ms"] > 0
    found = {name: first[name] for name in ("message", "method", "path", "status", "request_id", "client")}
    assert found == {
        "message": "POST /v2/models/m/infer 200",
        "method": "POST",
        "path": "/v2/models/m/infer",
        "status": 200,
        "request_id": "r-1",
        "client": "127.0.0.1",
    }
    assert first["bytes"] > 10
    assert (second["status"], second["request_id"]) == (404, unknown.headers["x-request-id"])
    asked(server, "GET", "/v2/models/m", Settings())
    assert len(log.lines()) == 2


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_failure_is_logged_with_its_step_and_without_secrets(own: Any, asked: Asked, form: str) -> None:
    def fails(x: Any, context: Any) -> Any:
        raise ValueError(f"no {context.get_secret('TOKEN')}")

    graph = new_flow()
    graph.to(fails, name="fails").respond()
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"TOKEN": "s3cr3t-value"}}])
    log = own(JsonLines() if form == "json" else TextLines(), name="graphkit")
    answer = asked(server, "POST", "/", json=1, headers={"x-request-id": "r-1"})
    assert answer.status_code == 500
    text = log.out.getvalue()
    assert "s3cr3t" not in text
    if form == "text":
        first, *trace = text.splitlines()
        assert first.endswith("step 'fails' failed: ValueError: no *** request_id=r-1 step=fails status=500")
        assert trace[-1] == "ValueError: no ***"
        return
    (line,) = log.lines()
    assert (line["level"], line["request_id"], line["step"], line["status"]) == ("error", "r-1", "fails", 500)
    assert line["message"] == answer.text
    assert line["traceback"].endswith("ValueError: no ***")
    assert "in fails" in line["traceback"]


def test_what_a_client_is_to_blame_for_is_no_error_in_the_log(own: Any, asked: Asked) -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Noting)
    log = own(name="graphkit")
    assert asked(server, "POST", "/v2/models/m/infer", json={"input": [1]}).status_code == 400
    assert asked(server, "POST", "/v2/models/n/infer", json={"inputs": [1]}).status_code == 404
    assert [line for line in log.lines() if line["level"] in ("warning", "error")] == []


def test_tests_of_a_graph_have_ids_as_well(own: Any) -> None:
    graph = new_flow()
    graph.to(noting, name="note").respond()
    log = own()
    server = graph.to_mock_server()
    server.test(body=1, event_id="e-1")
    noting("outside")
    assert [line.get("request_id") for line in log.lines()] == ["e-1", None]


def test_a_process_logs_what_the_graphs_own_code_logs_unless_that_is_set_up() -> None:
    script = """
import logging, sys
if sys.argv[1] == "own":
    logging.basicConfig(format="own %(message)s")
from graphkit.server.http.logs import set_up_logs
from graphkit.server.settings import Settings
for _ in range(2):
    formatter = set_up_logs(Settings(log_format="json"))
formatter.redact = lambda value: {**value, "redacted": True}
logging.getLogger("shop").info("sold")
logging.getLogger("shop").error("lost")
logging.getLogger("graphkit").info("ours")
"""
    for mode, expected in (("none", ["sold", "lost", "ours"]), ("own", ["own lost", "ours"])):
        done = subprocess.run([sys.executable, "-c", script, mode], capture_output=True, text=True, check=True)
        lines = [json.loads(line) if line[0] == "{" else {"message": line} for line in done.stderr.splitlines()]
        assert [line["message"] for line in lines] == expected
        assert lines[-1]["redacted"]
