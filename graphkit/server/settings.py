"""How a server is run: one record, read from a file, then the environment, then flags."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from graphkit.core.errors import GraphError, either, nearest
from graphkit.server.code_files import home_of_module

#: Name of the file beside a graph that holds settings, in its part ``server``.
FILE = "settings.yaml"
#: Variables of the environment begin with it: ``GRAPHKIT_PORT=80``.
ENV_PREFIX = "GRAPHKIT_"
#: Variables of that prefix which are no settings of a server.
_OTHER_VARIABLES = frozenset({"GRAPHKIT_DOT"})
# Kubernetes tells its pods of a service named "graphkit" in variables of the same prefix.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP)")
# The parts of such a file; without any, all of it is the server's. "app" says which code and files an exported app may
# use; export.settings reads it.
_PARTS = frozenset({"app", "server"})
_SECRET = frozenset({"api_keys", "tls_key_password"})
_HIDDEN = "***"
_PATHS = frozenset({"uds", "tls_cert", "tls_key", "api_keys_file"})
# What decides whether requests need a key.
_KEYS = ("api_keys", "api_keys_file")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a headless server.

    Attributes
    ----------
    host, port, uds
        Where it listens; ``uds`` is the path of a Unix socket, used instead of host and port.
    workers
        How many processes answer.
    reload
        Start again when a file changes; for development, with one worker.
    tls_cert, tls_key, tls_key_password
        Files of a certificate and its key, and the key's password.
    max_body_bytes, max_header_bytes
        Larger requests are refused with 413 and 431.
    header_timeout_s, body_timeout_s, keep_alive_s
        How long a client may take to send headers and body (408), and how long an idle connection stays open.
    timeout_s
        How long an answer may take (504), and the next chunk of a streamed one; 0 is no limit.
    max_in_flight
        More requests at a time, per worker, are refused with 429; not so ``/metrics`` and questions about health.
    threads
        How many threads of a worker run what does not await, and is not quick enough to share one.
    drain_s, graceful_s
        After SIGTERM: how long the server still takes requests while it reports itself as not ready, and how long it
        then waits for answers that are under way. Ctrl-C and ``reload`` do not drain.
    api_keys, api_keys_file
        Keys, one of which each request must bring (``Authorization: Bearer KEY`` or ``X-API-Key: KEY``), and a file
        that has one on each line. Without any, requests need none. Health questions never do.
    cors_origins
        Origins whose pages may send requests from a browser; ``"*"`` is all. None by default.
    gzip_min_bytes
        Answers from this size on are compressed for clients that ask for it; 0 never compresses.
    docs
        Whether ``/docs`` and ``/openapi.json`` are there.
    metrics
        What ``/metrics`` tells: ``"off"``, ``"requests"``, ``"steps"`` (with histograms of every step), or ``"auto"``:
        requests, where prometheus_client is installed, which the extra ``serve`` brings.
    traces
        Whether OpenTelemetry spans are made, one for each request and step; needs the extra ``otel``. ``graphkit
        serve`` sends them as the variables ``OTEL_*`` of the environment say, unless the app has set that up; lines of
        its log that are written within a span tell the span's ``trace_id`` and ``span_id``.
    log_steps
        Whether lines that steps log name the step. Every request is then looked on at, which takes time.
    access_log
        Whether every request is logged.
    log_format, log_level
        ``"json"`` or ``"text"``; ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    allowed_data_urls
        Prefixes below which a request's ``data_url`` may be read, beside those in the graph's parameters.

    Examples
    --------
    >>> settings = Settings(port=9000, api_keys=("s3cret",))
    >>> settings.port, settings.masked()["api_keys"]
    (9000, '***')
    """

    host: str = "127.0.0.1"
    port: int = 8080
    uds: str = ""
    workers: int = 1
    reload: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    tls_key_password: str = ""
    max_body_bytes: int = 64 * 2**20
    max_header_bytes: int = 64 * 2**10
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    keep_alive_s: float = 75.0
    timeout_s: float = 60.0
    max_in_flight: int = 2048
    threads: int = 16
    drain_s: float = 1.0
    graceful_s: float = 30.0
    api_keys: tuple[str, ...] = ()
    api_keys_file: str = ""
    cors_origins: tuple[str, ...] = ()
    gzip_min_bytes: int = 4096
    docs: bool = True
    metrics: str = "auto"
    traces: bool = False
    log_steps: bool = False
    access_log: bool = False
    log_format: str = "json"
    log_level: str = "info"
    allowed_data_urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise GraphError(problems=problems)

    def told(self) -> str:
        """Return the settings that are not the default, without secrets, in one line.

        >>> Settings(port=80, api_keys=("s3cret",)).told()
        "port=80, api_keys='***'"
        """
        changed = {name: value for name, value in self.masked().items() if value != _DEFAULTS[name]}
        return ", ".join(f"{name}={value!r}" for name, value in changed.items())

    def __repr__(self) -> str:
        return f"Settings({self.told()})"

    def masked(self) -> dict[str, Any]:
        """Return the settings as a dict whose secrets are hidden."""
        plain = {name: getattr(self, name) for name in self.__struct_fields__}
        return {
            name: _HIDDEN if name in _SECRET and value else (list(value) if isinstance(value, tuple) else value)
            for name, value in plain.items()
        }

    def keys(self) -> tuple[str, ...]:
        """Return all API keys, those of the file included.

        Raises
        ------
        GraphError
            If the file cannot be read, or holds no key.
        """
        if not self.api_keys_file:
            return self.api_keys
        try:
            lines = Path(self.api_keys_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as exc:
            raise GraphError(f"api_keys_file {self.api_keys_file!r} cannot be read: {exc}") from exc
        found = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
        if not found:
            raise GraphError(f"api_keys_file {self.api_keys_file!r} holds no key")
        return (*self.api_keys, *found)


#: What settings may be that are one of several words.
CHOICES = {
    "metrics": ("auto", "off", "requests", "steps"),
    "log_format": ("json", "text"),
    "log_level": ("debug", "info", "warning", "error"),
}
_LAST_PORT = 65535
_AT_LEAST = {
    **dict.fromkeys(("workers", "threads", "max_in_flight", "max_header_bytes"), 1),
    **dict.fromkeys(("port", "max_body_bytes", "gzip_min_bytes"), 0),
    **dict.fromkeys(("header_timeout_s", "body_timeout_s", "keep_alive_s", "timeout_s", "drain_s", "graceful_s"), 0),
}
_DEFAULTS = {
    name: list(value) if isinstance(value, tuple) else value
    for name, value in zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True)
}


def _problems(settings: Settings) -> list[str]:
    problems = []
    for name, allowed in CHOICES.items():
        value = getattr(settings, name)
        if value not in allowed:
            problems.append(f"{name} is {either(allowed)}, found {value!r}{nearest(str(value), allowed)}")
    for name, least in _AT_LEAST.items():
        if not getattr(settings, name) >= least:
            problems.append(f"{name} must be {least} or more, found {getattr(settings, name)!r}")
    if settings.port > _LAST_PORT:
        problems.append(f"port must be {_LAST_PORT} or less, found {settings.port!r}")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        problems.append("tls_cert and tls_key belong together: give both")
    if settings.reload and settings.workers > 1:
        problems.append("reload works with one worker")
    if any(not key for key in settings.api_keys):
        problems.append("api_keys holds an empty key")
    return problems


class _Given(NamedTuple):
    """A value of a setting, from where it comes, and the folder that file names in it count from."""

    source: str
    name: str
    value: Any
    folder: Path


def read_settings(
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of a file, overridden by the environment, overridden by flags.

    Parameters
    ----------
    file
        A YAML file of settings by name, or one that has them in its part ``server``; left out, only the others count.
    environ
        The environment, ``os.environ`` when left out: ``GRAPHKIT_PORT=80``; several values are parted by commas.
    flags
        Settings by name; those that are ``None`` were not given.

    Notes
    -----
    Relative names of files count from the folder of the file that they stand in, those of the environment and of flags
    from the working directory.

    An empty text, such as a variable gets where a secret is missing, counts as not given: what a file says stays. Where
    keys were meant to come from it, and none come from elsewhere, that is an error, since the server would be open.

    Raises
    ------
    GraphError
        With every problem: unknown names (with the nearest match), values of the wrong type, keys that are missing,
        and what does not fit together; it says whether a file, a variable or a flag is concerned.

    Examples
    --------
    >>> read_settings(None, {"GRAPHKIT_PORT": "80", "GRAPHKIT_WORKERS": "2"}, {"port": 81, "host": None})
    Settings(port=81, workers=2)
    >>> read_settings(None, {"GRAPHKIT_PROT": "80"})
    Traceback (most recent call last):
        ...
    graphkit.core.errors.GraphError: the variable GRAPHKIT_PROT is no setting, did you mean 'GRAPHKIT_PORT'?
    """
    problems: list[str] = []
    merged: dict[str, Any] = {}
    without_key: list[str] = []
    here = Path.cwd()
    given = [
        *_from_file(file, problems),
        *_from_environment(os.environ if environ is None else environ, here),
        *(_Given(f"the flag {name}", name, value, here) for name, value in (flags or {}).items() if value is not None),
    ]
    for source, name, value, folder in given:
        if name not in _DEFAULTS:
            known = list(_DEFAULTS)
            hint = nearest(name, known)
            if source.startswith("the variable"):
                hint = nearest(ENV_PREFIX + name.upper(), (ENV_PREFIX + key.upper() for key in known))
            problems.append(f"{source} is no setting{hint}")
            continue
        if _is_empty(name, value):
            without_key += [source] if name in _KEYS else []
            continue
        try:
            merged[name] = _placed(name, _read(name, value), folder)
        except ValueError as exc:  # msgspec's own, too
            shown = _HIDDEN if name in _SECRET else repr(value)
            problems.append(f"{source}: {shown} is no value for {name}: {exc}")
    if without_key and not any(merged.get(name) for name in _KEYS):
        sources = " and ".join(without_key)
        problems.append(f"no API key: {sources} is empty, and without keys the server is open: give one, or remove it")
    if problems:
        raise GraphError(problems=problems)
    return Settings(**merged)


def _from_file(file: str | Path | None, problems: list[str]) -> list[_Given]:
    if file is None:
        return []
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        problems.append(f"the settings {str(file)!r} cannot be read: {exc}")
        return []
    if isinstance(found, dict) and not found.keys().isdisjoint(_PARTS):
        lost = [name for name in found if name in _DEFAULTS]
        problems += [f"{name!r} in {str(file)!r} stands beside the part 'server', not in it" for name in lost]
        found = found.get("server")
    if found is None:
        return []
    if not isinstance(found, dict):
        problems.append(f"the settings {str(file)!r} are a mapping of names to values, found {type(found).__name__}")
        return []
    folder = Path(file).parent.resolve()
    return [_Given(f"{str(name)!r} in {str(file)!r}", str(name), value, folder) for name, value in found.items()]


def file_beside(target: str | Path) -> Path | None:
    """Return the file of settings beside a graph in a folder, a file or a module, if there is one.

    >>> file_beside("package.module:graph")
    """
    text = str(target)
    paths = [Path(name) for name in (text, text.rpartition(":")[0]) if name]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        folder = home_of_module(text.partition(":")[0], Path.cwd())
    else:
        folder = found if found.is_dir() else found.parent
    file = None if folder is None else folder / FILE
    return file if file is not None and file.exists() else None


def _from_environment(environ: Mapping[str, str], folder: Path) -> list[_Given]:
    names = sorted(name for name in environ if name.startswith(ENV_PREFIX) and name not in _OTHER_VARIABLES)
    return [
        _Given(f"the variable {name}", name[len(ENV_PREFIX) :].lower(), environ[name], folder)
        for name in names
        if not _OF_KUBERNETES.search(name) and not environ[name].startswith("tcp://")
    ]


# How people write yes and no, in variables and flags.
_WORDS = {
    **dict.fromkeys(("yes", "true", "on", "1"), True),
    **dict.fromkeys(("no", "false", "off", "0"), False),
}


def _read(name: str, value: Any) -> Any:
    """Return a value as the setting has it; raises ValueError."""
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        known = _WORDS.get(str(value).strip().lower())
        if known is None:
            raise ValueError("it is 'yes' or 'no', as are 'true' and 'false', 'on' and 'off', '1' and '0'")
        return known
    if value is False and "off" in CHOICES.get(name, ()):
        value = "off"  # which is YAML for False
    kind = tuple[str, ...] if isinstance(default, list) else type(default)
    return msgspec.convert(_parted(name, value), kind, strict=False)


def _placed(name: str, value: Any, folder: Path) -> Any:
    """Return a value in which the names of files are absolute."""
    if name in _PATHS:
        return str(folder / value)
    if name == "allowed_data_urls":
        return tuple(each if urlsplit(each).scheme else str(folder / each) for each in value)
    return value


def _is_empty(name: str, value: Any) -> bool:
    """Return whether a text says nothing."""
    return isinstance(value, str) and not (_parted(name, value) if isinstance(_DEFAULTS[name], list) else value.strip())


def _parted(name: str, value: Any) -> Any:
    """Return the parts of a text where a setting takes several values."""
    if isinstance(_DEFAULTS[name], list) and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
