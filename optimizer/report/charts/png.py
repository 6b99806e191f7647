"""Drawings as PNG, for a chat: in light colours, two points a pixel, by numpy and zlib alone."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.report.charts.drawing import CELL, GAP, Area, Cells, Label, Path, Rect
from optimizer.report.charts.font import HIGH, WIDE, glyph
from optimizer.report.charts.paints import LIGHT, rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.report.charts.drawing import Drawing, Shape

__all__ = ["encode", "png_file"]

SCALE, MARGIN = 2, 16
PAINTS = {paint: number for number, paint in enumerate(LIGHT)}
DASH, FREE = 5, 4
LARGE = 15
"""From this size on letters are drawn larger."""


def png_file(drawing: Drawing) -> bytes:
    """Return a drawing as a picture, with a margin."""
    size = (round((drawing.height + 2 * MARGIN) * SCALE), round((drawing.width + 2 * MARGIN) * SCALE))
    image = np.full(size, PAINTS["bg"], np.uint8)
    for shape in drawing.shapes:
        _draw(image, shape)
    return encode(image, [rgb(paint) for paint in LIGHT])


def encode(image: Any, palette: Sequence[tuple[int, int, int]], *, first_is_clear: bool = False) -> bytes:
    """Return a picture of palette numbers (uint8 [height, width]) as PNG."""
    height, width = image.shape
    raw = np.hstack([np.zeros((height, 1), np.uint8), image]).tobytes()
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(colour) for colour in palette)),
        *[(b"tRNS", b"\x00")] * first_is_clear,
        (b"IDAT", zlib.compress(raw, 6)),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _at(length: float) -> int:
    return round((length + MARGIN) * SCALE)


def _draw(image: Any, shape: Shape) -> None:
    match shape:
        case Rect():
            image[_at(shape.y) : _at(shape.y + shape.height), _at(shape.x) : _at(shape.x + shape.width)] = PAINTS[
                shape.paint
            ]
        case Area():
            _fill(image, shape.points, PAINTS[shape.paint])
        case Path():
            _line(image, shape)
        case Label():
            _write(image, shape)
        case Cells():
            _cells(image, shape)


def _cells(image: Any, cells: Cells) -> None:
    numbers = np.array([PAINTS[p] for p in cells.paints], np.uint8)[cells.values]
    for i, number in enumerate(numbers.tolist()):
        x, y = cells.x + i % cells.columns * CELL, cells.y + i // cells.columns * CELL
        image[_at(y) : _at(y + CELL - GAP), _at(x) : _at(x + CELL - GAP)] = number


def _fill(image: Any, points: Sequence[tuple[float, float]], number: int) -> None:
    """Fill a polygon, row by row, between the sides that cross the row."""
    corners = np.array([((x + MARGIN) * SCALE, (y + MARGIN) * SCALE) for x, y in points])
    ends = np.roll(corners, -1, axis=0)
    low, high = max(0, int(corners[:, 1].min())), min(len(image) - 1, int(corners[:, 1].max()) + 1)
    for row in range(low, high + 1):
        y = row + 0.5
        crossed = (corners[:, 1] <= y) != (ends[:, 1] <= y)
        a, b = corners[crossed], ends[crossed]
        xs = np.sort(a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
        for left, right in zip(xs[::2], xs[1::2], strict=False):
            image[row, max(0, round(left)) : max(0, round(right))] = number


def _line(image: Any, path: Path) -> None:
    """Draw a line as small squares along it."""
    number, half = PAINTS[path.paint], max(1, round(path.width * SCALE)) / 2
    for x, y, walked in _walk(path.points):
        if path.dashed and walked % (DASH + FREE) >= DASH:
            continue
        cx, cy = (x + MARGIN) * SCALE, (y + MARGIN) * SCALE
        left, top = max(0, round(cx - half)), max(0, round(cy - half))
        image[top : round(cy + half), left : round(cx + half)] = number


def _walk(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float, float]]:
    """Yield points half a unit apart, each with how far along it is."""
    walked = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        length = float(np.hypot(x1 - x0, y1 - y0))
        parts = max(1, round(2 * length))
        for k in range(parts + 1):
            part = k / parts
            yield x0 + part * (x1 - x0), y0 + part * (y1 - y0), walked + part * length
        walked += length


def _write(image: Any, label: Label) -> None:
    """Write a text in letters of points; they are about as wide as the space that was left for them."""
    size = 3 if label.size >= LARGE else 2
    wide = len(label.text) * WIDE * size
    known = {"start": 0, "middle": wide / 2, "end": wide}
    x = max(0, round((label.x + MARGIN) * SCALE - known[label.anchor]))
    y = max(0, round((label.y + MARGIN) * SCALE) - (HIGH - 1) * size)
    number = PAINTS[label.paint]
    for i, char in enumerate(label.text):
        letter = np.kron(glyph(char), np.ones((size, size), np.bool_))
        part = image[y : y + letter.shape[0], x + i * WIDE * size : x + i * WIDE * size + letter.shape[1]]
        part[letter[: part.shape[0], : part.shape[1]]] = number
