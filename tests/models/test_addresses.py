from __future__ import annotations

import pytest

from graphkit.models.addresses import Addresses, parse


@pytest.mark.parametrize(
    ("path", "model", "operation"),
    [
        ("/v2/models/m/infer", "m", "infer"),
        ("v2/models/m/infer/", "m", "infer"),
        ("//v2/models/m/infer", "m", "infer"),
        ("/v2/models/m", "m", ""),
        ("/v2/models/m/versions/3/infer", "m:3", "infer"),
        ("/v2/models/m/versions/3", "m:3", ""),
        ("/v2/models/m:3/infer", "m:3", "infer"),
        ("m/infer", "m", "infer"),
        ("/m/infer", "m", "infer"),
        ("m", "m", ""),
        ("m/a/b", "m", "a/b"),
        ("m/versions", "m", "versions"),
        ("/v2/models/", "", ""),
        ("/v2/models", "", ""),
        ("/", "", ""),
        ("", "", ""),
        ("/v2/modelsx/infer", "v2", "modelsx/infer"),
    ],
)
def test_a_path_names_model_and_operation(path, model, operation):
    address = parse(path, "v2/models", "v2/health")
    assert (address.model, address.operation) == (model, operation)


@pytest.mark.parametrize(
    ("path", "about"),
    [("/", True), ("", True), ("/v2/health", True), ("v2/health/live", True), ("/v2/healthy", False), ("/m", False)],
)
def test_root_and_health_prefix_are_about_the_server(path, about):
    assert parse(path, "v2/models", "v2/health").about_server is about


def test_prefixes_are_given_with_or_without_slashes():
    for prefix in ("/own/", "own", "/own"):
        assert Addresses(prefix, "/alive/")["/own/m/infer"].model == "m"
        assert Addresses(prefix, "alive")["/alive"].about_server


def test_a_path_is_worked_out_once():
    addresses = Addresses("/v2/models", "/v2/health")
    assert addresses["/v2/models/m/infer"] is addresses["/v2/models/m/infer"]


def test_paths_that_clients_make_up_do_not_pile_up():
    addresses = Addresses("/v2/models", "/v2/health")
    for number in range(10_000):
        assert addresses[f"/v2/models/m{number}/infer"].model == f"m{number}"
    assert len(addresses) < 5_000
    kept = len(addresses)
    assert addresses["/v2/models/" + "x" * 100_000].operation == ""
    assert len(addresses) == kept
