"""Recorded runs: one event through a server's graph, and the record of it, whoever asks for them."""

from __future__ import annotations

from typing import Any

import msgspec

from graphkit.core.copying import plain_copy
from graphkit.core.current import CURRENT_EVENT
from graphkit.core.errors import GraphError, GraphkitError, StepError, choices
from graphkit.core.event import Event
from graphkit.plan.topology import why_an_id
from graphkit.runtime.bound import is_response
from graphkit.runtime.raised import cut_to_user
from graphkit.runtime.records import Recorder, RunRecord
from graphkit.runtime.replay import Replay, event_of_run
from graphkit.runtime.told import recorder_of
from graphkit.server import dataplane


class Outcome(msgspec.Struct, frozen=True):
    """What a recorded run came to.

    ``answer`` is what the caller gets where errors are no exceptions, ``error`` the exception otherwise, with the
    ``traceback`` that it has before it is raised.
    """

    answer: Any
    record: RunRecord
    error: StepError | None
    traceback: Any

    def told(self, silent: bool) -> Any:
        """Return the answer, or raise the error unless the caller wants none."""
        if self.error is not None and not silent:
            # several may ask for it, each of whom it is to be shown as if they were the first
            raise self.error.with_traceback(self.traceback) from self.error.__cause__
        return self.answer


def new_event(
    path: Any, body: Any, method: str, content_type: str | None, headers: Any, event_id: str | None, *more: Any
) -> Event:
    """Return the event of a test; ``more`` are its trigger, offset and time.

    Raises
    ------
    TypeError
        If ``path`` is no text.
    """
    if not isinstance(path, str):
        raise TypeError(f"path is a text such as '/', found {type(path).__name__}; a body is given as test(body=...)")
    method = method or ("GET" if body is None else "POST")
    return Event(plain_copy(body), content_type, dict(headers) if headers else {}, method, path, event_id, *more)


def record_run(
    server: Any, event: Event, recorder: Recorder, get_body: bool = True, again: Replay | None = None
) -> Outcome:
    """Send an event through a server's graph, keep the record of it, and return what it came to.

    Parameters
    ----------
    server
        The server.
    event
        The event; a body that is text is decoded as production would.
    recorder
        What records the run.
    get_body
        Whether the answer is wanted as an object rather than as a serialised Response.
    again
        A replay from a step on, to be run rather than all of the graph.
    """
    error: StepError | None = None
    result: Any = None
    exchange = None
    around = CURRENT_EVENT.set(event)  # what steps log is known to belong to it
    try:
        bound = server._ready(check_names=True)
        if again is None:
            event = recorder.event = dataplane.prepared(event)
        _ = event.id  # the record and the steps know it by the same one
        recorder.topology = bound.plan.topology
        recorder.begin()
        if again is None:
            event._trace = recorder
            exchange = server._exchange(event, bound)
            result = bound.answer(event, recorder)
        else:
            again.traced_by(recorder)
            result = bound.replay(again, recorder)
        if type(result) is dict and len(result) == 1 and result.get("id") is event.id:
            recorder.note = why_an_id(bound.plan.topology)
        if exchange is not None:
            result = exchange.answer(result)
        answer = result if get_body else dataplane.encode(result, server._response_class(None))
    except GraphkitError as exc:
        error = server._presentable(exc, event)
        answer = server._error_response(error, None, exchange is not None or dataplane.wants_json_errors(event))
    finally:
        CURRENT_EVENT.reset(around)
    status = answer.status_code if is_response(answer) else 200
    if error is None and status >= 300:
        step = recorder.step_that_gave(result)
        error = StepError(server._secrets.redact(_refusal(step, answer)), step=step, status=status)
    record, size = recorder.finish(status, answer.body if is_response(answer) else answer)
    if again is not None:
        record = msgspec.structs.replace(record, steps=again.steps(record.steps))
        size += server.runs.size_of(again.run)
    server.runs.add(record, size)
    recorder.end(record)
    if error is not None:
        cut_to_user(error, server.verbose)
    return Outcome(answer, record, error, None if error is None else error.__traceback__)


class Wanted(msgspec.Struct, frozen=True):
    """A replay that can be run: the event, a recorder of the kind that was wanted, and where it starts; all checked."""

    event: Event
    recorder: Any
    again: Replay | None


def replay_of(server: Any, run: Any, start: str | None, make_recorder: Any = recorder_of) -> Wanted:
    """Return what a replay of a run needs.

    Raises
    ------
    GraphError
        If there is no such run, or it cannot be replayed from that step.
    """
    found = found_run(server.runs, run)
    again: Replay | None = None
    if start is None:
        event = event_of_run(found)
    else:
        bound = server._ready(check_names=True)
        again = Replay(bound, found, start, None if found.event is None else found.event.id)
        again = None if again.is_whole else again
        event = event_of_run(found) if again is None else again.event
    recorder = make_recorder(event, server._secrets, server)
    recorder.replay_of = found.id
    if again is not None:
        recorder.start = again.start
        recorder.keep_request(found.body, found.event)
    return Wanted(event, recorder, again)


def found_run(runs: Any, wanted: Any) -> RunRecord:
    """Return a run given as a record, its id, its place among the runs, or ``None`` for the last one.

    Raises
    ------
    GraphError
        If there is none.
    """
    if isinstance(wanted, RunRecord):
        return wanted
    kept: list[RunRecord] = list(runs)
    if not kept:
        raise GraphError("there is no recorded run to replay yet: server.test(...) records one")
    if wanted is None:
        return kept[-1]
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if not -len(kept) <= wanted < len(kept):
            raise GraphError(f"there is no run {wanted}; {len(kept)} are kept")
        return kept[wanted]
    named = [run for run in kept if run.id == wanted]
    if not named:
        last = choices([run.id for run in kept[-5:]])
        raise GraphError(f"no run with the id {wanted!r} is kept; the last are {last}")
    return named[-1]


def _refusal(step: str | None, answer: Any) -> str:
    body = answer.body.decode(errors="replace") if isinstance(answer.body, bytes) else str(answer.body)
    return f"{f'step {step!r}' if step else 'the graph'} answered with status {answer.status_code}: {body}"
