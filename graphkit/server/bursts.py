"""Bursts of events against a server, on the path that production takes: no records, no listeners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.copying import copies
from graphkit.core.errors import GraphError
from graphkit.core.event import Event
from graphkit.runtime.bound import is_response
from graphkit.runtime.burst import Burst, BurstReport

_TICK_S = 0.1


def new_burst(
    server: Any,
    path: str,
    body: Any,
    n: int,
    concurrency: int,
    method: str = "",
    content_type: str | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Burst:
    """Return a burst of one event, sent often; the graph is bound by then.

    Raises
    ------
    GraphError
        If ``n`` or ``concurrency`` is no whole number from 1 on, or the graph cannot be bound.
    TypeError
        If ``path`` is no text, or the body cannot be copied.
    """
    for name, value in (("n", n), ("concurrency", concurrency)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise GraphError(f"{name} must be a whole number from 1 on, not {value!r}")
    if not isinstance(path, str):
        raise TypeError(f"path is a text such as '/', found {type(path).__name__}; a body is given as burst(body=...)")
    server._ready(check_names=True)
    (first,) = copies(body, 2)[1:]
    verb = method or ("GET" if body is None else "POST")

    def send() -> str | None:
        # of its own, so that no step sees what another event's step did to it
        own = copies(first, 2)[1]
        event = Event(own, content_type, dict(headers) if headers else {}, verb, path)
        answer = server.run(event, get_body=True)
        if not is_response(answer) or answer.status_code < 300:
            return None
        text = answer.body.decode(errors="replace") if isinstance(answer.body, bytes) else str(answer.body)
        return f"{answer.status_code}: {text}"

    return Burst(path, send, n, concurrency)


def watched(burst: Burst, progress: bool) -> BurstReport:
    """Run a burst to its end with a progress bar; an interrupt ends it early, and what was measured is returned."""
    bar = _bar(burst.n) if progress else None
    burst.start()
    try:
        while not burst.wait(_TICK_S):
            if bar is not None:
                bar(burst.ended)
    except KeyboardInterrupt:
        burst.cancel()  # the report says so; the measurements would be lost with an exception
    report = burst.finish()
    if bar is not None:
        bar(burst.ended, True)
    return report


def _bar(total: int) -> Callable[..., None] | None:
    """Return a function that shows how far it has come; ``None`` without tqdm: a bar is an ornament."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tqdm, where it finds a notebook but no ipywidgets
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return None
        bar = tqdm(total=total, unit="event", leave=False)

    def show(ended: int, close: bool = False) -> None:
        bar.update(ended - bar.n)
        if close:
            bar.close()

    return show
