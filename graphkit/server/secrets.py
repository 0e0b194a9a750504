"""Secrets of a server. Their values are read when asked for, and appear nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graphkit.core.errors import GraphError, nearest

KINDS = ("inline", "env", "file", "dotenv")
_HIDDEN = "***"


class SecretStore:
    """Several sources of secrets; a later one wins.

    Parameters
    ----------
    sources
        ``{"kind": ..., "source": ...}``: ``inline`` with a dict, ``env`` with names of variables (a list, or a text
        with commas), ``file`` with the path of a file of ``NAME=value`` lines taken as they are, ``dotenv`` with one
        that may use quotes, ``export`` and comments.

    Raises
    ------
    GraphError
        If a source is of an unknown kind, or not of its kind's form.
    """

    def __init__(self, sources: Iterable[Mapping[str, Any]] | None = None) -> None:
        self._sources = [_checked(source) for source in sources or ()]
        self._seen: set[str] = set()

    def get(self, key: str) -> str | None:
        """Return a secret, or ``None``."""
        for kind, source in reversed(self._sources):
            value = _read(kind, source, key)
            if value is not None:
                if len(value) > 2:  # a shorter one would blot out ordinary text
                    self._seen.add(value)
                return value
        return None

    def redact(self, text: str) -> str:
        """Return a text without the secrets that were read so far."""
        for value in sorted(self._seen, key=len, reverse=True):
            if value in text:
                text = text.replace(value, _HIDDEN)
        return text

    @property
    def any_sources(self) -> bool:
        """Whether there are sources at all."""
        return bool(self._sources)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the sources as plain data; inline ones as names only."""
        return [
            {"kind": kind, "source": sorted(source) if isinstance(source, Mapping) else source}
            for kind, source in self._sources
        ]

    def __repr__(self) -> str:
        return f"SecretStore({', '.join(kind for kind, _ in self._sources)})"


def _checked(source: Any) -> tuple[str, Any]:
    if not isinstance(source, Mapping) or "kind" not in source or "source" not in source:
        raise GraphError('a secret source is written as {"kind": ..., "source": ...}')
    kind, where = source["kind"], source["source"]
    if kind not in KINDS:
        raise GraphError(
            f"the secret source kind {kind!r} is not known{nearest(str(kind), KINDS)}; there is 'inline', "
            f"'env', 'file' and 'dotenv'"
        )
    if kind == "inline":
        if isinstance(where, Mapping):
            return kind, {str(key): None if value is None else str(value) for key, value in where.items()}
        if isinstance(where, (list, tuple)):
            return kind, dict.fromkeys(map(str, where))  # a saved source: names whose values were left out
        raise GraphError("an inline secret source is a dict of names and values")
    if kind == "env":
        names = where.split(",") if isinstance(where, str) else where
        return kind, [str(name).strip() for name in names if str(name).strip()]
    return kind, str(where)


def _read(kind: str, source: Any, key: str) -> str | None:
    if kind == "inline":
        value: str | None = source.get(key)
        return value
    if kind == "env":
        return os.environ.get(key) if key in source else None
    return _read_file(source, quoted=kind == "dotenv").get(key)


def _read_file(path: str, quoted: bool) -> dict[str, str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise GraphError(f"the secret file {path!r} cannot be read: {exc.strerror or exc}") from exc
    found = {}
    for line in text.splitlines():
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, separator, value = entry.partition("=")
        if separator:
            found[name.removeprefix("export ").strip() if quoted else name.strip()] = (
                _unquoted(value.strip()) if quoted else value
            )
    return found


def _unquoted(value: str) -> str:
    for mark in ('"', "'"):
        if value.startswith(mark) and (end := value.find(mark, 1)) > 0:
            inner = value[1:end]
            return inner.replace("\\n", "\n") if mark == '"' else inner
    return value.partition(" #")[0].rstrip()
