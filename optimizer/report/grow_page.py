"""When pools are full, in data and as a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.page import Page, Table, Tone
from optimizer.report.whatif_page import about_line
from optimizer.report.words import amount, count, percent, spoken
from optimizer.whatif.forecast import LEAST_DAYS
from optimizer.whatif.grow import Provision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.grow import Growth, PoolGrowth

__all__ = ["GrowFacts", "describe_growth", "grow_page"]

TONES = {
    Provision.UNDER.value: Tone.BAD,
    Provision.RIGHT_SIZED.value: Tone.GOOD,
    Provision.OVER.value: Tone.WARN,
    Provision.UNDECIDED.value: Tone.WARN,
}

COLUMNS = ("resource", ">now", ">full at", ">a day", ">days to full", ">80 % band")
TESTED = (">tested error", ">in band")


@dataclass(frozen=True, slots=True)
class ResourceGrowth:
    """One resource; days are None for never, errors are shares, None where there was nothing to test."""

    resource: str
    now: int
    limit: int
    expected: int
    high: int
    days_early: int | None
    days: int | None
    days_late: int | None
    by_day: float | None
    past_days: int
    tested_forecasts: int
    tested_error: float | None
    tested_days_error: float | None
    tested_coverage: float | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """How many hosts like this one."""

    like: str
    labels: dict[str, str]
    hosts: int
    there: int


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """One pool; `buy` has alternatives, each enough by itself; `not_needed` what can go."""

    pool: str
    provision: str
    first: str
    resources: tuple[ResourceGrowth, ...]
    buy: tuple[Purchase, ...]
    not_needed: tuple[Purchase, ...]


@dataclass(frozen=True, slots=True)
class GrowFacts:
    """What becomes of the pools."""

    question: str
    about: About
    horizon_days: int
    full_at: float
    band: float
    pools: tuple[PoolFacts, ...]


def describe_growth(fleet: Fleet, found: Sequence[PoolGrowth], horizon: int, full_at: float, about: About) -> GrowFacts:
    """Say it with names."""
    pools = []
    for pool in found:
        needs = tuple(
            Purchase(fleet.hosts.ids[n.like], dict(fleet.hosts.labels[n.like]), n.number, n.hosts) for n in pool.needs
        )
        under = pool.provision is Provision.UNDER
        pools.append(
            PoolFacts(
                pool.pool,
                pool.provision.value,
                pool.first,
                tuple(_resource(g) for g in pool.resources),
                needs if under else (),
                () if under else needs,
            )
        )
    return GrowFacts("grow", about, horizon, full_at, 0.8, tuple(pools))


def _resource(g: Growth) -> ResourceGrowth:
    tested = g.forecast.tested if g.forecast else None
    return ResourceGrowth(
        g.resource,
        g.now,
        g.limit,
        round(g.expected),
        round(g.high),
        g.early,
        g.days,
        g.late,
        None if g.forecast is None else round(g.forecast.slope, 3),
        g.past,
        0 if tested is None else tested.forecasts,
        None if tested is None else _finite(tested.error),
        None if tested is None else _finite(tested.days_error),
        None if tested is None else _finite(tested.coverage),
    )


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def grow_page(facts: GrowFacts) -> Page:
    """Lay out the pools."""
    page = Page()
    page.line(about_line(facts.about), Tone.QUIET)
    full = percent(facts.full_at, 1)
    page.line(f"horizon {count(facts.horizon_days, 'day')}; full is {full} of what may be allocated; band 80 %")
    tested = any(r.tested_forecasts for pool in facts.pools for r in pool.resources)
    for pool in facts.pools:
        page.heading(f"{pool.pool}: {pool.provision}")
        if pool.first:
            page.line(f"full first: {spoken(pool.first)}", TONES[pool.provision])
        table = Table((*COLUMNS, *TESTED) if tested else COLUMNS)
        for r in pool.resources:
            table.add(spoken(r.resource), *_cells(r), *(_tested(r) if tested else ()))
        page.table(table)
        if pool.provision == Provision.UNDECIDED.value:
            lacking = ", ".join(spoken(r.resource) for r in pool.resources if r.by_day is None)
            why = f"no past of at least {LEAST_DAYS} days, and no rate, of {lacking or 'anything'}: it may be short"
            page.line(why, Tone.WARN)
        for buy in pool.buy:
            page.line(f"buy {count(buy.hosts, 'host')} like {buy.like}{_labels(buy.labels)}", Tone.BAD)
        for spare in pool.not_needed:
            page.line(f"not needed: {count(spare.hosts, 'host')} like {spare.like}{_labels(spare.labels)}", Tone.WARN)
        if len(pool.buy) > 1 or len(pool.not_needed) > 1:
            page.line("each line is enough by itself", Tone.QUIET)
    return page


def _labels(labels: dict[str, str]) -> str:
    return f" ({', '.join(f'{k}={v}' for k, v in sorted(labels.items()))})" if labels else ""


def _cells(r: ResourceGrowth) -> list[str]:
    now, limit = amount(r.resource, r.now), amount(r.resource, r.limit)
    if r.by_day is None:
        return [now, limit, "-", "-", "-"]
    sign = "-" if r.by_day < 0 else ""
    band = f"{_days(r.days_early)} to {_days(r.days_late)}"
    return [now, limit, sign + amount(r.resource, abs(round(r.by_day))), _days(r.days), band]


def _tested(r: ResourceGrowth) -> list[str]:
    error = "-" if r.tested_days_error is None else f"{100 * r.tested_days_error:.0f} % of the days"
    covered = "-" if r.tested_coverage is None else f"{100 * r.tested_coverage:.0f} %"
    return [error, covered]


def _days(days: int | None) -> str:
    return "never" if days is None else f"{days:,}"
