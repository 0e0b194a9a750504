"""A constant answer: what the server alone is able to. ``uvicorn constant_side:app``."""

from __future__ import annotations

from typing import Any

ANSWER = b'{"id":"1","model_name":"linear","outputs":[2.4,2.5]}'
HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": ANSWER})
