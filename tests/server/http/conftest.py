"""What the tests over HTTP share: an application asked in this process, and real servers in processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphkit import asgi_app
from graphkit.server.settings import Settings
from tests.server.http.disks import Disk
from tests.server.http.processes import Served

# Scripts that run in processes of their own.
collect_ignore = ["clients"]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return ``serving(attribute, environment=..., **settings)``: a server over a graph of ``served.py``."""
    started: list[Served] = []

    def start(attribute: str, environment: dict[str, str] | None = None, **settings: Any) -> Served:
        served = Served(attribute, tmp_path / f"log{len(started)}.txt", environment or {}, settings)
        started.append(served)
        served.wait()
        return served

    yield start
    for served in started:
        served.kill()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server over the router of models, which the tests of a module share."""
    served = Served("models", tmp_path_factory.mktemp("models") / "log.txt", {}, {})
    try:
        served.wait()
        yield served
    finally:
        served.kill()


@pytest.fixture
def asked() -> Callable[..., httpx.Response]:
    """Return ``asked(server, method, path, settings=..., **request)``, which asks an application in this process."""
    import asyncio

    def ask(server: Any, method: str, path: str, settings: Settings | None = None, **request: Any) -> httpx.Response:
        app = asgi_app(server, settings)

        async def send() -> httpx.Response:
            app.start()
            try:
                transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # its scope is a dict, ours any mapping
                async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                    return await client.request(method, path, **request)
            finally:
                app.close()

        return asyncio.run(send())

    return ask


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a certificate for this machine and of its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return cert, key


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Return a disk of two megabytes, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "graphkit-test", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as exc:
        pytest.skip(f"a small disk cannot be mounted: {exc}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)
