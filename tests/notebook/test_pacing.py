from __future__ import annotations

import threading

from graphkit.notebook.pacing import Pacer


def test_many_requests_are_one_call() -> None:
    calls: list[int] = []
    pacer = Pacer(lambda: calls.append(1), quiet_s=0.05, most_s=5.0)
    for _ in range(1000):
        pacer.ask()
    assert pacer.wait()
    assert calls == [1]


def test_requests_that_keep_coming_do_not_put_it_off_for_ever() -> None:
    called = threading.Event()
    pacer = Pacer(called.set, quiet_s=1000.0, most_s=0.01)
    pacer.ask()
    assert called.wait(10)
    assert pacer.wait()


def test_what_is_asked_for_during_the_call_is_done_after_it() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) == 1:
            pacer.ask()

    pacer = Pacer(call, quiet_s=0.001, most_s=0.01)
    pacer.ask()
    assert pacer.wait()
    assert calls == [1, 1]


def test_its_thread_ends_when_there_is_nothing_left_to_do() -> None:
    threads: list[threading.Thread] = []
    pacer = Pacer(lambda: threads.append(threading.current_thread()), quiet_s=0.001, most_s=0.01)
    for _ in range(3):
        pacer.ask()
        assert pacer.wait()
    for thread in threads:
        thread.join(10)
    assert [thread.is_alive() for thread in threads] == [False] * 3


def test_a_call_that_fails_does_not_stop_the_next() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("once")

    said: list[str] = []
    pacer = Pacer(call, quiet_s=0.001, most_s=0.01, failed=lambda exc: said.append(str(exc)))
    pacer.ask()
    assert pacer.wait()
    pacer.ask()
    assert pacer.wait()
    assert (calls, said) == ([1, 1], ["once"])
