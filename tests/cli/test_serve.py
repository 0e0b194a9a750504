"""``graphkit serve``, and what ``graphkit describe`` tells of its settings."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answer_of(url: str, body: object, headers: dict[str, str]) -> httpx.Response:
    end = time.monotonic() + 30
    while True:
        try:
            return httpx.post(url, json=body, headers=headers, timeout=5)
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_an_empty_variable_does_not_open_a_server_that_wants_keys(app: Path, write, environment, tmp_path, graphkit):
    port = free_port()
    settings = write("settings.yaml", f"server: {{port: {port}, api_keys: [s3cret], drain_s: 0}}")
    environment["GRAPHKIT_API_KEYS"] = ""
    command = [sys.executable, "-m", "graphkit", "serve", "app.py", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert answer_of(f"http://127.0.0.1:{port}", {"x": 4}, {}).status_code == 401
            assert answer_of(f"http://127.0.0.1:{port}", {"x": 4}, {"x-api-key": "s3cret"}).json() == {"twice": 8}
        finally:
            process.kill()
    settings.unlink()
    done = graphkit("serve", "app.py", "--port", port)
    assert done.returncode == 1
    assert "the variable GRAPHKIT_API_KEYS is empty" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_graph_is_served_until_it_is_told_to_end(app: Path, write, environment, tmp_path, workers, end):
    port = free_port()
    write("settings.yaml", f"server: {{port: 1, workers: {workers}, drain_s: 0}}")
    environment = {**environment, "GRAPHKIT_PORT": str(port), "GRAPHKIT_API_KEYS": "s3cret"}
    command = [sys.executable, "-m", "graphkit", "serve", "app.py", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            assert answer_of(url, {"x": 4}, {"x-api-key": "s3cret"}).json() == {"twice": 8}
            assert answer_of(url, {"x": 4}, {}).status_code == 401
            process.send_signal(end)
            _, log = process.communicate(timeout=20)
            assert (process.returncode, log) == (0, "")
        finally:
            process.kill()


def test_names_of_files_in_settings_count_from_their_folder(app: Path, write, environment, tmp_path, graphkit):
    port = free_port()
    (tmp_path / "elsewhere").mkdir()
    write("settings.yaml", f"server: {{port: {port}, api_keys_file: secret/keys, drain_s: 0}}")
    write("secret/keys", "s3cret")
    environment["GRAPHKIT_TLS_CERT"] = "cert.pem"
    environment["GRAPHKIT_TLS_KEY"] = "key.pem"
    settings = json.loads(graphkit("describe", "../app.py", "--json", cwd=tmp_path / "elsewhere").stdout)["settings"]
    assert settings["api_keys_file"] == str(tmp_path / "secret" / "keys")
    assert settings["tls_cert"] == str(tmp_path / "elsewhere" / "cert.pem")
    environment |= {"GRAPHKIT_TLS_CERT": "", "GRAPHKIT_TLS_KEY": ""}
    command = [sys.executable, "-m", "graphkit", "serve", "../app.py", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=tmp_path / "elsewhere", env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert answer_of(f"http://127.0.0.1:{port}", {"x": 4}, {"x-api-key": "s3cret"}).json() == {"twice": 8}
        finally:
            process.kill()


def test_describe_tells_the_settings_without_secrets(app: Path, write, graphkit, environment):
    write("settings.yaml", "server: {port: 81, api_keys: [s3cret]}\napp: {}")
    environment["GRAPHKIT_WORKERS"] = "3"
    told = graphkit("describe", "app.py").stdout
    assert "settings: port=81, workers=3, api_keys='***'" in told
    settings = json.loads(graphkit("describe", "app.py", "--json").stdout)["settings"]
    assert (settings["port"], settings["workers"], settings["api_keys"]) == (81, 3, "***")
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("target", "there"),
    [
        ("shop", ""), ("shop/graph.py", ""), ("shop/graph.py:graph", ""),
        ("shop.graph:graph", ""), ("shop.graph", ""), ("shop:graph", "from shop.graph import graph"),
    ],
)  # fmt: skip
def test_the_settings_beside_a_graph_count_whatever_it_is_called_by(app: Path, write, graphkit, target, there):
    write("shop/graph.py", app.read_text())
    write("shop/__init__.py", there)
    write("shop/settings.yaml", "server: {api_keys: [s3cret]}")
    assert "settings: api_keys='***'" in graphkit("describe", target).stdout
    done = graphkit("serve", target, "--tls-cert", "a.pem")  # what it is checked with are the settings of the same file
    assert "give both" in done.stderr
    write("shop/settings.yaml", "server: {api_kys: [s3cret]}")
    assert "did you mean 'api_keys'" in graphkit("serve", target).stderr


def test_describe_takes_a_file_of_settings(app: Path, write, graphkit):
    write("settings.yaml", "server: {port: 81}")
    write("other.yaml", "port: 82")
    assert "settings: port=82" in graphkit("describe", "app.py", "--settings", "other.yaml").stdout
    write("other.yaml", "prot: 82")
    done = graphkit("describe", "app.py", "--settings", "other.yaml")
    assert (done.returncode, "did you mean 'port'" in done.stderr) == (1, True)
    assert graphkit("describe", "app.py", "--settings", "other.yaml", "--yaml").returncode == 0
    assert "1 if a setting is wrong" in graphkit("describe", "--help").stdout


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nothing.py"], 2, "there is no 'nothing.py'"),
        (["app.py", "--port", "many"], 2, "Invalid value for '--port'"),
        (["app.py", "--workers", "0"], 1, "workers must be 1 or more"),
        (["app.py", "--settings", "none.yaml"], 1, "cannot be read"),
        (["app.py", "--tls-cert", "a.pem"], 1, "give both"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(app: Path, graphkit, args, code, message):
    done = graphkit("serve", *args)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_an_address_that_is_taken_is_told(app: Path, graphkit):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = graphkit("serve", "app.py", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("more", [[], ["--workers", "2"], ["--reload"]], ids=["one", "two", "reload"])
def test_a_socket_that_cannot_be_made_is_told_in_one_line(app: Path, graphkit, more):
    done = graphkit("serve", "app.py", "--uds", "none/s.sock", *more)
    assert done.stderr.startswith("Error: uds '")
    assert done.stderr.endswith("none/s.sock': a socket cannot be made there: No such file or directory\n")
    assert done.returncode == 1
    done = graphkit("serve", "app.py", "--uds", "app.py", *more)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Address already in use" in done.stderr
    assert app.read_text()  # and is left alone


@pytest.mark.parametrize("workers", [1, 2])
def test_the_socket_of_a_server_that_was_killed_is_no_hindrance(app: Path, environment, tmp_path, workers, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the whole name may be too long for a socket
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind("s.sock")
    command = [sys.executable, "-m", "graphkit", "serve", "app.py", "--uds", "s.sock", "--workers", str(workers)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 30
            while process.poll() is None and time.monotonic() < end:
                with socket.socket(socket.AF_UNIX) as asking:
                    if asking.connect_ex("s.sock") == 0:
                        break
                time.sleep(0.1)
            with httpx.Client(transport=httpx.HTTPTransport(uds="s.sock"), timeout=20) as client:
                assert client.post("http://localhost/", json={"x": 4}).json() == {"twice": 8}
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("more", [[], ["--workers", "2"], ["--reload"]], ids=["one", "two", "reload"])
def test_a_certificate_that_is_not_there_is_told_in_one_line(app: Path, graphkit, tmp_path, more):
    done = graphkit("serve", "app.py", "--tls-cert", "cert.pem", "--tls-key", "app.py", *more)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: 2 problems:",
        f"  - tls_cert '{tmp_path / 'cert.pem'}' cannot be read: No such file or directory",
        f"  - tls_key '{app}' is no PEM file",
    ]


def test_secrets_are_no_flags(graphkit):
    told = graphkit("serve", "--help").stdout
    assert "--api-keys-file" in told
    assert "--api-keys " not in told
    assert "--tls-key-password" not in told
    assert "Examples" in told
