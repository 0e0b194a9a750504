"""Runs in the background: the caller goes on, waits, or cancels, whatever the step does; the server goes on serving."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphError, GraphServer, RunCancelled, StepError, new_flow

SOON_S = 20  # far more than anything here takes


def until(condition: Any) -> None:
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Gate:
    """A step that says when it has begun."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.open = threading.Event()

    def wait(self, body: Any) -> Any:
        self.begun.set()
        self.open.wait(SOON_S)
        return body

    def loop(self, body: Any) -> Any:
        self.begun.set()
        end = time.monotonic() + 3 * SOON_S
        while time.monotonic() < end:
            pass
        return body

    @property
    def loops(self) -> bool:
        """Whether a thread is in the loop; its ``finally`` is no sign, since Python 3.13.0 may pass it over."""
        return any(self._holds(frame) for frame in sys._current_frames().values())

    def _holds(self, frame: Any) -> bool:
        while frame is not None:
            if frame.f_code is Gate.loop.__code__ and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back
        return False

    async def sleep(self, body: Any) -> Any:
        self.begun.set()
        try:
            await asyncio.sleep(SOON_S)
        finally:
            self.ended.set()
        return body


@pytest.fixture
def gate() -> Any:
    made = Gate()
    yield made
    made.open.set()


def chain(graph: Any, middle: Any) -> GraphServer:
    graph.to(name="first", handler="(event)").to(name="middle", handler=middle).to(name="last", handler="(event)")
    server: GraphServer = graph.to_mock_server()
    return server


def test_the_caller_goes_on_and_gets_the_answer_later(graph: Any, gate: Gate) -> None:
    server = chain(graph, gate.wait)
    pending = server.submit(body=5)
    assert gate.begun.wait(SOON_S)
    assert (pending.done(), pending.status, pending.record, len(server.runs)) == (False, "running", None, 0)
    with pytest.raises(TimeoutError, match=r"has not ended within 0\.01 s"):
        pending.result(timeout_s=0.01)
    gate.open.set()
    assert pending.result(SOON_S) == 5
    assert (pending.done(), pending.status) == (True, "done")
    assert pending.record is server.last_run
    assert repr(pending) == "PendingRun(done)"


def test_a_run_takes_the_parameters_of_a_test(graph: Any) -> None:
    graph.to(name="see", handler=lambda e: [e.path, e.method, e.body, e.headers, e.id], full_event=True)
    server = graph.to_mock_server()
    pending = server.submit("/p", '{"x": 1}', "PUT", headers={"a": "b"}, event_id="mine", get_body=False)
    response = pending.result(SOON_S)
    assert response.body == '["/p","PUT",{"x":1},{"a":"b"},"mine"]'
    assert pending.id == "mine"
    with pytest.raises(TypeError, match="path is a text"):
        server.submit({"x": 1})


def test_a_run_that_fails_raises_as_a_test_does(graph: Any) -> None:
    server = chain(graph, lambda body: body["no"])
    pending = server.submit(body={})
    with pytest.raises(StepError, match="step 'middle' failed: KeyError") as caught:
        pending.result(SOON_S)
    assert isinstance(caught.value.__cause__, KeyError)
    assert (pending.status, pending.record.status, pending.cancel()) == ("failed", 500, False)
    assert server.submit(body={}, silent=True).result(SOON_S).status_code == 500


def test_names_are_looked_up_where_the_run_was_submitted() -> None:
    server = GraphServer(new_flow())
    server.graph.to(name="here", handler="helper_of_this_module")
    assert server.submit(body=1).result(SOON_S) == "helped 1"


def helper_of_this_module(body: Any) -> str:
    return f"helped {body}"


def test_many_runs_at_once(graph: Any) -> None:
    server = chain(graph, lambda body: body * 2)
    pending = [server.submit(body=number) for number in range(40)]
    assert [run.result(SOON_S) for run in pending] == [2 * number for number in range(40)]


# ---- cancelling ---------------------------------------------------------------------------------------------------


def check_cancelled(server: GraphServer, pending: Any, step: str) -> None:
    assert pending.cancel() is True
    assert (pending.done(), pending.status, pending.cancel()) == (True, "cancelled", False)
    with pytest.raises(RunCancelled, match=f"was cancelled in step '{step}'") as caught:
        pending.result(0)
    assert (caught.value.step, caught.value.status) == (step, 499)
    record = pending.record
    assert record is server.last_run
    assert (record.status, record.answer) == (499, f"cancelled in step '{step}'")
    assert record.steps[-1].error == "cancelled"
    assert record.steps[-1].duration_us >= 0


@pytest.mark.parametrize("kind", ["wait", "loop", "sleep"])
def test_a_step_that_hangs_is_cancelled_at_once_and_the_server_goes_on(graph: Any, gate: Gate, kind: str) -> None:
    calls: list[Any] = []

    def middle(body: Any) -> Any:
        calls.append(body)
        return getattr(gate, kind)(body) if body == "hang" else body

    async def async_middle(body: Any) -> Any:
        calls.append(body)
        return await gate.sleep(body) if body == "hang" else body

    server = chain(graph, async_middle if kind == "sleep" else middle)
    assert server.test(body=1) == 1
    pending = server.submit(body="hang")
    assert gate.begun.wait(SOON_S)
    begun = time.monotonic()
    check_cancelled(server, pending, "middle")
    assert time.monotonic() - begun < SOON_S / 2
    assert [step.name for step in pending.record.steps] == ["first", "middle"]
    assert server.test(body=2) == 2
    if kind == "sleep":
        assert gate.ended.wait(SOON_S)  # the step itself was ended
    until(lambda: not gate.loops)
    until(lambda: not pending._thread.is_alive() or kind == "wait")
    assert calls == [1, "hang", 2]
    assert server.runs[-2] is pending.record


def test_the_next_step_of_a_cancelled_run_does_not_begin(graph: Any, gate: Gate) -> None:
    seen: list[Any] = []
    graph.to(name="first", handler=gate.wait).to(name="next", handler=seen.append)
    server = graph.to_mock_server()
    pending = server.submit(body=1)
    assert gate.begun.wait(SOON_S)
    pending.cancel()
    gate.open.set()
    until(lambda: not pending._thread.is_alive())
    assert seen == []
    assert len(server.runs) == 1


def test_neither_error_handlers_nor_steps_see_a_cancellation(graph: Any, gate: Gate) -> None:
    seen: list[Any] = []

    def careful(body: Any) -> Any:
        try:
            return gate.loop(body)
        except Exception as exc:
            seen.append(exc)

    graph.to(name="careful", handler=careful).error_handler("catch", handler=seen.append)
    server = graph.to_mock_server()
    pending = server.submit(body=1)
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, pending, "careful")
    until(lambda: not pending._thread.is_alive())
    assert seen == []


def test_a_blocking_step_on_the_loop_does_not_stop_the_server() -> None:
    gate = Gate()

    async def blocks(body: Any) -> Any:
        return gate.wait(body) if body == "hang" else body  # it should have awaited

    server = chain(new_flow(), blocks)
    assert server.test(body=1) == 1
    loop = server._binding._loop._loop
    pending = server.submit(body="hang")
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, pending, "middle")
    until(lambda: server._binding._loop._loop is not loop)
    assert server.test(body=2) == 2
    assert server.run(Event(3), get_body=True) == 3
    gate.open.set()
    until(loop.is_closed)
    server.wait_for_completion()


def test_a_looping_step_on_the_loop_is_ended_and_the_loop_lives() -> None:
    gate = Gate()

    async def loops(body: Any) -> Any:
        return gate.loop(body) if body == "hang" else body

    server = chain(new_flow(), loops)
    assert server.test(body=1) == 1
    loop = server._binding._loop._loop
    pending = server.submit(body="hang")
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, pending, "middle")
    until(lambda: not gate.loops)
    assert server.test(body=2) == 2
    assert server._binding._loop._loop is loop


def test_another_run_on_the_same_loop_is_not_disturbed(gate: Gate) -> None:
    async def middle(body: Any) -> Any:
        if body == "hang":
            return await gate.sleep(body)
        await asyncio.sleep(0.05)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        return body

    server = chain(new_flow(), middle)
    hanging = server.submit(body="hang")
    assert gate.begun.wait(SOON_S)
    other = server.submit(body="other")
    check_cancelled(server, hanging, "middle")
    assert other.result(SOON_S) == "other"


def test_side_by_side_branches_are_cancelled_together(gate: Gate) -> None:
    graph = new_flow()
    second = Gate()
    graph.to(name="a", handler=gate.sleep)
    graph.to(name="b", handler=second.sleep)
    graph.add_step("Merge", name="join", after=["a", "b"])
    server = graph.to_mock_server()
    pending = server.submit(body={})
    assert gate.begun.wait(SOON_S)
    assert second.begun.wait(SOON_S)
    assert pending.cancel()
    assert gate.ended.wait(SOON_S)
    assert second.ended.wait(SOON_S)
    assert [step.error for step in pending.record.steps] == ["cancelled", "cancelled"]


def test_a_route_in_a_thread_of_the_pool_is_ended(graph: Any, gate: Gate) -> None:
    class Listener:
        def step_ended(self, server: Any, run_id: str, record: Any) -> None:
            ended.append(record.name)

    ended: list[str] = []
    router = graph.to("*ParallelRun", "all", executor_type="thread")
    router.add_route("quick", handler="({'quick': 1})")
    router.add_route("slow", handler=gate.loop)
    server = graph.to_mock_server()
    listener = Listener()  # it is held weakly
    graph.watch.add(listener)
    pending = server.submit(body={})
    assert gate.begun.wait(SOON_S)
    until(lambda: ended)  # else the run may be cancelled in the quick one
    assert pending.cancel()
    assert pending.record.answer == "cancelled in step 'all/slow'"
    until(lambda: not gate.loops)
    until(lambda: not pending._thread.is_alive())


def test_a_step_in_a_nested_flow_is_named(graph: Any, gate: Gate) -> None:
    graph.to(FlowStep("inner")).to(name="deep", handler=gate.loop)
    server = graph.to_mock_server()
    pending = server.submit(body=1)
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, pending, "inner/deep")
    assert [step.error for step in pending.record.steps] == ["cancelled", "cancelled"]


def test_a_constructor_that_hangs_does_not_stop_the_server() -> None:
    gate = Gate()

    class Slow:
        def __init__(self) -> None:
            if not gate.begun.is_set():
                gate.wait(None)

        def do(self, body: Any) -> Any:
            return body

    graph = new_flow()
    graph.to(Slow)
    server = graph.to_mock_server()
    pending = server.submit(body=1)
    assert gate.begun.wait(SOON_S)
    before = server._lock
    assert pending.cancel()
    assert pending.record.answer == "cancelled before the first step"
    until(lambda: server._lock is not before)
    assert server.test(body=2) == 2
    gate.open.set()
    until(lambda: not pending._thread.is_alive())
    assert server.test(body=3) == 3


def test_listeners_are_told_of_a_cancelled_run_once(graph: Any, gate: Gate) -> None:
    class Listener:
        def __init__(self) -> None:
            self.told: list[Any] = []

        def step_ended(self, server: Any, run_id: str, record: Any) -> None:
            self.told.append((record.name, record.error))

        def run_ended(self, server: Any, record: Any) -> None:
            self.told.append(record.status)

    listener = Listener()
    server = chain(graph, gate.wait)
    graph.watch.add(listener)
    pending = server.submit(body=1)
    assert gate.begun.wait(SOON_S)
    pending.cancel()
    gate.open.set()
    until(lambda: not pending._thread.is_alive())
    assert listener.told == [("first", None), ("middle", "cancelled"), 499]


# ---- replays in the background ------------------------------------------------------------------------------------


def test_a_replay_in_the_background(graph: Any, gate: Gate) -> None:
    server = chain(graph, gate.wait)
    gate.open.set()
    server.test(body=1)
    pending = server.submit_replay(start="last")
    assert pending.result(SOON_S) == 1
    assert (pending.record.start, pending.record.replay_of) == ("last", server.runs[0].id)
    with pytest.raises(GraphError, match="no step 'nowhere'"):
        server.submit_replay(start="nowhere")


def test_a_replay_can_be_cancelled_and_a_cancelled_run_replayed(graph: Any, gate: Gate) -> None:
    server = chain(graph, gate.wait)
    first = server.submit(body=7)
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, first, "middle")
    gate.begun.clear()
    again = server.submit_replay(first.record, "middle")
    assert gate.begun.wait(SOON_S)
    check_cancelled(server, again, "middle")
    gate.open.set()
    assert server.replay(again.record, "middle").answer == 7
