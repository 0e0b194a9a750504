"""Routes for other processes: written down once, made anew in each worker that meets them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from graphkit.core.context import GraphContext
from graphkit.core.errors import GraphError
from graphkit.core.expr import compile_expression
from graphkit.runtime.attach import attach_function, attach_object, offered
from graphkit.runtime.bound import BoundStep


class WorkerServer:
    """What a context asks of its server, in a worker process."""

    def __init__(self, parameters: dict[str, Any], secrets: Any, function_uri: str | None, verbose: bool) -> None:
        self.parameters = parameters
        self._secrets = secrets
        self.function_uri = function_uri
        self.verbose = verbose
        self._error_stream_object = None


def write_recipe(route: Any, context: Any, folder: Path) -> str:
    """Write down how to make a route in another process; returns the file.

    Raises
    ------
    GraphError
        If the route holds something that cannot be sent to another process.
    """
    import cloudpickle

    server = context.server
    target, _ = route.target
    if route.kind == "router":
        raise GraphError(f"step {route.path!r} is a router, which cannot run in another process", step=route.path)
    parts = {
        "path": route.path,
        "name": route.name,
        "record": route.record,
        "function": route.function,
        "target": (target.kind, target.value if target.kind != "expression" else route.record.handler, target.args),
        "server": WorkerServer(
            dict(getattr(server, "parameters", None) or {}),
            getattr(server, "_secrets", None),
            getattr(server, "function_uri", None),
            bool(getattr(server, "verbose", False)),
        ),
    }
    try:
        blob = cloudpickle.dumps(parts)
    except Exception as exc:
        raise GraphError(
            f"step {route.path!r} cannot run in another process: {type(exc).__name__}: {exc}; use executor_type='thread'",
            step=route.path,
        ) from exc
    file = folder / f"{len(list(folder.iterdir()))}.route"
    file.write_bytes(blob)
    return str(file)


@functools.lru_cache(maxsize=128)
def load_route(file: str) -> BoundStep:
    """Make a route in a worker; each worker does it once."""
    import cloudpickle

    parts = cloudpickle.loads(Path(file).read_bytes())
    context = GraphContext(server=parts["server"])
    step = BoundStep(parts["path"], parts["name"], parts["record"], context, parts["function"])
    kind, target, args = parts["target"]
    if kind == "class":
        extra = offered(step, target, None)
        instance = target(**{**args, **extra})
        attach_object(step, target, instance, extra)
        if callable(getattr(instance, "post_init", None)):
            instance.post_init("sync")
    elif kind == "expression":
        attach_function(step, compile_expression(target, {}, "handler"))
    else:
        attach_function(step, target)
    return step


def run_recipe(file: str, event: Any) -> Any:
    """Run a route in a worker, to its end."""
    result = load_route(file).run(event)
    if hasattr(result, "__await__"):
        import asyncio

        async def finish() -> Any:
            return await result

        result = asyncio.run(finish())
    return result
