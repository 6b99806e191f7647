"""VMs that are too large, idle or noisy, in data and as a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_page import about_line
from optimizer.report.words import amount, count, percent, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.size import Pair, Sized

__all__ = ["SizeFacts", "VmSize", "describe_size", "size_page"]


@dataclass(frozen=True, slots=True)
class VmSize:
    """One VM."""

    vm: str
    owner: str | None
    host: str
    judgement: str
    used: int
    allocated: int
    recommended: int | None
    noise: float
    victims: int


@dataclass(frozen=True, slots=True)
class SizeFacts:
    """All VMs that are not as they should be.

    `judged` of `asked` VMs could be judged; `freed` would be free if all had the recommended size.
    """

    question: str
    about: About
    used: str
    allocated: str
    asked: int
    judged: int
    freed: int
    counts: dict[str, int]
    vms: tuple[VmSize, ...]


def describe_size(fleet: Fleet, pair: Pair, found: Sequence[Sized], judged: int, about: About) -> SizeFacts:
    """Say it with names."""
    vms = fleet.vms
    return SizeFacts(
        question="size",
        about=about,
        used=pair.used,
        allocated=pair.allocated,
        asked=len(fleet.vms),
        judged=judged,
        freed=sum(max(0, s.allocated - s.recommended) for s in found if s.recommended is not None),
        counts=dict(sorted(Counter(s.judgement.value for s in found).items())),
        vms=tuple(
            VmSize(
                vms.ids[s.vm],
                vms.owner_ids[vms.owner[s.vm]] if vms.owner[s.vm] >= 0 else None,
                fleet.hosts.ids[vms.host[s.vm]],
                s.judgement.value,
                s.used,
                s.allocated,
                s.recommended,
                round(s.noise, 3),
                s.victims,
            )
            for s in found
        ),
    )


def size_page(facts: SizeFacts, most: int) -> Page:
    """Lay out the VMs that waste most, or disturb."""
    page = Page()
    if not facts.vms:
        page.line(f"none of {count(facts.judged, 'VM')} is idle, too large, too small or noisy", Tone.GOOD)
    else:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in facts.counts.items())
        page.line(f"of {count(facts.judged, 'VM')} judged: {kinds}", Tone.WARN)
        page.line(
            f"at recommended sizes, {amount(facts.allocated, facts.freed)} of {spoken(facts.allocated)} would be free"
        )
    if facts.judged < facts.asked:
        lacking = f"not running, nothing allocated, or no {spoken(facts.used)} measured"
        page.line(f"not judged: {count(facts.asked - facts.judged, 'VM')} ({lacking})", Tone.WARN)
    page.line(about_line(facts.about), Tone.QUIET)
    table = Table(
        ("VM", "?owner", "host", "is", ">used", ">allocated", ">share", ">recommended", ">noise", ">disturbs")
    )
    for vm in facts.vms[:most]:
        table.add(
            vm.vm,
            vm.owner or "-",
            vm.host,
            vm.judgement,
            amount(facts.used, vm.used),
            amount(facts.allocated, vm.allocated),
            percent(vm.used, vm.allocated),
            "-" if vm.recommended is None else amount(facts.allocated, vm.recommended),
            vm.noise or "-",
            vm.victims or "-",
        )
    page.table(table)
    if len(facts.vms) > most:
        page.line(f"and {count(len(facts.vms) - most, 'VM')} more (--show, --json)", Tone.QUIET)
    return page
