import threading

import pytest

from graphkit.core.errors import StreamError
from graphkit.streams.memory import MemoryStream


def test_a_push_that_does_not_fit_raises_and_stores_nothing():
    stream = MemoryStream("memory://m", maxlen=3)
    stream.push([1, 2])
    with pytest.raises(StreamError, match=r"memory://m is full: it holds 2 of 3 entries, 2 more do not fit.*nobody"):
        stream.push([3, 4])
    assert stream.read() == [1, 2]
    stream.push(3)
    assert len(stream) == 3


def test_the_error_of_a_full_stream_names_the_slowest_group():
    stream = MemoryStream("memory://m", maxlen=4)
    stream.push([1, 2, 3, 4])
    stream.take(1, group="slow")
    stream.ack(stream.take(4, group="fast"), group="fast")
    with pytest.raises(StreamError, match="the group 'slow' is behind by 4"):
        stream.push(5)


def test_with_a_retention_acknowledged_entries_make_room_oldest_first():
    stream = MemoryStream("memory://m", maxlen=3, retention_in_hours=1)
    stream.push([1, 2, 3])
    stream.ack(stream.take(2))
    stream.push(4)
    assert stream.read() == [2, 3, 4]
    with pytest.raises(StreamError, match="full"):
        stream.push([5, 6])


@pytest.mark.parametrize("maxlen", [0, -1, "10", 1.5, True])
def test_a_bad_maxlen_is_refused(maxlen):
    with pytest.raises(StreamError, match="maxlen"):
        MemoryStream("memory://m", maxlen=maxlen)


def test_a_given_back_entry_comes_before_a_longer_lease_taken_later():
    now = [0.0]
    stream = MemoryStream("memory://m", clock=lambda: now[0])
    stream.push([1, 2, 3])
    first = stream.take(lease_s=50)
    stream.take(lease_s=5)
    stream.nack(first, delay_s=1)
    now[0] = 2
    assert [m.body for m in stream.take(lease_s=100)] == [1]
    now[0] = 6
    assert [m.body for m in stream.take(5)] == [2, 3]


def test_concurrent_pushes_never_exceed_maxlen():
    stream = MemoryStream("memory://m", maxlen=500)
    refused = []

    def push():
        for i in range(200):
            try:
                stream.push(i)
            except StreamError:
                refused.append(i)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stream) == 500
    assert len(refused) == 300


def test_a_stream_may_let_its_oldest_entries_go_and_counts_them() -> None:
    stream = MemoryStream("memory://log", maxlen=3, drop_oldest=True)
    for number in range(5):
        stream.push(number)
    assert stream.read() == [2, 3, 4]
    assert stream.dropped == 2
    stream.push([5, 6])
    assert stream.read() == [4, 5, 6]
