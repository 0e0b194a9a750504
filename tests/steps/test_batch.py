import threading

import pytest

from graphkit.core.errors import BadRequest, GraphError
from graphkit.core.event import Event
from graphkit.steps.batch import Batch


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def feed(step, *bodies):
    """Return the batches that bodies give rise to."""
    return [item.body for body in bodies for item in step.do_event(Event(body)).items]


def flushed(step, **kwargs):
    return [item.body for item in step.flush(**kwargs).items]


def test_a_batch_goes_on_when_it_is_full():
    assert feed(Batch(max_events=3), *range(7)) == [[0, 1, 2], [3, 4, 5]]


def test_what_is_left_goes_on_when_the_graph_is_drained():
    step = Batch(max_events=3)
    feed(step, 1, 2, 3, 4)
    assert step.pending == 1
    assert flushed(step) == [[4]]
    assert step.pending == 0
    assert flushed(step) == []
    assert feed(step, 5, 6, 7) == [[5, 6, 7]]


def test_without_bounds_a_batch_waits_for_draining():
    step = Batch()
    assert feed(step, *range(100)) == []
    assert flushed(step) == [list(range(100))]


@pytest.mark.parametrize("name", ["timeout_s", "flush_after_seconds"])
def test_a_batch_goes_on_when_its_first_event_has_waited_long_enough(name):
    clock = Clock()
    step = Batch(max_events=10, clock=clock, **{name: 5})
    assert step.timeout_s == 5
    feed(step, 1)
    clock.now += 4
    feed(step, 2)
    assert flushed(step, expired_only=True) == []
    clock.now += 1
    assert flushed(step, expired_only=True) == [[1, 2]]


def test_without_a_timeout_nothing_expires():
    clock = Clock()
    step = Batch(clock=clock)
    feed(step, 1)
    clock.now += 1e9
    assert (step.timeout_s, flushed(step, expired_only=True)) == (None, [])


def test_only_the_batches_whose_time_has_come_go_on():
    clock = Clock()
    step = Batch(timeout_s=5, key_field="k", clock=clock)
    feed(step, {"k": "a"})
    clock.now += 3
    feed(step, {"k": "b"})
    clock.now += 3
    assert flushed(step, expired_only=True) == [[{"k": "a"}]]
    assert step.pending == 1


def test_each_key_has_its_batch():
    step = Batch(max_events=2, key_field="k")
    rows = [{"k": "a", "x": 1}, {"k": "b", "x": 2}, {"k": "a", "x": 3}, {"k": "b", "x": 4}]
    assert feed(step, *rows) == [[rows[0], rows[2]], [rows[1], rows[3]]]


def test_a_batch_carries_its_key():
    step = Batch(max_events=2, key_field="k")
    step.do_event(Event({"k": "a"}))
    step.do_event(Event({"k": "b"}))
    (batch,) = step.do_event(Event({"k": "a"}, path="/in")).items
    assert (batch.key, batch.path) == ("a", "/in")
    assert [item.key for item in step.flush().items] == ["b"]


def test_keys_can_be_dotted_paths_fields_of_the_event_or_functions():
    assert feed(Batch(2, key_field="a.k"), {"a": {"k": 1}}, {"a": {"k": 1}}) != []
    by_path = Batch(2, key_field="$path")
    by_path.do_event(Event(1, path="/a"))
    assert by_path.do_event(Event(2, path="/b")).items == ()
    assert by_path.do_event(Event(3, path="/a")).items[0].body == [1, 3]
    assert feed(Batch(2, key=lambda body: body % 2), 1, 2, 3) == [[1, 3]]
    assert feed(Batch(2, key_field=lambda body: body % 2), 1, 2, 3) == [[1, 3]]


def test_with_full_event_events_are_collected():
    step = Batch(max_events=2, full_event=True, key=lambda event: event.path)
    events = [Event(1), Event(2)]
    step.do_event(events[0])
    assert step.do_event(events[1]).items[0].body == events


def test_the_key_field_can_be_left_out_of_the_bodies():
    row = {"k": 1, "x": 2}
    assert feed(Batch(1, key_field="k", drop_key_field=True), row) == [[{"x": 2}]]
    assert row == {"k": 1, "x": 2}


def test_no_more_than_max_pending_events_wait_and_none_is_dropped():
    step = Batch(key_field="k", max_pending=3)
    rows = [{"k": key, "i": i} for i, key in enumerate("abac")]
    assert feed(step, *rows) == [[rows[0], rows[2]]]
    assert (step.pending, step.early) == (2, 1)
    assert flushed(step) == [[rows[1]], [rows[3]]]


def test_a_missing_or_unusable_key_is_a_bad_request():
    with pytest.raises(BadRequest, match="'k' is missing"):
        Batch(key_field="k").do_event(Event({"x": 1}))
    step = Batch(key_field="k")
    with pytest.raises(BadRequest, match=r"\[1\].*a list cannot be a key"):
        step.do_event(Event({"k": [1]}))
    assert step.pending == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_events": 0}, "max_events must be a whole number from 1 on, not 0"),
        ({"max_events": 1.5}, "not 1.5"),
        ({"max_events": True}, "not True"),
        ({"timeout_s": 0}, "timeout_s must be a number of seconds above 0"),
        ({"timeout_s": "5"}, "not '5'"),
        ({"timeout_s": 1, "flush_after_seconds": 1}, "the same thing"),
        ({"max_pending": 0}, "max_pending"),
        ({"max_events": 5, "max_pending": 4}, "never fit"),
        ({"key_field": "a", "key": len}, "not both"),
        ({"key": 5}, "needs a function"),
        ({"key_field": "$pth"}, "no field 'pth'"),
        ({"key_field": "$_id"}, "no field '_id'"),
        ({"drop_key_field": True}, "drop_key_field"),
        ({"drop_key_field": True, "key_field": "$path"}, "drop_key_field"),
        ({"drop_key_field": True, "key_field": "k", "full_event": True}, "drop_key_field"),
    ],
)
def test_bad_arguments_are_refused_when_the_step_is_made(arguments, told):
    with pytest.raises(GraphError, match=f"^Batch.*{told}"):
        Batch(**arguments)


def test_threads_lose_no_event():
    step = Batch(max_events=7)
    out, lock = [], threading.Lock()

    def work(worker):
        for i in range(500):
            for batch in step.do_event(Event((worker, i))).items:
                with lock:
                    out.extend(batch.body)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch in step.flush().items:
        out.extend(batch.body)
    assert sorted(out) == [(worker, i) for worker in range(6) for i in range(500)]
