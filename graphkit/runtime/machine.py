"""The machine: one event through one program. Written once, for every engine, driver and face.

It is ``async def`` code that never touches an event loop by itself. A program in which nothing awaits is driven to
its end by sending it ``None`` once. Branches run one after the other, in declared order, each to its end; where
several of them await, the driver may bring ``gather``, and they run side by side.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES
from graphkit.core.copying import branch_copies, branch_copy
from graphkit.core.emit import Emit, check_outlets
from graphkit.core.errors import StepError, is_failure
from graphkit.core.event import Event
from graphkit.runtime.answers import RANK_ENDED, Answers, answer_of
from graphkit.runtime.bound import BoundStep, is_response
from graphkit.runtime.failures import Answered, message_of, named, retold, uncopyable
from graphkit.runtime.program import Program, Segment
from graphkit.runtime.run import Run

Token = tuple[Segment, Any, Event]


async def run_program(program: Program, body: Any, event: Event, run: Run) -> Any:
    """Take one event through a program and return its answer.

    Raises
    ------
    StepError
        If a step failed and no error handler took it; it names the step and chains the step's own exception.
    """
    return answer_of(program, event, await _answers(program, body, event, run), run)


async def _answers(program: Program, body: Any, event: Event, run: Run) -> Answers:
    answers = Answers()
    event._joins = answers.scope(program)
    try:
        await _start(program, body, event, run, answers)
    except BaseException:
        answers.drop(program)
        raise
    return answers


async def _start(program: Program, body: Any, event: Event, run: Run, answers: Answers) -> None:
    starts = program.starts
    if len(starts) == 1:
        await walk(program, [(starts[0], body, event)], run, answers)
        return
    try:
        tokens = fan_out(program, starts, body, event, "", answers)
    except StepError as exc:
        first = starts[0]
        token = _recover(program, first, first.steps[0], exc, (first, body, event), run, False)
        await walk(program, [token], run, answers, token[0] is program.catch)
    else:
        await spread(program, tokens, program.parts, run, answers)


async def walk(program: Program, stack: list[Token], run: Run, answers: Answers, caught: bool = False) -> None:
    """Run tokens, and all that they give rise to, to their end: the last one of the stack first.

    ``caught`` says that the flow's error handler has taken over, so that it cannot do so again.
    """
    trace = run.trace
    while stack:
        segment, body, event = stack.pop()
        run.left -= 1
        if run.left < 0:
            raise _too_many(segment, event, run)
        while True:
            emitted: Emit | None = None
            failed: BoundStep | None = None
            try:
                if segment.run is None:
                    body = await run_nested(segment, body, event, run)
                else:
                    result = segment.run(body, event, trace)
                    if segment.is_async:
                        result = await result
                    if segment.events:
                        event = result
                        body = event.body
                    elif segment.emits and type(result) not in PLAIN_TYPES:
                        emitted, body = _emitted(segment.steps[-1], result, body)
                    else:
                        body = result
                failed = segment.steps[-1]  # from here on only what it sends on can fail
                if emitted is None:
                    if segment.rank is not None:
                        # the steps that follow an answer must not change it
                        answers.offer(segment.rank, event._order, branch_copy(body) if segment.next else body)
                    if len(segment.next) == 1:
                        segment = segment.next[0]
                        continue
                    if not segment.next:
                        break
                if emitted is not None:
                    tokens = emitted_tokens(program, segment, emitted, event, answers)
                else:
                    tokens = fan_out(program, segment.next, body, event, failed.path, answers)
            except Answered as ended:
                answers.offer(RANK_ENDED, event._order, ended.value)
                break
            except BaseException as exc:
                if not is_failure(exc):
                    raise
                token = _recover(program, segment, failed, exc, (segment, body, event), run, caught)
                if token[0] is program.catch:
                    await walk(program, [token], run, answers, True)
                    break
                segment, body, event = token
                continue
            if segment.parts and run.gather is not None and len(tokens) > 1:
                await spread(program, tokens, True, run, answers, caught)
            else:
                stack.extend(reversed(tokens))
            break


async def spread(
    program: Program, tokens: list[Token], parts: bool, run: Run, answers: Answers, caught: bool = False
) -> None:
    """Run branches side by side where the driver can, else one after the other."""
    if not parts or run.gather is None:
        await walk(program, tokens[::-1], run, answers, caught)
        return
    results = await run.gather([walk(program, [token], run, answers, caught) for token in tokens])
    for result in results:
        # every branch has ended by now; the first failure in declared order is the request's
        if isinstance(result, BaseException):
            raise result


def fan_out(
    program: Program, targets: tuple[Segment, ...], body: Any, event: Event, source: str, answers: Answers
) -> list[Token]:
    """Return a token for each target: the first keeps the body, the others get copies of their own.

    ``source`` is the step whose followers they are; empty at the start of a flow.
    """
    try:
        copies = branch_copies(body, len(targets))
    except TypeError as exc:
        raise uncopyable(exc, source or targets[0].steps[0].path) from exc
    if not program.events and not program.ordered:
        return [(target, copy, event) for target, copy in zip(targets, copies, strict=True)]
    _ = event.id  # one identity for all branches
    scope = event._joins
    if scope is not None and source:
        scope = answers.scope_of_item(program, source, scope)
    tokens: list[Token] = []
    for index, (target, copy) in enumerate(zip(targets, copies, strict=True)):
        branch = event.fork(copy)
        branch._joins = scope
        if program.ordered:
            branch._order = (*event._order, index)
        tokens.append((target, copy, branch))
    return tokens


def emitted_tokens(program: Program, segment: Segment, emitted: Emit, event: Event, answers: Answers) -> list[Token]:
    """Return the tokens that an Emit gives rise to; at the end of a flow its items answer."""
    targets = segment.next
    if emitted.outlets is not None and targets:
        followers = segment.followers
        names = check_outlets(emitted.outlets, followers, segment.steps[-1].path) or ()
        targets = tuple(followers[name] for name in names)
    tokens: list[Token] = []
    many = len(emitted.items) > 1
    order = event._order
    for index, item in enumerate(emitted.items):
        if isinstance(item, Event):
            branch, body = item, item.body
            branch._trace, branch._order, branch._joins = event._trace, order, event._joins
        else:
            branch, body = (event.fork(item) if many or program.events else event), item
        if program.joins and len(targets) == 1:
            # an event of its own, whose parts are not those of others; several targets are a fan-out, which sees to it
            branch._joins = answers.scope_of_item(program, segment.steps[-1].path, event._joins)
        if many and program.ordered:
            branch._order = (*order, index)
        if segment.rank is not None:
            answers.offer(segment.rank, branch._order, branch_copy(body) if segment.next else body)
        if len(targets) == 1:
            tokens.append((targets[0], body, branch))
        elif targets:
            tokens += fan_out(program, targets, body, branch, segment.steps[-1].path, answers)
    return tokens


def _emitted(step: BoundStep, result: Any, body: Any) -> tuple[Emit | None, Any]:
    """Return what a step sends on, or else the body that goes on."""
    if isinstance(result, Emit):
        return result, body
    if isinstance(result, Event):
        if result.terminated:
            raise Answered(result.body)
        return Emit((result,)), body
    if step.wants_event and is_response(result):
        raise Answered(result)
    return None, result


async def run_nested(
    segment: Segment, body: Any, event: Event, run: Run, inside: Callable[[], Awaitable[Answers]] | None = None
) -> Any:
    """Take an event through a nested flow and return its answer.

    ``inside`` does that in another way than from the flow's start.
    """
    sub, step = segment.sub, segment.steps[0]
    assert sub is not None
    inner = event.fork(body)
    entry = None if run.trace is None else run.trace.enter(step, body, None, event)
    try:
        answers = await (_answers(sub, body, inner, run) if inside is None else inside())
        result = answer_of(sub, inner, answers, run)
    except BaseException as exc:
        if entry is not None and is_failure(exc):
            run.trace.fail(entry, exc)
        raise
    if entry is not None:
        run.trace.leave(entry, result)
    if answers.rank == RANK_ENDED:
        raise Answered(result)  # not for this flow alone, but for the request
    return result


def _recover(
    program: Program, segment: Segment, step: BoundStep | None, exc: BaseException, token: Token, run: Run, caught: bool
) -> Token:
    """Return the token of the error handler that takes over, or raise the error that names the step.

    ``step`` is the one that failed, where that is known, and ``token`` what was sent to it.
    """
    _, body, event = token
    if step is None:
        step, body, event = _failed(segment, exc, body, event, run)
    error = named(exc, step.path, step.function)
    if step.kind == "error_step" and event.error:
        # what it was to handle must not be hidden by its own failure
        told = f"{error.message} (while it handled step {event.origin_state!r}: {[*event.error.values()][-1]})"
        error = retold(error, told)
    handler = program.handlers.get(step.path)
    if handler is None and not caught:
        handler = program.catch
    # what failed in a nested flow has been written down there
    if run.context is not None and not (error is exc and segment.sub is not None and step is segment.steps[0]):
        run.context.push_error(event, error.message, source=error.step or step.path)
    if handler is None:
        if error is exc:
            raise error
        raise error from exc
    # what awaits the handler's event must not be seen by other holders of this one
    new = event.fork(body)
    message = message_of(exc)
    new.error = {**(event.error or {}), step.name: message if run.context is None else run.context.redact(message)}
    new.origin_state = error.step or step.path
    return handler, body, new


def _failed(segment: Segment, exc: BaseException, body: Any, event: Event, run: Run) -> tuple[BoundStep, Any, Event]:
    """Return the step that failed, with the body and event that it had been given."""
    if segment.fused is None:
        return segment.steps[0], body, event
    step, frame = segment.fused.failure(exc)
    if frame is None:
        return step, body, event
    seen = frame.f_locals
    if run.trace is not None:
        entry = seen.get("e")
        if entry is None or entry.step is not step:
            # its input path found nothing: the entry at hand is that of the step before, which did not fail
            entry = run.trace.enter(step, seen.get("b", body), None, seen.get("ev", event))
        run.trace.fail(entry, exc)
    return step, seen.get("b", body), seen.get("ev", event)


def _too_many(segment: Segment, event: Event, run: Run) -> StepError:
    path = segment.steps[0].path
    error = StepError(
        f"step {path!r}: one request gave rise to more than {run.most:,} events; does a ladder of branches multiply "
        f"them? Merge joins branches. The server's parameter 'max_events' allows more.",
        step=path,
    )
    if run.context is not None and run.left == -1:  # once: other branches that run beside it come here too
        run.context.push_error(event, error.message, source=path)
    return error
