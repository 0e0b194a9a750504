"""Inputs that a request names by URL: read only where a prefix allows it, for the caller chooses the URL."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from graphkit.core.errors import BadRequest

#: More is refused: the data is held in memory.
MOST_BYTES = 64 * 2**20
_TIMEOUT_S = 30.0


def fetch(url: Any, allowed: Iterable[str]) -> io.BytesIO:
    """Return the data that a file path, ``file:`` or ``http(s):`` URL names, if a prefix allows it.

    Parameters
    ----------
    url
        What the request asks for.
    allowed
        Folders, files or URLs below which data may be read.

    Raises
    ------
    BadRequest
        If no prefix allows it, or it cannot be read.

    Examples
    --------
    >>> fetch("/etc/hostname", [])
    Traceback (most recent call last):
        ...
    graphkit.core.errors.BadRequest: data_url '/etc/hostname' is not allowed: list its prefix in the router's ...
    """
    if not isinstance(url, str):
        raise BadRequest(f"data_url is a text, found a value of type {type(url).__name__}")
    try:
        parts = urlsplit(url)
        permitted = any(_permits(urlsplit(prefix), parts) for prefix in allowed)
    except ValueError as exc:
        raise BadRequest(f"data_url {url!r} is no URL: {exc}") from exc
    if not permitted:
        raise BadRequest(
            f"data_url {url!r} is not allowed: list its prefix in the router's or the server's parameter "
            f"'allowed_data_urls'"
        )
    try:
        data = _read_file(_file(parts)) if _is_file(parts) else _read_http(url)
    except OSError as exc:
        raise BadRequest(f"data_url {url!r} cannot be read: {type(exc).__name__}: {exc}") from exc
    if len(data) > MOST_BYTES:
        raise BadRequest(f"data_url {url!r} has more than {MOST_BYTES} bytes")
    return io.BytesIO(data)


def _permits(prefix: SplitResult, url: SplitResult) -> bool:
    if _is_file(url):
        if not _is_file(prefix):
            return False
        # resolved, so that neither '..' nor a link leads out
        folder, file = _file(prefix), _file(url)
        return file == folder or folder in file.parents
    if url.scheme not in ("http", "https") or url.username is not None or url.password is not None:
        return False
    if (prefix.scheme, prefix.hostname, prefix.port) != (url.scheme, url.hostname, url.port):
        return False
    path, base = unquote(url.path), unquote(prefix.path).rstrip("/")
    if "\\" in path or ".." in path.split("/") or "%" in path:
        return False
    return path == base or path.startswith(base + "/")


def _is_file(parts: SplitResult) -> bool:
    return parts.scheme in ("", "file")


def _file(parts: SplitResult) -> Path:
    if parts.netloc not in ("", "localhost"):
        raise ValueError("a file URL names a file of this machine")
    return Path(unquote(parts.path) if parts.scheme else parts.path).resolve()


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _read_http(url: str) -> bytes:
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **kwargs: Any) -> None:
            """Follow nowhere: a prefix allows what is there, not what it points to."""

    opener = urllib.request.build_opener(NoRedirect)
    with opener.open(url, timeout=_TIMEOUT_S) as answer:
        data: bytes = answer.read(MOST_BYTES + 1)
    return data
