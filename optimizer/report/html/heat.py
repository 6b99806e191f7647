"""How full the hosts are, in a report: maps with a key, a table for those who do not see them, and what a cell is."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from optimizer.report.charts.heat_map import FEW_HOSTS, band_names, columns_of, heat_map, host_bars
from optimizer.report.charts.paints import BANDS
from optimizer.report.charts.svg import svg
from optimizer.report.html.escape import text
from optimizer.report.words import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from optimizer.report.heat import Heat

__all__ = ["heat_parts", "kept_of"]

LARGEST_CELL = 30
CURSOR = '<rect class="cursor" width="10" height="10"/>'


def heat_parts(hosts: Sequence[str], heats: Sequence[Heat], *, changes: bool = True) -> list[str]:
    """Return the content of a section; without `changes` there is one time alone."""
    if not heats:
        return ['<p class="quiet">no rule limits what hosts carry</p>']
    if len(hosts) <= FEW_HOSTS:
        mark = ", a mark where it was" if changes else ""
        return [
            f"<p>Each bar is the load of a host{' after the plan' if changes else ''}{mark}; the dashed line is its "
            "tightest limit.</p>",
            f"<figure>{svg(host_bars(hosts, heats))}</figure>",
        ]
    return [*_key(), *(part for n, heat in enumerate(heats) for part in _maps(n, heat, len(hosts), changes))]


def kept_of(hosts: Sequence[str], heats: Sequence[Heat], *, changes: bool = True) -> dict[str, Any]:
    """Return what the script reads of the maps; nothing where there are none."""
    if len(hosts) <= FEW_HOSTS or not heats:
        return {}
    times = [(heat.before, heat.after) if changes else (heat.before,) for heat in heats]
    maps = [[b64encode(shares.tobytes()).decode() for shares in time] for time in times]
    return {"hosts": list(map(str, hosts)), "maps": maps}


def _key() -> Iterator[str]:
    yield "<p>A square is a host, in the order of the fleet; its colour is the load, of its tightest limit.</p>"
    yield '<ul class="key">'
    for name, paint in zip(band_names(), BANDS, strict=True):
        square = f'<svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" class="f-{paint}"/></svg>'
        yield f"<li>{square}{name}</li>"
    yield "</ul>"


def _maps(number: int, heat: Heat, hosts: int, changes: bool) -> Iterator[str]:
    name, columns = text(spoken(heat.resource)), columns_of(hosts)
    yield f"<h3>{name}</h3>"
    said = f"{name} by host: arrow keys go from host to host"
    one = "" if changes else " one"
    yield f'<div class="maps{one}" role="group" tabindex="0" data-map="{number}" data-columns="{columns}" '
    yield f'aria-label="{said}" aria-describedby="says-{number}">'
    for when, shares in (("before", heat.before), ("after", heat.after))[: 2 if changes else 1]:
        drawing = heat_map(f"{spoken(heat.resource)} {when if changes else 'now'}", shares)
        picture = svg(drawing, most_width=columns * LARGEST_CELL, more=CURSOR)
        yield f"<figure><figcaption>{when if changes else 'now'}</figcaption>{picture}</figure>"
    yield f'</div><output id="says-{number}" aria-live="polite"></output>'
    yield from _table(heat, name, changes)


def _table(heat: Heat, name: str, changes: bool) -> Iterator[str]:
    times = ("before", "after") if changes else ("now",)
    heads = "".join(f'<th scope="col" class="n">{time}</th>' for time in times)
    yield f"<details><summary>{name}: hosts by load</summary><table><caption>Hosts by load of {name}</caption>"
    yield f'<thead><tr><th scope="col">load</th>{heads}</tr></thead><tbody>'
    for row in zip(band_names(), heat.bands(heat.before), heat.bands(heat.after), strict=True):
        cells = "".join(f'<td class="n">{n:,}</td>' for n in row[1 : 1 + len(times)])
        yield f"<tr><td>{row[0]}</td>{cells}</tr>"
    yield "</tbody></table></details>"
