"""The parameters of a server that graphkit itself reads, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import GraphError

#: Address of the stream in memory that tracking writes to where no other is named.
OWN_LOG = "memory://tracking"


def count_of(parameters: Mapping[str, Any], key: str, default: int) -> int:
    """Return a parameter that must be a whole number from 1 on; raises GraphError if it is none."""
    value = parameters.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise GraphError(f"the parameter {key!r} must be a whole number from 1 on, not {value!r}")
    return value


def checked_mode(mode: str | None) -> str:
    """Return how models are loaded; raises GraphError if there is no such way."""
    if mode not in (None, "sync", "async"):
        raise GraphError(f"load_mode is 'sync' or 'async', found {mode!r}")
    return mode or "sync"


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise GraphError if parameters stand for objects that a saved spec could not hold."""
    lacking = [
        f"the parameter {key!r} was an object ({value['$object']}) that a saved spec cannot hold; set it again"
        for key, value in parameters.items()
        if isinstance(value, dict) and set(value) == {"$object"}
    ]
    if lacking:
        raise GraphError(problems=lacking)


def log_stream_of(parameters: Mapping[str, Any], function_uri: str | None) -> str | None:
    """Return the address of the stream that tracking writes to, if one is named.

    Raises
    ------
    GraphError
        If it is no text, or holds other braces than ``{project}``.
    """
    url = parameters.get("log_stream")
    options = parameters.get("stream_args")
    if options is not None and not isinstance(options, Mapping):
        raise GraphError(f"the parameter 'stream_args' must be a dict, not {options!r}")
    if not url:
        return None
    if not isinstance(url, str):
        raise GraphError(f"the parameter 'log_stream' must be the URL of a stream, not {url!r}")
    project, slash, _ = (function_uri or "").partition("/")
    try:
        return url.format(project=project if slash else "")
    except (LookupError, ValueError) as exc:
        raise GraphError(f"the parameter 'log_stream' may hold {{project}}, and no other braces: {url!r}") from exc
