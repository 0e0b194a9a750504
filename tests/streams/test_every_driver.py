"""What every driver does; each test runs on all of them."""

import threading

import numpy as np
import pytest

from graphkit.core.errors import StreamError
from graphkit.core.protocols import Stream

HOUR = 3600


def bodies(messages):
    return [message.body for message in messages]


def test_it_keeps_to_the_protocol(stream):
    assert isinstance(stream, Stream)


def test_bodies_are_read_in_the_order_of_pushing(stream):
    stream.push({"x": 1})
    stream.push([{"x": 2}, {"x": 3}])
    assert stream.read() == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert len(stream) == 3


@pytest.mark.parametrize("body", [None, 0, "", "text", 1.5, True, {"a": {"b": [1, None]}}])
def test_any_json_body_comes_back(stream, body):
    stream.push(body)
    assert stream.read() == [body]
    assert bodies(stream.take()) == [body]


def test_a_list_is_several_bodies_and_a_list_in_a_list_is_one(stream):
    stream.push([])
    assert len(stream) == 0
    stream.push([[1, 2]])
    assert stream.read() == [[1, 2]]


def test_arrays_are_stored_as_lists(stream):
    stream.push({"inputs": np.array([[1.0, 2.0]]), "label": np.int64(3)})
    assert stream.read() == [{"inputs": [[1.0, 2.0]], "label": 3}]


def test_what_is_stored_is_apart_from_the_pushed_object(stream):
    body = {"rows": [1]}
    stream.push(body)
    body["rows"].append(2)
    stream.read()[0]["rows"].append(3)
    assert stream.read() == [{"rows": [1]}]


def test_a_body_that_json_cannot_hold_is_refused_and_nothing_of_its_batch_is_stored(stream):
    with pytest.raises(StreamError, match="type builtin_function_or_method"):
        stream.push([{"x": 1}, {"x": len}])
    assert len(stream) == 0


def test_a_part_can_be_read(stream):
    stream.push(list(range(10)))
    assert stream.read(3, 2) == [3, 4]
    assert stream.read(8) == [8, 9]
    assert stream.read(limit=0) == []
    assert stream.read(20) == []


@pytest.mark.parametrize(("name", "value"), [("start", -1), ("start", "a"), ("limit", -1), ("limit", 1.5)])
def test_bad_bounds_of_reading_are_refused(stream, name, value):
    with pytest.raises(StreamError, match=name):
        stream.read(**{name: value})


def test_reading_takes_nothing(stream):
    stream.push([1, 2])
    stream.read()
    assert bodies(stream.take(5)) == [1, 2]


def test_as_df_has_a_row_for_each_body(stream):
    stream.push([{"a": 1, "b": "x"}, {"a": 2}, 7])
    frame = stream.as_df()
    assert frame["a"].tolist()[:2] == [1, 2]
    assert frame["body"].tolist()[2] == 7
    assert len(frame) == 3


def test_as_df_of_an_empty_stream_is_an_empty_frame(stream):
    assert len(stream.as_df()) == 0


def test_take_gives_the_oldest_first_and_no_more_than_asked(stream):
    stream.push([1, 2, 3])
    assert bodies(stream.take(2)) == [1, 2]
    assert bodies(stream.take(2)) == [3]
    assert stream.take(2) == []


def test_a_message_carries_id_key_and_attempts(stream):
    stream.push({"x": 1}, key="user-7")
    stream.push({"x": 2})
    first, second = stream.take(2)
    assert (first.key, first.attempts, second.key) == ("user-7", 1, None)
    assert isinstance(first.id, str)
    assert first.id != second.id


def test_taken_entries_are_out_of_reach_for_the_group_until_the_lease_runs_out(stream, clock):
    stream.push([1, 2])
    assert bodies(stream.take(lease_s=10)) == [1]
    clock.sleep(9.9)
    assert bodies(stream.take(5, lease_s=100)) == [2]
    clock.sleep(0.1)
    (again,) = stream.take(5)
    assert (again.body, again.attempts) == (1, 2)


def test_the_id_is_the_same_at_each_delivery(stream, clock):
    stream.push(1)
    (first,) = stream.take(lease_s=1)
    clock.sleep(1)
    (second,) = stream.take()
    assert first.id == second.id


def test_attempts_count_up(stream, clock):
    stream.push(1)
    for attempt in range(1, 6):
        (message,) = stream.take(lease_s=1)
        assert message.attempts == attempt
        clock.sleep(1)


def test_entries_that_come_again_come_before_new_ones(stream, clock):
    stream.push([1, 2, 3])
    stream.take(2, lease_s=1)
    clock.sleep(1)
    assert bodies(stream.take(10)) == [1, 2, 3]


def test_acknowledged_entries_never_come_again(stream, clock):
    stream.push([1, 2])
    stream.ack(stream.take(2, lease_s=1))
    clock.sleep(100)
    assert stream.take(5) == []


def test_an_entry_goes_away_when_its_only_group_acknowledged_it(stream):
    stream.push([1, 2, 3])
    one, two = stream.take(2)
    stream.ack([two])
    assert stream.read() == [1, 3]
    stream.ack([one])
    assert stream.read() == [3]


def test_a_stream_without_consumers_is_a_log_that_keeps_everything(stream, clock):
    stream.push(1)
    clock.sleep(10_000 * HOUR)
    stream.push(2)
    assert stream.read() == [1, 2]


def test_acknowledging_twice_does_no_harm(stream):
    stream.push([1, 2])
    taken = stream.take(1)
    stream.ack(taken)
    stream.ack(taken)
    assert bodies(stream.take(5)) == [2]


def test_acknowledging_after_the_lease_ran_out_counts(stream, clock):
    stream.push(1)
    taken = stream.take(lease_s=1)
    clock.sleep(2)
    stream.ack(taken)
    assert stream.take() == []


def test_each_group_gets_every_entry_and_it_stays_until_all_are_done(stream):
    stream.push([1, 2])
    a = stream.take(5, group="a")
    b = stream.take(5, group="b")
    assert bodies(a) == bodies(b) == [1, 2]
    stream.ack(a, group="a")
    assert len(stream) == 2
    stream.ack(b, group="b")
    assert len(stream) == 0


def test_a_late_group_starts_with_the_oldest_stored_entry(stream):
    stream.push([1, 2, 3])
    stream.ack(stream.take(1), group="default")
    assert bodies(stream.take(5, group="late")) == [2, 3]


def test_leases_of_one_group_leave_the_other_alone(stream, clock):
    stream.push(1)
    stream.take(group="a", lease_s=1)
    stream.take(group="b", lease_s=50)
    clock.sleep(2)
    assert [m.attempts for m in stream.take(group="a")] == [2]
    assert stream.take(group="b") == []


def test_acknowledging_for_a_group_that_took_nothing_is_an_error(stream):
    stream.push(1)
    taken = stream.take()
    with pytest.raises(StreamError, match="group 'othr' has taken nothing"):
        stream.ack(taken, group="othr")
    with pytest.raises(StreamError, match="group 'othr' has taken nothing"):
        stream.nack(taken, group="othr")


@pytest.mark.parametrize("messages", [["x"], [1], 5, [None]])
def test_acknowledging_what_is_no_message_is_an_error(stream, messages):
    stream.push(1)
    stream.take()
    with pytest.raises(StreamError, match=r"messages come from take\(\)"):
        stream.ack(messages)


def test_given_back_entries_come_again_at_once(stream):
    stream.push([1, 2])
    taken = stream.take(2, lease_s=1000)
    stream.nack(taken[1:])
    (again,) = stream.take(5)
    assert (again.body, again.attempts) == (2, 2)


def test_given_back_entries_wait_for_their_delay(stream, clock):
    stream.push(1)
    stream.nack(stream.take(), delay_s=5)
    assert stream.take() == []
    clock.sleep(5)
    assert bodies(stream.take()) == [1]


def test_a_stale_holder_cannot_give_back_what_another_one_holds_now(stream, clock):
    stream.push(1)
    stale = stream.take(lease_s=1)
    clock.sleep(1)
    assert bodies(stream.take(lease_s=100)) == [1]
    stream.nack(stale)
    assert stream.take() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 0), ("count", True), ("count", "1"), ("lease_s", -1), ("lease_s", "x"), ("lease_s", float("inf"))],
)
def test_bad_arguments_of_take_are_refused(stream, name, value):
    with pytest.raises(StreamError, match=name):
        stream.take(**{name: value})


def test_a_bad_delay_is_refused(stream):
    stream.push(1)
    with pytest.raises(StreamError, match="delay_s"):
        stream.nack(stream.take(), delay_s=-1)


def test_with_a_retention_acknowledged_entries_can_still_be_read(make_stream):
    stream = make_stream(retention_in_hours=1)
    stream.push([1, 2])
    stream.ack(stream.take(2))
    assert stream.read() == [1, 2]
    assert stream.take() == []


def test_with_a_retention_entries_go_away_after_their_time(make_stream, clock):
    stream = make_stream(retention_in_hours=2)
    stream.push([1, 2])
    clock.sleep(HOUR)
    stream.push(3)
    clock.sleep(HOUR)
    assert stream.read() == [3]
    assert len(stream) == 1
    assert bodies(stream.take(5)) == [3]


def test_an_entry_that_goes_away_while_it_is_leased_does_not_come_again(make_stream, clock):
    stream = make_stream(retention_in_hours=1)
    stream.push([1, 2])
    taken = stream.take(lease_s=10)
    clock.sleep(2 * HOUR)
    stream.push(3)
    assert bodies(stream.take(5)) == [3]
    stream.ack(taken)
    stream.nack(taken)
    assert stream.read() == [3]


def test_many_expired_entries_go_away_in_one_call(make_stream, clock):
    stream = make_stream(retention_in_hours=1)
    stream.push(list(range(3500)))
    clock.sleep(2 * HOUR)
    stream.push("new")
    assert stream.read() == ["new"]


@pytest.mark.parametrize("hours", [0, -1, "a", True, float("nan")])
def test_a_bad_retention_is_refused(make_stream, hours):
    with pytest.raises(StreamError, match="retention_in_hours"):
        make_stream(retention_in_hours=hours)


def test_shards_are_taken_and_checked(make_stream):
    make_stream(shards=4).push(1)
    with pytest.raises(StreamError, match="shards"):
        make_stream(shards=0)


def test_a_closed_stream_can_be_used_again(stream):
    stream.push(1)
    stream.close()
    stream.close()
    stream.push(2)
    assert stream.read() == [1, 2]


def test_its_repr_is_plain(stream):
    assert repr(stream) == f"{type(stream).__name__}({stream.url!r})"


def test_threads_push_and_take_every_entry_exactly_once(stream):
    pushers, takers, each = 4, 4, 100
    seen, lock = [], threading.Lock()
    everything_pushed = threading.Event()

    def push(worker):
        for i in range(each):
            stream.push({"worker": worker, "i": i})

    def take():
        while True:
            last_round = everything_pushed.is_set()
            messages = stream.take(7, lease_s=1000)
            with lock:
                seen.extend((m.body["worker"], m.body["i"]) for m in messages)
            stream.ack(messages)
            if last_round and not messages:
                return

    pushing = [threading.Thread(target=push, args=(w,)) for w in range(pushers)]
    # The group must exist before the first acknowledgement.
    stream.take()
    taking = [threading.Thread(target=take) for _ in range(takers)]
    for thread in pushing + taking:
        thread.start()
    for thread in pushing:
        thread.join()
    everything_pushed.set()
    for thread in taking:
        thread.join()
    assert sorted(seen) == [(w, i) for w in range(pushers) for i in range(each)]
    assert len(stream) == 0
