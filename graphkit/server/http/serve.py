"""Running an application: uvicorn with the settings' limits, one worker or several, and an end that loses nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from weakref import WeakSet

from graphkit.core.errors import GraphError, GraphkitError
from graphkit.core.extras import load
from graphkit.server.http import metrics
from graphkit.server.http.app import App, as_server
from graphkit.server.http.logs import set_up_logs
from graphkit.server.http.trying import try_start
from graphkit.server.settings import Settings

_STARTUP_FAILURE = 3  # what uvicorn takes for a reason not to start a worker again


class Factory:
    """Makes the application in the process that serves it.

    Parameters
    ----------
    target
        What is served: a text that names it, or (with one worker) a server.
    settings
        Of the application.
    module
        Where a saved graph finds its code.

    Attributes
    ----------
    app, connections
        The application, once it is made, and its clients' connections, those included that still shake hands.
    supervisor
        Where there are several processes: ends when only this one and its like hold the listening sockets.
    """

    def __init__(self, target: Any, settings: Settings, module: str | None = None) -> None:
        self.target = target
        self.settings = settings
        self.module = module
        self.app: App | None = None
        self.connections: WeakSet[Any] | None = None
        self.supervisor: Connection | None = None

    def __call__(self) -> App:
        """Return the application; a target that cannot be opened ends the process."""
        logs = set_up_logs(self.settings)
        if self.settings.traces:
            from graphkit.server.http.spans import set_up_spans, span_here

            set_up_spans()
            logs.span = span_here
        if metrics.is_installed():
            metrics.share_if_wanted()  # before the graph's own code makes metrics
        try:
            server = as_server(self.target, self.module)
            logs.redact = lambda value: server._secrets.redact(value)
            self.app, self.connections = App(server, self.settings), WeakSet()
            return self.app
        except GraphkitError as exc:
            if not isinstance(self.target, str):
                raise
            import logging

            logging.getLogger("graphkit").error(str(exc))
            sys.exit(_STARTUP_FAILURE)


def serve(target: Any, settings: Settings | None = None, module: str | None = None) -> None:
    """Serve a graph until the process is told to end.

    Parameters
    ----------
    target
        What the command line takes (a folder, a spec, ``"module:attribute"``, a notebook); with one worker, a server
        or a graph too.
    settings
        Where it listens, how many workers there are, and the application's limits.
    module
        Where a saved graph finds its code: a module or a Python file.

    Raises
    ------
    GraphError
        If the target cannot be opened, the address cannot be bound, a certificate cannot be used, or settings do not
        fit together.
    MissingExtra
        If the extra ``serve`` is not installed.
    """
    settings = settings or Settings()
    uvicorn: Any = load("uvicorn", "serving over HTTP", "serve")
    load("httptools", "serving over HTTP", "serve")
    text = isinstance(target, (str, Path))
    if not text and (settings.workers > 1 or settings.reload):
        raise GraphError(
            "several workers, and reload, open what they serve themselves: name it, as in serve('app/') or "
            "serve('module:attribute')"
        )
    try_start(settings)
    set_up_logs(settings)
    factory = Factory(str(target) if text else as_server(target), settings, module)
    config = uvicorn.Config(factory, **_options(settings))
    try:
        if settings.reload:
            _reload(config, target)
        elif settings.workers > 1:
            _supervise(config)
        else:
            if text:
                factory.target = as_server(str(target), module)  # opened here: its errors reach the caller
            _run(config)
    except SystemExit as exc:  # uvicorn's word for it
        if exc.code in (1, _STARTUP_FAILURE):
            raise GraphError("the server could not start; the log tells why") from exc
        raise


def _options(settings: Settings) -> dict[str, Any]:
    from graphkit.server.http.protocol import LimitedProtocol

    return {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        # a name may have about 100 characters, and a relative one reaches as far
        "uds": min(settings.uds, os.path.relpath(settings.uds), key=len) if settings.uds else None,
        "workers": settings.workers,
        "reload": settings.reload,
        "http": LimitedProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_graceful_shutdown": settings.graceful_s,
        "ssl_certfile": settings.tls_cert or None,
        "ssl_keyfile": settings.tls_key or None,
        "ssl_keyfile_password": settings.tls_key_password or None,
    }


def _run(config: Any) -> None:
    """Run the server in this process."""
    from graphkit.server.http.ending import Server

    with _once_only():
        Server(config).run()


def _supervise(config: Any) -> None:
    """Run several workers."""
    from graphkit.server.http.supervisors import Workers

    with _folder_of_metrics(config.app.settings):
        supervisor = Workers(config)
        supervisor.run()
    if any(process.exitcode == _STARTUP_FAILURE for process in supervisor.processes):
        raise GraphError("the workers could not start; the log tells why")


@contextmanager
def _folder_of_metrics(settings: Settings) -> Iterator[None]:
    """Give workers a folder, through whose files they add up their metrics, unless the environment names one."""
    from tempfile import TemporaryDirectory

    if metrics.FOLDER_VARIABLE in os.environ:
        yield
        return
    try:
        folder = TemporaryDirectory(prefix="graphkit-metrics-")
    except OSError as exc:
        if metrics.are_wanted(settings.metrics):
            raise GraphError(
                f"several workers need a folder for their metrics, and none can be made: {exc}; "
                "name a place in the variable TMPDIR, or set metrics to 'off'"
            ) from exc
        yield
        return
    with folder as name:
        os.environ[metrics.FOLDER_VARIABLE] = name
        try:
            yield
        finally:
            del os.environ[metrics.FOLDER_VARIABLE]


def _reload(config: Any, target: Any) -> None:
    """Run one worker, and start it again when a file changes."""
    from graphkit.server.http.supervisors import Reload

    path = Path(str(target).rpartition(":")[0] or str(target))
    if path.exists():
        config.reload_dirs = [path if path.is_dir() else path.parent]
    Reload(config).run()


@contextmanager
def _once_only() -> Iterator[None]:
    """Take the signals that uvicorn raises once more after its end, which would make that look like a crash."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _ended) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(number: int, frame: Any) -> None:
    """Do nothing: the server has ended, or is about to take the signals itself."""
