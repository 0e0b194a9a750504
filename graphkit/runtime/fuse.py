"""Straight runs of steps as one generated function: one call per step and nothing else.

The source is made of fixed templates and step numbers; it holds no text of the user. The steps' callables reach it
as closure variables. The traceback's line says which step failed and the frame holds the body that it got, so that
success pays nothing for either. With tracing, the same templates have two more lines a step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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
    source = _Source(wait, traced)
    quick: list[BoundStep] = []
    for item in steps:
        if isinstance(item, BoundStep) and not traced and _is_quick(item):
            quick.append(item)
            continue
        source.add_quick(quick, "b")
        quick = []
        source.add(item)
    source.add_quick(quick, "b")
    events = any(step.wants_event for step in steps) and not steps[-1].emits
    if events:
        source.write(len(source.steps) - 1, "ev.body = b")
    source.write(len(source.steps) - 1, "return ev" if events else "return b")
    return Fused(source.made(), tuple(source.steps), tuple(source.line_steps), events, source.is_async)


@functools.lru_cache(maxsize=32)
def _compiled(source: str) -> CodeType:
    # Runs of the same make have the same source, whatever their steps are.
    return compile(source, "<graphkit run>", "exec")


def _is_quick(step: BoundStep) -> bool:
    """Return whether a step makes a plain value of a plain one, with nothing to do around the call."""
    around = step.may_await or step.wants_event or step.emits or step.kind in _ANSWERING_KINDS
    return not around and step.get is None and step.put is None


class _Source:
    """The source of one run as it is written, line by line, and which step each line belongs to.

    Parameters
    ----------
    wait, traced
        As for :func:`fuse`.
    """

    def __init__(self, wait: Callable[[Any], Any] | None, traced: bool) -> None:
        self.is_async = wait is None
        self.traced = traced
        self.steps: list[BoundStep] = []
        self.names: dict[str, Any] = {
            "PLAIN": PLAIN_TYPES,
            "settle": _settle_with(wait),
            "as_result": as_result,
            "is_awaitable": is_awaitable,
            "Answered": Answered,
            "end_with_response": end_with_response,
        }
        self.line_steps = [0, 0, 0]  # line 1 opens the maker, line 2 the function; lines count from 1
        self._lines: list[str] = []
        if traced:
            self.write(0, "e = None")

    def made(self) -> Callable[..., Any]:
        """Return the function."""
        head = "async def" if self.is_async else "def"
        body = "".join(f"    {line}\n" for line in self._lines)
        source = f"def make({', '.join(self.names)}):\n  {head} run(b, ev, tr):\n{body}  return run\n"
        scope: dict[str, Any] = {}
        exec(_compiled(source), scope)  # noqa: S102  # fixed templates and numbers, no user text
        run: Callable[..., Any] = scope["make"](**self.names)
        return run

    def write(self, n: int, *lines: str) -> None:
        """Write lines that belong to step ``n``."""
        self._lines += lines
        self.line_steps += [n] * len(lines)

    def add(self, item: BoundStep | Fork) -> None:
        """Write the lines of a step, or of branches that meet at once."""
        if isinstance(item, Fork):
            self._add_fork(item)
        elif item.wants_event:
            self._add_with_event(item)
        else:
            self._add_with_body(item, "b")

    def add_quick(self, steps: Sequence[BoundStep], b: str) -> None:
        """Write the lines of quick steps in a row: what goes in plain comes out plain, and is not looked at again.

        What is not plain goes a second way on which every result is looked at.
        """
        if not steps:
            return
        first = len(self.steps)
        self.write(first, f"if type({b}) in PLAIN:")
        for n, step in enumerate(steps, first):
            self.names[f"c{n}"] = step.call
            self.write(n, f"  {b} = c{n}({b})")
        self.write(first, "else:")
        for n in range(first, first + len(steps)):
            self.write(n, f"  r = c{n}({b})", f"  {self._awaiting}", f"  {b} = r")
        self.steps += steps

    @property
    def _awaiting(self) -> str:
        if self.is_async:
            return "if type(r) not in PLAIN and is_awaitable(r): r = await r"
        return "if type(r) not in PLAIN: r = settle(r)"

    def _add_with_body(self, step: BoundStep, b: str) -> None:
        """Write the lines of a step that gets the body (``b``) or what its input path selects from it (``x``)."""
        n = len(self.steps)
        self.steps.append(step)
        self.names[f"c{n}"] = step.call
        given = b
        if step.get is not None:
            self.names[f"g{n}"] = step.get
            self.write(n, f"x = g{n}({b})")
            given = "x"
        if self.traced:
            self.names[f"s{n}"] = step
            self.write(n, f"e = tr.enter(s{n}, {given}, e, ev{'' if given == b else f', {b}'})")
        answers = step.kind in _ANSWERING_KINDS
        if step.is_async and self.is_async:
            if step.put is None and not answers and not self.traced:
                self.write(n, f"{b} = await c{n}({given})")
                return
            self.write(n, f"r = await c{n}({given})")
        else:
            self.write(n, f"r = c{n}({given})", self._awaiting)
        if self.traced:
            self.write(n, "tr.leave(e, r)")
        if answers:
            self.write(n, "if type(r) not in PLAIN: end_with_response(r)")
        if step.put is not None and not step.emits:
            self.names[f"p{n}"] = step.put
            self.write(n, f"{b} = p{n}({b}, r)")
        else:
            self.write(n, f"{b} = r")

    def _add_with_event(self, step: BoundStep) -> None:
        """Write the lines of a step that gets the event (``ev``) and returns it, another one, or a value."""
        n = len(self.steps)
        self.steps.append(step)
        self.names[f"c{n}"] = step.call
        if step.get is not None:
            self.names[f"g{n}"] = step.get
        self.write(n, "ev.body = b" if step.get is None else f"ev.body = g{n}(b)")
        if self.traced:
            self.names[f"s{n}"] = step
            self.write(n, f"e = tr.enter(s{n}, ev.body, e, ev{'' if step.get is None else ', b'})")
        wait = "r = await r" if self.is_async else "r = settle(r)"
        self.write(n, f"r = c{n}(ev)", f"if r is not ev and type(r) not in PLAIN and is_awaitable(r): {wait}")
        if self.traced:
            self.write(n, "tr.leave(e, r)" if step.emits else "tr.leave(e, r.body if r is ev else r)")
        if step.emits:
            self.write(n, "b = r")
            return
        self.write(n, "if r is not ev: ev = as_result(ev, r)", "if ev.terminated: raise Answered(ev.body)")
        if step.kind in _ANSWERING_KINDS:
            self.write(n, "if type(ev.body) not in PLAIN: end_with_response(ev.body)")
        if step.put is not None:
            self.names[f"p{n}"] = step.put
        self.write(n, "b = ev.body" if step.put is None else f"b = p{n}(b, ev.body)")

    def _add_fork(self, fork: Fork) -> None:
        """Write branches that part and meet at once: each computes on a body of its own, the join gets a list."""
        n = len(self.steps)
        names = self.names
        names["SHARED"], names["joined"], names[f"k{n}"] = SHARED_TYPES, joined, _copies_for(fork)
        bodies = [f"b{n}_{index}" for index in range(len(fork.branches))]
        together, copies = " = ".join(bodies), ", ".join(bodies)
        self.write(n, f"if type(b) in SHARED: {together} = b", f"else: {copies} = k{n}(b)")
        for body, branch in zip(bodies, fork.branches, strict=True):
            if all(map(_is_quick, branch)):
                self.add_quick(branch, body)
            else:
                for step in branch:
                    self._add_with_body(step, body)
        names[f"m{n}"] = fork.join.object.merge
        wait = "await r" if self.is_async else "settle(r)"
        self.write(
            len(self.steps),
            f"r = m{n}([{copies}])",
            f"if type(r) not in PLAIN: ev, r = joined(ev, {wait} if is_awaitable(r) else r)",
            "b = r",
        )
        self.steps.append(fork.join)


def _copies_for(fork: Fork) -> Callable[[Any], list[Any]]:
    count, source = len(fork.branches), fork.source or fork.branches[0][0].path

    def copies(body: Any) -> list[Any]:
        try:
            return branch_copies(body, count)
        except TypeError as exc:
            raise uncopyable(exc, source) from exc

    return copies


def _settle_with(wait: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def settle(result: Any) -> Any:
        return wait(result) if wait is not None and is_awaitable(result) else result

    return settle
