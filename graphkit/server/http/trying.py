"""What a server is to start with, tried before it starts: a mistake is told in one line, with the file's name."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from graphkit.core.errors import GraphError
from graphkit.server.settings import Settings


def try_start(settings: Settings) -> None:
    """Try the certificate and the Unix socket that a server is to use, if there are any.

    Raises
    ------
    GraphError
        If they cannot be used.
    """
    if settings.tls_cert:
        _try_certificate(settings.tls_cert, settings.tls_key, settings.tls_key_password)
    if settings.uds:
        _try_socket(settings.uds, binds_anew=settings.workers > 1 or settings.reload)


def _try_certificate(cert: str, key: str, password: str) -> None:
    problems = [_problem_of_pem("tls_cert", cert), _problem_of_pem("tls_key", key)]
    if any(problems):
        raise GraphError(problems=[problem for problem in problems if problem])
    asked = []

    def given() -> str:  # without it, OpenSSL would ask whoever sits at the terminal
        asked.append(True)
        return password

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, given)
    except (ssl.SSLError, ValueError) as exc:
        if asked and not password:
            raise GraphError(f"tls_key {key!r} is encrypted: GRAPHKIT_TLS_KEY_PASSWORD must tell its password") from exc
        reason = getattr(exc, "reason", None) or exc
        if reason == "KEY_VALUES_MISMATCH":
            reason = "they do not belong together"
        elif asked:
            reason = f"tls_key_password may be wrong ({reason})"
        raise GraphError(f"tls_cert {cert!r} and tls_key {key!r} cannot be used: {reason}") from exc


def _problem_of_pem(name: str, file: str) -> str:
    try:
        found = Path(file).read_bytes()
    except OSError as exc:
        return f"{name} {file!r} cannot be read: {exc.strerror}"
    return "" if b"-----BEGIN " in found else f"{name} {file!r} is no PEM file"


def _try_socket(path: str, binds_anew: bool) -> None:
    try:
        if Path(path).is_socket():
            # What an ended server has left: one worker takes its place, and keeps its mode; several do not.
            if binds_anew and not _is_listening(path):
                Path(path).unlink()
            return
        with socket.socket(socket.AF_UNIX) as tried:
            tried.bind(path)
        Path(path).unlink()
    except OSError as exc:
        raise GraphError(f"uds {path!r}: a socket cannot be made there: {exc.strerror or exc}") from exc


def _is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(path) == 0
