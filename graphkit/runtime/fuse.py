"""Straight runs of steps as one generated function: one call per step and nothing else.

The source is made of fixed templates and step numbers; it holds no text of the user. The steps' callables reach it
as closure variables. The traceback's line says which step failed and the frame holds the body that it got, so that
success pays nothing for either. With tracing, the same templates have two more lines a step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable
from graphkit.core.copying import SHARED_TYPES, branch_copies
from graphkit.runtime.bound import BoundStep, as_result, end_with_response, joined
from graphkit.runtime.failures import Answered, uncopyable
from graphkit.runtime.fold import Fork

# A Response of theirs is the answer of the request, wherever they stand.
_ANSWERING_KINDS = ("router", "error_step")
#: A longer run is cut: one huge function is slow to compile and gains nothing.
MOST_STEPS = 500


class Fused:
    """A compiled run: ``run(b, ev, tr)`` takes a body, the event and the recorder.

    It returns the body, or the event when ``events``; an awaitable of it when ``is_async``.
    """

    __slots__ = ("events", "is_async", "line_steps", "run", "steps")

    def __init__(
        self,
        run: Callable[..., Any],
        steps: tuple[BoundStep, ...],
        line_steps: tuple[int, ...],
        events: bool,
        is_async: bool,
    ) -> None:
        self.run = run
        self.steps = steps
        self.line_steps = line_steps
        self.events = events
        self.is_async = is_async

    def failure(self, error: BaseException) -> tuple[BoundStep, FrameType | None]:
        """Return the step in which an exception was raised, and the frame that holds its body (``b``, ``e``)."""
        code = self.run.__code__
        tb: TracebackType | None = error.__traceback__
        while tb is not None:
            if tb.tb_frame.f_code is code:
                return self.steps[self.line_steps[tb.tb_lineno]], tb.tb_frame
            tb = tb.tb_next
        return self.steps[0], None


def fuse(steps: Sequence[BoundStep | Fork], wait: Callable[[Any], Any] | None, traced: bool) -> Fused:
    """Compile a run of steps.

    Parameters
    ----------
    steps
        The steps, one after the other; a step that emits stands alone.
    wait
        How an unexpected awaitable is waited for without a loop; ``None`` makes a function that awaits.
    traced
        Whether the run is recorded.
    """
    is_async = wait is None and any(step.is_async or step.may_await for step in steps)
    events = any(step.wants_event for step in steps)
    names: dict[str, Any] = {
        "PLAIN": PLAIN_TYPES,
        "settle": _settle_with(wait),
        "as_result": as_result,
        "is_awaitable": is_awaitable,
        "Answered": Answered,
        "end_with_response": end_with_response,
    }
    lines: list[str] = []
    line_steps = [0, 0, 0]  # line 1 opens the maker, line 2 the function; lines count from 1
    flat: list[BoundStep] = []
    for item in steps:
        for step, new in _item_lines(len(flat), item, is_async, traced, names):
            lines += new
            line_steps += [len(flat)] * len(new)
            flat.append(step)
    emits = steps[-1].emits
    if events and not emits:
        lines.append("ev.body = b")
    lines.append("return ev" if events and not emits else "return b")
    head = "async def" if is_async else "def"
    source = (
        f"def make({', '.join(names)}):\n  {head} run(b, ev, tr):\n"
        + "".join(f"    {line}\n" for line in _with_entry(lines, traced))
        + "  return run\n"
    )
    if traced:
        line_steps.insert(3, 0)
    scope: dict[str, Any] = {}
    exec(_compiled(source), scope)  # noqa: S102  # fixed templates and numbers, no user text
    run = scope["make"](**names)
    last = len(flat) - 1
    return Fused(run, tuple(flat), (*line_steps, last, last), events and not emits, is_async)


@functools.lru_cache(maxsize=32)
def _compiled(source: str) -> CodeType:
    # Runs of the same make have the same source, whatever their steps are.
    return compile(source, "<graphkit run>", "exec")


def _item_lines(
    n: int, item: BoundStep | Fork, is_async: bool, traced: bool, names: dict[str, Any]
) -> Iterator[tuple[BoundStep, list[str]]]:
    if isinstance(item, Fork):
        yield from _fork_lines(n, item, is_async, names)
    else:
        template = _event_lines if item.wants_event else _body_lines
        yield item, template(n, item, is_async, traced, names)


def _fork_lines(n: int, fork: Fork, is_async: bool, names: dict[str, Any]) -> Iterator[tuple[BoundStep, list[str]]]:
    """Lines of branches that part and meet at once: each computes on a body of its own, the join gets a list."""
    names["SHARED"], names["joined"], names[f"k{n}"] = SHARED_TYPES, joined, _copies_for(fork)
    bodies = [f"b{n}_{index}" for index in range(len(fork.branches))]
    together = " = ".join(bodies)
    copies = f"{', '.join(bodies)} = k{n}(b)"
    head = [f"if type(b) in SHARED: {together} = b", f"else: {copies}"]
    at = n
    for body, branch in zip(bodies, fork.branches, strict=True):
        for step in branch:
            lines = _body_lines(at, step, is_async, False, names, body)
            yield step, [*head, *lines]
            head = []
            at += 1
    names[f"m{n}"] = fork.join.object.merge
    wait = "await r" if is_async else "settle(r)"
    yield (
        fork.join,
        [
            f"r = m{n}([{', '.join(bodies)}])",
            f"if type(r) not in PLAIN: ev, r = joined(ev, {wait} if is_awaitable(r) else r)",
            "b = r",
        ],
    )


def _copies_for(fork: Fork) -> Callable[[Any], list[Any]]:
    count, source = len(fork.branches), fork.source or fork.branches[0][0].path

    def copies(body: Any) -> list[Any]:
        try:
            return branch_copies(body, count)
        except TypeError as exc:
            raise uncopyable(exc, source) from exc

    return copies


def _with_entry(lines: list[str], traced: bool) -> list[str]:
    return ["e = None", *lines] if traced else lines


def _settle_with(wait: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def settle(result: Any) -> Any:
        return wait(result) if wait is not None and is_awaitable(result) else result

    return settle


def _body_lines(
    n: int, step: BoundStep, is_async: bool, traced: bool, names: dict[str, Any], b: str = "b"
) -> list[str]:
    """Lines of a step that gets the body (``b``) or what its input path selects from it (``x``)."""
    names[f"c{n}"] = step.call
    given = b
    lines = []
    if step.get is not None:
        names[f"g{n}"] = step.get
        lines.append(f"x = g{n}({b})")
        given = "x"
    if traced:
        names[f"s{n}"] = step
        lines.append(f"e = tr.enter(s{n}, {given}, e)")
    answers = step.kind in _ANSWERING_KINDS
    simple = step.put is None and not traced and not answers
    if step.is_async and is_async:
        if simple:
            return [*lines, f"{b} = await c{n}({given})"]
        lines.append(f"r = await c{n}({given})")
    elif not step.may_await and simple and not step.emits:
        return [*lines, f"{b} = c{n}({given})"]
    else:
        lines.append(f"r = c{n}({given})")
        if step.may_await:
            lines.append(_await_line(is_async))
    if traced:
        lines.append("tr.leave(e, r)")
    if answers:
        lines.append("if type(r) not in PLAIN: end_with_response(r)")
    if step.put is not None and not step.emits:
        names[f"p{n}"] = step.put
        lines.append(f"{b} = p{n}({b}, r)")
    else:
        lines.append(f"{b} = r")
    return lines


def _event_lines(n: int, step: BoundStep, is_async: bool, traced: bool, names: dict[str, Any]) -> list[str]:
    """Lines of a step that gets the event (``ev``) and returns it, another one, or a value."""
    names[f"c{n}"] = step.call
    lines = []
    if step.get is not None:
        names[f"g{n}"] = step.get
        lines.append(f"ev.body = g{n}(b)")
    else:
        lines.append("ev.body = b")
    if traced:
        names[f"s{n}"] = step
        lines.append(f"e = tr.enter(s{n}, ev.body, e)")
    lines.append(f"r = c{n}(ev)")
    if step.may_await:
        wait = "r = await r" if is_async else "r = settle(r)"
        lines.append(f"if r is not ev and type(r) not in PLAIN and is_awaitable(r): {wait}")
    if step.emits:
        if traced:
            lines.append("tr.leave(e, r)")
        return [*lines, "b = r"]
    if traced:
        lines.append("tr.leave(e, r.body if r is ev else r)")
    lines.append("if r is not ev: ev = as_result(ev, r)")
    lines.append("if ev.terminated: raise Answered(ev.body)")
    if step.kind in _ANSWERING_KINDS:
        lines.append("if type(ev.body) not in PLAIN: end_with_response(ev.body)")
    if step.put is not None:
        names[f"p{n}"] = step.put
        lines.append(f"b = p{n}(b, ev.body)")
    else:
        lines.append("b = ev.body")
    return lines


def _await_line(is_async: bool) -> str:
    if is_async:
        return "if type(r) not in PLAIN and is_awaitable(r): r = await r"
    return "if type(r) not in PLAIN: r = settle(r)"
