"""The threads of a run that was cancelled are ended, however late that comes, and no others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from graphkit.core.stop import Stop, Stopped
from graphkit.runtime.stopping import stop_thread

SOON_S = 20  # far more than anything here takes


class Loop:
    """Loops in a thread until it is ended, and notes by what."""

    def __init__(self) -> None:
        self.begun, self.enough = threading.Event(), False
        self.ended_by: list[type[BaseException] | None] = []

    def __call__(self) -> None:
        try:
            self.begun.set()
            self._spin()
            self.ended_by.append(None)
        except Stopped:
            self.ended_by.append(Stopped)

    def _spin(self) -> None:
        # in a frame of its own: a try around the loop does not see what is raised at its jump back, from Python 3.12 on
        while not self.enough:
            pass


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.enough = True


class Late(threading.Thread):
    """A thread whose end is waited for longer than was asked: as if the machine had been busy, or asleep, meanwhile."""

    def join(self, timeout: float | None = None) -> None:
        time.sleep(2)
        super().join(timeout)


def test_a_run_is_ended_also_where_nothing_could_be_done_for_some_time(loop: Loop) -> None:
    # it was given up before the first look
    thread = Late(target=loop, daemon=True)
    thread.start()
    assert loop.begun.wait(SOON_S)
    recorder: Any = object()
    assert stop_thread(thread, recorder, Stop())
    assert loop.ended_by == [Stopped]


def test_a_thread_that_bears_the_number_of_one_that_has_ended_goes_on(loop: Loop) -> None:
    ended = threading.Thread(target=list)
    ended.start()
    ended.join()
    others: list[Loop] = []
    for _ in range(50):  # the system gives the number to one of the next
        other = Loop()
        others.append(other)
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        if thread.ident == ended.ident:
            break
        other.enough = True
    else:
        pytest.skip("the system gave the number of a thread to no other one")
    assert other.begun.wait(SOON_S)
    recorder: Any = object()
    stop_thread(ended, recorder, Stop())
    other.enough = True
    thread.join(SOON_S)
    assert other.ended_by == [None]
