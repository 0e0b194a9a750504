"""Secrets of a server. Their values are read when asked for, and appear nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from graphkit.core.errors import GraphError, choices, nearest

KINDS = ("inline", "env", "file", "dotenv")
_HIDDEN = "***"
_TEXTUAL = frozenset({str, bytes, dict, list, tuple})


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
        if isinstance(sources, (str, bytes, Mapping)):
            raise GraphError('secret_sources is a list of {"kind": ..., "source": ...}')
        self._sources = [_checked(source) for source in sources or ()]
        self._seen: set[str] = set()

    def add(self, source: Mapping[str, Any]) -> None:
        """Add a source, which wins over those before it; raises GraphError like the constructor."""
        self._sources.append(_checked(source))

    def get(self, key: str) -> str | None:
        """Return a secret, or ``None``."""
        for kind, source in reversed(self._sources):
            value = _read(kind, source, key)
            if value is not None:
                if value not in self._seen and len(value) > 2:  # a shorter one would blot out ordinary text
                    self._seen.update(_spellings(value))
                return value
        return None

    def redact(self, value: Any) -> Any:
        """Return a text, or plain data, without the secrets that were read so far."""
        return _redacted(value, sorted(self._seen, key=len, reverse=True)) if self._seen else value

    def conceal(self, exc: BaseException) -> BaseException:
        """Take the secrets out of an exception, and out of those that it was raised from; return it.

        What makes its text of something else than its arguments and attributes is replaced by a RuntimeError.
        """
        return _concealed(exc, self.redact, {}) if self._seen else exc

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


def _spellings(secret: str) -> set[str]:
    """Return how a secret may stand in texts: as it is, quoted by ``repr`` once or twice, in JSON, in a URL."""
    from urllib.parse import quote, quote_plus

    found = {secret}
    for _ in range(2):
        # with both quotes in it, a text is written in single quotes, and those inside are escaped
        escaped = {repr(f"{text}'\"")[1:-4] for text in found}
        found |= escaped | {text.replace("\\'", "'") for text in escaped}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return found | {quote(secret, safe=""), quote(secret), quote_plus(secret)}


def _redacted(value: Any, secrets: list[str]) -> Any:
    kind = type(value)
    if kind is str:
        for secret in secrets:
            if secret in value:
                value = value.replace(secret, _HIDDEN)
        return value
    if kind is dict:
        return {_redacted(key, secrets): _redacted(item, secrets) for key, item in value.items()}
    if kind is list or kind is tuple:
        return kind([_redacted(item, secrets) for item in value])
    if kind is bytes:
        for secret in secrets:
            value = value.replace(secret.encode(), _HIDDEN.encode())
        return value
    return _HIDDEN if (kind is int or kind is float) and str(value) in secrets else value


def _concealed(exc: BaseException, redact: Callable[[Any], Any], met: dict[int, BaseException]) -> BaseException:
    if id(exc) in met:
        return met[id(exc)]
    met[id(exc)] = exc
    exc.args = redact(exc.args)
    for name, value in list(vars(exc).items()):
        if type(value) in _TEXTUAL:
            setattr(exc, name, redact(value))  # among them the notes
    for part in getattr(exc, "exceptions", ()):
        _concealed(part, redact, met)
    text = _text_of(exc)
    told: BaseException = exc
    if redact(text) != text:
        told = RuntimeError(f"{type(exc).__qualname__}: {redact(text)}").with_traceback(exc.__traceback__)
        met[id(exc)] = told
    quiet = exc.__suppress_context__
    if exc.__cause__ is not None:
        told.__cause__ = _concealed(exc.__cause__, redact, met)
    if exc.__context__ is not None:
        told.__context__ = _concealed(exc.__context__, redact, met)
    told.__suppress_context__ = quiet
    return told


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # a text that cannot be made cannot be shown either
        return ""


def _checked(source: Any) -> tuple[str, Any]:
    if not isinstance(source, Mapping) or "kind" not in source or "source" not in source:
        raise GraphError('a secret source is written as {"kind": ..., "source": ...}')
    kind, where = source["kind"], source["source"]
    if kind not in KINDS:
        raise GraphError(
            f"the secret source kind {kind!r} is not known; there is {choices(KINDS)}{nearest(str(kind), KINDS)}"
        )
    if kind == "inline":
        if isinstance(where, Mapping):
            return kind, {str(key): None if value is None else str(value) for key, value in where.items()}
        if isinstance(where, (list, tuple)):
            return kind, dict.fromkeys(map(str, where))  # a saved source: names whose values were left out
        raise GraphError("an inline secret source is a dict of names and values")
    if kind == "env":
        names = where.split(",") if isinstance(where, str) else where
        if not isinstance(names, (list, tuple, set)):
            raise GraphError("an env secret source is a list of names of variables, or a text with commas")
        return kind, [str(name).strip() for name in names if str(name).strip()]
    if not isinstance(where, (str, os.PathLike)):
        raise GraphError(f"a {kind} secret source is the path of a file")
    return kind, os.fspath(where)


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
    except UnicodeDecodeError:
        # not chained: the error holds what it could not read
        raise GraphError(f"the secret file {path!r} cannot be read: it is no UTF-8 text") from None
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
