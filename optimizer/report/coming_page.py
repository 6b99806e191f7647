"""What a plan does for VMs to come, on its page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import count

if TYPE_CHECKING:
    from optimizer.whatif.plan_place import Coming

__all__ = ["coming_page"]

SHOWN = 20


def coming_page(coming: Coming) -> Page:
    """Lay out which VMs to come have room, and where."""
    page = Page()
    asked = len(coming.room) + len(coming.without)
    page.heading("VMs to come")
    done = f"{len(coming.room):,} of {count(asked, 'VM')} to come have room once the plan is done"
    page.line(f"{done}, {coming.without_moves:,} of them already", Tone.GOOD if not coming.without else Tone.BAD)
    table = Table(("host", ">VMs", "~which"))
    on = Counter(host for _, host in coming.room)
    for host, number in list(on.items())[:SHOWN]:
        table.add(host, number, ", ".join(vm for vm, at in coming.room if at == host))
    page.table(table)
    if len(on) > SHOWN:
        page.line(f"and {count(len(on) - SHOWN, 'host')} more (scope.room in the plan)", Tone.QUIET)
    for vm, why in coming.without[:SHOWN]:
        page.line(f"no room for {vm}: {why}", Tone.BAD)
    if len(coming.without) > SHOWN:
        page.line(f"and {count(len(coming.without) - SHOWN, 'VM')} more without room", Tone.BAD)
    return page
