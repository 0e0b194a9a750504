"""The same by hand: an ASGI function that parses the same JSON, runs the same model and answers the same fields."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec
import numpy as np

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


def predict(inputs: list[list[float]]) -> list[float]:
    return (np.asarray(inputs, dtype=float) @ WEIGHTS).tolist()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = respond(scope["path"], body)
    sent = msgspec.json.encode(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(sent)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sent})


def respond(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    if path != "/v2/models/linear/infer":
        return 404, {"error": f"there is no {path}"}
    try:
        request = msgspec.json.decode(body)
        inputs = request["inputs"]
        if not isinstance(inputs, list):
            return 400, {"error": "inputs is a list"}
    except (KeyError, TypeError, msgspec.DecodeError) as exc:
        return 400, {"error": str(exc)}
    return 200, {
        "id": request.get("id") or uuid.uuid4().hex,
        "model_name": "linear",
        "outputs": predict(inputs),
        "timestamp": str(dt.datetime.now(dt.timezone.utc)),
    }
