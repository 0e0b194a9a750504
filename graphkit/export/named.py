"""What a graph names beside code: files, streams, secrets, services. One walk for who writes settings and who checks.

Because both use it, what an export has written down is what the app asks for when it is loaded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from graphkit.core.errors import SpecError
from graphkit.core.urls import scheme_of
from graphkit.export.artifacts import is_file_key
from graphkit.export.references import is_function_key

_LOG = "log_stream"
_DATA_URLS = "allowed_data_urls"
_COMPUTED = "url_expression"
# Longer texts, and those of several lines, are no paths.
_MOST_CHARACTERS = 4096
_MOST_DEPTH = 100


class What(str, Enum):
    """What a text names."""

    FILE = "file"
    PERHAPS = "a file, if there is one"
    SECRETS = "file of secrets"
    DATA = "place that requests may read from"
    STREAM = "stream"
    VARIABLE = "variable"
    URL = "url"
    COMPUTED = "expression for a url"


class Named(msgspec.Struct, frozen=True):
    """One text of a spec that names something.

    Attributes
    ----------
    user
        The step, or the part of the server.
    field
        The argument or setting.
    what
        What it names.
    text
        The text.
    """

    user: str
    field: str
    what: What
    text: str

    @property
    def where(self) -> str:
        """Where it stands, for messages."""
        return f"{self.user}: {self.field}" if self.user else self.field


def replaced(spec: Mapping[str, Any], see: Callable[[Named], str]) -> dict[str, Any]:
    """Return the dict of a server or graph with each text that names something replaced by what ``see`` returns."""
    if "graph" not in spec:
        graph: dict[str, Any] = _step(spec, "", see)
        return graph
    made = dict(spec)
    if isinstance(made.get("graph"), Mapping):
        made["graph"] = _step(made["graph"], "", see)
    if isinstance(made.get("error_stream"), str) and made["error_stream"]:
        made["error_stream"] = see(Named("", "error_stream", What.STREAM, made["error_stream"]))
    if isinstance(made.get("parameters"), Mapping):
        made["parameters"] = _parameters(made["parameters"], _project(made), see)
    sources = made.get("secret_sources")
    if isinstance(sources, (list, tuple)):
        made["secret_sources"] = [_source(each, f"secret_sources[{at}]", see) for at, each in enumerate(sources)]
    return made


def _project(server: Mapping[str, Any]) -> str:
    project, slash, _ = str(server.get("function_uri") or "").partition("/")
    return project if slash else ""


def _parameters(given: Mapping[str, Any], project: str, see: Callable[[Named], str]) -> dict[str, Any]:
    made = {
        key: value if key == _LOG else _argument("parameters", str(key), value, see) for key, value in given.items()
    }
    log = given.get(_LOG)
    if isinstance(log, str) and log:
        try:
            text = log.format(project=project)
        except (LookupError, ValueError):
            return made  # the server says what is wrong with it
        found = see(Named("parameters", _LOG, What.STREAM, text))
        if found != text:
            made[_LOG] = re.sub(r"[{}]", r"\g<0>\g<0>", found)
    return made


def _source(source: Any, where: str, see: Callable[[Named], str]) -> Any:
    if not isinstance(source, Mapping):
        return source
    kind, value = source.get("kind"), source.get("source")
    if kind in ("file", "dotenv") and isinstance(value, str):
        return {**source, "source": see(Named("", where, What.SECRETS, value))}
    if kind == "env":
        names = value.split(",") if isinstance(value, str) else value
        for name in names if isinstance(names, (list, tuple)) else ():
            if str(name).strip():
                see(Named("", where, What.VARIABLE, str(name).strip()))
    return source


def _step(step: Any, path: str, see: Callable[[Named], str]) -> Any:
    if not isinstance(step, Mapping):
        return step
    user = f"step {path!r}" if path else "the graph"
    made = dict(step)
    if isinstance(made.get("path"), str) and made["path"]:
        made["path"] = see(Named(user, "path", What.STREAM, made["path"]))
    for part in ("class_args", "options", "trigger_args"):
        if isinstance(made.get(part), Mapping):
            made[part] = {key: _argument(user, str(key), value, see) for key, value in made[part].items()}
    for part in ("steps", "routes"):
        if isinstance(made.get(part), Mapping):
            made[part] = {
                name: _step(child, f"{path}/{name}" if path else str(name), see) for name, child in made[part].items()
            }
    return made


def check_depth(depth: int) -> None:
    """Refuse a spec that is nested so deeply that it may contain itself; raises SpecError."""
    if depth > _MOST_DEPTH:
        raise SpecError("the graph is nested too deeply")


def _argument(user: str, key: str, value: Any, see: Callable[[Named], str], depth: int = 0) -> Any:
    check_depth(depth)
    if isinstance(value, Mapping):
        return {name: _argument(user, str(name), item, see, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_argument(user, key, item, see, depth + 1) for item in value]
    if not isinstance(value, str):
        return value
    what = _what(key, value)
    return value if what is None else see(Named(user, key, what, value))


def _what(key: str, text: str) -> What | None:
    if key == _COMPUTED:
        return What.COMPUTED
    if key == _DATA_URLS:
        return What.DATA
    if not text.strip() or is_function_key(key):
        return None
    scheme = scheme_of(text)
    if scheme == "memory":
        return None
    if scheme:
        return What.FILE if scheme == "file" else What.URL
    if is_file_key(key):
        return What.FILE
    leads_away = text.startswith(("/", "~")) or Path(text).is_absolute() or ".." in re.split(r"[/\\]", text)
    return What.PERHAPS if leads_away and len(text) < _MOST_CHARACTERS and text.isprintable() else None


def written_beginning(expression: str) -> str:
    """Return the text that the value of an expression is sure to begin with, as far as that can be seen.

    >>> written_beginning("'https://api.example/users/' + event['id']"), written_beginning("event['url']")
    ('https://api.example/users/', '')
    """
    try:
        node: ast.AST = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return ""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        node = node.left
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
