"""A recorded run to walk through, one step at a time, forward and back; as data that any display can use."""

from __future__ import annotations

from typing import Any

import msgspec

from graphkit.runtime.records import RunRecord, StepRecord


class Moment(msgspec.Struct, frozen=True):
    """A recorded run at the point where one of its steps has just ended.

    Attributes
    ----------
    position, total
        The step's place among all, from 0 on; -1 before the first.
    step
        Its record; ``None`` before the first.
    states
        The state of every step by path: ``"done"``, ``"failed"``, ``"current"``, or ``"waiting"`` for what comes later.
    answer
        The run's answer at the end, else ``None``.
    """

    position: int
    total: int
    step: StepRecord | None
    states: dict[str, str]
    answer: Any = None


class Stepper:
    """Walks through a recorded run.

    Parameters
    ----------
    run
        The record.

    Examples
    --------
    >>> from graphkit import new_flow
    >>> graph = new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)").to(name="text", handler="(str(event))")
    >>> server = graph.to_mock_server()
    >>> _ = server.test(body=2)
    >>> stepper = Stepper(server.last_run)
    >>> stepper.forward().states
    {'double': 'current', 'text': 'waiting'}
    >>> stepper.forward().step.output, stepper.back().step.name
    ('4', 'double')
    """

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.position = -1

    def __len__(self) -> int:
        return len(self.run.steps)

    def go(self, position: int) -> Moment:
        """Go to a step by its place, from 0 on; what lies beyond the ends stays at the end."""
        self.position = max(-1, min(position, len(self.run.steps) - 1))
        return self.moment

    def forward(self) -> Moment:
        """Go to the next step."""
        return self.go(self.position + 1)

    def back(self) -> Moment:
        """Go to the step before."""
        return self.go(self.position - 1)

    @property
    def moment(self) -> Moment:
        """The run as it is at this point."""
        steps, at = self.run.steps, self.position
        states: dict[str, str] = {step.name: "waiting" for step in steps}
        for step in steps[: at + 1]:
            if states[step.name] != "failed":
                states[step.name] = "failed" if step.error else "done"
        current = steps[at] if at >= 0 else None
        if current is not None and not current.error:
            states[current.name] = "current"
        is_last = at == len(steps) - 1
        return Moment(at, len(steps), current, states, self.run.answer if is_last else None)

    def __repr__(self) -> str:
        return f"Stepper(at {self.position + 1} of {len(self)})"
