"""What the servers of the tests serve, in processes of their own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphkit import BadRequest, Event, Response, V2ModelServer, create_graph_server, new_flow


class Linear(V2ModelServer):
    """Adds up the numbers of each row."""

    def load(self) -> None:
        self.model = np.array([1.0, 10.0])

    def predict(self, request: Any) -> Any:
        try:
            rows = np.asarray(request["inputs"], dtype=float)
            return (rows @ self.model).tolist()
        except (TypeError, ValueError, OverflowError) as exc:
            raise BadRequest(f"rows of two numbers are expected: {exc}") from exc


class Same(V2ModelServer):
    """Gives back the tensors that it got."""

    oip_inputs: ClassVar[str] = "arrays"

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        inputs = request["inputs"]
        if isinstance(inputs, list) and any(hasattr(item, "read") for item in inputs):
            raise BadRequest("pictures are not expected")
        return inputs


class SameLists(V2ModelServer):
    """Gives back what it got, as lists."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Parts(V2ModelServer):
    """Yields its inputs one by one, and fails where it is told to."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        for number, item in enumerate(request["inputs"]):
            if number == request.get("fail_at"):
                raise ValueError("no more")
            time.sleep(request.get("pause_s", 0))
            while number and not Path(request.get("wait_for", "/")).exists():
                time.sleep(0.01)
            yield item

    def explain(self, request: Any) -> Any:
        yield from reversed(request["inputs"])


class AsyncParts(Parts):
    """Does the same without holding up others, and writes down when it is closed."""

    async def predict(self, request: Any) -> Any:
        try:
            for number, item in enumerate(request["inputs"]):
                if number == request.get("fail_at"):
                    raise ValueError("no more")
                await asyncio.sleep(request.get("pause_s", 0))
                while number and not Path(request.get("wait_for", "/")).exists():
                    await asyncio.sleep(0.01)
                yield item
        finally:
            if os.environ.get("TEST_TAKEN"):
                Path(os.environ["TEST_TAKEN"]).write_text("closed")


class Unloaded(V2ModelServer):
    """Cannot be loaded."""

    def load(self) -> None:
        raise OSError("no such file")


def _models(**more: Any) -> Any:
    server = create_graph_server()
    server.add_model("linear", class_name=Linear)
    server.add_model("same", class_name=Same)
    server.add_model("versioned:1", class_name=Linear)
    server.add_model("versioned:2", class_name=Same)
    for key, kind in more.items():
        server.add_model(key, class_name=kind)
    return server


models = _models()
#: Its requests, and its errors, are written to streams.
tracked = _models()
tracked.parameters = {"log_stream": os.environ.get("TEST_LOG_STREAM"), "tracking_delay_s": 0.1}
tracked.error_stream = os.environ.get("TEST_ERROR_STREAM")
for_clients = _models(lists=SameLists)
parts = _models(plain=Parts, later=AsyncParts)
half_broken = _models(unloaded=Unloaded)


def work(body: Any) -> Any:
    """Write down that a request was taken, and answer it after the time, or when the file is there, that it names."""
    if os.environ.get("TEST_TAKEN"):
        with Path(os.environ["TEST_TAKEN"]).open("a") as file:
            file.write(f"{body.get('number')}\n")
    time.sleep(body.get("sleep_s", 0))
    end = time.monotonic() + 20
    while "until" in body and not Path(body["until"]).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return {"number": body.get("number"), "process": os.getpid()}


async def work_and_block(body: Any) -> Any:
    """Do the same, and keep the event loop from everything else."""
    return work(body)


class Unequal:
    """Loads at once in one process, and takes its time in any other."""

    def __init__(self) -> None:
        try:
            Path(os.environ["TEST_TAKEN"]).touch(exist_ok=False)
        except FileExistsError:
            time.sleep(1)

    def do(self, body: Any) -> Any:
        return {"number": body.get("number")}


async def work_async(body: Any) -> Any:
    """Answer after the time that a request names, without holding up others."""
    await asyncio.sleep(body.get("sleep_s", 0))
    return {"number": body.get("number"), "process": os.getpid()}


def spin(body: Any) -> Any:
    """Answer quickly, or never."""
    while body.get("hang"):
        pass
    return {"process": os.getpid()}


def count(body: Any) -> Iterator[Any]:
    """Yield numbers, and fail where it is told to."""
    for number in range(body["to"]):
        if number == body.get("fail_at"):
            raise ValueError("no more")
        time.sleep(body.get("pause_s", 0))
        yield {"number": number}


async def count_async(body: Any) -> AsyncIterator[Any]:
    """Yield numbers, and write down when it is closed."""
    try:
        for number in range(body["to"]):
            if number == body.get("fail_at"):
                raise ValueError("no more")
            await asyncio.sleep(body.get("pause_s", 0))
            yield {"number": number}
    finally:
        if os.environ.get("TEST_TAKEN"):
            Path(os.environ["TEST_TAKEN"]).write_text("closed")


def table(event: Event) -> Any:
    """Answer with lines of text, and fail where it is told to."""

    def lines() -> Iterator[str]:
        for number in range(event.body["to"]):
            if number == event.body.get("fail_at"):
                raise ValueError("no more")
            yield f"{number}\n"

    return Response(body=lines(), content_type="text/csv")


def whole(event: Event) -> Any:
    """Tell what came in."""
    return {"size": len(event.body or b""), "method": event.method}


def _flow(step: Any, **options: Any) -> Any:
    graph = new_flow(step.__name__.lower())
    graph.to(step, name="step", **options).respond()
    return graph


worker = _flow(work)
unequal = _flow(Unequal)
async_worker = _flow(work_async)
#: Keeps the server's event loop busy meanwhile, as nobody should.
blocking_worker = _flow(work_and_block)
spinner = _flow(spin)
counter = _flow(count)
tables = _flow(table, full_event=True)
async_counter = _flow(count_async)
sizes = _flow(whole, full_event=True)
