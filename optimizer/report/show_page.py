"""The page of `remora show`."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.words import amount, count, duration, percent, spoken

if TYPE_CHECKING:
    from optimizer.report.show import FleetFacts, Kind

__all__ = ["show_page"]

KINDS = 20
NAMED = 10


def show_page(facts: FleetFacts) -> Page:
    """Lay out the facts of a fleet."""
    page = Page()
    page.heading(f"Fleet {facts.fleet}, taken at {facts.taken_at.isoformat().replace('+00:00', 'Z')}")
    _totals(page, facts)
    _kinds(page, facts)
    _use(page, facts)
    _unexplained(page, facts)
    _groups(page, facts)
    _coverage(page, facts)
    return page


def _totals(page: Page, facts: FleetFacts) -> None:
    states = ", ".join(f"{n:,} {state}" for state, n in facts.host_states.items())
    page.line(f"{count(facts.hosts, 'host')} ({states}), {count(facts.vms, 'VM')}, {count(facts.owners, 'owner')}")
    if facts.not_placed:
        them = "it" if facts.not_placed == 1 else "them"
        page.line(f"{count(facts.not_placed, 'VM')} not placed yet: `plan` leaves {them} alone", Tone.WARN)
    levels = ", ".join(count(n, name) for name, n in facts.levels.items())
    page.line(f"levels: {levels}" + (f"; no move leaves its {facts.move_within}" if facts.move_within else ""))
    _under_way(page, facts)


def _under_way(page: Page, facts: FleetFacts) -> None:
    if facts.in_flight:
        by = ", ".join(f"{n:,} by {name}" for name, n in facts.in_flight_by.items())
        page.line(f"moves in flight: {facts.in_flight:,} ({by}); these VMs count at both ends and stay", Tone.WARN)
    else:
        page.line("moves in flight: none", Tone.QUIET)
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in facts.history_outcomes.items())
    if math.isfinite(facts.history_since):
        since = datetime.fromtimestamp(facts.history_since, UTC)
        span = duration(max(0.0, facts.taken_at.timestamp() - facts.history_since))
        stamp = since.isoformat().replace("+00:00", "Z")
        page.line(f"history: {count(facts.history, 'move')} ({outcomes or 'none'}) since {stamp}, {span}")
    else:
        page.line(f"history: {count(facts.history, 'move')}, its span not given", Tone.QUIET)


def _kinds(page: Page, facts: FleetFacts) -> None:
    page.heading(f"Kinds of host: {len(facts.kinds):,}")
    table = Table((">hosts", ">VMs", "~capacity of each", "~labels", "such as"))
    for kind in facts.kinds[:KINDS]:
        labels = ", ".join(f"{k}={v}" for k, v in kind.labels.items())
        table.add(f"{kind.hosts:,}", f"{kind.vms:,}", _capacity(kind), labels or "-", kind.example)
    page.table(table)
    if len(facts.kinds) > KINDS:
        page.line(f"… and {len(facts.kinds) - KINDS:,} more kinds", Tone.QUIET)


def _capacity(kind: Kind) -> str:
    return ", ".join(f"{spoken(name)} {amount(name, value)}" for name, value in kind.capacity.items())


def _use(page: Page, facts: FleetFacts) -> None:
    page.heading("Use by resource")
    table = Table(
        ("resource", ">physical", ">allocatable", ">allocated", ">of allocatable", ">measured", "~fullest hosts")
    )
    for use in facts.resources:
        name = use.resource
        fullest = ", ".join(f"{h.host} {percent(h.load, h.sellable)}" for h in use.highest)
        measured = f"{amount(name, use.measured)} on {use.measured_hosts:,}" if use.measured_hosts else "-"
        cells = (amount(name, use.physical), amount(name, use.sellable), amount(name, use.demand))
        table.add(name, *cells, percent(use.demand, use.sellable), measured, fullest)
    page.table(table, empty="no resources")


def _unexplained(page: Page, facts: FleetFacts) -> None:
    for use in facts.resources:
        if use.unexplained:
            what = f"{amount(use.resource, use.unexplained)} on {count(use.unexplained_hosts, 'host')}"
            page.line(
                f"not attributed to any VM (host overhead): {what} of {use.resource}: it stays with the host", Tone.WARN
            )


def _groups(page: Page, facts: FleetFacts) -> None:
    undeclared = len(facts.undeclared_groups)
    page.heading(f"Groups: {facts.declared_groups:,} declared, {undeclared:,} not")
    for rule, n in facts.group_rules.items():
        page.line(f"{rule}: {count(n, 'group rule')}")
    if facts.undeclared_groups:
        names = ", ".join(f"{g.group} ({g.vms})" for g in facts.undeclared_groups[:NAMED])
        more = f", … {undeclared - NAMED:,} more" if undeclared > NAMED else ""
        page.line(f"implicit groups, anti-affinity assumed (at most 1 on a host, must): {names}{more}", Tone.WARN)
    if facts.interference:
        page.line(f"evidence of interference: {count(facts.interference, 'pair')}")


def _coverage(page: Page, facts: FleetFacts) -> None:
    page.heading("Optional facts")
    table = Table(("of", "fact", ">given", ">share", ""))
    for fact in facts.coverage:
        if fact.given:
            note = "other than the default" if fact.beyond_default else ""
            table.add(fact.of_what, fact.fact, f"{fact.given:,}", percent(fact.given, fact.of), note)
    page.table(table)
    for of_what in ("hosts", "VMs"):
        missing = [f.fact for f in facts.coverage if f.of_what == of_what and not f.given]
        if missing:
            page.line(f"of no {of_what}: {', '.join(missing)}", Tone.QUIET)
