"""Graphs as Nuclio functions, with the classes of the real ``nuclio-sdk``."""

from __future__ import annotations

import asyncio
import base64
import gzip
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import nuclio_sdk
import pytest

from graphkit import GraphError, SpecError
from graphkit import nuclio as hooks
from graphkit.core.current import request_id
from graphkit.core.logger import LentLogger

FLOW = {
    "kind": "root",
    "steps": {
        "double": {"handler": "double"},
        "shift": {"handler": "shift", "after": ["double"], "responder": True},
    },
}
CODE = """
from graphkit.nuclio import {handler} as handler, v2_serving_init

def init_context(context): v2_serving_init(context, globals())

def double(x):
    return x * 2

async def later(x):
    return x + 1

def plain(x):
    return x + 1

shift = {shift}
"""
MODELS = """
from graphkit import V2ModelServer
from graphkit.nuclio import handler, v2_serving_init

def init_context(context): v2_serving_init(context, globals())

class Twice(V2ModelServer):
    def load(self):
        if self.get_param("broken", False):
            raise OSError("no such file")
    def predict(self, request):
        self.context.logger.info_with("predicting", rows=len(request["inputs"]), token=self.context.get_secret("TOKEN"))
        return [2 * x for x in request["inputs"]]
"""
ROUTER = {
    "kind": "router",
    "routes": {
        "m": {"class_name": "Twice"},
        "broken": {"class_name": "Twice", "class_args": {"broken": True}},
    },
}


class Worker:
    """What Nuclio does with a function's file: it imports it, and calls its hooks."""

    def __init__(self, folder: Path, code: str, kind: str = "http", name: str = "main") -> None:
        file = folder / f"{name}.py"
        file.write_text(code)
        spec = importlib.util.spec_from_file_location(f"nuclio_function_{name}", file)
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.log = io.StringIO()
        logger = nuclio_sdk.Logger(10, f"nuclio-{folder.name}")
        logger.set_handler("default", self.log, nuclio_sdk.logger.JSONFormatter())
        trigger = nuclio_sdk.TriggerInfo(kind, "default")
        self.context = nuclio_sdk.Context(logger, nuclio_sdk.Platform("test"), worker_id=3, trigger=trigger)

    def init(self) -> Worker:
        self.module.init_context(self.context)
        return self

    def ask(self, event: Any) -> Any:
        answer = self.module.handler(self.context, event)
        return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def event_of(body: Any, path: str = "/", kind: str = "http", **more: Any) -> nuclio_sdk.Event:
    more = {"content_type": "application/json", "method": "POST", "_id": "e1", **more}
    return nuclio_sdk.Event(json.dumps(body).encode(), path=path, trigger=nuclio_sdk.TriggerInfo(kind, "t"), **more)


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv(hooks.APP_VARIABLE, raising=False)
    monkeypatch.delenv(hooks.CHILD_VARIABLE, raising=False)

    def put(data: Any) -> None:
        monkeypatch.setenv(hooks.SPEC_VARIABLE, data if isinstance(data, str) else json.dumps(data))

    return put


@pytest.mark.parametrize("handler", ["handler", "async_handler"])
@pytest.mark.parametrize("shift", ["plain", "later"])
def test_functions_of_three_lines_answer(tmp_path: Path, spec: Any, handler: str, shift: str) -> None:
    spec(FLOW)
    worker = Worker(tmp_path, CODE.format(handler=handler, shift=shift)).init()
    answer = worker.ask(event_of(20))
    assert type(answer) is nuclio_sdk.Response
    assert (answer.status_code, json.loads(answer.body), answer.content_type) == (200, 41, "application/json")
    sent = nuclio_sdk.Response.from_entrypoint_output(json.dumps, answer)
    assert (sent["status_code"], sent["body"]) == (200, "41")
    worker.context._server.wait_for_completion()


@pytest.mark.parametrize("handler", ["handler", "async_handler"])
def test_what_steps_log_is_known_to_belong_to_the_event(tmp_path: Path, spec: Any, handler: str) -> None:
    spec({"steps": {"which": {"handler": "which", "responder": True}}})
    code = CODE.format(handler=handler, shift="plain")
    code += "from graphkit.core.current import request_id\ndef which(x): return request_id()\n"
    worker = Worker(tmp_path, code).init()
    assert worker.ask(event_of(1, _id="e7")).body == "e7"
    assert [answer.body for answer in worker.ask([event_of(1, _id="a"), event_of(1, _id="b")])] == ["a", "b"]
    assert request_id() is None


@pytest.mark.parametrize("handler", ["handler", "async_handler"])
def test_batches_of_events_are_answered_one_by_one(tmp_path: Path, spec: Any, handler: str) -> None:
    spec(FLOW)
    worker = Worker(tmp_path, CODE.format(handler=handler, shift="plain")).init()
    answers = worker.ask([event_of(20, _id="a"), event_of({"no": "number"}, _id="b"), event_of(1, _id="c")])
    assert [(answer.event_id, answer.status_code) for answer in answers] == [("a", 200), ("b", 500), ("c", 200)]
    assert [answers[index].body for index in (0, 2)] == ["41", "3"]


def test_models_answer_as_everywhere(tmp_path: Path, spec: Any) -> None:
    spec({"graph": ROUTER, "function_uri": "shop/models"})
    worker = Worker(tmp_path, MODELS).init()
    given = event_of({"inputs": [1, 2]}, "/v2/models/m/infer")
    answer = json.loads(worker.ask(given).body)
    assert (answer["id"], answer["model_name"], answer["outputs"]) == ("e1", "m", [2, 4])
    assert (given.path, type(given.body)) == ("/v2/models/m/infer", bytes)
    ready = worker.ask(nuclio_sdk.Event(b"", path="/v2/models/m/ready", method="GET"))
    assert type(ready) is nuclio_sdk.Response
    assert ready.status_code == 200
    assert worker.context._server.context.worker_id == 3
    assert hooks.v2_serving_handler(worker.context, given, get_body=True)["outputs"] == [2, 4]


@pytest.mark.parametrize(
    ("event", "status", "told"),
    [
        (event_of({"inputs": [1]}, "/v2/models/n/infer"), 404, "'n'"),
        (event_of({"input": [1]}, "/v2/models/m/infer"), 400, "inputs"),
        (nuclio_sdk.Event(b"{", "application/json", path="/v2/models/m/infer", method="POST"), 400, "JSON"),
        (event_of({"inputs": [None]}, "/v2/models/m/infer"), 500, "'m'"),
        (event_of({"inputs": [1]}, "/v2/models/broken/infer"), 503, "no such file"),
    ],
)
def test_errors_are_statuses(tmp_path: Path, spec: Any, event: Any, status: int, told: str) -> None:
    spec(ROUTER)
    answer = Worker(tmp_path, MODELS).init().ask(event)
    assert type(answer) is nuclio_sdk.Response
    assert answer.status_code == status
    assert told in answer.body


def test_steps_log_with_nuclios_logger_and_without_secrets(tmp_path: Path, spec: Any) -> None:
    (tmp_path / "secrets").write_text("TOKEN=s3cr3t-value\n")
    spec({"graph": ROUTER, "secret_sources": [{"kind": "file", "source": str(tmp_path / "secrets")}]})
    worker = Worker(tmp_path, MODELS).init()
    worker.ask(event_of({"inputs": [1, 2]}, "/v2/models/m/infer"))
    assert worker.lines()[-1]["with"] == {"rows": 2, "token": "***"}
    assert worker.lines()[-1]["message"] == "predicting"
    failed = next(line for line in worker.lines() if line["level"] == "error")
    assert "OSError: no such file" in failed["message"]
    assert isinstance(worker.context._server.context.logger, LentLogger)
    worker.context._server.context.logger.warning("%d left", 3)
    assert (worker.lines()[-1]["level"], worker.lines()[-1]["message"]) == ("warning", "3 left")


def test_entries_of_streams_have_no_path_of_their_own(tmp_path: Path, spec: Any) -> None:
    spec(ROUTER)
    worker = Worker(tmp_path, MODELS, kind="kafka-cluster").init()
    entry = event_of({"inputs": [3], "model": "m", "operation": "infer"}, "orders-topic", "kafka-cluster")
    assert json.loads(worker.ask(entry).body)["outputs"] == [6]
    assert entry.path == "orders-topic"


def test_a_spec_may_be_compressed(tmp_path: Path, spec: Any) -> None:
    spec(base64.b64encode(gzip.compress(json.dumps(ROUTER).encode())).decode())
    worker = Worker(tmp_path, MODELS).init()
    assert json.loads(worker.ask(event_of({"inputs": [1]}, "/v2/models/m/infer")).body)["outputs"] == [2]


def test_a_spec_may_stand_beside_the_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hooks.SPEC_VARIABLE, raising=False)
    (tmp_path / "graph.json").write_text(json.dumps(FLOW))
    worker = Worker(tmp_path, CODE.format(handler="handler", shift="plain"), name="beside").init()
    assert worker.ask(event_of(20)).body == "41"


def test_an_app_brings_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "sub" / "app"
    app.mkdir(parents=True)
    (app / "settings.yaml").write_text("app: {modules: [app_steps_of_nuclio]}")
    (app / "app_steps_of_nuclio.py").write_text("def double(x):\n    return x * 2\ndef shift(x):\n    return x + 1\n")
    (app / "graph.yaml").write_text(json.dumps(FLOW))
    monkeypatch.delenv(hooks.SPEC_VARIABLE, raising=False)
    monkeypatch.setenv(hooks.APP_VARIABLE, "sub/app")
    monkeypatch.chdir(tmp_path)
    worker = Worker(tmp_path, "from graphkit.nuclio import handler, init_context\n", name="one_line")
    assert worker.init().ask(event_of(20)).body == "41"


def test_the_functions_module_is_found_where_nuclio_names_it(
    tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec(FLOW)
    code = (
        CODE.format(handler="handler", shift="plain")
        .split("def init_context")[0]
        .replace("v2_serving_init", "init_context")
    )
    code += "def double(x):\n    return x * 2\ndef shift(x):\n    return x + 1\n"
    worker = Worker(tmp_path, code, name="named")
    monkeypatch.setitem(sys.modules, "named_function", worker.module)
    monkeypatch.setenv("NUCLIO_FUNCTION_HANDLER", "named_function:handler")
    assert worker.init().ask(event_of(20)).body == "41"


def test_a_child_function_runs_its_own_steps(tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        "double": {"handler": "double"},
        "queue": {"kind": "queue", "path": "memory://nuclio-child", "after": ["double"]},
        "shift": {"handler": "shift", "after": ["queue"], "function": "child", "responder": True},
    }
    spec({"kind": "root", "steps": steps})
    monkeypatch.setenv(hooks.CHILD_VARIABLE, "child")
    worker = Worker(tmp_path, CODE.format(handler="handler", shift="plain")).init()
    assert worker.context._server.context.current_function == "child"
    assert worker.ask(event_of(20)).body == "21"


def test_responses_that_steps_make_become_nuclios(tmp_path: Path, spec: Any) -> None:
    spec({"steps": {"teapot": {"handler": "teapot", "responder": True}}})
    code = (
        MODELS + "\nfrom graphkit import Response\ndef teapot(x): return Response({'x-a': 'b'}, 'short', None, 418)\n"
    )
    answer = Worker(tmp_path, code).init().ask(event_of(1))
    assert type(answer) is nuclio_sdk.Response
    assert (answer.status_code, answer.body, answer.headers) == (418, "short", {"x-a": "b"})


def test_a_worker_that_ends_sends_on_what_waits(tmp_path: Path, spec: Any) -> None:
    spec(FLOW)
    worker = Worker(tmp_path, CODE.format(handler="handler", shift="later")).init()
    worker.ask(event_of(20))
    asyncio.run(worker.context.platform._termination_callback())
    assert worker.ask(event_of(20)).body == "41"  # a worker that was drained only goes on
    asyncio.run(worker.context.platform._drain_callback())


def test_what_is_missing_or_wrong_is_told(tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = nuclio_sdk.Context()
    with pytest.raises(GraphError, match=r"init_context\(context\) must call v2_serving_init"):
        hooks.handler(context, event_of(1))
    spec('{"steps": {"a": {"handlr": "x"}}}')
    with pytest.raises(SpecError, match=r"SERVING_SPEC_ENV: .*did you mean 'handler'"):
        hooks.v2_serving_init(context, {})
    monkeypatch.delenv(hooks.SPEC_VARIABLE)
    with pytest.raises(GraphError, match="there is no graph to serve: set SERVING_SPEC_ENV"):
        hooks.v2_serving_init(context, {"__file__": str(tmp_path / "main.py")})
    spec(FLOW)
    with pytest.raises(GraphError, match="'double'"):
        hooks.v2_serving_init(context, {})
