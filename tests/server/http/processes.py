"""Servers in processes of their own, as an operator starts and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[3]

#: Models and flows that they serve.
GRAPHS = ROOT / "tests" / "server" / "http" / "served.py"


class Served:
    """A server in a process of its own."""

    def __init__(self, attribute: str, log: Path, environment: dict[str, str], settings: dict[str, Any]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = log
        given = {"port": self.port, "log_level": "warning", "drain_s": 0.3, **settings}
        self.uds = given.get("uds")
        self.url = f"{'https' if given.get('tls_cert') else 'http'}://127.0.0.1:{self.port}"
        script = (
            "import json, sys; from graphkit.server.http.serve import serve; "
            "from graphkit.server.settings import read_settings; "
            "serve(sys.argv[1], read_settings(flags=json.loads(sys.argv[2])))"
        )
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script, f"{GRAPHS}:{attribute}", json.dumps(given)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, timeout_s: float = 30) -> None:
        """Wait until it is ready."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            transport = httpx.HTTPTransport(uds=self.uds, verify=False)
            with contextlib.suppress(OSError, httpx.HTTPError), httpx.Client(transport=transport, timeout=2) as client:
                self.connected().close()  # httpx leaves a Unix socket open that is not listened at
                if client.get(f"{self.url}/v2/health/ready").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server did not get ready: {self.log.read_text()}")

    def connected(self) -> socket.socket:
        """Return a connection to it; raises OSError if it lets nobody in."""
        client = socket.socket(socket.AF_UNIX if self.uds else socket.AF_INET)
        client.settimeout(30)
        try:
            client.connect(self.uds or ("127.0.0.1", self.port))
        except OSError:
            client.close()
            raise
        return client

    def stop(self) -> int:
        """End it as an operator does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it and all of its workers, whatever they do."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
