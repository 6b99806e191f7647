"""The charts of a what-if answer: a curve, bars, or a course."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.report.charts.bars import Bar, bars
from optimizer.report.charts.curve import Course, course, steps
from optimizer.report.compare_page import CompareFacts
from optimizer.report.size_page import SizeFacts
from optimizer.report.whatif_drain_facts import DrainFacts
from optimizer.report.whatif_empty_page import EmptyFacts
from optimizer.report.whatif_facts import FitFacts, PlaceFacts, plural, units
from optimizer.report.whatif_flavours_page import FlavoursFacts
from optimizer.report.whatif_loss_facts import LossesFacts
from optimizer.report.whatif_roll_page import RollFacts
from optimizer.report.words import amount, count, duration, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from optimizer.report.charts.drawing import Drawing
    from optimizer.report.whatif_drain_facts import MoveFacts
    from optimizer.report.whatif_facts import SurvivalFacts
    from optimizer.whatif.grow import Growth, PoolGrowth

__all__ = ["charts_of", "growth_charts"]

SHOWN = 20
DAY_S = 86_400


@singledispatch
def charts_of(facts: Any) -> list[Drawing]:
    """Return the charts of an answer; none where its page says it all."""
    return []


@charts_of.register(FitFacts)
def _fit(facts: FitFacts) -> list[Drawing]:
    out = []
    if facts.after_moves:
        points = [(0, facts.value, facts.bound), *((s.moves, s.value, s.bound) for s in facts.after_moves if s.moves)]
        out.append(steps("How many more fit, by the number of moves", ("moves", f"{units(facts.unit)} more"), points))
    if len(facts.pools) > 1:
        rows = sorted(facts.pools, key=lambda pool: -pool.vms)[:SHOWN]
        out.append(bars("More VMs by pool", [Bar(p.pool, ((p.vms, "h3"),), count(p.vms, "VM")) for p in rows]))
    if not out:
        out.append(bars("How many more fit", [_more("more", facts, facts.unit)]))
    return out


@charts_of.register(FlavoursFacts)
def _flavours(facts: FlavoursFacts) -> list[Drawing]:
    rows = [_more(one.flavour, one.fit, one.fit.unit) for one in facts.flavours]
    out = [bars("How many more of each flavour fit", rows)]
    if surviving := [
        _more(one.flavour, one.fit.survive, "VM") for one in facts.flavours if one.fit.survive is not None
    ]:
        out.append(bars("How many so that hosts may be lost", surviving))
    return out


def _more(name: str, found: FitFacts | SurvivalFacts, unit: str) -> Bar:
    """Return the bar of how many fit, and how many more could at most."""
    told = "proven" if found.bound <= found.value else f"at most {found.bound:,}"
    rest = max(0, found.bound - found.value)
    return Bar(name, ((found.value, "h3"), (rest, "card")), f"{plural(found.value, unit)}, {told}")


@charts_of.register(PlaceFacts)
def _place(facts: PlaceFacts) -> list[Drawing]:
    hosts: dict[str, int] = {}
    for kind in facts.kinds:
        for host, number in kind.hosts.items():
            hosts[host] = hosts.get(host, 0) + number
    rows = sorted(hosts.items(), key=lambda pair: -pair[1])[:SHOWN]
    chart = bars("New VMs by host", [Bar(host, ((n, "h3"),), count(n, "VM")) for host, n in rows])
    return [chart] if rows else []


@charts_of.register(LossesFacts)
def _lose(facts: LossesFacts) -> list[Drawing]:
    rows = []
    for loss in facts.losses[:SHOWN]:
        open_, never = max(0, loss.bound - loss.restarted), loss.vms - max(loss.bound, loss.restarted)
        said = f"{loss.restarted:,} of {count(loss.vms, 'VM')} restart" + (f", at most {loss.bound:,}" if open_ else "")
        rows.append(Bar(loss.loss, ((loss.restarted, "soft"), (open_, "h4"), (never, "h5")), said))
    title = "The worst losses: VMs that restart (light), that may (orange), that cannot (red)"
    return [bars(title, rows)] if rows else []


@charts_of.register(RollFacts)
def _roll(facts: RollFacts) -> list[Drawing]:
    rows = [
        Bar(
            f"wave {n}",
            ((wave.seconds, "h3"),),
            f"{count(len(wave.units), facts.by)}, {count(len(wave.moves), 'move')}, {duration(wave.seconds)}",
        )
        for n, wave in enumerate(facts.waves[:SHOWN], 1)
    ]
    return [bars("How long the moves of each wave take", rows)] if rows else []


@charts_of.register(EmptyFacts)
def _empty(facts: EmptyFacts) -> list[Drawing]:
    still = max(0, facts.bound - facts.value)
    never = max(0, facts.used - facts.value - still)
    said = f"{facts.value:,} of {count(facts.used, 'host')}" + (f", at most {facts.bound:,}" if still else ", proven")
    row = Bar("emptied", ((facts.value, "h3"), (still, "h4"), (never, "card")), said)
    return [bars("Hosts in use that can be emptied", [row]), *_batches(facts.moves)]


@charts_of.register(DrainFacts)
def _drain(facts: DrainFacts) -> list[Drawing]:
    return _batches(facts.moves)


def _batches(moves: Sequence[MoveFacts]) -> list[Drawing]:
    """Draw how many moves each batch has."""
    numbers = sorted({move.batch for move in moves})
    rows = []
    for number in numbers[:SHOWN]:
        here = [move for move in moves if move.batch == number]
        rows.append(Bar(f"batch {number}", ((len(here), "h3"),), count(len(here), "move")))
    return [bars("Moves of each batch", rows)] if rows else []


@charts_of.register(SizeFacts)
def _size(facts: SizeFacts) -> list[Drawing]:
    rows = [Bar(name.replace("_", " "), ((n, "h3"),), count(n, "VM")) for name, n in facts.counts.items() if n]
    return [bars("VMs by what they use", rows)] if rows else []


@charts_of.register(CompareFacts)
def _compare(facts: CompareFacts) -> list[Drawing]:
    rows = [Bar(s.name, ((s.moves, "h3"),), count(s.moves, "move")) for s in facts.scenarios]
    return [bars("Moves that repair each scenario", rows)]


def growth_charts(
    found: Sequence[PoolGrowth],
    past: Mapping[tuple[str, str], tuple[Sequence[float], Sequence[float]]],
    now_s: float,
    horizon: int,
) -> list[Drawing]:
    """Draw each resource of each pool that has a forecast: what was, what is expected, and when it is full.

    Parameters
    ----------
    past
        By (pool, resource): epoch seconds and amounts, where there is one.
    now_s
        When the snapshot was taken, in epoch seconds.
    """
    return [chart for pool in found for g in pool.resources for chart in _course(pool.pool, g, past, now_s, horizon)]


def _course(
    pool: str,
    g: Growth,
    past: Mapping[tuple[str, str], tuple[Sequence[float], Sequence[float]]],
    now_s: float,
    horizon: int,
) -> Iterator[Drawing]:
    if g.forecast is None:
        return
    times, amounts = past.get((pool, g.resource), ((), ()))
    days = np.arange(1.0, max(horizon, min(g.days or 0, 3 * horizon)) + 1)
    expected, spread = g.forecast.at(days) + g.now - g.forecast.level, g.forecast.spread(days)
    was = [((t - now_s) / DAY_S, float(a)) for t, a in sorted(zip(times, amounts, strict=True))]
    will = [(0.0, float(g.now)), *zip(days.tolist(), expected.tolist(), strict=True)]
    band = list(zip(days.tolist(), (expected - spread).tolist(), (expected + spread).tolist(), strict=True))
    full = "not full" if g.days is None else f"full in {count(g.days, 'day')}"
    edges = f"({_said(g.early)} to {_said(g.late)} at the edges of the band)"
    told = f"{amount(g.resource, g.now)} now, {amount(g.resource, g.limit)} is full; expected to be {full} {edges}"
    title = f"{pool}: {spoken(g.resource)}"
    one = Course(was, will, band, g.limit, g.days)
    unit = _unit(g.resource, max(g.limit, g.now))
    yield course(title, spoken(g.resource), told, one, lambda y: _amount(g.resource, y), unit)


def _unit(resource: str, most: float) -> float:
    """Return the unit in which people say such an amount."""
    if not resource.endswith("_mib"):
        return 1000.0 if resource.endswith("_millicores") else 1.0
    return next(float(unit) for unit in (1024**2, 1024, 1) if most >= unit or unit == 1)


def _said(days: int | None) -> str:
    return "never" if days is None else f"{days:,}"


def _amount(resource: str, value: float) -> str:
    sign = "-" if value < 0 else ""
    return sign + amount(resource, abs(round(value)))
