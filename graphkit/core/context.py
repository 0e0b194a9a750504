"""What a step may know of the server that it runs in."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import told
from graphkit.core.event import Response
from graphkit.core.jsonlike import decode, snapshot
from graphkit.core.logger import Logger, lent

_LEVEL = "info"


class StreamContext:
    """Where model tracking writes: ``enabled``, ``output_stream``, ``hostname``, ``function_uri``."""

    def __init__(self, output_stream: Any = None, function_uri: str | None = None) -> None:
        self.output_stream = output_stream
        self.enabled = output_stream is not None
        self.function_uri = function_uri

    @property
    def hostname(self) -> str:
        """Name of this machine."""
        return hostname()


def hostname() -> str:
    """Return the name of this machine."""
    import platform

    return platform.node()


class GraphContext:
    """The context that steps, models and routers get as ``context``.

    Parameters
    ----------
    level
        Lowest level that ``logger`` writes; used when neither ``logger`` nor ``nuclio_context`` brings one. The
        default leaves a level that was set with ``logging.getLogger("graphkit").setLevel(...)``.
    logger
        A logger to use.
    server
        The server whose parameters and secrets this context reads.
    nuclio_context
        A Nuclio context; it lends its logger, Response, worker id and trigger.

    Examples
    --------
    >>> GraphContext().get_param("rate", 5)
    5
    """

    def __init__(
        self,
        level: str | None = _LEVEL,
        logger: Any = None,
        server: Any = None,
        nuclio_context: Any = None,
    ) -> None:
        self.server = server
        self.verbose: bool = bool(getattr(server, "verbose", False))
        self.root: Any = None
        self.current_function: str | None = None
        self.is_mock = False
        self.worker_id: int | str = 0
        self.stream = StreamContext()
        self.state: Any = None
        self.trigger: str | None = None
        self.platform: Any = None
        self.Response: Any = Response
        # Runs routes side by side; set by whoever binds a graph, closed with it.
        self.pools: Any = None
        self.resource_cache: Any = None
        self._logger = logger
        self._level = level
        if nuclio_context is not None:
            self._logger = logger or lent(getattr(nuclio_context, "logger", None), self.redact)
            self.Response = getattr(nuclio_context, "Response", Response)
            self.worker_id = getattr(nuclio_context, "worker_id", 0)
            self.trigger = getattr(getattr(nuclio_context, "trigger", None), "kind", None)
            self.platform = getattr(nuclio_context, "platform", None)

    @property
    def logger(self) -> Any:
        """The logger; made when first asked for."""
        if self._logger is None:
            self._logger = Logger(level=self._level, redact=self.redact, weakly=self._level == _LEVEL)
        return self._logger

    @logger.setter
    def logger(self, value: Any) -> None:
        self._logger = value

    @property
    def project(self) -> str:
        """The project part of the server's ``function_uri`` (``project/name``); empty without one."""
        uri = getattr(self.server, "function_uri", None) or ""
        return uri.split("/", 1)[0] if "/" in uri else ""

    @property
    def trust(self) -> Any:
        """The bounds of the app that this graph was loaded from; ``None`` where it was made by a program."""
        return getattr(self.server, "_trust", None)

    def get_param(self, key: str, default: Any = None) -> Any:
        """Return a parameter of the server, or ``default``."""
        parameters = getattr(self.server, "parameters", None) or {}
        return parameters.get(key, default)

    def get_secret(self, key: str) -> str | None:
        """Return a secret of the server's sources, or ``None``."""
        secrets = getattr(self.server, "_secrets", None)
        return secrets.get(key) if secrets is not None else None

    def redact(self, value: Any) -> Any:
        """Return a text, or plain data, without the secrets that were read so far."""
        secrets = getattr(self.server, "_secrets", None)
        return value if secrets is None else secrets.redact(value)

    def conceal(self, exc: Any) -> Any:
        """Take the secrets that were read so far out of an exception and its causes; return it."""
        secrets = getattr(self.server, "_secrets", None)
        return exc if secrets is None else secrets.conceal(exc)

    def get_remote_endpoint(self, name: str, external: bool = True) -> str:
        """Return the URL of a remote function: a full URL, or a name that the parameter ``endpoints`` maps to one.

        Raises
        ------
        LookupError
            If the name is neither.
        """
        if "://" in name:
            return name
        endpoints = self.get_param("endpoints") or {}
        if name not in endpoints:
            raise LookupError(
                f"no URL is known for the function {name!r}: give a full URL, or set the server's "
                f"parameter 'endpoints' to a dict that has {name!r}"
            )
        return str(endpoints[name])

    def push_error(self, event: Any, message: str, source: str | None = None, **kwargs: Any) -> None:
        """Write an error record to the server's error stream, if it has one.

        A stream that fails is logged, never raised: the event's own error matters more.
        """
        message = self.redact(message)
        if self.verbose:
            self.logger.error(f"error in step {source}: {message}")
        stream = getattr(self.server, "_error_stream_object", None)
        if stream is None:
            return
        record = {
            "function_uri": getattr(self.server, "function_uri", None),
            "worker": self.worker_id,
            "host": hostname(),
            "source": source,
            # as JSON whatever it is: an odd body must not cost the record of its failure
            "event": {"id": getattr(event, "id", None), "body": decode(snapshot(getattr(event, "body", None)))},
            "message": message,
            "args": decode(snapshot(kwargs)),
        }
        try:
            stream.push(self.redact(record))
        except Exception as exc:
            self.logger.error(self.redact(f"the error stream could not be written: {told(exc)}"))

    def __repr__(self) -> str:
        return f"GraphContext(function={self.current_function!r}, is_mock={self.is_mock})"
