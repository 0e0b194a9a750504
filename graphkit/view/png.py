"""Arrays that look like images, as small PNG files. Nothing but the standard library writes them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

#: Sides of the pictures, in pixels; larger ones are thinned out.
MOST_SIDE = 160
#: An array with a shorter side is a table of numbers rather than an image.
_LEAST_SIDE = 8
#: So much longer may one side be than the other. Without colours a long array is rows of measurements.
_MOST_RATIO, _MOST_GREY_RATIO = 8, 3
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    r"""Return rows of 8-bit pixels (1 channel is grey, 3 are RGB, 4 are RGBA) as a PNG file (RFC 2083).

    >>> png(bytes(4), 2, 2, 1)[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    length = width * channels
    rows = b"".join(b"\x00" + pixels[start : start + length] for start in range(0, height * length, length))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def looks_like_image(shape: tuple[int, ...]) -> bool:
    """Return whether an array of that shape may be an image: ``(height, width)``, with channels last or first.

    >>> looks_like_image((28, 28)), looks_like_image((64, 48, 3)), looks_like_image((3, 64, 48)), \
looks_like_image((150, 4))
    (True, True, True, False)
    """
    sides = _sides(shape)
    ratio = _MOST_GREY_RATIO if len(shape) == 2 else _MOST_RATIO
    return sides is not None and min(sides) >= _LEAST_SIDE and max(sides) <= ratio * min(sides)


def picture_of_array(array: Any, most_side: int = MOST_SIDE) -> bytes | None:
    """Return a small picture of a numeric array, dark for the least value and light for the greatest.

    Parameters
    ----------
    array
        ``(height, width)`` of any real dtype, or with 1, 3 or 4 channels first or last. Arrays of ``uint8``, and
        colours between 0 and 1, are shown as they are.
    most_side
        Of how many pixels a side is at most; rows and columns between are left out.

    Returns
    -------
    bytes or None
        A PNG file, or ``None`` if the array does not look like an image.
    """
    shape = array.shape
    if array.dtype.kind not in "biuf" or not looks_like_image(shape):
        return None
    if len(shape) == 3 and shape[-1] not in _COLOUR_TYPES:
        array = array.transpose(1, 2, 0)
    height, width = array.shape[:2]
    step = max(-(-height // most_side), -(-width // most_side))
    pixels = _bytes_of(array[::step, ::step])
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return png(pixels.tobytes(), pixels.shape[1], pixels.shape[0], channels)


def _sides(shape: tuple[int, ...]) -> tuple[int, int] | None:
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) != 3:
        return None
    if shape[-1] in _COLOUR_TYPES:
        return shape[0], shape[1]
    return (shape[1], shape[2]) if shape[0] in _COLOUR_TYPES else None


def _bytes_of(array: Any) -> Any:
    import numpy as np

    if array.dtype == np.uint8:
        return array
    values = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    least, most = float(values.min()), float(values.max())
    if array.ndim == 3 and least >= 0 and most <= 1:
        least, most = 0.0, 1.0  # colours, as matplotlib takes them
    elif array.ndim == 3 and array.dtype.kind in "iu" and least >= 0 and most <= 255:
        least, most = 0.0, 255.0
    span = most - least
    # halves, so that very large numbers do not overflow
    scaled = (values / 2 - least / 2) / (span / 2) if span > 0 else np.zeros_like(values)
    return (np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
