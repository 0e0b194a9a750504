"""A graph as a Nuclio function, whose file is three lines.

::

    from graphkit.nuclio import handler, v2_serving_init


    def init_context(context):
        v2_serving_init(context, globals())

Where all that the graph needs is an app's folder, one line does: ``from graphkit.nuclio import handler, init_context``.
For a function that Nuclio runs asynchronously, import ``async_handler as handler``.

The graph comes from the environment: ``SERVING_SPEC_ENV`` holds a spec (JSON or YAML, also compressed by gzip and
written in base64, as MLRun does), or ``SERVING_APP`` names what :func:`graphkit.server.target.open_target` opens: an
app's folder, a spec's file, ``module:attribute``. Without either it is the app, or the ``graph.yaml``, beside the
function. ``SERVING_CURRENT_FUNCTION`` says which child function this one is.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import os
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphkit.core.current import CURRENT_EVENT
from graphkit.core.errors import GraphError, SpecError
from graphkit.core.event import Event, Response, as_event
from graphkit.server.app import is_app, load_app
from graphkit.server.graph_server import GraphServer
from graphkit.server.target import open_target
from graphkit.spec import codec

SPEC_VARIABLE = "SERVING_SPEC_ENV"
APP_VARIABLE = "SERVING_APP"
CHILD_VARIABLE = "SERVING_CURRENT_FUNCTION"
# Nuclio names the function's file and handler here.
_HANDLER_VARIABLE = "NUCLIO_FUNCTION_HANDLER"
_FILES = ("graph.yaml", "graph.yml", "graph.json", "graph.py", "app.py")
_SPECS = (".yaml", ".yml", ".json")
# Triggers of streams: the path of their events is the stream's, and says nothing of models.
_STREAMS = frozenset({"kafka", "kafka-cluster", "v3ioStream", "v3io-stream", "rabbit-mq", "nats", "mqtt"})


def v2_serving_init(context: Any, namespace: Any = None) -> None:
    """Make the graph ready; to be called by the function's ``init_context``.

    Parameters
    ----------
    context
        Nuclio's. Its logger, ``Response``, worker id and trigger become those of the graph's context; the server is
        kept as ``context._server``.
    namespace
        Where the graph finds functions and classes by name: the function's ``globals()``, a module, or a list of them.
        Left out, the module that Nuclio calls.

    Raises
    ------
    GraphError
        If there is no graph, or anything in it is wrong.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> os.environ[SPEC_VARIABLE] = '{"steps": {"double": {"handler": "(event * 2)", "responder": true}}}'
    >>> context = SimpleNamespace(logger=None, worker_id=0)
    >>> v2_serving_init(context, globals())
    >>> v2_serving_handler(context, Event(21), get_body=True)
    42
    >>> del os.environ[SPEC_VARIABLE]
    """
    namespace = namespace if namespace is not None else _function_namespace()
    server = _server(namespace)
    child = os.environ.get(CHILD_VARIABLE)
    # an app's names are its own modules', and it runs all child functions unless it is told otherwise
    own = server._namespace is not None
    if child is not None or not own:
        server.set_current_function(child or "")
    server.init_states(context, None if own else namespace, is_mock=bool(getattr(context, "is_mock", False)))
    server.init_object()
    context._server = server
    context.mlrun_handler = v2_serving_handler  # what the files of functions that were written for MLRun call
    _end_with(getattr(context, "platform", None), server)


def v2_serving_handler(context: Any, event: Any, get_body: bool = False) -> Any:
    """Answer one event of Nuclio's, or each of a batch; an error is a Response with its status.

    Parameters
    ----------
    context
        Nuclio's, after :func:`v2_serving_init`.
    event
        Nuclio's event, or a list of them where the trigger collects events. It is not changed.
    get_body
        Return the answer as an object rather than as a Response.
    """
    _ready(context)
    if isinstance(event, list):
        return [_response(context, _run(context, one, False), one) for one in event]
    answer = _run(context, event, get_body)
    return answer if get_body else _response(context, answer)


async def v2_serving_async_handler(context: Any, event: Any, get_body: bool = False) -> Any:
    """Answer one event, or a batch side by side, on Nuclio's event loop; otherwise as :func:`v2_serving_handler`."""
    import asyncio

    _ready(context)
    if isinstance(event, list):
        answers = await asyncio.gather(*(_run_async(context, one, False) for one in event))
        return [_response(context, answer, one) for answer, one in zip(answers, event, strict=True)]
    answer = await _run_async(context, event, get_body)
    return answer if get_body else _response(context, answer)


def init_context(context: Any) -> None:
    """Make the graph ready, when Nuclio starts a worker; see :func:`v2_serving_init`."""
    v2_serving_init(context)


def handler(context: Any, event: Any) -> Any:
    """Answer an event; see :func:`v2_serving_handler`."""
    return v2_serving_handler(context, event)


async def async_handler(context: Any, event: Any) -> Any:
    """Answer an event on Nuclio's event loop; see :func:`v2_serving_async_handler`."""
    return await v2_serving_async_handler(context, event)


# ---- the graph ----------------------------------------------------------------------------------------------------


def _function_namespace() -> Mapping[str, Any] | None:
    """Return the globals of the function's module, if Nuclio tells which one it is."""
    name = os.environ.get(_HANDLER_VARIABLE, "").partition(":")[0]
    module = sys.modules.get(name) if name else None
    return None if module is None else vars(module)


def _server(namespace: Any) -> GraphServer:
    text, app = os.environ.get(SPEC_VARIABLE), os.environ.get(APP_VARIABLE)
    if text:
        return _from_text(text)
    folder = _folder(namespace)
    if app:
        return _opened(app, folder)
    if is_app(folder):
        return load_app(folder)
    for file in _FILES:
        if (folder / file).is_file() and str(folder / file) != _file(namespace):  # which may have such a name
            return _opened(file, folder)
    raise GraphError(
        f"there is no graph to serve: set {SPEC_VARIABLE} to its spec, or {APP_VARIABLE} to an app's folder, a spec's "
        f"file or 'module:attribute', or put graph.yaml beside the function (looked in {str(folder)!r})"
    )


def _opened(name: str, folder: Path) -> GraphServer:
    """Return what a name opens; a spec's names are those of the function, anything else brings its own."""
    return _from_data(codec.read(folder / name)) if name.endswith(_SPECS) else open_target(name, base=folder).server


def _from_text(text: str) -> GraphServer:
    try:
        return _from_data(codec.from_yaml(_unpacked(text)))  # JSON is YAML
    except SpecError as exc:
        raise SpecError(f"the variable {SPEC_VARIABLE}: {exc.message}") from exc


def _from_data(data: Any) -> GraphServer:
    return GraphServer(data) if codec.handle_of_graph(data) else GraphServer.from_dict(data)


def _unpacked(text: str) -> str:
    try:
        return gzip.decompress(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, ValueError, OSError, EOFError, zlib.error):
        return text


def _file(namespace: Any) -> str:
    return str(namespace.get("__file__") or "") if isinstance(namespace, Mapping) else ""


def _folder(namespace: Any) -> Path:
    file = _file(namespace)
    return Path(file).resolve().parent if file else Path.cwd()


# ---- events -------------------------------------------------------------------------------------------------------


def _ready(context: Any) -> GraphServer:
    server: GraphServer | None = getattr(context, "_server", None)
    if server is None:
        raise GraphError("the graph is not ready: init_context(context) must call v2_serving_init(context, globals())")
    return server


def _run(context: Any, event: Any, get_body: bool) -> Any:
    own = _own(event)
    around = CURRENT_EVENT.set(own)  # for logs
    try:
        return _ready(context).run(own, context, get_body)
    finally:
        CURRENT_EVENT.reset(around)


async def _run_async(context: Any, event: Any, get_body: bool) -> Any:
    own = _own(event)
    around = CURRENT_EVENT.set(own)
    try:
        return await _ready(context).run_async(own, context, get_body)
    finally:
        CURRENT_EVENT.reset(around)


def _own(event: Any) -> Event:
    """Return the event as the graph gets it."""
    own = as_event(event)
    if own.body == b"":
        own.body = None
    if getattr(own.trigger, "kind", "") in _STREAMS:
        own.stream_path, own.path = own.path, "/"  # type: ignore[attr-defined]  # events take more
    return own


def _response(context: Any, answer: Any, event: Any = None) -> Any:
    """Return an answer as Nuclio's own Response; one of a batch says to which event it belongs."""
    make = getattr(context, "Response", Response)
    if not isinstance(answer, make):  # a step made it
        answer = make(answer.headers, answer.body, answer.content_type, answer.status_code)
    if event is not None:
        answer.event_id = event.id
    return answer


def _end_with(platform: Any, server: GraphServer) -> None:
    """Let what waits in the graph be sent on before a worker ends, or its part of a stream goes to another one."""

    async def end() -> None:
        import asyncio

        await asyncio.to_thread(server.wait_for_completion)

    for name in ("set_termination_callback", "set_drain_callback"):
        tell = getattr(platform, name, None)
        if callable(tell):
            tell(end)
