"""Several observers see every request and every step, and each gets back what it noted itself."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from graphkit import asgi_app, new_flow
from graphkit.server.settings import Settings


class Noted:
    """A step that was noted, by whom."""

    def __init__(self, step: Any, owner: Any) -> None:
        self.step = step
        self.owner = owner


class Watcher:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def began(self, scope: Any, headers: Any) -> Any:
        self.told.append(("began", scope["path"]))
        return self

    def trace(self, token: Any) -> Any:
        assert token is self
        return self

    def ended(self, token: Any, scope: Any, status: int, seconds: float, size: int) -> None:
        self.told.append(("ended", status, size > 0))

    def enter(self, step: Any, given: Any, before: Any = None, *more: Any) -> Noted:
        assert before is None or before.owner is self
        self.told.append(("enter", step.path, given))
        return Noted(step, self)

    def leave(self, entry: Noted, result: Any) -> None:
        assert entry.owner is self
        self.told.append(("leave", entry.step.path, result))

    def fail(self, entry: Noted, exc: BaseException) -> None:
        assert entry.owner is self
        self.told.append(("fail", entry.step.path, str(exc)))

    def came(self, event: Any, source: Any) -> None: ...


def test_several_observers_are_told_the_same() -> None:
    def add(body: int) -> int:
        return body + 1

    def halve(body: int) -> float:
        return 10 / body

    graph = new_flow()
    graph.to(add).to(halve).respond()
    watchers = [Watcher(), Watcher()]

    async def ask() -> list[int]:
        app = asgi_app(graph, Settings(metrics="steps"))
        for watcher in watchers:
            app.observe(watcher)
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [(await client.post("/", json=number)).status_code for number in (4, -1)]

    assert asyncio.run(ask()) == [200, 500]
    assert watchers[0].told == watchers[1].told
    assert watchers[0].told[:6] == [
        ("began", "/"),
        ("enter", "add", 4),
        ("leave", "add", 5),
        ("enter", "halve", 5),
        ("leave", "halve", 2.0),
        ("ended", 200, True),
    ]
    assert watchers[0].told[9:] == [("enter", "halve", 0), ("fail", "halve", "division by zero"), ("ended", 500, True)]
