"""What a server is to start with is tried before: certificates and Unix sockets that cannot be used are told of."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from graphkit import GraphError
from graphkit.server.http.trying import try_start
from graphkit.server.settings import Settings

Pair = Callable[..., dict[str, str]]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Return ``pair(name, password)``, which makes a certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def make(name: str, password: str = "") -> dict[str, str]:
        files = {"tls_cert": str(tmp_path / f"{name}.cert"), "tls_key": str(tmp_path / f"{name}.key")}
        locked = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "1", "-subj", "/CN=localhost", *locked,
             "-keyout", files["tls_key"], "-out", files["tls_cert"]],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return files

    return make


def test_a_certificate_and_its_key_are_taken(pair: Pair) -> None:
    try_start(Settings(**pair("a")))  # type: ignore[arg-type]  # the settings' types are those of the names
    try_start(Settings(**pair("b", "s3cret"), tls_key_password="s3cret"))  # type: ignore[arg-type]


def test_what_is_wrong_with_a_certificate_is_told(pair: Pair) -> None:
    first, second, locked = pair("a"), pair("b"), pair("c", "s3cret")
    for files, message in [
        ({**first, "tls_key": second["tls_key"]}, "do not belong together"),
        ({**first, "tls_key": first["tls_cert"]}, "cannot be used"),
        (locked, r"c\.key' is encrypted: GRAPHKIT_TLS_KEY_PASSWORD"),
        ({**locked, "tls_key_password": "wr0ng"}, "tls_key_password may be wrong"),
        ({**locked, "tls_key_password": "wr0ng" * 1000}, "tls_key_password may be wrong"),
    ]:
        with pytest.raises(GraphError, match=message) as failed:
            try_start(Settings(**files))  # type: ignore[arg-type]
        assert "wr0ng" not in str(failed.value)


def test_a_name_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="AF_UNIX path too long"):
        try_start(Settings(uds=str(tmp_path / ("s" * 150))))


def test_trying_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try_start(Settings(uds="s.sock"))
    assert not list(tmp_path.iterdir())


def test_the_socket_of_a_server_that_has_ended_stays_for_one_worker_and_goes_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as old:
        old.bind("s.sock")
        old.listen()
        Path("s.sock").chmod(0o600)
        try_start(Settings(uds="s.sock", workers=2))
        assert list(tmp_path.iterdir()) == [tmp_path / "s.sock"]  # somebody still listens
    try_start(Settings(uds="s.sock"))
    assert stat.S_IMODE(Path("s.sock").stat().st_mode) == 0o600  # which uvicorn keeps
    try_start(Settings(uds="s.sock", workers=2))
    assert not list(tmp_path.iterdir())
