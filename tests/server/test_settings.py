"""Settings: file, environment, flags, in that order; every problem at once; secrets are shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphkit import GraphError
from graphkit.server.settings import Settings, read_settings


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1\nworkers: 2\nhost: a\ncors_origins: [https://a, https://b]\n")
    environment = {"GRAPHKIT_PORT": "3", "GRAPHKIT_WORKERS": "4", "GRAPHKIT_API_KEYS": "k1, k2", "HOME": "/"}
    found = read_settings(file, environment, {"port": 5, "host": None})
    assert (found.port, found.workers, found.host) == (5, 4, "a")
    assert (found.cors_origins, found.api_keys) == (("https://a", "https://b"), ("k1", "k2"))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("reload", "true", True), ("docs", "0", False), ("timeout_s", "2.5", 2.5), ("gzip_min_bytes", "0", 0)],
)
def test_texts_of_the_environment_become_values(name: str, text: str, value: Any) -> None:
    assert getattr(read_settings(None, {f"GRAPHKIT_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("texts", "value"), [(("yes", "True", "ON", "1", " on "), True), (("no", "false", "Off", "0"), False)]
)
def test_yes_and_no_are_written_as_people_do(texts: tuple[str, ...], value: bool, tmp_path: Path) -> None:
    for text in texts:
        assert read_settings(None, {"GRAPHKIT_DOCS": text, "GRAPHKIT_TRACES": text}).docs is value
        (tmp_path / "s.yaml").write_text(f"docs: {text}")
        assert read_settings(tmp_path / "s.yaml", {}).docs is value
        (tmp_path / "s.yaml").write_text(f"docs: '{text}'")
        assert read_settings(tmp_path / "s.yaml", {}).docs is value
    with pytest.raises(GraphError, match="GRAPHKIT_DOCS: 'nope' is no value for docs: it is 'yes' or 'no', as"):
        read_settings(None, {"GRAPHKIT_DOCS": "nope"})


def test_what_yaml_takes_for_no_may_be_off(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("metrics: off")
    assert read_settings(tmp_path / "s.yaml", {}).metrics == "off"
    (tmp_path / "s.yaml").write_text("log_level: off")
    with pytest.raises(GraphError, match="False is no value for log_level"):
        read_settings(tmp_path / "s.yaml", {})


@pytest.mark.parametrize("name", Settings.__struct_fields__)
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_text_counts_as_not_given(tmp_path: Path, name: str, empty: str) -> None:
    given: dict[str, Any] = {
        "host": "a", "port": 1, "uds": "/s", "tls_cert": "/c", "tls_key": "/k", "tls_key_password": "p", "docs": False,
        "api_keys": ["k"], "api_keys_file": "/f", "cors_origins": ["*"], "allowed_data_urls": ["/d"],
    }  # fmt: skip
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps(given))
    before = read_settings(file, {})
    assert (before.api_keys, before.docs) == (("k",), False)
    assert read_settings(file, {f"GRAPHKIT_{name.upper()}": empty}) == before
    assert read_settings(file, {}, {name: empty}) == before


def test_commas_alone_are_no_values(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("{api_keys: [k], cors_origins: ['*']}")
    environment = {"GRAPHKIT_API_KEYS": ",", "GRAPHKIT_CORS_ORIGINS": " , "}
    assert read_settings(file, environment) == read_settings(file, {})


@pytest.mark.parametrize("name", ["api_keys", "api_keys_file"])
def test_keys_that_are_missing_do_not_open_the_server(tmp_path: Path, name: str) -> None:
    variable = f"GRAPHKIT_{name.upper()}"
    with pytest.raises(GraphError, match=f"no API key: the variable {variable} is empty"):
        read_settings(None, {variable: ""})
    with pytest.raises(GraphError, match="no API key: the flag"):
        read_settings(None, {}, {name: ""})
    (tmp_path / "s.yaml").write_text(f"{name}: ''")
    with pytest.raises(GraphError, match=f"no API key: '{name}' in"):
        read_settings(tmp_path / "s.yaml", {})
    assert read_settings(tmp_path / "s.yaml", {"GRAPHKIT_API_KEYS": "k"}).api_keys == ("k",)


def test_names_of_files_count_from_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    names = {"api_keys_file": "keys", "tls_cert": "tls/cert.pem", "tls_key": "../key.pem", "uds": "/run/s.sock"}
    urls = ["data", "/data", "https://a.example/b", "file:///c"]
    (tmp_path / "app" / "settings.yaml").write_text(json.dumps({"server": {**names, "allowed_data_urls": urls}}))
    monkeypatch.chdir(tmp_path)
    app = tmp_path / "app"
    for file in ("app/settings.yaml", app / "settings.yaml"):
        found = read_settings(file, {})
        assert (found.api_keys_file, found.tls_cert) == (str(app / "keys"), str(app / "tls" / "cert.pem"))
        assert (found.tls_key, found.uds) == (str(app / ".." / "key.pem"), "/run/s.sock")
        assert found.allowed_data_urls == (str(app / "data"), *urls[1:])
    found = read_settings("app/settings.yaml", {"GRAPHKIT_API_KEYS_FILE": "keys"}, {"uds": "s.sock"})
    assert (found.api_keys_file, found.uds) == (str(tmp_path / "keys"), str(tmp_path / "s.sock"))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("prot: 1\nworkers: many\n")
    with pytest.raises(GraphError) as failed:
        read_settings(file, {"GRAPHKIT_THREEDS": "1"}, {"api_key": "s3cret"})
    problems = "\n".join(failed.value.problems)
    assert len(failed.value.problems) == 4
    for part in (
        "did you mean 'port'",
        "'many' is no value for workers",
        "GRAPHKIT_THREADS",
        "did you mean 'api_keys'",
    ):
        assert part in problems
    assert "s3cret" not in problems


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": "step"}, "did you mean 'steps'"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"port": 99999}, "port must be 65535 or less, found 99999"),
        ({"timeout_s": -1.0}, "timeout_s must be 0 or more"),
        ({"timeout_s": float("nan")}, "timeout_s must be 0 or more"),
        ({"tls_cert": "a.pem"}, "give both"),
        ({"reload": True, "workers": 2}, "reload works with one worker"),
        ({"api_keys": ("",)}, "an empty key"),
        ({"metrics": "all"}, "metrics is 'auto', 'off', 'requests' or 'steps'"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "- x"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(GraphError, match="the settings"):
        read_settings(tmp_path / "s.yaml", {})
    with pytest.raises(GraphError, match="cannot be read"):
        read_settings(tmp_path / "none.yaml", {})


def test_settings_beside_their_part_are_not_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("app: {}\napi_keys: [s3cret]\nother: {}\nserver: {port: 1}")
    with pytest.raises(GraphError, match=r"'api_keys' in '.*s\.yaml' stands beside the part 'server', not in it"):
        read_settings(file, {})


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("")
    assert read_settings(tmp_path / "s.yaml", {}) == Settings()


def test_what_kubernetes_tells_of_a_service_named_graphkit_is_passed_over() -> None:
    told = {
        "GRAPHKIT_PORT": "tcp://10.0.0.1:80",
        "GRAPHKIT_PORT_80_TCP_ADDR": "10.0.0.1",
        "GRAPHKIT_SERVICE_HOST": "10.0.0.1",
        "GRAPHKIT_SERVICE_PORT_HTTP": "80",
        "GRAPHKIT_DOT": "/usr/bin/dot",
    }
    assert read_settings(None, told) == Settings()


def test_secrets_are_shown_nowhere() -> None:
    settings = Settings(api_keys=("s3cret",), tls_key_password="s3cret", port=1)
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.masked())
    assert repr(settings) == "Settings(port=1, tls_key_password='***', api_keys='***')"
    with pytest.raises(GraphError) as failed:
        read_settings(None, {}, {"tls_key_password": {"s3cret": 1}})
    assert "s3cret" not in str(failed.value)


def test_keys_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the team\nfirst\n\n  second \n")
    assert Settings(api_keys=("zero",), api_keys_file=str(file)).keys() == ("zero", "first", "second")
    file.write_text("# nobody\n")
    with pytest.raises(GraphError, match="holds no key"):
        Settings(api_keys_file=str(file)).keys()
    with pytest.raises(GraphError, match="cannot be read"):
        Settings(api_keys_file=str(tmp_path / "none")).keys()
