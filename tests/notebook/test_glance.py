from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit.notebook.glance import glance


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.5, "3.5"),
        (np.zeros((150, 4)), "150 x 4"),
        (np.zeros(3), "3 values float64"),
        (np.float64(2.0), "2.0"),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "2 x 2"),
        ({"inputs": np.zeros((150, 4))}, "{inputs: 150 x 4}"),
        ({"a": 1, "b": 2}, "2 keys"),
        ({}, "{}"),
        ([1], "1 item"),
        ("x" * 1000, "1,000 characters"),
        (b"x" * 1000, "1,000 bytes"),
    ],
)
def test_a_value_in_a_few_characters(value: Any, text: str) -> None:
    assert glance(value) == text


def test_it_is_never_longer_than_the_space_that_there_is() -> None:
    assert glance({"a long name of a key": {"b": 1}}, 10) == "{a long na"[:9] + "…"


def test_a_value_whose_methods_raise_is_shown_all_the_same() -> None:
    class Bad:
        @property
        def shape(self) -> Any:
            raise ValueError("no")

        def __repr__(self) -> str:
            raise ValueError("no")

    assert glance(Bad(), 80) == "Bad (its repr raised ValueError)"
