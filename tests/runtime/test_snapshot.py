"""Snapshots: copies of small values, previews of large ones; nothing raises, and nothing is changed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit.runtime.snapshot import MOST_BYTES, MOST_ITEMS, Preview, Snapshots
from graphkit.server.secrets import SecretStore


def take(value: Any) -> Any:
    return Snapshots().take(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        5,
        2.5,
        1 + 2j,
        "text",
        b"bytes",
        [1, [2, {"a": (3, 4)}]],
        {"a": {1, 2}, "b": frozenset([3]), 5: None},
        (),
    ],
)
def test_plain_values_are_copied_whole(value: Any) -> None:
    taken = take(value)
    assert taken == value
    assert type(taken) is type(value)


def test_a_copy_shares_nothing_that_can_change() -> None:
    value = {"rows": [[1]], "array": np.arange(2), "frame": pd.DataFrame({"x": [1]}), "series": pd.Series([1])}
    taken = take(value)
    value["rows"][0].append(2)
    value["array"][0] = 9
    value["frame"].loc[0, "x"] = 9
    value["series"][0] = 9
    assert taken["rows"] == [[1]]
    assert taken["array"].tolist() == [0, 1]
    assert taken["frame"].x.tolist() == [1]
    assert taken["series"].tolist() == [1]


class Odd:
    """Everything about it fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("no copy")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attribute")


class FrameThatFails(pd.DataFrame):
    def copy(self, deep: Any = True) -> Any:
        raise RuntimeError("no copy")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Odd(),
        [Odd()],
        lambda: None,
        iter([1]),
        np.array([object()]),
        pytest,
        FrameThatFails({"x": [1]}),
        type("NoModule", (), {"__module__": None})(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_copied_is_a_preview(value: Any) -> None:
    taken = take(value)
    (taken,) = taken if isinstance(taken, list) else [taken]
    assert isinstance(taken, Preview)
    assert "0x" not in repr(taken)


def test_an_iterator_is_not_consumed() -> None:
    items = iter([1, 2])
    take({"items": items})
    assert list(items) == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        "x" * (MOST_BYTES + 1),
        ["x" * 1000] * (MOST_BYTES // 1000 + 1),
        list(range(MOST_ITEMS + 1)),
        np.zeros(MOST_BYTES),
        pd.DataFrame({"x": np.zeros(MOST_BYTES)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_too_large_is_a_preview(value: Any) -> None:
    taken = take(value)
    assert isinstance(taken, Preview)
    assert len(taken.text) <= 400


def test_what_holds_itself_is_a_preview() -> None:
    value: list[Any] = []
    value.append(value)
    assert isinstance(take(value), Preview)


def test_the_size_of_all_snapshots_is_counted() -> None:
    snapshots = Snapshots()
    snapshots.take(5)
    assert snapshots.size == 0
    snapshots.take("x" * 1000)
    assert snapshots.size == 1000
    snapshots.take("x" * (MOST_BYTES + 1))
    assert 2000 < snapshots.size < 5000  # the start of the text is kept with the preview


def test_previews_are_equal_by_what_they_show() -> None:
    first, second = Preview(object()), Preview(object())
    assert first == second
    assert hash(first) == hash(second)
    assert first != Preview("other")


@pytest.fixture
def secrets() -> SecretStore:
    store = SecretStore([{"kind": "inline", "source": {"key": "s3cret€"}}])
    store.get("key")
    return store


@pytest.mark.parametrize(
    "value",
    [
        "a s3cret€ here",
        {"s3cret€": 1},
        [("s3cret€",)],
        b"\xff " + "s3cret€".encode(),
        np.array(["s3cret€"]),
        pd.DataFrame({"x": ["s3cret€"]}),
        pd.Series(["s3cret€"]),
        ["s3cret€", "x" * (MOST_BYTES + 1)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_secrets_are_hidden(secrets: SecretStore, value: Any) -> None:
    taken = Snapshots(secrets).take(value)
    shown = repr(taken) if not isinstance(taken, bytes) else taken.decode("utf-8", "replace")
    assert "s3cret€" not in shown
    assert "***" in shown or shown.startswith("DataFrame")  # whose preview shows no cells


def test_numbers_in_tables_are_copied_also_where_there_are_secrets(secrets: SecretStore) -> None:
    taken = Snapshots(secrets).take([pd.DataFrame({"x": [1.5]}), np.arange(2)])
    assert taken[0].x.tolist() == [1.5]
    assert taken[1].tolist() == [0, 1]


def test_threads_may_take_snapshots_at_once() -> None:
    snapshots = Snapshots()
    value = list(range(MOST_ITEMS - 1))
    taken: list[Any] = []

    def many() -> None:
        taken.extend(snapshots.take(value) for _ in range(20))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [value] * 80
