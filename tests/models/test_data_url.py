from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from graphkit.core.errors import BadRequest
from graphkit.models import data_url
from graphkit.models.data_url import fetch
from graphkit.models.router import ModelRouter


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.bin").write_bytes(b"data")
    (tmp_path / "opener").mkdir()
    (tmp_path / "opener" / "b.bin").write_bytes(b"no")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "open" / "link").symlink_to(tmp_path / "secret")
    return tmp_path


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/open/moved":
            self.send_response(302)
            self.send_header("Location", "/secret")
            self.end_headers()
        elif self.path in ("/open/a", "/secret"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"data")
        else:
            self.send_error(404)

    def log_message(self, *args):
        """Stay quiet."""


@pytest.fixture
def site():
    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_below_an_allowed_folder_is_read(folder):
    for url in (f"{folder}/open/a.bin", f"file://{folder}/open/a.bin", f"file://localhost{folder}/open/a.bin"):
        for prefix in (f"{folder}/open", f"{folder}/open/", f"file://{folder}/open", f"{folder}/open/a.bin"):
            assert fetch(url, [prefix]).read() == b"data"


@pytest.mark.parametrize(
    "url",
    [
        "{folder}/secret",
        "{folder}/open/../secret",
        "{folder}/open/link",
        "{folder}/opener/b.bin",
        "{folder}",
        "file://{folder}/secret",
        "file://{folder}/open/../secret",
        "file://{folder}/open/%2e%2e/secret",
        "file://{folder}/open/link",
        "http://localhost{folder}/open/a.bin",
    ],
)
def test_nothing_else_is_read(folder, url):
    with pytest.raises(BadRequest, match="is not allowed"):
        fetch(url.format(folder=folder), [f"{folder}/open"])


def test_nothing_is_allowed_by_default(folder):
    with pytest.raises(BadRequest, match="allowed_data_urls"):
        fetch(f"{folder}/open/a.bin", [])


def test_a_url_below_an_allowed_one_is_read(site):
    for prefix in (f"{site}/open", f"{site}/open/", site, f"{site}/"):
        assert fetch(f"{site}/open/a", [prefix]).read() == b"data"


@pytest.mark.parametrize(
    "url",
    [
        "{site}/secret",
        "{site}/open/../secret",
        "{site}/open/%2e%2e/secret",
        "{site}/open/%252e%252e/secret",
        "{site}/open\\..\\secret",
        "{site}/opener",
        "http://127.0.0.1.example.com/open/a",
        "http://127.0.0.1@example.com/open/a",
        "https://127.0.0.1/open/a",
        "http://127.0.0.1:1/open/a",
        "ftp://127.0.0.1/open/a",
        "/open/a",
        "gopher:x",
    ],
)
def test_a_url_that_only_looks_like_an_allowed_one_is_refused(site, url):
    with pytest.raises(BadRequest, match="is not allowed"):
        fetch(url.format(site=site), [f"{site}/open"])


def test_a_redirect_is_not_followed(site):
    with pytest.raises(BadRequest, match="cannot be read: HTTPError: HTTP Error 302"):
        fetch(f"{site}/open/moved", [f"{site}/open"])


def test_what_cannot_be_read_is_a_bad_request(site, folder):
    with pytest.raises(BadRequest, match="cannot be read: HTTPError"):
        fetch(f"{site}/open/none", [f"{site}/open"])
    with pytest.raises(BadRequest, match="cannot be read: FileNotFoundError"):
        fetch(f"{folder}/open/none", [f"{folder}/open"])
    with pytest.raises(BadRequest, match="cannot be read: URLError"):
        fetch("http://127.0.0.1:1/open/a", ["http://127.0.0.1:1"])


@pytest.mark.parametrize("url", ["http://[", "file://elsewhere/etc/passwd", "http://host:port/"])
def test_what_is_no_url_is_a_bad_request(url):
    with pytest.raises(BadRequest, match="is no URL"):
        fetch(url, ["/", "http://host"])


def test_a_url_must_be_a_text():
    with pytest.raises(BadRequest, match="data_url is a text, found a value of type list"):
        fetch(["/etc/passwd"], ["/"])


def test_data_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(data_url, "MOST_BYTES", 3)
    with pytest.raises(BadRequest, match="more than 3 bytes"):
        fetch(f"{folder}/open/a.bin", [f"{folder}/open"])


# ---- in a router --------------------------------------------------------------------------------------------


@pytest.fixture
def reading(route):
    return {"read": route("read", lambda body: {**body, "inputs": [item.read() for item in body["inputs"]]})}


def test_a_router_reads_no_data_url_by_default(ask, reading, folder):
    with pytest.raises(BadRequest, match="is not allowed"):
        ask(ModelRouter(routes=reading), {"data_url": f"{folder}/secret"}, "read/infer")


def test_a_router_reads_what_its_prefixes_allow(ask, reading, folder):
    router = ModelRouter(routes=reading, allowed_data_urls=[f"{folder}/open"])
    answer = ask(router, {"data_url": f"{folder}/open/a.bin", "id": "x"}, "read/infer").body
    assert answer == {"id": "x", "inputs": [b"data"]}


def test_the_server_s_parameter_allows_too(ask, reading, folder, make_context):
    router = ModelRouter(make_context(allowed_data_urls=f"{folder}/open"), routes=reading)
    assert ask(router, {"data_url": f"{folder}/open/a.bin"}, "read/infer").body["inputs"] == [b"data"]
    closed = ModelRouter(make_context(allowed_data_urls=f"{folder}"), routes=reading, allowed_data_urls=[])
    with pytest.raises(BadRequest, match="is not allowed"):
        ask(closed, {"data_url": f"{folder}/open/a.bin"}, "read/infer")
