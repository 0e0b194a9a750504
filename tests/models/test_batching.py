"""The collector of concurrent requests: what shares a call, who gets which answer, and when its thread lives."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from graphkit import GraphError, StepError
from graphkit.models import batching
from graphkit.models.batching import Batcher, batcher_of

FOREVER_MS = 60_000


class Twice:
    """Doubles numbers, and keeps what it was asked."""

    def __init__(self):
        self.calls = []
        self.threads = set()

    def __call__(self, request):
        self.calls.append(request)
        self.threads.add(threading.current_thread())
        if "bad" in request["inputs"]:
            raise ValueError("a bad row")
        return [2 * x for x in request["inputs"]]


@pytest.fixture
def make():
    """Return a function that makes batchers, which are drained in the end."""
    made = []

    def new(predict, most_rows=8, delay_ms=FOREVER_MS, **options):
        made.append(Batcher("model 'm'", predict, most_rows, delay_ms, **options))
        return made[-1]

    yield new
    for batcher in made:
        batcher.drain()


def ask(batcher, *requests):
    """Ask for all requests at once; returns answers and exceptions."""

    async def all_of_them():
        return await asyncio.gather(*map(batcher.ask, requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def rows(*inputs):
    return [{"inputs": [x]} for x in inputs]


def test_concurrent_requests_share_a_call_and_each_gets_its_own_answer(make):
    twice = Twice()
    batcher = make(twice, most_rows=4)
    assert ask(batcher, {"inputs": [1], "id": "a"}, {"inputs": [2, 3]}, {"inputs": [4]}) == [[2], [4, 6], [8]]
    assert twice.calls == [{"inputs": [1, 2, 3, 4]}]
    assert (batcher.batches, batcher.requests, batcher.waiting) == (1, 3, 0)


def test_requests_whose_other_fields_differ_do_not_share_a_call(make):
    twice = Twice()
    requests = [{"inputs": [x], "top": x % 2} for x in range(4)]
    assert ask(make(twice, most_rows=2), *requests) == [[0], [2], [4], [6]]
    assert sorted((call["top"], call["inputs"]) for call in twice.calls) == [(0, [0, 2]), (1, [1, 3])]


def test_a_batch_has_no_more_inputs_than_it_may(make):
    twice = Twice()
    assert ask(make(twice, most_rows=3), *rows(*range(9))) == [[2 * x] for x in range(9)]
    assert [len(call["inputs"]) for call in twice.calls] == [3, 3, 3]
    wide = Twice()
    requests = ({"inputs": [1, 2]}, {"inputs": [3, 4]}, {"inputs": [5, 6, 7, 8]}, {"inputs": [9]})
    assert ask(make(wide, most_rows=3), *requests) == [[2, 4], [6, 8], [10, 12, 14, 16], [18]]
    assert sorted(call["inputs"] for call in wide.calls) == [[1, 2], [3, 4, 9], [5, 6, 7, 8]]


def test_a_request_waits_no_longer_than_it_may(make):
    assert ask(make(Twice(), delay_ms=1), *rows(1)) == [[2]]
    assert ask(make(Twice(), delay_ms=0), *rows(1)) == [[2]]


def test_what_comes_while_the_model_is_busy_shares_the_next_call(make):
    entered, go_on = threading.Event(), threading.Event()
    calls = []

    def slow(request):
        calls.append(request["inputs"])
        entered.set()
        assert go_on.wait(30)
        return request["inputs"]

    batcher = make(slow, delay_ms=0)

    async def scene():
        first = asyncio.create_task(batcher.ask({"inputs": [0]}))
        await asyncio.to_thread(entered.wait, 30)
        others = [asyncio.create_task(batcher.ask(request)) for request in rows(1, 2, 3)]
        while batcher.waiting < 3:
            await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(scene()) == [[0], [1], [2], [3]]
    assert calls == [[0], [1, 2, 3]]


def test_the_loop_goes_on_while_the_model_works(make):
    ticks = []

    def slow(request):
        while len(ticks) < 3:
            time.sleep(0.001)
        return request["inputs"]

    async def scene():
        waiting = asyncio.create_task(make(slow, delay_ms=0).ask({"inputs": [1]}))
        while not waiting.done():
            ticks.append(1)
            await asyncio.sleep(0.001)
        return await waiting

    assert asyncio.run(scene()) == [1]


def test_only_the_request_at_fault_fails(make):
    warnings = []
    twice = Twice()
    one, bad, other = ask(make(twice, most_rows=3, warn=warnings.append), *rows(1, "bad", 3))
    assert (one, other) == ([2], [6])
    assert isinstance(bad, ValueError)
    assert [call["inputs"] for call in twice.calls] == [[1, "bad", 3], [1], ["bad"], [3]]
    assert len(warnings) == 1
    assert "model 'm'" in warnings[0]
    assert "a bad row" in warnings[0]


def test_predictions_of_the_wrong_number_are_an_error_of_whom_they_concern(make):
    def without_negatives(request):
        return [x for x in request["inputs"] if x >= 0]

    good, bad = ask(make(without_negatives, most_rows=3), {"inputs": [1, 2]}, {"inputs": [-1]})
    assert good == [1, 2]
    assert isinstance(bad, StepError)
    assert "model 'm': predict answered with 0 predictions for 1 inputs" in str(bad)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration("end")])
def test_what_would_end_the_thread_ends_only_the_request(make, error):
    def fails(request):
        if request["inputs"] == ["ok"]:
            return ["ok"]
        raise error

    batcher = make(fails, most_rows=2)
    ok, failed = ask(batcher, *rows("ok", "bad"))
    assert ok == ["ok"]
    assert isinstance(failed, RuntimeError)
    assert type(error).__name__ in str(failed)
    assert ask(batcher, *rows("ok"), *rows("ok"))[0] == ["ok"]


def test_more_requests_than_may_wait_are_refused(make):
    batcher = make(Twice(), most_waiting=2)

    async def scene():
        waiting = [asyncio.create_task(batcher.ask(request)) for request in rows(1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(StepError, match="model 'm' is busy: 2 requests wait for it") as caught:
            await batcher.ask({"inputs": [3]})
        assert caught.value.status == 429
        await asyncio.to_thread(batcher.drain)
        return await asyncio.gather(*waiting)

    assert asyncio.run(scene()) == [[2], [4]]
    assert batcher.waiting == 0


def test_a_request_that_was_given_up_is_not_asked_for(make):
    twice = Twice()
    batcher = make(twice, most_rows=3)

    async def scene():
        gone, *others = [asyncio.create_task(batcher.ask(request)) for request in rows(1, 2, 3)[:2]]
        await asyncio.sleep(0)
        gone.cancel()
        others.append(asyncio.create_task(batcher.ask({"inputs": [3]})))
        return await asyncio.gather(*others)

    assert asyncio.run(scene()) == [[4], [6]]
    assert twice.calls == [{"inputs": [2, 3]}]


def test_an_async_predict_is_awaited_on_the_loop_of_the_requests(make):
    loops = []

    async def predict(request):
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return request["inputs"]

    async def scene():
        answers = await asyncio.gather(*map(make(predict, most_rows=2).ask, rows(1, 2)))
        return answers, asyncio.get_running_loop()

    answers, loop = asyncio.run(scene())
    assert answers == [[1], [2]]
    assert loops == [loop]


def test_requests_of_several_loops_share_a_call(make):
    twice = Twice()
    batcher = make(twice, most_rows=3)
    answers = {}

    def client(x):
        answers[x] = ask(batcher, {"inputs": [x]})

    clients = [threading.Thread(target=client, args=(x,)) for x in range(3)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert answers == {0: [[0]], 1: [[2]], 2: [[4]]}
    assert len(twice.calls) == 1


def test_a_request_alone_is_asked_in_its_own_context(make):
    who = contextvars.ContextVar("who", default="nobody")
    seen = []

    def predict(request):
        seen.append(who.get())
        return request["inputs"]

    async def scene(batcher, *names):
        async def one(name):
            who.set(name)
            await batcher.ask({"inputs": [name]})

        await asyncio.gather(*map(asyncio.create_task, map(one, names)))

    asyncio.run(scene(make(predict, delay_ms=0), "a"))
    asyncio.run(scene(make(predict, most_rows=2), "b", "c"))
    assert seen == ["a", "nobody"]


def test_no_thread_runs_before_the_first_request_nor_after_draining(make):
    before = threading.active_count()
    twice = Twice()
    batcher = make(twice, delay_ms=0)
    assert threading.active_count() == before
    assert ask(batcher, *rows(1)) == [[2]]
    (thread,) = twice.threads
    batcher.drain()
    assert not thread.is_alive()
    assert ask(batcher, *rows(2)) == [[4]]
    batcher.drain()
    assert threading.active_count() == before


def test_the_thread_ends_by_itself_when_nothing_comes(make, monkeypatch):
    monkeypatch.setattr(batching, "IDLE_S", 0.01)
    twice = Twice()
    batcher = make(twice, delay_ms=0)
    assert ask(batcher, *rows(1)) == [[2]]
    (thread,) = twice.threads
    thread.join(30)
    assert not thread.is_alive()
    assert ask(batcher, *rows(2)) == [[4]]


def test_draining_asks_for_what_waits_at_once(make):
    batcher = make(Twice())

    async def scene(drain):
        waiting = asyncio.create_task(batcher.ask({"inputs": [1]}))
        await asyncio.sleep(0)
        await drain()
        return await waiting

    async def elsewhere():
        await asyncio.to_thread(batcher.drain)
        assert batcher.waiting == 0

    async def on_the_loop_that_waits():
        batcher.drain()

    assert asyncio.run(scene(elsewhere)) == [2]
    assert asyncio.run(scene(on_the_loop_that_waits)) == [2]


def test_a_model_may_drain_its_own_requests(make):
    def predict(request):
        batcher.drain()
        return request["inputs"]

    batcher = make(predict, delay_ms=0)
    assert ask(batcher, *rows(1)) == [[1]]


def test_arguments_that_are_wrong_are_named_together():
    with pytest.raises(GraphError, match=r"model 'm': max_batch_size .* not 0; max_delay_ms .* 'x'; max_waiting .* 0"):
        batcher_of({"max_batch_size": 0, "max_delay_ms": "x", "max_waiting": 0}, "model 'm'", Twice(), print)
    with pytest.raises(GraphError, match="max_delay_ms: only with max_batch_size requests wait"):
        batcher_of({"max_delay_ms": 5}, "model 'm'", Twice(), print)
    assert batcher_of({"max_batch_size": 1, "max_delay_ms": 5}, "model 'm'", Twice(), print) is None
    assert batcher_of({"max_batch_size": None}, "model 'm'", Twice(), print) is None
