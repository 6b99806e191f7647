"""Charts: as SVG and as PNG they hold what they were given, and names stay text."""

from __future__ import annotations

import random
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest

from optimizer.report.charts.axes import ticks
from optimizer.report.charts.bars import Bar, bars
from optimizer.report.charts.curve import Course, course, steps
from optimizer.report.charts.drawing import CELL, GAP, Cells, Drawing, stacked
from optimizer.report.charts.font import glyph
from optimizer.report.charts.heat_map import picture
from optimizer.report.charts.paints import BANDS, rgb
from optimizer.report.charts.png import MARGIN, SCALE, png_file
from optimizer.report.charts.svg import svg, svg_file
from optimizer.report.heat import Heat

HOSTILE = '"><script>alert(1)</script>&\x07\u202e'
SVG = "{http://www.w3.org/2000/svg}"


def cells_of(drawn: str, paint: str) -> set[tuple[int, int]]:
    """Read back from the paths which cells have a paint: column and row."""
    found = set()
    for path in ElementTree.fromstring(drawn).iter(f"{SVG}path"):
        if path.get("class") == f"s-{paint}":
            for line in path.get("d", "").split("M")[1:]:
                at, _, length = line.partition("h")
                x, y = (int(part) // CELL for part in at.split())
                found |= {(x + k, y) for k in range((int(length) + GAP) // CELL)}
    return found


def pixels(png: bytes) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Decode a PNG of palette numbers, as the standard says; every checksum is looked at."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    parts, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        parts[kind], at = body, at + 12 + length
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    raw = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not raw[:, 0].any()
    colours = parts[b"PLTE"]
    return raw[:, 1:], [(colours[i], colours[i + 1], colours[i + 2]) for i in range(0, len(colours), 3)]


@pytest.mark.parametrize("seed", range(20))
def test_every_cell_has_its_paint_in_both(seed: int) -> None:
    draw = random.Random(seed)
    number, columns = draw.randint(1, 90), draw.randint(1, 12)
    values = np.array([draw.randrange(len(BANDS)) for _ in range(number)], np.uint8)
    drawing = Drawing(columns * CELL, -(-number // columns) * CELL, "t", "d", [Cells(0, 0, columns, values, BANDS)])
    drawn = svg_file(drawing)
    image, palette = pixels(png_file(drawing))
    for band, paint in enumerate(BANDS):
        wanted = {(i % columns, i // columns) for i in np.flatnonzero(values == band).tolist()}
        assert cells_of(drawn, paint) == wanted
        for x, y in wanted:
            middle = image[(y * CELL + 4 + MARGIN) * SCALE, (x * CELL + 4 + MARGIN) * SCALE]
            assert palette[middle] == rgb(paint)


@pytest.mark.parametrize("seed", range(20))
def test_marks_are_round_and_hold_all(seed: int) -> None:
    draw = random.Random(seed)
    low = draw.uniform(-1e6, 1e6) * draw.choice((0, 1))
    high = low + 10 ** draw.uniform(-3, 9)
    found = ticks(low, high)
    step = found[1] - found[0]
    assert found[0] <= low + step * 1e-6
    assert found[-1] >= high - step * 1e-6
    assert 2 <= len(found) <= 9
    assert round(step / 10 ** np.floor(np.log10(step) + 1e-9), 3) in (1, 2, 5)
    assert all(y == int(y) for y in ticks(low, high, whole=True))


def some() -> list[Drawing]:
    heat = Heat("memory_mib", np.array([10, 90, 255], np.uint8), np.array([20, 80, 99], np.uint8))
    many = Heat("cpu_millicores", *(np.arange(60, dtype=np.uint8) * k for k in (3, 2)))
    past, band = [(-2.0, 5.0), (-1.0, 6.0)], [(1.0, 6.0, 8.0), (2.0, 6.5, 9.5)]
    return [
        bars(HOSTILE, [Bar(HOSTILE, ((3, "h3"), (0, "h5")), HOSTILE), Bar("b", (), "none")]),
        steps(HOSTILE, ("moves", "VMs"), [(0, 3, 3), (2, 4, 6), (5, 4, 9)]),
        course(HOSTILE, HOSTILE, HOSTILE, Course(past, [(0, 6.5), (2, 8.0)], band, 7.5, 1), lambda y: f"{y:g}"),
        picture(HOSTILE, ["h0", HOSTILE, "h2"], [heat]),
        picture("maps", [f"h{i}" for i in range(60)], [many]),
        bars("nothing", []),
        stacked("empty", []),
    ]


@pytest.mark.parametrize("number", range(len(some())))
def test_names_stay_text_and_a_drawing_says_what_it_shows(number: int) -> None:
    drawing = some()[number]
    drawn = ElementTree.fromstring(svg_file(drawing))
    assert {e.tag.removeprefix(SVG) for e in drawn.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "text", "path", "polyline", "polygon", "g")
    }
    assert drawn.find(f"{SVG}title") is not None
    inside = svg(drawing)
    assert 'role="img"' in inside
    assert "<script" not in inside
    assert "\x07" not in inside
    image, _ = pixels(png_file(drawing))
    assert image.shape == (round((drawing.height + 2 * MARGIN) * SCALE), round((drawing.width + 2 * MARGIN) * SCALE))


def test_a_curve_says_its_values_and_bounds() -> None:
    drawing = steps("t", ("moves", "VMs"), [(0, 3, 3), (2, 4, 6)])
    assert drawing.description == "0 moves: 3, proven; 2 moves: 4, at most 6"


def test_letters_are_there() -> None:
    assert all(glyph(chr(c)).any() for c in range(0x21, 0x7F))
    seen = {glyph(chr(c)).tobytes() for c in range(0x20, 0x7F)}
    assert len(seen) == 95
    assert glyph("→").any()
    assert (glyph("語") == glyph("é")).all()
