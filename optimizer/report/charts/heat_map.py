"""Heat maps: a cell is a host; for a few hosts a row with bars, and its name."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from optimizer.report.charts.drawing import CELL, Cells, Drawing, Label, Path, Rect, lower, text_width
from optimizer.report.charts.paints import BANDS
from optimizer.report.heat import MOST, STEPS
from optimizer.report.words import count, shortened, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from optimizer.report.heat import Heat

__all__ = ["FEW_HOSTS", "band_names", "columns_of", "heat_map", "host_bars", "picture"]

FEW_HOSTS = 24
"""Up to this number hosts are shown as rows with their names."""

WIDEST = 150
WIDTH = 960


def band_names() -> tuple[str, ...]:
    """Return what the bands are called, from empty to over the limit."""
    return (f"up to {STEPS[0]} %", *(f"{a} to {b} %" for a, b in pairwise(STEPS)), "over the limit")


def bands(shares: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the number of the band of each host."""
    return np.searchsorted(STEPS, shares).astype(np.uint8)


def columns_of(hosts: int) -> int:
    """Return how many cells there are in a row: a map is wider than high."""
    return min(WIDEST, max(1, ceil(sqrt(max(hosts, 1) * 1.8))))


def heat_map(name: str, shares: NDArray[np.uint8]) -> Drawing:
    """Draw one map; `name` says of what and when."""
    columns = columns_of(len(shares))
    drawing = Drawing(columns * CELL - 1, ceil(len(shares) / columns) * CELL - 1, name, _counted(shares))
    drawing.add(Cells(0, 0, columns, bands(shares), BANDS))
    return drawing


def _counted(shares: NDArray[np.uint8]) -> str:
    numbers = np.bincount(bands(shares), minlength=len(BANDS)).tolist()
    return ", ".join(f"{count(n, 'host')} {name}" for n, name in zip(numbers, band_names(), strict=True) if n)


def host_bars(hosts: Sequence[str], heats: Sequence[Heat]) -> Drawing:
    """Draw each host in a row: of each resource a bar as it ends, a mark where it was, and a line at its limit."""
    left, row, gap = max([40.0, *(text_width(shortened(h, 28)) for h in hosts)]) + 12, 26, 36
    panel = (WIDTH - left) / max(1, len(heats)) - gap
    title, said = "Load of each host, of its tightest limit", _said(hosts, heats)
    drawing = Drawing(WIDTH, 44 + row * len(hosts), title, said)
    for h, host in enumerate(hosts):
        drawing.add(Label(left - 12, 44 + row * h + 14, shortened(host, 28), "end"))
    for number, heat in enumerate(heats):
        _panel(drawing, heat, left + number * (panel + gap), panel, row)
    return drawing


def _panel(drawing: Drawing, heat: Heat, x: float, width: float, row: int) -> None:
    """Draw one resource; the axis ends at the highest share, but not before 110 %."""
    scale = width / max(110, int(heat.before.max(initial=0)), int(heat.after.max(initial=0)))
    drawing.add(Label(x, 14, spoken(heat.resource), size=13))
    for share in (0, 50, 100):
        drawing.add(Label(x + share * scale, 32, f"{share} %", "middle" if share else "start", "quiet", 11))
    for h, (before, after) in enumerate(zip(heat.before.tolist(), heat.after.tolist(), strict=True)):
        y = 44 + row * h
        drawing.add(Rect(x, y + 3, width, row - 8, "card"))
        paint = BANDS[int(np.searchsorted(STEPS, after))]
        drawing.add(Rect(x, y + 3, after * scale, row - 8, paint, _change(before, after)))
        if before != after:
            drawing.add(Path([(x + before * scale, y), (x + before * scale, y + row - 2)], "fg", 2.5))
    bottom = 44 + row * len(heat.before)
    drawing.add(Path([(x + 100 * scale, 38), (x + 100 * scale, bottom)], "bad", 1.5, dashed=True))


def _said(hosts: Sequence[str], heats: Sequence[Heat]) -> str:
    parts = []
    for heat in heats:
        pairs = zip(hosts, heat.before.tolist(), heat.after.tolist(), strict=True)
        shares = ", ".join(f"{host} {_share(a)}" + (f" to {_share(b)}" if a != b else "") for host, a, b in pairs)
        parts.append(f"{spoken(heat.resource)}: {shares}")
    return "; ".join(parts)


def _change(before: int, after: int) -> str:
    return _share(after) if before == after else f"{_share(before)} before, {_share(after)} after"


def _share(share: int) -> str:
    return f"{share} % or more" if share == MOST else f"{share} %"


def picture(title: str, hosts: Sequence[str], heats: Sequence[Heat]) -> Drawing:
    """Draw all maps in one picture with its title and key, to be sent by itself."""
    if len(hosts) <= FEW_HOSTS:
        return _titled(title, host_bars(hosts, heats), "bar: after; mark: before; dashed: the limit")
    side = [m for heat in heats for m in (heat.before, heat.after)]
    columns = columns_of(len(hosts))
    width, height = columns * CELL, ceil(len(hosts) / columns) * CELL
    whole = Drawing(2 * width + 30, 0, title, "")
    for number, shares in enumerate(side):
        heat, when = heats[number // 2], ("before", "after")[number % 2]
        x, y = (number % 2) * (width + 30), (number // 2) * (height + 44)
        whole.add(Label(x, y + 16, f"{spoken(heat.resource)} {when}", size=14))
        whole.add(Cells(x, y + 24, columns, bands(shares), BANDS))
        whole.description += f"{spoken(heat.resource)} {when}: {_counted(shares)}. "
    whole.height = len(heats) * (height + 44)
    return _titled(title, whole, "a square is a host; of its tightest limit", key=True)


def _titled(title: str, drawing: Drawing, note: str, *, key: bool = False) -> Drawing:
    """Return a drawing with a title above it, and what its colours mean."""
    names = band_names() if key else ()
    steps = [0.0]
    for name in names:
        steps.append(steps[-1] + 34 + text_width(name))
    width = max(drawing.width, steps[-1], text_width(title, 18), text_width(note))
    top = 78 if key else 52
    out = Drawing(width, drawing.height + top, drawing.title if not key else title, drawing.description)
    out.add(Label(0, 18, title, size=18), Label(0, 38, note, paint="quiet"))
    for name, x, paint in zip(names, steps, BANDS, strict=False):
        out.add(Rect(x, 50, 12, 12, paint), Label(x + 18, 60.5, name))
    out.add(*(lower(shape, top) for shape in drawing.shapes))
    return out
