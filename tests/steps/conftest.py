import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Service(ThreadingHTTPServer):
    """A small HTTP service on the loopback: it tells what it was sent, and answers as its path says."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen = []
        self.fail_first = 0
        self.most_at_once = 0
        self._at_once = 0
        self.lock = threading.Lock()

    def handle_error(self, request, client_address):
        # a client that went away while it waited is what some tests are about
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def enter(self, request):
        with self.lock:
            self.seen.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fails = self.fail_first > 0
            self.fail_first -= fails
        return fails

    def leave(self):
        with self.lock:
            self._at_once -= 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        sent = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        fails = self.server.enter(sent)
        try:
            status, kind, content = self._content(sent)
            if fails:
                status, content = 503, b"busy"
        finally:
            # before the answer goes out, so that the next request finds this one gone
            self.server.leave()
        if self.path == "/break":
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status in (301, 307):
            self.send_header("Location", "http://elsewhere.example/x?token=secret")
        self.end_headers()
        self.wfile.write(content)

    def _content(self, sent):
        first, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        if first == "status":
            return int(rest), "text/plain", b"told so" + b"." * 1000
        if first == "text":
            return 200, "text/plain", b"hello"
        if first == "json-text":
            return 200, "application/json; charset=utf-8", b'{"n": NaN}'
        if first == "empty":
            return 200, "text/plain", b""
        if first == "slow":
            time.sleep(float(rest))
        if first == "jitter":
            # earlier items take longer, so that the order of answers is not that of the requests
            time.sleep(0.02 * max(0, 5 - json.loads(sent["body"] or "5")))
        return 200, "application/json", json.dumps(sent).encode()

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *args):
        pass


@pytest.fixture
def start_service(monkeypatch):
    """Return a function that starts the service, on some port or on a certain one."""
    # a proxy of the machine is none of these tests' business
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    running = []

    def start(port=0):
        server = Service(port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service(start_service):
    return start_service()


@pytest.fixture
def close_after():
    """Return a function that has a step closed when the test is over."""
    steps = []

    def remember(step):
        steps.append(step)
        return step

    yield remember
    for step in steps:
        step.close()


@pytest.fixture
def free_port():
    """A port of the loopback on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
