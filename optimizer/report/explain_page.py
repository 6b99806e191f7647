"""The pages of `remora explain` for a VM, a host, and a VM that might go to a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.grammar import listed
from optimizer.problem.rule import Hardness
from optimizer.report.arrivals import Says
from optimizer.report.called import NOBODY, Called
from optimizer.report.page import Page, Table, Tone
from optimizer.report.violations import measured, measured_pair, violations_table
from optimizer.report.words import amount, count, percent, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.plan import PlannedMove
    from optimizer.report.arrivals import Filter
    from optimizer.report.explain import HostFacts, VmFacts
    from optimizer.report.loads import Load

__all__ = ["filters_page", "host_page", "loads_table", "vm_page"]

VMS = 20
TONES = {Says.SKIP: Tone.BAD, Says.NOTE: Tone.WARN}
SAYS = {Says.SKIP: "refused by", Says.NOTE: "allowed, but worse for"}


def vm_page(facts: VmFacts, *, with_plan: bool, called: Called = NOBODY) -> Page:
    """Lay out a VM."""
    page = Page()
    going = f", being moved to {called.host(facts.moving_to)} by somebody" if facts.moving_to else ""
    place = f"on {called.host(facts.host)}{going}" if facts.host else "not placed"
    page.heading(f"VM {called.vm(facts.vm)}: {place}")
    page.line(f"state {facts.state}, mobility {facts.mobility}, owner {facts.owner or '-'}")
    page.line("needs: " + ", ".join(f"{spoken(name)} {amount(name, value)}" for name, value in facts.demand.items()))
    page.line("groups: " + (", ".join(facts.groups) or "none"))
    _needs(page, facts)
    if facts.stays:
        page.line("it may not move:", Tone.WARN)
        for stays in facts.stays:
            page.line(f"  {stays.rule}: {stays.reason}", Tone.WARN)
    else:
        page.line(f"it may move: {count(facts.may_enter, 'host')} may receive it, {facts.has_room:,} have room now")
    page.heading("What is wrong around it")
    page.table(violations_table(facts.violations, called), empty="nothing")
    if with_plan:
        _moves(page, facts.moves, "the plan leaves it where it is:")
        for why in facts.not_moved:
            page.line(f"  {why}")
    return page


def _needs(page: Page, facts: VmFacts) -> None:
    if facts.labels:
        page.line("labels: " + ", ".join(f"{k}={v}" for k, v in facts.labels.items()))
    for label, values in facts.requires.items():
        page.line(f"requires a host with {label} {listed(values, 'or')}")
    if facts.forbidden_hosts:
        page.line("forbidden hosts: " + ", ".join(facts.forbidden_hosts))


def _moves(page: Page, moves: Sequence[PlannedMove], none: str) -> None:
    page.heading("What the plan does")
    for move in moves:
        why = f": {move.why}" if move.why else ""
        page.line(f"{move.id}: {move.vm} from {move.source} to {move.target}, batch {move.batch}{why}")
    if not moves:
        page.line(none, Tone.QUIET)


def host_page(facts: HostFacts, *, with_plan: bool, called: Called = NOBODY) -> Page:
    """Lay out a host."""
    page = Page()
    page.heading(f"Host {called.host(facts.host)}: {facts.state}, {count(len(facts.vms), 'VM')}")
    page.line("domains: " + (", ".join(f"{k} {v}" for k, v in facts.domains.items()) or "none"))
    if facts.labels:
        page.line("labels: " + ", ".join(f"{k}={v}" for k, v in facts.labels.items()))
    more = f", … {len(facts.vms) - VMS:,} more" if len(facts.vms) > VMS else ""
    page.line("VMs: " + (", ".join(facts.vms[:VMS]) or "none") + more)
    page.heading("Load against limits")
    page.table(loads_table(facts.loads, with_plan=with_plan), empty="no rule limits it")
    page.heading("What is wrong with it")
    page.table(violations_table(facts.violations, called), empty="nothing")
    page.heading("Which VMs it may receive")
    page.line(
        f"{facts.takes:,} of the {count(facts.others, 'VM')} elsewhere that may move "
        "(whether one of them fits: explain VM --to HOST)"
    )
    for refusal in facts.refusals:
        page.line(
            f"refused by {refusal.rule}/{refusal.reason}: {refusal.text} "
            f"({count(refusal.vms, 'VM')} like {refusal.such_as})",
            Tone.BAD,
        )
    if with_plan:
        _moves(page, (*facts.leaving, *facts.arriving), "the plan does not touch it")
    return page


def loads_table(loads: Iterable[Load], *, with_plan: bool) -> Table:
    """Tabulate loads; with a plan, before and after it."""
    headers = (">load", ">after") if with_plan else (">load",)
    table = Table(("resource", "rule", *headers, ">limit", ">share"))
    for load in loads:
        before, limit = _against(load, load.before)
        after = (_against(load, load.after)[0],) if with_plan else ()
        share = "-" if load.limit is None else percent(load.after, load.limit)
        over = load.limit is not None and load.after > load.limit and load.hardness is not Hardness.GUARD
        table.add(
            spoken(load.resource),
            load.rule + (" (who comes)" if load.hardness is Hardness.GUARD else ""),
            before,
            *after,
            limit,
            share,
            tone=Tone.BAD if over else Tone.PLAIN,
        )
    return table


def _against(load: Load, value: int) -> tuple[str, str]:
    """Render a load and its limit in one unit."""
    if load.limit is None:
        return measured(load.resource, value), "-"
    return measured_pair(load.resource, value, load.limit)


def filters_page(vm: str, host: str, words: Sequence[Filter]) -> Page:
    """Lay out the filters one by one."""
    page = Page()
    page.heading(f"May {vm} move to {host}?")
    page.line(f"each rule judges the fleet as it would be with {vm} on {host}, and while it migrates", Tone.QUIET)
    for word in words:
        if word.says is not Says.PASS:
            name = f"{word.rule}/{word.reason}" if word.reason else word.rule
            page.line(f"{SAYS[word.says]} {name}: {word.text}", TONES[word.says])
    passed = dict.fromkeys(word.rule for word in words if word.says is Says.PASS)
    if passed:
        page.line(f"no objection from {', '.join(passed)}", Tone.GOOD)
    skips = sum(word.says is Says.SKIP for word in words)
    if skips:
        page.line(f"no: {count(skips, 'reason')} against it", Tone.BAD)
    else:
        page.line("yes: no rule is against it", Tone.GOOD)
    return page
