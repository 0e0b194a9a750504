"""What helps an app into a container and onto Kubernetes is accepted by Kubernetes' own schemas."""

from __future__ import annotations

import re
import shlex

import kubernetes_validate
import pytest
import yaml

from graphkit.export import deploy
from graphkit.export.artifacts import Artifacts

VERSIONS = ["1.30", "1.34", kubernetes_validate.latest_version()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["app", "My Iris_App 2", "2024"])
def test_the_schemas_of_kubernetes_accept_the_manifests(name, version):
    for manifest in yaml.safe_load_all(deploy.kubernetes_yaml(name)):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_would_find_a_mistake():
    [deployment, *_] = deploy.manifests("app")
    deployment["spec"]["template"]["spec"]["containers"][0]["port"] = 80
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_the_parts_fit_together():
    deployment, service, budget = yaml.safe_load_all(deploy.kubernetes_yaml("iris"))
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert container["ports"][0]["containerPort"] == deploy.PORT
    text = deploy.containerfile("iris")
    assert f"EXPOSE {deploy.PORT}" in text
    user = deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}\n" in text
    assert "&" not in deploy.kubernetes_yaml("iris").split("---", 1)[1]


@pytest.mark.parametrize("name", ["a", "Ä b", "x" * 100, "-", "9"])
def test_names_are_what_kubernetes_takes(name):
    made = deploy.kubernetes_name(name)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", made), made


def test_the_containers_command_is_one_that_graphkit_has():
    from click.testing import CliRunner

    from graphkit.cli.main import main

    [command] = re.findall(r"^CMD (\[.*\])$", deploy.containerfile("app"), re.MULTILINE)
    program, subcommand, _, *options = yaml.safe_load(command)
    assert program == "graphkit"
    text = CliRunner().invoke(main, [subcommand, "--help"]).output
    assert all(option in text for option in options if option.startswith("--"))
    [test] = re.findall(r"^RUN (graphkit .*)$", deploy.containerfile("app"), re.MULTILINE)
    assert CliRunner().invoke(main, [shlex.split(test)[1], "--help"]).exit_code == 0


def test_probes_ask_what_the_server_answers():
    import graphkit
    from graphkit.server.http.app import asgi_app

    graph = graphkit.new_flow()
    graph.to(name="a", handler="(event)").respond()
    paths = set(re.findall(r"path: (/\S+)", deploy.kubernetes_yaml("app")))
    assert paths == {"/v2/health/live", "/v2/health/ready"}
    answered = _statuses(asgi_app(graph.to_mock_server()), paths)
    assert answered == dict.fromkeys(paths, 200)


def _statuses(app, paths):
    import asyncio

    async def ask():
        import httpx

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return {path: (await client.get(path)).status_code for path in paths}

    return asyncio.run(ask())


def test_unknown_ways_with_artifacts_are_refused():
    with pytest.raises(ValueError, match="'copy', 'reference'"):
        Artifacts("link")
