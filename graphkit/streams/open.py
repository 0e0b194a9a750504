"""Opens streams by URL: the scheme chooses the driver, which is imported when it is first needed."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphkit.core.errors import StreamError, choices, nearest
from graphkit.core.protocols import Stream
from graphkit.core.urls import shown_url
from graphkit.streams.base import check_query, split_url

#: The drivers: scheme -> "module:class".
DRIVERS: Mapping[str, str] = MappingProxyType(
    {
        "file": "graphkit.streams.file:FileStream",
        "memory": "graphkit.streams.memory:MemoryStream",
    }
)

#: Schemes of other systems that users ask for; there is no driver for them.
_ELSEWHERE = frozenset({"amqp", "http", "https", "kafka", "kinesis", "nats", "redis", "rediss", "s3", "v3io"})


class Opener:
    """Opens streams, and keeps those in memory by name, so that all who open a name share it.

    Parameters
    ----------
    drivers
        Scheme -> ``"module:class"``; a driver is imported when its scheme is first opened.

    Examples
    --------
    >>> opener = Opener()
    >>> opener.open("memory://clicks", maxlen=10).push({"x": 1})
    >>> opener.open("memory://clicks").read()
    [{'x': 1}]
    >>> opener.open("redis://host/clicks")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.StreamError: there is no driver for redis:// streams here: there is file://, memory://
    """

    def __init__(self, drivers: Mapping[str, str] = DRIVERS) -> None:
        self._drivers = dict(drivers)
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Stream, dict[str, Any]]] = {}

    def open(self, url: str, **options: Any) -> Stream:
        """Return the stream at ``url``.

        Parameters
        ----------
        url
            ``memory://name`` or ``file://path.db[?stream=name]``.
        options
            What the driver takes, such as ``retention_in_hours``; ``None`` counts as not given.

        Raises
        ------
        StreamError
            If the scheme has no driver, an option is unknown, or the stream cannot be opened.
        """
        parsed = split_url(url)
        driver = self._driver(parsed.scheme)
        given = {name: value for name, value in options.items() if value is not None}
        self._check_options(url, parsed.scheme, driver, given)
        if not driver.shared:
            stream: Stream = driver(url, **given)
            return stream
        check_query(url, parsed, ())
        with self._lock:
            return self._shared(driver, f"{parsed.scheme}://{parsed.place}", given)

    def check(self, url: str, **options: Any) -> None:
        """Check an address without opening it: some system must go by its scheme, if not one that is installed here.

        Raises
        ------
        StreamError
            If it is no address of a stream, or its driver here has no such option.

        Examples
        --------
        >>> Opener().check("redis://host/clicks")
        >>> Opener().check("memry://clicks")
        Traceback (most recent call last):
            ...
        graphkit.core.errors.StreamError: there is no driver for memry:// streams here: there is file://, memory://, \
did you mean 'memory'?
        """
        scheme = split_url(url).scheme
        if scheme in self._drivers or scheme not in _ELSEWHERE:
            self._check_options(url, scheme, self._driver(scheme), options)

    def _shared(self, driver: Any, url: str, given: dict[str, Any]) -> Stream:
        if url not in self._kept:
            self._kept[url] = driver(url, **given), given
        stream, before = self._kept[url]
        for name, value in given.items():
            if before.get(name) != value:
                was = repr(before[name]) if name in before else "the default"
                raise StreamError(f"stream {url} is open already, with {name}={was}, not {value!r}")
        return stream

    def _driver(self, scheme: str) -> Any:
        if scheme not in self._drivers:
            known = ", ".join(f"{name}://" for name in sorted(self._drivers))
            hint = "" if scheme in _ELSEWHERE else nearest(scheme, self._drivers)
            raise StreamError(f"there is no driver for {scheme}:// streams here: there is {known}{hint}")
        module, _, name = self._drivers[scheme].partition(":")
        return getattr(importlib.import_module(module), name)

    def _check_options(self, url: str, scheme: str, driver: Any, given: dict[str, Any]) -> None:
        problems = [
            f"a {scheme}:// stream has no option {name!r}{nearest(name, driver.options)}"
            for name in given
            if name not in driver.options
        ]
        if problems:
            raise StreamError(f"stream {shown_url(url)}: {'; '.join(problems)}; there is {choices(driver.options)}")

    def __repr__(self) -> str:
        return f"Opener({', '.join(sorted(self._drivers))})"
