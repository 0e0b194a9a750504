"""Arrays as PNG files: another program reads them and finds the same pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graphkit.view.png import MOST_SIDE, looks_like_image, picture_of_array, png


def pixels_of(array: Any) -> Any:
    data = picture_of_array(array)
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("shape", [(16, 12), (16, 12, 3), (16, 12, 4)])
def test_8_bit_pixels_are_shown_as_they_are(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(pixels_of(array), array)


def test_other_numbers_go_from_dark_to_light() -> None:
    array = np.linspace(-3.0, 5.0, 256).reshape(16, 16)
    pixels = pixels_of(array)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.array_equal(pixels, np.sort(pixels, axis=None).reshape(16, 16))


def test_colours_between_0_and_1_are_not_stretched() -> None:
    assert set(np.unique(pixels_of(np.full((8, 8, 3), 0.5)))) == {128}


def test_channels_may_come_first() -> None:
    array = np.random.default_rng(1).integers(0, 256, (3, 16, 12), dtype=np.uint8)
    assert np.array_equal(pixels_of(array), array.transpose(1, 2, 0))


@pytest.mark.parametrize(
    "array",
    [
        np.full((8, 8), np.nan),
        np.full((8, 8), np.inf),
        np.array([[-1e308, 1e308] * 4] * 8),
        np.zeros((8, 8), dtype=bool),
        np.full((9, 9), 7, dtype=np.int64),
        np.zeros((8, 8), dtype=np.float16),
    ],
)
def test_odd_numbers_do_no_harm(array: Any) -> None:
    assert pixels_of(array).shape == array.shape


def test_large_images_are_thinned_out() -> None:
    assert max(pixels_of(np.zeros((1000, 700), dtype=np.uint8)).shape) <= MOST_SIDE


@pytest.mark.parametrize(
    "shape", [(150, 4), (8,), (100, 9), (45, 13), (2, 3), (7, 7), (20, 20, 5), (2, 8, 8, 3), (0, 0)]
)
def test_tables_of_numbers_are_no_images(shape: tuple[int, ...]) -> None:
    assert not looks_like_image(shape)
    assert picture_of_array(np.zeros(shape)) is None


def test_texts_and_complex_numbers_are_no_images() -> None:
    assert picture_of_array(np.full((8, 8), "x")) is None
    assert picture_of_array(np.zeros((8, 8), dtype=complex)) is None


def test_a_file_is_readable() -> None:
    image = Image.open(io.BytesIO(png(bytes(range(6)), 3, 2, 1)))
    assert (image.size, image.mode, list(image.tobytes())) == ((3, 2), "L", list(range(6)))
