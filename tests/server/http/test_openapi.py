"""The OpenAPI document is right: a tool that only reads it finds no answer that it does not describe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphkit import create_graph_server, new_flow
from graphkit.server.settings import Settings
from tests.server.http.processes import Served
from tests.server.http.served import Same, models

Ask = Callable[..., httpx.Response]


def test_every_model_and_version_is_described(asked: Ask) -> None:
    paths = asked(models, "GET", "/openapi.json").json()["paths"]
    assert {
        "/v2/models/linear/infer",
        "/v2/models/linear/ready",
        "/v2/models/versioned/versions/2",
        "/v2/models/versioned/versions/2/infer",
        "/v2/health/ready",
    } <= paths.keys()


def test_a_flow_is_described_at_its_root(asked: Ask) -> None:
    graph = new_flow("calc")
    graph.to(name="same", handler="(event)").respond()
    paths = asked(graph, "GET", "/openapi.json").json()["paths"]
    assert {"/", "/v2/models/calc/infer"} <= paths.keys()


def test_the_forms_of_failures_are_described(asked: Ask) -> None:
    found = asked(models, "GET", "/openapi.json").json()
    assert "`Accept: application/json`" in found["info"]["description"]
    answers = found["paths"]["/v2/models/linear/infer"]["post"]["responses"]
    assert {*answers["500"]["content"]} == {"application/json", "text/plain"}


def test_a_key_that_is_needed_is_described(asked: Ask) -> None:
    found = asked(models, "GET", "/openapi.json", Settings(api_keys=("k",)), headers={"x-api-key": "k"}).json()
    assert found["security"] == [{"bearer": []}]


def test_a_model_that_takes_tensors_only_says_so(asked: Ask) -> None:
    server = create_graph_server()
    server.add_model("strict", class_name=Same, protocol="oip")
    operation = asked(server, "GET", "/openapi.json").json()["paths"]["/v2/models/strict/infer"]["post"]
    schema: Any = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/InferenceRequest"}


@pytest.mark.slow
def test_schemathesis_finds_no_server_error_and_no_break_of_the_schema(models: Served, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{models.url}/openapi.json", "--checks", checks]
    command += ["--max-examples", "10", "--seed", "1", "--phases", "examples,coverage,fuzzing", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
