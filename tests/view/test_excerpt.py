"""Excerpts of values: bounded, plain, and never an exception."""

from __future__ import annotations

import io
from collections import OrderedDict, namedtuple
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from graphkit.view.excerpt import Array, Part, Picture, Table, Text, excerpt, weight

MANY = 1_000_000


def test_the_head_of_a_table_with_its_shape_and_types() -> None:
    frame = pd.DataFrame({"a": range(MANY), "b": ["x\ny"] * MANY, "c": 1.5})
    table = excerpt(frame)
    assert isinstance(table, Table)
    assert (table.shape, table.columns, table.dtypes[0]) == ((MANY, 3), ("a", "b", "c"), "int64")
    assert table.cells[1] == ("1", "x↵y", "1.5")
    assert len(table.cells) == len(table.index) < 20


def test_a_series_has_one_column() -> None:
    table = excerpt(pd.Series([1.0, None], index=["p", "q"], name="n"))
    assert isinstance(table, Table)
    assert (table.columns, table.index, table.cells) == (("n",), ("p", "q"), (("1",), ("nan",)))


def test_wide_tables_are_cut() -> None:
    table = excerpt(pd.DataFrame(np.zeros((2, 500))))
    assert isinstance(table, Table)
    assert table.shape == (2, 500)
    assert len(table.columns) < 20


def test_an_array_has_its_range() -> None:
    array = excerpt(np.array([[3, 1], [2, 9]]))
    assert isinstance(array, Array)
    assert (array.shape, array.dtype, array.least, array.most) == ((2, 2), "int64", "1", "9")
    assert (array.first, array.png, array.sampled) == ("[3, 1, 2, 9]", None, False)
    assert array.rows == (("3", "1"), ("2", "9"))


def test_of_a_table_of_numbers_the_corner_is_kept() -> None:
    array = excerpt(np.linspace(0, 1, 5_000).reshape(500, 10))
    assert isinstance(array, Array)
    assert array.rows[0][:3] == ("0", "0.00020004", "0.00040008")
    assert (len(array.rows), len(array.rows[0])) == (8, 10)


def test_of_a_very_large_array_some_elements_are_looked_at() -> None:
    array = excerpt(np.arange(5_000_000.0).reshape(1000, 5000))
    assert isinstance(array, Array)
    assert array.sampled
    assert array.least == "0"


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.array([]), np.array([object()]), np.zeros(3, "i4,f4")])
def test_arrays_without_a_range(array: Any) -> None:
    made = excerpt(array)
    assert isinstance(made, Array)
    assert (made.least, made.png) == ("", None)


def test_images_and_figures_are_small_png_files() -> None:
    image = excerpt(Image.fromarray(np.random.default_rng(1).integers(0, 256, (900, 700, 3), dtype=np.uint8)))
    assert isinstance(image, Picture)
    assert image.text == "700 x 900 RGB"
    with mpl.rc_context({"backend": "agg"}):
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().plot([1, 2])
        drawn = excerpt(figure)
    assert isinstance(drawn, Picture)
    for picture in (image, drawn):
        assert len(picture.png) < 70_000
        assert Image.open(io.BytesIO(picture.png)).format == "PNG"


def test_bytes_of_an_image_file_are_a_picture() -> None:
    data = io.BytesIO()
    Image.new("RGB", (10, 10)).save(data, "PNG")
    assert isinstance(excerpt(data.getvalue()), Picture)
    assert excerpt(b"<svg onload=x>") == Text("bytes", "b'<svg onload=x>'")


def test_nested_values_keep_their_kinds() -> None:
    part = excerpt({"frame": pd.DataFrame({"a": [1]}), "rows": [np.zeros(3)], 5: {"x": "y"}})
    assert isinstance(part, Part)
    assert part.keys == ("frame", "rows", "5")
    assert [type(item) for item in part.items] == [Table, Part, Part]


def test_long_containers_say_how_many_items_there_are() -> None:
    part = excerpt(list(range(MANY)))
    assert isinstance(part, Part)
    assert part.size == MANY
    assert len(part.items) < 50


def test_named_fields_are_keys() -> None:
    part = excerpt(namedtuple("Point", "x y")(1, 2))
    assert isinstance(part, Part)
    assert (part.type, part.keys) == ("Point", ("x", "y"))


def test_the_order_of_a_set_is_always_the_same() -> None:
    part = excerpt({"b", "a", "c"})
    assert isinstance(part, Part)
    assert [item.text for item in part.items] == ["a", "b", "c"]


def deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def wide(width: int, levels: int) -> Any:
    return [wide(width, levels - 1) for _ in range(width)] if levels else "leaf"


def ring() -> Any:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class OddDict(dict[Any, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


class OddFrame(pd.DataFrame):
    @property
    def iloc(self) -> Any:
        raise RuntimeError("no rows")


def values() -> dict[str, Any]:
    return {
        "deep": deep(5_000),
        "wide": wide(12, 5),
        "ring": ring(),
        "long text": "x" * 50_000_000,
        "many bytes": b"x" * 50_000_000,
        "long array": np.zeros(7_000_000),
        "many arrays": [np.zeros((100, 100))] * 1000,
        "long keys": {f"key {i}" * 100: "v" * 10_000 for i in range(1000)},
        "many texts": [["x" * 5_000] * 20] * 20,
        "ordered": OrderedDict(a=1),
        "odd": Odd(),
        "list of odd": [Odd()],
        "odd dict": OddDict(a=1),
        "odd frame": OddFrame({"a": [1]}),
        "iterator": iter([1]),
        "function": deep,
        "nan": float("nan"),
        "large number": 10**5000,
    }


@pytest.mark.parametrize("name", list(values()))
def test_every_excerpt_is_bounded(name: str) -> None:
    assert weight(excerpt(values()[name])) < 200_000


def test_secrets_are_hidden_also_where_a_text_is_cut() -> None:
    secret = "swordfish" * 20
    value = {
        secret: [secret, "x" * 1_950 + secret],
        "frame": pd.DataFrame({secret: [secret]}, index=[secret]),
        "array": np.array([secret]),
    }
    made = excerpt(value, lambda text: text.replace(secret, "***"))
    assert "sword" not in repr(made)


def test_an_iterator_is_not_consumed() -> None:
    value = iter([1, 2])
    excerpt([value])
    assert list(value) == [1, 2]
