"""Routes for other processes: written down once, made anew in each worker that meets them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from graphkit.core.context import GraphContext
from graphkit.core.errors import GraphError, StepError, told
from graphkit.core.expr import compile_expression
from graphkit.runtime.attach import attach_function, attach_object
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.constructors import Constructors
from graphkit.runtime.lookup import Compiled
from graphkit.runtime.user_code import user_traceback


class WorkerServer:
    """What a context asks of its server, in a worker process."""

    def __init__(
        self, parameters: dict[str, Any], secrets: Any, function_uri: str | None, verbose: bool, trust: Any = None
    ) -> None:
        self._trust = trust
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
    import cloudpickle  # type: ignore[import-untyped]  # ships no types

    server = context.server
    target, _ = route.target
    if route.kind == "router":
        raise GraphError(f"step {route.path!r} is a router, which cannot run in another process", step=route.path)
    parts = {
        "path": route.path,
        "name": route.name,
        "record": route.record,
        "function": route.function,
        "target": (target.kind, _sent(target.value), {key: _sent(value) for key, value in target.args.items()}),
        "server": WorkerServer(
            dict(getattr(server, "parameters", None) or {}),
            getattr(server, "_secrets", None),
            getattr(server, "function_uri", None),
            bool(getattr(server, "verbose", False)),
            getattr(server, "_trust", None),
        ),
    }
    try:
        blob = cloudpickle.dumps(parts)
    except Exception as exc:
        raise GraphError(
            f"step {route.path!r} cannot run in another process: {told(exc)}; use executor_type='thread'",
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
        extra = Constructors().offered(step, target, None)
        instance = target(**{**{key: _received(value) for key, value in args.items()}, **extra})
        if getattr(instance, "batcher", None) is not None:
            instance.batcher = None  # a worker does one thing at a time: there are no other requests to wait for
        attach_object(step, target, instance, extra)
        if callable(getattr(instance, "post_init", None)):
            instance.post_init("sync")
    else:
        attach_function(step, _received(target))
    return step


class ElsewhereError(Exception):
    """What was raised in another process, as the traceback there: the cause of the exception that was sent back."""


class Failed:
    """A failure on its way back from a worker, with the step's own exception if that can be sent.

    By itself, an exception is sent without what it was raised from.
    """

    def __init__(self, error: StepError) -> None:
        import cloudpickle

        self._error = error
        self._cause: bytes | None = None
        self._told = "" if error.__cause__ is None else user_traceback(error.__cause__)
        if error.__cause__ is not None:
            try:
                blob = cloudpickle.dumps(error.__cause__)
                cloudpickle.loads(blob)  # nor are all that can be written read again
            except Exception:
                return
            self._cause = blob

    def error(self) -> StepError:
        """Return the error, raised from what the step raised."""
        import cloudpickle

        elsewhere = ElsewhereError(self._told) if self._told else None
        cause: BaseException | None = elsewhere
        if self._cause is not None:
            cause = cloudpickle.loads(self._cause)
            cause.__cause__ = elsewhere
        self._error.__cause__ = cause
        return self._error


def run_recipe(file: str, event: Any) -> Any:
    """Run a route in a worker, to its end; what fails is returned as a :class:`Failed`."""
    route = load_route(file)
    try:
        result = route.run(event)
        if hasattr(result, "__await__"):
            import asyncio

            async def finish() -> Any:
                return await result

            result = asyncio.run(finish())
    except StepError as exc:
        # only here is it known which secrets the route has read
        secrets = route.context.server._secrets
        if secrets is not None:
            exc = secrets.conceal(exc)
        return Failed(exc)
    return result


class _Expression:
    """An expression on its way to another process, with what its names mean."""

    def __init__(self, compiled: Compiled) -> None:
        self.text = compiled.text
        self.names = dict(compiled.meant.items())


def _sent(value: Any) -> Any:
    return _Expression(value) if type(value) is Compiled else value


def _received(value: Any) -> Any:
    return compile_expression(value.text, value.names) if type(value) is _Expression else value
