"""What a URL path asks a router for; worked out once per path. It knows nothing of the models that there are."""

from __future__ import annotations

from typing import Any

import msgspec

#: Operations that ask for predictions of rows, which are lists.
BY_ROW = frozenset({"infer", "predict"})
_MOST_KEPT = 4096
_LONGEST_KEPT = 256


class Address(msgspec.Struct, frozen=True):
    """What a path asks for.

    ``model`` is a route's key (``"iris"``, ``"iris:3"``), ``operation`` what it is asked for; both are empty where
    the path is silent. ``about_server`` is true for ``/`` and the health prefix, ``under_prefix`` where the path
    begins with the prefix of models, and ``rest`` is what follows it (without one, the whole path).
    """

    model: str
    operation: str
    about_server: bool
    under_prefix: bool
    rest: str


def parse(path: str, prefix: str, health_prefix: str) -> Address:
    """Return what a path asks for: ``[<prefix>/]<model>[/versions/<version>][/<operation>]``.

    >>> address = parse("/v2/models/iris/versions/3/infer", "v2/models", "v2/health")
    >>> address.model, address.operation
    ('iris:3', 'infer')
    """
    path = path.strip("/")
    under_prefix = _begins(path, prefix)
    rest = path[len(prefix) :].strip("/") if under_prefix else path
    model, _, operation = rest.partition("/")
    parts = operation.split("/")
    if len(parts) > 1 and parts[0] == "versions":
        model, operation = f"{model}:{parts[1]}", "/".join(parts[2:])
    return Address(model, operation, not path or _begins(path, health_prefix), under_prefix, rest)


def _begins(path: str, prefix: str) -> bool:
    return bool(prefix) and (path == prefix or path.startswith(prefix + "/"))


def keep(kept: dict[str, Any], path: str, value: Any) -> None:
    """Keep what was found out about a path, within bounds of number and length."""
    if len(path) <= _LONGEST_KEPT:
        if len(kept) >= _MOST_KEPT:
            kept.clear()  # paths that clients make up must not pile up; those in use come back at once
        kept[path] = value


class Addresses(dict[str, Address]):
    """The addresses of the paths seen so far, bounded in number and in length of path.

    Examples
    --------
    >>> Addresses("/v2/models", "/v2/health")["/v2/models/iris/infer"].model
    'iris'
    """

    def __init__(self, prefix: str, health_prefix: str) -> None:
        super().__init__()
        self._prefixes = (prefix.strip("/"), health_prefix.strip("/"))

    def __missing__(self, path: str) -> Address:
        """Work out an address, and keep it."""
        address = parse(path, *self._prefixes)
        keep(self, path, address)
        return address
