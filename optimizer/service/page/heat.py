"""The heat map as a picture: one cell a host, so that it is one request and no script, for ten thousand hosts too."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.report.charts.png import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Grid", "colour_of", "grid_of", "picture"]

WIDTH = 1000
LARGEST, SMALLEST = 40, 4

STEPS = 10
"""Shades of load, from none to all that a host has to give."""

GAP = 0
SHADES = [(198 - 19 * i, 219 - 14 * i, 239 - 8 * i) for i in range(STEPS)]
FULL, VIOLATED, AWAY = STEPS + 1, STEPS + 2, STEPS + 3
PALETTE = [(0, 0, 0), *SHADES, (230, 120, 0), (210, 0, 60), (140, 140, 140)]


class Grid:
    """How many cells there are in a row, and how large they are, in pixels."""

    def __init__(self, hosts: int) -> None:
        wanted = int(WIDTH / max(1.0, ceil(sqrt(max(hosts, 1) * 1.6))))
        self.cell = max(SMALLEST, min(LARGEST, wanted))
        self.columns = max(1, min(max(hosts, 1), WIDTH // self.cell))
        self.rows = max(1, ceil(hosts / self.columns))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.columns * self.cell, self.rows * self.cell


def grid_of(hosts: Sequence[Any]) -> Grid:
    """Return the grid for these hosts."""
    return Grid(len(hosts))


def colour_of(host: dict[str, Any]) -> int:
    """Return the colour of a host, as an index: violated, away, full, or a shade of its load."""
    if host["violations"]:
        return VIOLATED
    if host["state"] in ("down", "disabled"):
        return AWAY
    load = max(host["load"], default=0)
    if load >= 1000:
        return FULL
    return 1 + max(0, min(STEPS - 1, load * STEPS // 1000))


def picture(hosts: Sequence[dict[str, Any]]) -> bytes:
    """Return a PNG, with the hosts in their order from left to right and from top to bottom."""
    grid = grid_of(hosts)
    colours = np.zeros(grid.rows * grid.columns, np.uint8)
    colours[: len(hosts)] = [colour_of(host) for host in hosts]
    cells = colours.reshape(grid.rows, grid.columns)
    image = np.kron(cells, np.ones((grid.cell, grid.cell), np.uint8))
    image[:: grid.cell, :] = GAP
    image[:, :: grid.cell] = GAP
    return encode(image, PALETTE, first_is_clear=True)
