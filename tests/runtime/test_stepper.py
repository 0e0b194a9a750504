"""A recorded run, step by step, forward and back."""

from __future__ import annotations

from typing import Any

from graphkit import Stepper, new_flow


def stepper_of(*handlers: Any) -> Stepper:
    graph = new_flow()
    step = graph
    for name, handler in zip("abc", handlers, strict=False):
        step = step.to(name=name, handler=handler)
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    assert server.last_run is not None
    return Stepper(server.last_run)


def test_forward_and_back_show_what_was_known_then() -> None:
    stepper = stepper_of("(event + 1)", "(event * 2)", "(str(event))")
    assert (stepper.moment.step, stepper.moment.states) == (None, dict.fromkeys("abc", "waiting"))
    first = stepper.forward()
    assert (first.position, first.total, first.step.name, first.answer) == (0, 3, "a", None)
    assert first.states == {"a": "current", "b": "waiting", "c": "waiting"}
    assert stepper.forward().states == {"a": "done", "b": "current", "c": "waiting"}
    last = stepper.forward()
    assert (last.states["c"], last.answer) == ("current", "4")
    assert stepper.back().step.name == "b"
    assert repr(stepper) == "Stepper(at 2 of 3)"


def test_the_ends_are_not_left() -> None:
    stepper = stepper_of("(event)")
    assert stepper.back().position == -1
    assert stepper.go(99).position == 0
    assert stepper.go(-99).position == -1
    assert len(stepper) == 1


def test_a_failed_step_is_failed_also_while_it_is_shown() -> None:
    stepper = stepper_of("(event)", "(event['x'])", "(event)")
    assert stepper.go(1).states == {"a": "done", "b": "failed"}


def test_a_run_without_steps() -> None:
    stepper = stepper_of("no_such_name")
    moment = stepper.forward()
    assert (moment.position, moment.total, moment.states) == (-1, 0, {})
