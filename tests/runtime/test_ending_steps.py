"""A step that would end the process, or its task, fails like any other; the server goes on serving."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from graphkit import Event, GraphServer, RunCancelled, StepError, V2ModelServer, VotingEnsemble, new_flow, new_router

TASKS_TELL = sys.version_info >= (3, 11)


def leave(body: Any) -> Any:
    if body == 0:
        sys.exit("usage")
    return body


async def leave_later(body: Any) -> Any:
    await asyncio.sleep(0)
    return leave(body)


async def leave_in_a_task(body: Any) -> Any:
    (answer,) = await asyncio.gather(leave_later(body))
    return answer


async def cancel_a_task(body: Any) -> Any:
    if body == 0:
        task = asyncio.create_task(asyncio.sleep(20))
        await asyncio.sleep(0)
        task.cancel()
        await task
    return body


def mock(graph: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals())
    return server


def check_fails(ask: Any, server: GraphServer, told: str) -> None:
    for _ in range(2):
        with pytest.raises(StepError, match=rf"^step '{told}") as caught:
            ask(server, 0)
        assert caught.value.status == 500
        assert ask(server, 1) == 1


@pytest.mark.parametrize("handler", [leave, leave_later])
def test_a_step_that_exits_fails(new_graph: Any, ask: Any, handler: Any) -> None:
    graph = new_graph()
    graph.to(handler, name="bad")
    check_fails(ask, mock(graph), "bad' failed: SystemExit: usage")


@pytest.mark.parametrize("handler", [leave, leave_later])
def test_so_does_one_of_several_branches(new_graph: Any, ask: Any, handler: Any) -> None:
    graph = new_graph()
    graph.to(handler, name="bad").respond()
    graph.to(cancel_a_task, name="other")
    server = mock(graph)
    for body in (0, 1):
        if body == 0:
            with pytest.raises(StepError, match=r"^step 'bad' failed: SystemExit: usage"):
                ask(server, body)
        else:
            assert ask(server, body) == 1


@pytest.mark.parametrize("handler", [leave, leave_later])
def test_error_handlers_take_it(new_graph: Any, ask: Any, handler: Any) -> None:
    graph = new_graph()
    graph.to(handler, name="bad").error_handler("catch", handler=lambda event: event.error, full_event=True)
    assert ask(mock(graph), 0) == {"bad": "SystemExit: usage"}


def test_the_loop_survives_a_task_of_a_step_that_exits() -> None:
    graph = new_flow()
    graph.to(leave_in_a_task, name="bad")
    server = mock(graph)
    for _ in range(2):
        with pytest.raises(StepError, match=r"^step 'bad' failed: SystemExit: usage"):
            server.test(body=0)
        assert server.test(body=1) == 1


@pytest.mark.parametrize("what", [SystemExit("usage"), ValueError("usage"), asyncio.CancelledError("usage")])
def test_a_step_that_ends_between_chunks_fails_where_they_are_collected(what: BaseException) -> None:
    def chunks(body: Any) -> Any:
        yield 1
        raise what

    graph = new_flow()
    graph.to(chunks, name="bad")
    server = mock(graph)
    server.init()
    answers = [server.run(Event(1)), server.test(body=1, get_body=False, silent=True)]
    if TASKS_TELL or not isinstance(what, asyncio.CancelledError):
        answers.append(asyncio.run(server.run_async(Event(1))))
    for answer in answers:
        told = f"the answer broke off: {type(what).__name__}: usage"
        assert (answer.status_code, answer.body) == (500, told)


def test_an_interrupt_that_a_step_raises_reaches_the_caller_and_the_loop_survives() -> None:
    async def interrupt(body: Any) -> Any:
        await asyncio.sleep(0)
        if body == 0:
            raise KeyboardInterrupt
        return body

    graph = new_flow()
    graph.to(interrupt, name="a").respond()
    graph.to(interrupt, name="b")
    server = mock(graph)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            server.test(body=0)
        assert server.test(body=1) == 1


def test_others_on_the_loop_are_not_disturbed() -> None:
    begun, gate = threading.Event(), threading.Event()

    async def step(body: Any) -> Any:
        if body == 0:
            return await leave_in_a_task(0)
        begun.set()
        while not gate.is_set():
            await asyncio.sleep(0.002)
        return body

    graph = new_flow()
    graph.to(step, name="step")
    server = mock(graph)
    waiting = server.submit(body=5)
    assert begun.wait(20)
    with pytest.raises(StepError, match="SystemExit"):
        server.test(body=0)
    gate.set()
    assert waiting.result(20) == 5


@pytest.mark.skipif(not TASKS_TELL, reason="before Python 3.11 a task does not tell whether it is being cancelled")
def test_a_step_whose_own_task_was_cancelled_fails(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(cancel_a_task, name="bad")
    check_fails(ask, mock(graph), "bad' failed: CancelledError")


@pytest.mark.skipif(not TASKS_TELL, reason="before Python 3.11 a task does not tell whether it is being cancelled")
def test_its_handler_takes_that_and_a_cancelled_request_has_none(new_graph: Any, ask: Any) -> None:
    seen: list[Any] = []
    begun = threading.Event()

    async def hang(body: Any) -> Any:
        begun.set()
        await asyncio.sleep(20)

    async def either(body: Any) -> Any:
        return await (cancel_a_task(body) if body == 0 else hang(body))

    graph = new_graph()
    graph.to(either, name="bad").error_handler("catch", handler=seen.append)
    server = mock(graph)
    ask(server, 0)
    assert seen == [0]
    run = server.submit(body=1)
    assert begun.wait(20)
    run.cancel()
    with pytest.raises(RunCancelled):
        run.result(20)

    async def cancelled() -> None:
        begun.clear()
        task = asyncio.create_task(server.run_async(Event(1)))
        while not begun.is_set():
            await asyncio.sleep(0.002)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert seen == [0]


class Exits(V2ModelServer):
    def load(self) -> None:
        pass

    def predict(self, request: dict[str, Any]) -> list[Any]:
        leave(request["inputs"][0])
        return list(request["inputs"])


class ExitsLater(Exits):
    async def predict(self, request: dict[str, Any]) -> list[Any]:  # type: ignore[override]  # a model may be async
        await asyncio.sleep(0)
        return super().predict(request)


@pytest.mark.parametrize("model", [Exits, ExitsLater])
def test_a_model_that_exits_fails_and_is_named(ask: Any, model: Any) -> None:
    router = new_router()
    router.add_route("bad", class_name=model)
    server = mock(router)
    with pytest.raises(StepError, match=r"'(router/)?bad' failed: SystemExit: usage"):
        ask(server, {"inputs": [0]}, path="/v2/models/bad/infer")
    assert ask(server, {"inputs": [1]}, path="/v2/models/bad/infer")["outputs"] == [1]


@pytest.mark.parametrize("executor_type", ["thread", "array"])
def test_an_ensemble_whose_model_exits_fails(ask: Any, executor_type: str) -> None:
    router = new_router(VotingEnsemble, executor_type=executor_type, vote_type="classification")
    router.add_route("good", class_name=Exits)
    router.add_route("bad", class_name=Exits)
    server = mock(router)
    with pytest.raises(StepError, match=r"SystemExit: usage"):
        ask(server, {"inputs": [0]}, path="/v2/models/infer")
    assert ask(server, {"inputs": [1]}, path="/v2/models/infer")["outputs"] == [1]


def test_a_model_whose_load_exits_is_not_ready_and_says_why(ask: Any) -> None:
    class ExitsAtLoad(Exits):
        def load(self) -> None:
            sys.exit("no licence")

    router = new_router()
    router.add_route("bad", class_name=ExitsAtLoad)
    with pytest.raises(StepError, match="SystemExit: no licence") as caught:
        ask(mock(router), {"inputs": [1]}, path="/v2/models/bad/infer")
    assert caught.value.status == 503
