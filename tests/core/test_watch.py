"""Listeners are weakly held, told in order, and can break nothing."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading
from typing import Any

import pytest

from graphkit.core.watch import Watch


class Notes:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def changed(self) -> None:
        self.told.append("changed")

    def run_started(self, *args: Any) -> None:
        self.told.append(args)


class Failing:
    def changed(self) -> None:
        raise ValueError("boom")


def test_a_listener_is_told_what_it_has_a_method_for() -> None:
    watch, notes = Watch(), Notes()
    watch.add(notes)
    watch.tell("changed")
    watch.tell("step_started", 1)
    watch.tell("run_started", 1, 2)
    assert notes.told == ["changed", (1, 2)]


def test_a_listener_that_is_added_twice_is_told_once() -> None:
    watch, notes = Watch(), Notes()
    watch.add(notes)
    watch.add(notes)
    watch.tell("changed")
    assert notes.told == ["changed"]


def test_a_removed_listener_is_told_no_more_and_removing_a_stranger_is_fine() -> None:
    watch, notes = Watch(), Notes()
    watch.add(notes)
    watch.remove(notes)
    watch.remove(Notes())
    watch.tell("changed")
    assert (notes.told, bool(watch)) == ([], False)


def test_a_listener_is_not_kept_alive() -> None:
    watch, notes = Watch(), Notes()
    watch.add(notes)
    assert watch
    del notes
    gc.collect()
    assert not watch
    watch.tell("changed")


def test_a_watch_is_not_kept_alive_by_its_listeners() -> None:
    import weakref

    watch, notes = Watch(), Notes()
    watch.add(notes)
    ref = weakref.ref(watch)
    del watch
    gc.collect()
    assert ref() is None
    assert notes.told == []


def test_what_a_listener_raises_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    watch, bad, notes = Watch(), Failing(), Notes()
    watch.add(bad)
    watch.add(notes)
    with caplog.at_level(logging.ERROR, "graphkit"):
        watch.tell("changed")
    assert notes.told == ["changed"]
    assert "Failing.changed: ValueError: boom" in caplog.text


def test_a_listener_may_add_and_remove_listeners_while_it_is_told() -> None:
    watch, later = Watch(), Notes()

    class Swap:
        def changed(self) -> None:
            watch.remove(self)
            watch.add(later)

    swap = Swap()
    watch.add(swap)
    watch.tell("changed")
    watch.tell("changed")
    assert later.told == ["changed"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda watch: pickle.loads(pickle.dumps(watch))])
def test_a_copy_has_no_listeners(copied: Any) -> None:
    watch, notes = Watch(), Notes()
    watch.add(notes)
    assert not copied(watch)


def test_threads_may_add_listeners_while_others_are_told() -> None:
    watch = Watch()
    kept: list[Notes] = []

    def add() -> None:
        for _ in range(200):
            notes = Notes()
            kept.append(notes)
            watch.add(notes)
            watch.tell("step_started")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watch.tell("changed")
    assert [notes.told for notes in kept] == [["changed"]] * 800
