"""What a queue step does: hand the event on in memory, or write it to a stream."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from graphkit.core.event import Event
from graphkit.core.protocols import seam
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.envelope import wrap


def attach_queue(step: BoundStep, followed: bool, in_memory: bool) -> None:
    """Bind a queue.

    Parameters
    ----------
    step
        The step.
    followed
        Whether any step follows it, in whatever function.
    in_memory
        Whether a follower runs in this very graph, so that the event is handed on.
    """
    step.may_await = False
    record = step.record
    options = dict(record.options)
    full_event = options.pop("full_event", None)
    if record.shards is not None:
        options["shards"] = record.shards
    if record.retention_in_hours is not None:
        options["retention_in_hours"] = record.retention_in_hours
    if in_memory:
        # elsewhere it is opened: what is misspelt shows here already
        seam.check_stream(record.path or f"memory://{quote(step.name)}", **options)
        step.call = _hand_on
        return
    if record.path:
        trust = getattr(step.context, "trust", None)
        path = record.path if trust is None else trust.locate_stream(record.path)
        stream = seam.open_stream(path, **options)
    else:
        from graphkit.streams.memory import MemoryStream

        stream = MemoryStream(f"memory://{step.name}", **options)
    step.object = stream
    wrapped = bool(full_event) or (full_event is None and followed)

    def push(event: Event) -> Event:
        # in a list of its own: one event is one entry, also where its body is a list
        stream.push([wrap(event) if wrapped else event.body], key=None if event.key in ("", None) else str(event.key))
        return event

    step.call = push
    step.wants_event = True


def _hand_on(body: Any) -> Any:
    return body
