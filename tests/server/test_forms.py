"""The written forms of a server: dict, JSON, YAML and files, both ways; and its picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphkit import (
    Event,
    GraphError,
    GraphServer,
    RootFlowStep,
    SpecError,
    V2ModelServer,
    create_graph_server,
    new_flow,
)


class Model(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [self.get_param("factor", 1) * x for x in request["inputs"]]


def prepare(event: Event) -> Event:
    return event


def start(server: GraphServer) -> None:
    server.parameters["started"] = True


def full_server(engine: str = "async") -> GraphServer:
    """Return a server that uses every field."""
    flow = new_flow(engine=engine)
    flow.to(prepare, full_event=True).to("*", name="models").respond()
    flow["models"].add_route("m", class_name="Model", factor=3)
    flow.error_handler(name="catch", handler="(event)")
    return GraphServer(
        flow,
        {"rate": 5, "nested": {"a": [1, None, "x"]}},
        "async",
        "project/name",
        True,
        "v2",
        {"child": {"image": "x"}},
        start,
        "memory://errors-of-forms",
        True,
        [{"kind": "env", "source": ["A"]}],
    )


ROUND_TRIPS: dict[str, Callable[[GraphServer], GraphServer]] = {
    "dict": lambda server: GraphServer.from_dict(server.to_dict()),
    "json": lambda server: GraphServer.from_json(server.to_json()),
    "json bytes": lambda server: GraphServer.from_json(server.to_json().encode()),
    "yaml": lambda server: GraphServer.from_yaml(server.to_yaml()),
    "plain json": lambda server: GraphServer.from_dict(json.loads(json.dumps(server.to_dict()))),
    "plain yaml": lambda server: GraphServer.from_dict(yaml.safe_load(server.to_yaml())),
}


@pytest.mark.parametrize("form", ROUND_TRIPS)
@pytest.mark.parametrize("ran", [False, True])
def test_a_server_goes_through_every_form_before_and_after_running(form: str, ran: bool, engine: str) -> None:
    server = full_server(engine)
    written = server.to_dict()
    if ran:
        server.parameters["started"] = True
        written["parameters"]["started"] = True
        assert server.test("m/infer", {"inputs": [2]})["outputs"] == [6]
        server.wait_for_completion()
    loaded = ROUND_TRIPS[form](server)
    assert loaded == server
    assert loaded.to_dict() == server.to_dict() == written
    assert loaded.test("m/infer", {"inputs": [2]})["outputs"] == [6]
    loaded.wait_for_completion()


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_server_is_saved_and_loaded(tmp_path: Path, suffix: str) -> None:
    server = full_server()
    path = tmp_path / f"server{suffix}"
    server.save(path)
    for given in (path, str(path)):
        loaded = GraphServer.load(given)
        assert type(loaded) is GraphServer
        assert loaded.to_dict() == server.to_dict()


def test_the_dict_is_plain_and_in_the_order_of_the_arguments() -> None:
    written = full_server().to_dict()
    assert list(written) == [
        "kind", "graph", "parameters", "load_mode", "function_uri", "verbose", "version", "functions",
        "graph_initializer", "error_stream", "track_models", "secret_sources",
    ]  # fmt: skip
    assert written["kind"] == "server"
    assert written["graph"]["kind"] == "root"
    assert written["graph_initializer"] == "start"
    assert json.loads(json.dumps(written)) == written


def test_what_is_not_said_is_not_written() -> None:
    assert GraphServer().to_dict() == {"kind": "server", "load_mode": "sync", "version": "v2"}


def test_every_field_comes_back() -> None:
    loaded = GraphServer.from_dict(full_server().to_dict())
    assert (loaded.parameters["rate"], loaded.load_mode, loaded.function_uri) == (5, "async", "project/name")
    assert (loaded.verbose, loaded.version, loaded.functions) == (True, "v2", {"child": {"image": "x"}})
    assert (loaded.graph_initializer, loaded.track_models) == ("start", True)
    assert (loaded.error_stream, loaded.secret_sources) == (
        "memory://errors-of-forms",
        [{"kind": "env", "source": ["A"]}],
    )
    assert loaded.graph["models"]["m"].class_args == {"factor": 3}


def test_a_router_comes_back_as_a_router() -> None:
    server = create_graph_server()
    server.add_model("m:1", class_name=Model, factor=2)
    loaded = GraphServer.from_yaml(server.to_yaml())
    assert loaded.graph.kind == "router"
    assert loaded.test("m/versions/1/infer", {"inputs": [2]})["outputs"] == [4]


def test_what_was_written_is_independent_of_the_server() -> None:
    server = full_server()
    written = server.to_dict()
    written["parameters"]["nested"]["a"].append(2)
    written["graph"]["steps"].clear()
    assert server.parameters["nested"] == {"a": [1, None, "x"]}
    assert list(server.graph) == ["prepare", "models", "catch"]
    loaded = GraphServer.from_dict(server.to_dict())
    loaded.parameters["nested"]["a"].append(3)
    assert server.parameters["nested"] == {"a": [1, None, "x"]}


def test_what_was_loaded_is_independent_of_the_dict() -> None:
    struct = full_server().to_dict()
    loaded = GraphServer.from_dict(struct)
    before = loaded.to_dict()
    struct["parameters"]["nested"]["a"].append(2)
    struct["functions"]["child"]["image"] = "y"
    assert loaded.to_dict() == before


def test_an_object_that_no_form_can_hold_leaves_a_placeholder_that_says_so() -> None:
    server = GraphServer(parameters={"model": object()}, graph_initializer=lambda server: None)
    server.set_topology("flow").to(name="step", handler="(event)").respond()
    assert server.test(body=1) == 1
    loaded = GraphServer.from_json(server.to_json())
    with pytest.raises(GraphError, match=r"the parameter 'model' was an object .* that a saved spec cannot hold"):
        loaded.init()
    loaded.parameters["model"] = 5
    with pytest.raises(GraphError, match="graph_initializer: '<lambda>' was an object that a saved spec cannot hold"):
        loaded.init()
    loaded.graph_initializer = None
    assert loaded.test(body=1) == 1


def test_servers_compare_by_what_is_written() -> None:
    assert full_server() == full_server()
    other = full_server()
    other.parameters["rate"] = 6
    assert full_server() != other
    assert GraphServer() != 5


def test_the_text_is_the_same_whatever_the_hash_seed() -> None:
    code = (
        "from graphkit import GraphServer, new_flow\n"
        "flow = new_flow()\n"
        "flow.to(name='a', handler='(event)').to(name='b', handler='(event)')\n"
        "print(GraphServer(flow, {'z': 1, 'a': {'y': 2, 'b': 3}}, secret_sources="
        "[{'kind': 'inline', 'source': {'T': '1', 'A': '2', 'M': '3'}}]).to_yaml())\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(texts) == 1


# ---- what is no server --------------------------------------------------------------------------------------------


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        GraphServer.from_dict(
            {
                "kind": "server",
                "paramters": {},
                "verbose": "yes",
                "graph": {"kind": "root", "steps": {"a": {"handlr": "f"}}},
            }
        )
    told = "\n".join(caught.value.problems)
    assert "the server has the unknown key 'paramters'" in told
    assert "did you mean 'parameters'?" in told
    assert "verbose: Expected `bool`, got `str`" in told
    assert "step 'a' has the unknown key 'handlr'" in told
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("struct", "told"),
    [
        (None, "a server is written as a dict, found nothing"),
        ([], "a server is written as a dict, found a value of type list"),
        ("server", "a server is written as a dict, found a value of type str"),
        ({"kind": "root", "steps": {}}, "this is a graph, not a server"),
        ({"kind": "task"}, "a server is of the kind 'server', found 'task'"),
        ({"graph": {"kind": "task"}}, "the root of a graph is a router or a flow, found 'task'"),
        ({"graph": []}, "the graph is written as a dict"),
        ({"load_mode": "lazy"}, "load_mode is 'sync' or 'async', found 'lazy'"),
        ({"parameters": [1]}, "parameters: Expected `object`, got `array`"),
        ({"secret_sources": [{"kind": "vault", "source": 1}]}, "the secret source kind 'vault' is not known"),
        ({"secret_sources": "x"}, "secret_sources: Expected `array`, got `str`"),
        ({"parameters": {"keep_runs": 0}}, "'keep_runs' must be a whole number from 1 on, not 0"),
    ],
)
def test_a_dict_that_is_no_server_is_told(struct: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        GraphServer.from_dict(struct)


@pytest.mark.parametrize("text", ['{"kind": "server"', "", "nonsense", '{"a": 1, "a": 2}', "[1]", b"\xff"])
def test_broken_json_is_a_spec_error(text: Any) -> None:
    with pytest.raises(SpecError):
        GraphServer.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "kind: server\n  graph: [",
        "",
        "just words",
        "- 1\n- 2",
        "kind: server\nkind: server",
        "a: &x [*x]",
        "!!python/object/apply:os.system ['true']",
        "kind: server\ngraph: !!python/name:os.system",
        "services:\n  web:\n    image: nginx\n",
        b"\xff\xfe\x00",
    ],
)
def test_yaml_that_is_no_server_is_a_spec_error(text: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        GraphServer.from_yaml(text)
    with pytest.raises(SpecError):
        RootFlowStep.from_yaml(text)
    path = tmp_path / "server.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError):
        GraphServer.load(path)


def test_a_file_that_is_not_there_or_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        GraphServer.load(tmp_path / "server.yaml")
    with pytest.raises(SpecError, match="use the suffix"):
        GraphServer.load(tmp_path / "server.toml")
    with pytest.raises(SpecError, match="use the suffix"):
        full_server().save(tmp_path / "server")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_and_a_server_are_not_taken_for_each_other(tmp_path: Path) -> None:
    server = full_server()
    server.save(tmp_path / "server.yaml")
    server.graph.save(tmp_path / "graph.yaml")
    with pytest.raises(SpecError, match="GraphServer"):
        GraphServer.load(tmp_path / "graph.yaml")
    with pytest.raises(SpecError, match="GraphServer"):
        RootFlowStep.load(tmp_path / "server.yaml")
    assert GraphServer(RootFlowStep.load(tmp_path / "graph.yaml")).graph == server.graph


def test_save_checks_the_structure_and_nothing_else(tmp_path: Path, graph: Any) -> None:
    graph.to("NotDefinedAnywhere", "a", wrong_argument=1)
    graph.to_mock_server().save(tmp_path / "server.yaml")
    graph["a"].after = ["nowhere"]
    with pytest.raises(GraphError, match="nowhere"):
        graph.to_mock_server().save(tmp_path / "broken.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["server.yaml"]


@pytest.mark.parametrize(
    "handler",
    [
        "(__import__('os').system('true'))",
        "(().__class__.__bases__)",
        "(open('/etc/passwd').read())",
        "([x for x in ().__class__.__base__.__subclasses__()])",
        "(event.__class__)",
    ],
)
def test_a_spec_with_an_expression_that_tries_to_escape_is_refused(handler: str, engine: str) -> None:
    struct = {"kind": "server", "graph": {"kind": "root", "engine": engine, "steps": {"a": {"handler": handler}}}}
    server = GraphServer.from_dict(struct)
    answer = server.test(body={"x": 1}, silent=True)
    assert answer.status_code == 500
    assert "step 'a'" in answer.body


# ---- the picture --------------------------------------------------------------------------------------------------


def test_a_server_shows_its_graph(tmp_path: Path) -> None:
    server = full_server()
    assert server.plot(rankdir="LR").source == server.graph.plot(rankdir="LR").source
    server.plot(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").count("<svg") == 1
    bundle = server._repr_mimebundle_()
    assert "prepare" in bundle["text/plain"]
    assert "text/html" in bundle


def test_a_server_without_a_graph_shows_that(tmp_path: Path) -> None:
    server = GraphServer()
    assert repr(server) == "GraphServer(None)"
    assert server._repr_mimebundle_() == {"text/plain": "GraphServer(None)"}
    with pytest.raises(GraphError, match="the server has no graph yet"):
        server.plot()
    server.save(tmp_path / "server.yaml")
    assert GraphServer.load(tmp_path / "server.yaml") == server


def test_the_repr_is_plain_and_stable() -> None:
    server = full_server()
    assert repr(server) == repr(full_server()) == "GraphServer(RootFlowStep(3 steps))"
    server.set_current_function("child")
    assert repr(server) == "GraphServer(RootFlowStep(3 steps), function='child')"
