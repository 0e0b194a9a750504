import asyncio
import random
import threading
from types import SimpleNamespace

import pytest

from graphkit.core.context import GraphContext
from graphkit.core.emit import NOTHING
from graphkit.core.errors import BadRequest, GraphError, StepError
from graphkit.core.event import Event
from graphkit.steps.merge import Merge
from graphkit.streams.memory import MemoryStream


class Collect(Merge):
    def merge(self, events):
        return list(events)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def part(body, event_id="1", order=0):
    event = Event(body, event_id=event_id)
    event._order = (0, order)
    return event


@pytest.fixture
def errors():
    return MemoryStream("memory://errors")


@pytest.fixture
def context(errors):
    return GraphContext("error", server=SimpleNamespace(verbose=False, _error_stream_object=errors))


def test_parts_of_one_event_become_one_body_when_the_last_one_comes():
    step = Merge(expected_num_events=3)
    assert step.do_event(part({"a": 1})) is NOTHING
    assert step.do_event(part({"b": 2})) is NOTHING
    assert step.pending == 2
    assert step.do_event(part({"c": 3})) == {"a": 1, "b": 2, "c": 3}
    assert step.pending == 0


def test_parts_of_different_events_are_kept_apart():
    step = Merge(expected_num_events=2)
    step.do_event(part({"a": 1}, "1"))
    step.do_event(part({"a": 2}, "2"))
    assert step.do_event(part({"b": 2}, "2")) == {"a": 2, "b": 2}
    assert step.do_event(part({"b": 1}, "1")) == {"a": 1, "b": 1}


def test_an_id_can_come_again_after_its_join_is_complete():
    step = Merge(expected_num_events=2)
    for _ in range(3):
        step.do_event(part({"a": 1}))
        assert step.do_event(part({"b": 2})) == {"a": 1, "b": 2}


def test_the_order_of_the_branches_counts_not_that_of_arrival():
    parts = [part({"x": i, i: i}, order=i) for i in range(5)]
    random.Random(1).shuffle(parts)
    step = Merge(expected_num_events=5)
    merged = [step.do_event(p) for p in parts][-1]
    assert merged["x"] == 4
    assert list(merged) == ["x", 0, 1, 2, 3, 4]


def test_parts_without_an_order_keep_that_of_arrival():
    step = Collect(expected_num_events=3)
    assert [step.do_event(Event(i, event_id="1")) for i in (2, 0, 1)][-1] == [2, 0, 1]


def test_merging_leaves_the_bodies_as_they_were():
    step, a, b = Merge(expected_num_events=2), {"a": 1}, {"a": 2}
    step.do_event(part(a))
    assert step.do_event(part(b)) == {"a": 2}
    assert (a, b) == ({"a": 1}, {"a": 2})


def test_bodies_that_are_no_dicts_need_an_override_and_the_error_says_so():
    step = Merge(expected_num_events=2, name="join")
    step.do_event(part({"a": 1}))
    with pytest.raises(StepError, match=r"a part is of type int; override merge\(events\)"):
        step.do_event(part(2))
    step.do_event(part({"a": 1}))  # the failed join is over
    assert step.do_event(part({"b": 1})) == {"a": 1, "b": 1}


def test_merge_can_be_overridden():
    step = Collect(expected_num_events=2)
    step.do_event(part(1, order=0))
    assert step.do_event(part(2, order=1)) == [1, 2]


def test_merge_may_be_async():
    class Slow(Merge):
        async def merge(self, events):
            return sum(events)

    async def run():
        step = Slow(expected_num_events=2)
        step.do_event(part(1))
        return await step.do_event(part(2))

    assert asyncio.run(run()) == 3


def test_with_full_event_merge_gets_events_and_may_return_one():
    class First(Merge):
        def merge(self, events):
            first = events[0]
            first.body = [event.body for event in events]
            return first

    step, first = First(full_event=True, expected_num_events=2), part(1, order=0)
    step.do_event(part(2, order=1))
    emitted = step.do_event(first)
    assert emitted.items == (first,)
    assert first.body == [1, 2]


def test_with_full_event_the_default_merges_the_bodies():
    step = Merge(expected_num_events=2, graph_step=SimpleNamespace(full_event=True, after=["a", "b"]))
    step.do_event(part({"a": 1}))
    assert step.do_event(part({"b": 2})) == {"a": 1, "b": 2}


def test_the_number_of_parts_is_that_of_the_steps_before():
    step = Collect(graph_step=SimpleNamespace(after=["a", "b", "c"]))
    assert [step.do_event(part(i)) is NOTHING for i in range(2)] == [True, True]
    assert len(step.do_event(part(2))) == 3


def test_one_step_before_means_that_every_event_goes_on():
    step = Collect(graph_step=SimpleNamespace(after=["a"]))
    assert step.do_event(part(1)) == [1]
    assert step.pending == 0


def test_a_merge_without_steps_before_needs_the_number():
    with pytest.raises(GraphError, match=r"^Merge has no step before it.*expected_num_events"):
        Merge(name="m", graph_step=SimpleNamespace(after=[]))
    with pytest.raises(GraphError, match=r"^Merge needs expected_num_events"):
        Merge(name="m").do_event(part(1))


@pytest.mark.parametrize("key_path", ["doc.id", "event['doc']['id']", 'event["doc"]["id"]', "(event['doc']['id'])"])
def test_parts_can_be_joined_by_a_key_in_the_body(key_path):
    step = Merge(key_path=key_path, expected_num_events=2)
    assert step.do_event(part({"doc": {"id": 7}, "a": 1}, "1")) is NOTHING
    assert step.do_event(part({"doc": {"id": 8}, "a": 1}, "1")) is NOTHING
    assert step.do_event(part({"doc": {"id": 7}, "b": 2}, "2")) == {"doc": {"id": 7}, "a": 1, "b": 2}


@pytest.mark.parametrize("key_path", ["doc", "event.body['doc']"])
def test_with_full_event_the_key_is_found_too(key_path):
    step = Merge(key_path=key_path, expected_num_events=2, full_event=True)
    step.do_event(part({"doc": 7, "a": 1}, "1"))
    assert step.do_event(part({"doc": 7, "b": 2}, "2")) == {"doc": 7, "a": 1, "b": 2}


def test_the_join_key_can_be_overridden():
    class ByParity(Collect):
        def get_join_key(self, event):
            return event.body % 2

    step = ByParity(expected_num_events=2)
    assert [step.do_event(Event(i)) for i in (1, 2, 3)][-1] == [1, 3]


def test_an_overridden_join_key_may_ask_its_base():
    class ById(Collect):
        def get_join_key(self, event):
            return super().get_join_key(event), event.path

    step = ById(expected_num_events=2)
    step.do_event(part(1))
    assert step.do_event(part(2)) == [1, 2]


def test_a_missing_key_is_a_bad_request():
    with pytest.raises(BadRequest, match=r"'doc\.id'"):
        Merge(key_path="doc.id", expected_num_events=2).do_event(part({"doc": {}}))
    with pytest.raises(BadRequest, match="key_path"):
        Merge(key_path="event['doc']", expected_num_events=2).do_event(part({}))


def test_an_unusable_key_is_a_bad_request():
    with pytest.raises(BadRequest, match=r"a list cannot be a key"):
        Merge(key_path="k", expected_num_events=2, name="m").do_event(part({"k": [1]}))


def test_a_key_path_that_is_no_expression_is_refused_when_the_step_is_made():
    with pytest.raises(GraphError, match=r"^key_path"):
        Merge(key_path="event[", name="m")
    with pytest.raises(GraphError, match="private"):
        Merge(key_path="event.__class__")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_behind": 0}, "max_behind must be a whole number from 1 on"),
        ({"expected_num_events": 0}, "expected_num_events must be a whole number from 1 on"),
        ({"timeout_s": -1}, "timeout_s must be a number of seconds above 0"),
        ({"expected": 2}, r"takes no argument 'expected'; it takes 'expected_num_events', 'full_event'"),
        ({"key_path": 5}, r"key_path is a text such as 'doc\.id', not 5"),
        ({"max_behnd": 5}, r"takes no argument 'max_behnd', did you mean 'max_behind'\?"),
    ],
)
def test_bad_arguments_are_refused_when_the_step_is_made(arguments, told):
    with pytest.raises(GraphError, match=f"^Merge.*{told}"):
        Merge(name="m", **arguments)


def test_the_oldest_join_is_evicted_counted_and_told_when_too_many_wait(context, errors):
    step = Merge(expected_num_events=3, max_behind=2, context=context, name="join")
    step.do_event(part({"a": 1}, "1"))
    step.do_event(part({"b": 1}, "1"))
    for event_id in "23":
        step.do_event(part({"a": 1}, event_id))
    assert (step.evicted, step.pending) == (1, 2)
    (record,) = errors.read()
    assert record["source"] == "join"
    assert record["event"] == {"id": "1", "body": {"a": 1}}
    assert "the join '1' was given up with 2 of 3 parts, since 2 newer ones wait" in record["message"]


def test_64_joins_may_wait_by_default():
    step = Merge(expected_num_events=2)
    for i in range(64):
        step.do_event(part({}, str(i)))
    assert step.evicted == 0
    step.do_event(part({}, "64"))
    assert step.evicted == 1


def test_late_parts_of_an_evicted_join_are_counted_and_dropped():
    step = Merge(expected_num_events=3, max_behind=1)
    step.do_event(part({"a": 1}, "1"))
    step.do_event(part({"a": 1}, "2"))
    assert step.do_event(part({"b": 1}, "1")) is NOTHING
    assert step.do_event(part({"c": 1}, "1")) is NOTHING
    assert (step.late, step.pending, step.evicted) == (2, 1, 1)
    # all three parts have come and gone: the id is free again
    step.flush()
    assert [step.do_event(part({key: 1}, "1")) for key in "abc"][-1] == {"a": 1, "b": 1, "c": 1}
    assert step.late == 2


def test_what_is_remembered_of_evicted_joins_is_bounded():
    step = Merge(expected_num_events=2, max_behind=1)
    for i in range(5000):
        step.do_event(part({}, str(i)))
    assert step.evicted == 4999
    assert len(step._gone) == 1024


def test_joins_are_evicted_when_their_time_is_over(context, errors):
    clock = Clock()
    step = Merge(expected_num_events=2, timeout_s=5, context=context, clock=clock)
    step.do_event(part({"a": 1}, "1"))
    clock.now += 3
    step.do_event(part({"a": 1}, "2"))
    clock.now += 2
    assert step.flush(expired_only=True) is NOTHING
    assert (step.evicted, step.pending) == (1, 1)
    assert "since 5.0 s are over" in errors.read()[0]["message"]
    assert step.do_event(part({"b": 1}, "2")) == {"a": 1, "b": 1}
    clock.now += 100
    step.flush(expired_only=True)
    assert step.evicted == 1


def test_without_a_timeout_nothing_expires():
    clock = Clock()
    step = Merge(expected_num_events=2, clock=clock)
    step.do_event(part({}))
    clock.now += 1e9
    step.flush(expired_only=True)
    assert (step.timeout_s, step.evicted, step.pending) == (None, 0, 1)


def test_draining_gives_up_all_joins_and_tells(context, errors):
    step = Merge(expected_num_events=2, context=context)
    for i in range(3):
        step.do_event(part({}, str(i)))
    assert step.flush().items == ()
    assert (step.evicted, step.pending) == (3, 0)
    assert all("the graph was drained" in record["message"] for record in errors.read())
    assert len(errors) == 3


def test_threads_complete_every_join_exactly_once():
    parts, ids = 4, [str(i) for i in range(500)]
    step = Collect(expected_num_events=parts, max_behind=len(ids))
    done, lock = [], threading.Lock()

    def work(branch):
        order = ids.copy()
        random.Random(branch).shuffle(order)
        for event_id in order:
            result = step.do_event(part((event_id, branch), event_id, branch))
            if result is not NOTHING:
                with lock:
                    done.append(result)

    threads = [threading.Thread(target=work, args=(branch,)) for branch in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted([(i, branch) for branch in range(parts)] for i in ids)
    assert (step.pending, step.evicted, step.late) == (0, 0, 0)


def test_under_pressure_every_part_is_merged_evicted_or_late():
    step = Collect(expected_num_events=2, max_behind=5)
    merged, lock = [], threading.Lock()

    def work(branch):
        for i in range(2000):
            result = step.do_event(part(i, str(i), branch))
            if result is not NOTHING:
                with lock:
                    merged.append(result)

    threads = [threading.Thread(target=work, args=(branch,)) for branch in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    step.flush()
    assert all(len(parts) == 2 for parts in merged)
    assert 2 * len(merged) + step.evicted + step.late == 4000
    assert step.pending == 0
