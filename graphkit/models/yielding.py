"""Models whose ``predict`` or ``explain`` yields: the chunks become the list of outputs, or an answer each.

An answer each is for a caller that takes them one by one, and only where nothing comes after the model: steps and
routers that go on with an answer get all of it. Whoever brings the event knows both, and notes in the event which
models may answer so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import GeneratorType
from typing import Any

from graphkit.core.errors import GraphkitError, StepError, told
from graphkit.core.yielded import collected, is_stream, mapped


def taken(model: Any, event: Any, outputs: Any) -> Any:
    """Return what a request goes on with after its model has answered.

    Of a generator that is the list of its chunks, an awaitable of that, or where each chunk is to be an answer the
    generator itself; anything else stays.
    """
    if not is_stream(outputs):
        return outputs
    final = getattr(event, "_chunked", None)
    if final is not None and id(model) in final and not _must_wait(model, outputs):
        return outputs
    return collected(outputs)


def _must_wait(model: Any, stream: Any) -> bool:
    """Return whether a generator that cannot await would have to."""
    return type(stream) is GeneratorType and model._finishes and inspect.iscoroutinefunction(model.postprocess)


def answers(
    model: Any,
    request_id: Any,
    request: Any,
    stream: Any,
    ended: Callable[[list[Any], BaseException | None], None] | None = None,
) -> Any:
    """Return a generator of answers, each with one chunk as its ``outputs``.

    Parameters
    ----------
    model, request_id
        For the answers' other fields.
    request
        What the model was asked, which may be to blame for what it raises.
    stream
        What the model yields.
    ended
        Is told of the chunks, and how it ended: ``None``, the exception, or ``GeneratorExit`` if nobody wants the rest.
    """
    chunks: list[Any] = []

    def answer(chunk: Any) -> Any:
        if ended is not None:
            chunks.append(chunk)
        response = response_of(model, request_id, [chunk], model._stamps.now())
        return model.postprocess(response) if model._finishes else response

    def failed(exc: Exception) -> Exception:
        failure: Exception = model._diagnosed(exc, request)
        if isinstance(failure, GraphkitError):
            return failure
        return StepError(f"model {model.name!r} failed: {told(failure)}")

    return mapped(stream, answer, failed, None if ended is None else lambda why: ended(chunks, why))


def response_of(model: Any, request_id: Any, outputs: Any, stamp: str) -> dict[str, Any]:
    """Return an answer of the V2 dialect."""
    response = {"id": request_id, "model_name": model.name, "outputs": outputs, "timestamp": stamp}
    if model.version:
        response["model_version"] = model.version
    return response
