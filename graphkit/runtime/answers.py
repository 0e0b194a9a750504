"""What a run of a flow comes to: its best answer, or the error of a join that waits for parts which never come."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import StepError
from graphkit.core.event import Event
from graphkit.core.joins import JoinScope
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.program import Program
from graphkit.runtime.run import Run

#: Before all ranks of the plan: a step ended the whole request with an answer of its own.
RANK_ENDED = -1


class Answers:
    """What a run of a flow came to: the best answer so far, and whose parts may wait in joins.

    The best is that of the lowest rank, and among equals the first in declared order.
    """

    __slots__ = ("_number", "order", "rank", "scopes", "value")

    def __init__(self) -> None:
        self.scopes: list[JoinScope] = []
        self._number = 1
        self.rank: int | None = None
        self.order: tuple[int, ...] = ()
        self.value: Any = None

    def offer(self, rank: int, order: tuple[int, ...], value: Any) -> None:
        """Take an answer if it is better than the one that is there."""
        if self.rank is None or rank < self.rank or (rank == self.rank and order < self.order):
            self.rank, self.order, self.value = rank, order, value

    def scope(self, program: Program) -> JoinScope | None:
        """Return the scope of the run's joins, if the program has any."""
        if not program.joins:
            return None
        scope = JoinScope(program.joins_across)
        self.scopes.append(scope)
        return scope

    def scope_of_item(self, program: Program, path: str, around: JoinScope | None, number: int = 0) -> JoinScope | None:
        """Return a scope for what the step at a path sends on.

        ``number`` is the one that it had in the run which is replayed: what is sent on now must not get the same.
        """
        inside = program.joins_behind(path)
        if around is None or not inside:
            return around
        number = number or self._number
        self._number = max(self._number, number + 1)
        scope = JoinScope(program.joins_across, around, inside, (path, number))
        self.scopes.append(scope)
        return scope

    def drop(self, program: Program) -> None:
        """Forget what waits in joins: the run has failed, and who asked knows why."""
        for scope in self.scopes:
            for step in program.joins:
                step.object.forget(scope)


def answer_of(program: Program, event: Event, answers: Answers, run: Run) -> Any:
    """Return the answer of a flow that has run."""
    answered = answers.rank is not None
    failure: StepError | None = None
    for scope in answers.scopes:
        for step in program.joins:
            # an answer that lies behind the join is not to come any more
            fails = not answered and step in program.decisive
            came = step.object.give_up(scope, not fails and answers.rank != RANK_ENDED)
            if not fails or failure is not None:
                continue
            if scope.lost is not None and scope.lost[0] is step.object:
                failure = _lost(step, *scope.lost[1:])
            elif came is not None:
                failure = _incomplete(step, came[0], came[1], event, run)
    if failure is not None:
        raise failure
    if answered:
        return answers.value
    return None if program.answers else {"id": event.id}


def _lost(step: BoundStep, message: str, status: int) -> StepError:
    return StepError(f"step {step.path!r}: {message}", step=step.path, status=status)


def _incomplete(step: BoundStep, parts: list[Event], expected: int, event: Event, run: Run) -> StepError:
    """Return the error of a join that waits in vain: the request is over, and the answer lies behind it."""
    prefix = step.path[: -len(step.name)]
    came = {part._branch for part in parts}
    # a handler's part may stand for any of them
    missing = [] if None in came else [name for name in step.after if prefix + name not in came]
    silent = f": nothing came from {', '.join(map(repr, missing))}" if missing else ""
    error = StepError(
        f"step {step.path!r} got {len(parts)} of the {expected} parts of this event{silent}, so that there is no "
        f"answer; where only some branches run, let the next step follow them all (after=[...]) without a Merge",
        step=step.path,
    )
    if run.context is not None:
        run.context.push_error(event, error.message, source=step.path)
    return error
