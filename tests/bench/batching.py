"""Micro-batching beside none, on a scikit-learn model with 64 clients: ``python tests/bench/batching.py``.

A random forest on the digits; each client sends one image after the other. Three faces: threads that call
``server.run``, tasks of one event loop that await ``server.run_async``, and (with ``--http``) the ASGI application over
loopback, whose clients are threads of the same process and take their share of it. Sides take turns; figures are
medians of the rounds. Without batching, ``run_async`` asks the model on the loop itself, one request after the other;
threads share the interpreter's lock.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import platform
import socket
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy
import sklearn
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from graphkit import Event, GraphServer, V2ModelServer, create_graph_server

PATH = "/v2/models/digits/infer"


class Digits(V2ModelServer):
    """The digits' model."""

    def load(self) -> None:
        """Fit it; seeded, in a second."""
        images, labels = load_digits(return_X_y=True)
        self.model = RandomForestClassifier(100, random_state=0).fit(images, labels)

    def predict(self, request: Any) -> Any:
        """Return digits."""
        return self.model.predict(request["inputs"]).tolist()


def server_of(**class_args: Any) -> GraphServer:
    server: GraphServer = create_graph_server()
    server.add_model("digits", class_name=Digits, **class_args)
    server.init()
    return server


def with_threads(server: GraphServer, images: list[Any], clients: int) -> list[Any]:
    def ask(image: Any) -> Any:
        return server.run(Event({"inputs": [image]}, path=PATH), None, True)["outputs"][0]

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(ask, images))


def on_a_loop(server: GraphServer, images: list[Any], clients: int) -> list[Any]:
    async def client(mine: list[Any]) -> list[Any]:
        return [
            (await server.run_async(Event({"inputs": [image]}, path=PATH), None, True))["outputs"][0] for image in mine
        ]

    async def all_clients() -> list[Any]:
        return await asyncio.gather(*(client(images[number::clients]) for number in range(clients)))

    found: list[Any] = [None] * len(images)
    for number, answers in enumerate(asyncio.run(all_clients())):
        found[number::clients] = answers
    return found


def over_http(server: GraphServer, images: list[Any], clients: int) -> list[Any]:
    import uvicorn

    from graphkit import asgi_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = uvicorn.Server(uvicorn.Config(asgi_app(server), port=port, log_level="warning"))
    thread = threading.Thread(target=serving.run)
    thread.start()
    while not serving.started:
        time.sleep(0.01)
    found: list[Any] = [None] * len(images)

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for index in range(number, len(images), clients):
            connection.request("POST", PATH, json.dumps({"inputs": [images[index]]}))
            found[index] = json.load(connection.getresponse())["outputs"][0]
        connection.close()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    serving.should_exit = True
    thread.join()
    return found


def rate(
    face: Callable[..., list[Any]], server: GraphServer, images: list[Any], expected: list[int], clients: int
) -> float:
    """Return requests per second; refuses wrong answers."""
    began = time.perf_counter()
    found = face(server, images, clients)
    seconds = time.perf_counter() - began
    if found != expected:
        raise SystemExit("a client got an answer that is not its own")
    return len(images) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--http", action="store_true", help="over loopback too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-learn's about threads: writing them takes longer than the model
    print(f"{platform.platform()}, Python {platform.python_version()}, scikit-learn {sklearn.__version__}")
    plain, batched = server_of(), server_of(max_batch_size=options.clients, max_delay_ms=5)
    rows, _ = load_digits(return_X_y=True)
    images = numpy.resize(rows, (options.requests, rows.shape[1])).tolist()
    expected = plain.graph["digits"].async_object.predict({"inputs": images})
    faces = [with_threads, on_a_loop, *([over_http] if options.http else [])]
    for face in faces:
        samples = [
            tuple(rate(face, server, images, expected, options.clients) for server in (plain, batched))
            for _ in range(options.rounds)
        ]
        without, with_it = (median(sample[side] for sample in samples) for side in (0, 1))
        ratio = median(sample[1] / sample[0] for sample in samples)
        print(
            f"{face.__name__:12} {options.clients} clients: {without:8.0f}/s without, {with_it:8.0f}/s with batching: "
            f"{ratio:.1f} times (aim: 3)"
        )
    plain.wait_for_completion()
    batched.wait_for_completion()


if __name__ == "__main__":
    main()
