"""Packages that only some features need: imported where they are used, and named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from graphkit.core.errors import MissingExtra


def load(package: str, feature: str, extra: str) -> Any:
    """Import a package of an extra and return it.

    Parameters
    ----------
    package
        The package's import name.
    feature
        What it is needed for; the subject of the error's sentence.
    extra
        The graphkit extra that installs it.

    Raises
    ------
    MissingExtra
        If the package is not installed; the message names the pip command.

    Examples
    --------
    >>> load("json", "reading JSON", "notebook").loads("1")
    1
    >>> load("no_such_package", "a sample", "notebook")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.MissingExtra: a sample needs no_such_package, which is not installed: pip install ...
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        if exc.name != package:
            raise  # the package is there, but broken
        raise MissingExtra(feature, package, extra) from exc
