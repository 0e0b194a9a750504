"""The machine: one event through one program. Written once, for every engine, driver and face.

It is ``async def`` code that never touches an event loop by itself. A program in which nothing awaits is driven to
its end by sending it ``None`` once. Branches run one after the other, in declared order, each to its end; where
several of them await, the driver may bring ``gather``, and they run side by side.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from graphkit.core.copying import branch_copy
from graphkit.core.emit import Emit, check_outlets
from graphkit.core.errors import StepError
from graphkit.core.event import Event
from graphkit.plan.compile import RANK_CATCH
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.failures import Answered, message_of, named
from graphkit.runtime.program import Program, Segment

MOST_EVENTS = 10_000
Token = tuple[Segment, Any, Event]
_MISSING = object()


class Run:
    """What belongs to one request: its budget of events, its recorder and its driver's abilities."""

    __slots__ = ("context", "gather", "left", "most", "trace")

    def __init__(
        self,
        context: Any,
        trace: Any = None,
        gather: Callable[[list[Any]], Awaitable[list[Any]]] | None = None,
        most: int = MOST_EVENTS,
    ) -> None:
        self.context = context
        self.trace = trace
        self.gather = gather
        self.left = self.most = most


class Answers:
    """The best answer so far: the lowest rank, and among equals the first in declared order."""

    __slots__ = ("order", "rank", "value")

    def __init__(self) -> None:
        self.rank: int | None = None
        self.order: tuple[int, ...] = ()
        self.value: Any = None

    def offer(self, rank: int, order: tuple[int, ...], value: Any) -> None:
        """Take an answer if it is better than the one that is there."""
        if self.rank is None or rank < self.rank or (rank == self.rank and order < self.order):
            self.rank, self.order, self.value = rank, order, value


async def run_program(program: Program, body: Any, event: Event, run: Run) -> Any:
    """Take one event through a program and return its answer.

    Raises
    ------
    StepError
        If a step failed and no error handler took it; it names the step and chains the step's own exception.
    """
    answers = Answers()
    starts = program.starts
    if len(starts) == 1:
        await walk(program, [(starts[0], body, event)], run, answers)
    else:
        tokens = fan_out(program, starts, body, event, "", ordered=program.parts)
        await spread(program, tokens, program.parts, run, answers)
    if answers.rank is not None:
        return answers.value
    return None if program.answers else {"id": event.id}


async def walk(program: Program, stack: list[Token], run: Run, answers: Answers) -> None:
    """Run tokens, and all that they give rise to, to their end: the last one of the stack first."""
    trace = run.trace
    while stack:
        segment, body, event = stack.pop()
        run.left -= 1
        if run.left < 0:
            raise _too_many(segment, run)
        while True:
            emitted: Emit | None = None
            try:
                if segment.run is None:
                    body = await _run_nested(segment, body, event, run)
                else:
                    result = segment.run(body, event, trace)
                    if segment.is_async:
                        result = await result
                    if segment.events:
                        event = result
                        body = event.body
                    elif segment.emits and isinstance(result, Emit):
                        emitted = result
                    else:
                        body = result
            except Answered as ended:
                answers.offer(RANK_CATCH, event._order, ended.value)
                break
            except Exception as exc:
                segment, body, event = _recover(program, segment, exc, body, event, run)
                continue
            if emitted is None and len(segment.next) == 1:
                segment = segment.next[0]
                continue
            if emitted is None and not segment.next:
                if segment.rank is not None:
                    answers.offer(segment.rank, event._order, body)
                break
            tokens = (
                fan_out(program, segment.next, body, event, segment.steps[-1].path, ordered=segment.parts)
                if emitted is None
                else emitted_tokens(program, segment, emitted, event, answers)
            )
            if segment.parts and run.gather is not None and len(tokens) > 1:
                await spread(program, tokens, True, run, answers)
            else:
                stack.extend(reversed(tokens))
            break


async def spread(program: Program, tokens: list[Token], parts: bool, run: Run, answers: Answers) -> None:
    """Run branches side by side where the driver can, else one after the other."""
    if not parts or run.gather is None:
        await walk(program, tokens[::-1], run, answers)
        return
    results = await run.gather([walk(program, [token], run, answers) for token in tokens])
    for result in results:
        # every branch has ended by now; the first failure in declared order is the request's
        if isinstance(result, BaseException):
            raise result


def fan_out(
    program: Program, targets: tuple[Segment, ...], body: Any, event: Event, source: str, ordered: bool
) -> list[Token]:
    """Return a token for each target: the first keeps the body, the others get copies of their own."""
    own_events = program.events or ordered
    tokens: list[Token] = []
    try:
        copies = [body, *(branch_copy(body) for _ in targets[1:])]
    except TypeError as exc:
        raise StepError(f"step {source!r}: {exc}" if source else str(exc), step=source) from exc
    if program.events:
        _ = event.id  # one identity for all branches
    for index, (target, copy) in enumerate(zip(targets, copies, strict=True)):
        branch = event
        if own_events:
            branch = event.fork(copy)
            if ordered:
                branch._order = (*event._order, index)
        tokens.append((target, copy, branch))
    return tokens


def emitted_tokens(program: Program, segment: Segment, emitted: Emit, event: Event, answers: Answers) -> list[Token]:
    """Return the tokens that an Emit gives rise to; at the end of a flow its items answer."""
    targets = segment.next
    if emitted.outlets is not None and targets:
        followers = segment.followers()
        names = check_outlets(emitted.outlets, followers, segment.steps[-1].path) or ()
        targets = tuple(followers[name] for name in names)
    tokens: list[Token] = []
    many = len(emitted.items) > 1
    for index, item in enumerate(emitted.items):
        if isinstance(item, Event):
            branch, body = item, item.body
        else:
            branch, body = (event.fork(item) if many or program.events else event), item
        if many:
            branch._order = (*event._order, index)
        if not segment.next:
            if segment.rank is not None:
                answers.offer(segment.rank, branch._order, body)
        elif len(targets) == 1:
            tokens.append((targets[0], body, branch))
        elif targets:
            tokens += fan_out(program, targets, body, branch, segment.steps[-1].path, ordered=segment.parts)
    return tokens


async def _run_nested(segment: Segment, body: Any, event: Event, run: Run) -> Any:
    sub, step = segment.sub, segment.steps[0]
    assert sub is not None
    inner = event.fork(body)
    entry = None if run.trace is None else run.trace.enter(step, body, None)
    try:
        result = await run_program(sub, body, inner, run)
    except Exception as exc:
        if entry is not None:
            run.trace.fail(entry, exc)
        raise
    if entry is not None:
        run.trace.leave(entry, result)
    return result


def _recover(program: Program, segment: Segment, exc: Exception, body: Any, event: Event, run: Run) -> Token:
    """Return the token of the error handler that takes over, or raise the error that names the step."""
    step, body, event = _failed(segment, exc, body, event, run)
    error = named(exc, step.path)
    handler = program.handlers.get(step.path)
    in_catch = program.catch is not None and step.path == program.catch.steps[0].path
    if handler is None and not in_catch:
        handler = program.catch
    text = message_of(exc)
    if run.context is not None and not (isinstance(exc, StepError) and exc is error and segment.sub is not None):
        run.context.push_error(event, error.message, source=error.step or step.path)
    if handler is None:
        if error is exc:
            raise error
        raise error from exc
    # what awaits the handler's event must not be seen by other holders of this one
    new = event.fork(body)
    new.error = {**(event.error or {}), step.name: text}
    new.origin_state = error.step or step.path
    return handler, body, new


def _failed(segment: Segment, exc: Exception, body: Any, event: Event, run: Run) -> tuple[BoundStep, Any, Event]:
    """Return the step that failed, with the body and event that it had been given."""
    if segment.fused is None:
        return segment.steps[0], body, event
    step, frame = segment.fused.failure(exc)
    if frame is None:
        return step, body, event
    seen = frame.f_locals
    entry = seen.get("e", _MISSING)
    if entry is not _MISSING and entry is not None and run.trace is not None:
        run.trace.fail(entry, exc)
    return step, seen.get("b", body), seen.get("ev", event)


def _too_many(segment: Segment, run: Run) -> StepError:
    path = segment.steps[0].path
    return StepError(
        f"step {path!r}: one request gave rise to more than {run.most:,} events; does a ladder of branches multiply "
        f"them? Merge joins branches. The server's parameter 'max_events' allows more.",
        step=path,
    )
