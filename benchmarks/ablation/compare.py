"""Pairs of results, with a mechanism and without it: who is better, by how much, and whether by more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.ablation.measure import Result

__all__ = ["EVERYWHERE", "Comparison", "Count", "compared", "pooled", "steadied"]

EVERYWHERE = "all of these"
"""What the row of a mechanism over all classes is called."""

SIGMAS = 2.0
"""Standard errors that a difference has to exceed."""

CPU_ALLOWED = math.log(1.1)
"""Difference of CPU time that is let pass however sure it is, and however steady the machine seems."""

MARGIN = 1.5
"""By how much a difference has to exceed the largest that planning the same twice has made."""


@dataclass(frozen=True, slots=True)
class Count:
    """On how many fleets it is worse without the mechanism, and on how many better."""

    worse: int
    better: int

    @property
    def pays(self) -> bool:
        """Whether worse is more often than chance would make it, were both as likely."""
        return self.worse - self.better >= SIGMAS * math.sqrt(self.worse + self.better) > 0

    @property
    def harms(self) -> bool:
        """The same the other way round: better without."""
        return Count(self.better, self.worse).pays


@dataclass(frozen=True, slots=True)
class Comparison:
    """One mechanism on one class of fleets; ratios are without it over with it, above 1 where it pays.

    Attributes
    ----------
    plan, bound, placement
        Counts of fleets: by the plans' values, stage by stage; where these are equal by the bounds; where also these
        are equal by the tie-break.
    harm, cost
        Ratios of sums: harm left, and the cost of moves (or of the placement).
    gap
        (With, without): the sum of values above their bounds in the last stage, over the sum of values.
    cpu, cpu_error
        Ratio of CPU times, the geometric mean over fleets, and the standard error of its logarithm.
    cpu_limit
        Logarithm of the ratio from which on it counts; see `steadied`.
    """

    mechanism: str
    kind: str
    fleets: int
    plan: Count
    bound: Count
    placement: Count
    harm: float
    cost: float
    gap: tuple[float, float]
    cpu: float
    cpu_error: float
    cpu_limit: float = CPU_ALLOWED

    @property
    def slower(self) -> bool:
        """Whether it takes more CPU time without, by more than noise."""
        return math.log(self.cpu) > max(self.cpu_limit, SIGMAS * self.cpu_error)

    @property
    def differs(self) -> bool:
        """Whether the mechanism changed anything but the time."""
        return any(c.worse or c.better for c in (self.plan, self.bound, self.placement))

    @property
    def pays(self) -> tuple[str, ...]:
        """In what the mechanism pays here."""
        counts = {"plan": self.plan, "bound": self.bound, "tie-break": self.placement}
        found = [name for name, count in counts.items() if count.pays]
        if self.slower and not self.plan.harms and not self.bound.harms:
            found.append("CPU")
        return tuple(found)


def compared(mechanism: str, kind: str, on: Sequence[Result], off: Sequence[Result]) -> Comparison:
    """Compare results on the same fleets, in the same order."""
    pairs = list(zip(on, off, strict=True))
    logs = [math.log(max(b.cpu_s, 1e-4) / max(a.cpu_s, 1e-4)) for a, b in pairs]
    same = [(a, b) for a, b in pairs if a.values == b.values]
    tied = [(a, b) for a, b in same if a.bounds == b.bounds]
    return Comparison(
        mechanism,
        kind,
        len(pairs),
        plan=_count(pairs, lambda r: r.values),
        bound=_count(same, lambda r: tuple(-b for b in r.bounds)),
        placement=_count(tied, lambda r: (r.placement,)),
        harm=_ratio(sum(a.harm for a in on), sum(b.harm for b in off)),
        cost=_ratio(sum(a.cost for a in on), sum(b.cost for b in off)),
        gap=(_gap(on), _gap(off)),
        cpu=math.exp(fmean(logs)),
        cpu_error=stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0,
    )


def steadied(rows: Sequence[Comparison], control: str) -> list[Comparison]:
    """Return the rows with the limit that the noise of CPU time sets, as the rows of the control show it."""
    noise = max((abs(math.log(row.cpu)) for row in rows if row.mechanism == control), default=0.0)
    return [replace(row, cpu_limit=max(CPU_ALLOWED, MARGIN * noise)) for row in rows]


def pooled(results: Mapping[str, tuple[Sequence[Result], Sequence[Result]]], mechanism: str) -> Comparison:
    """Compare over all classes at once: what wins on few fleets of many classes, and loses on none, shows here."""
    on, off = ([r for pair in results.values() for r in pair[which]] for which in (0, 1))
    return compared(mechanism, EVERYWHERE, on, off)


def _count(pairs: Sequence[tuple[Result, Result]], key: Callable[[Result], tuple[int, ...]]) -> Count:
    return Count(sum(key(b) > key(a) for a, b in pairs), sum(key(b) < key(a) for a, b in pairs))


def _ratio(on: int, off: int) -> float:
    return off / on if on else (math.inf if off else 1.0)


def _gap(results: Sequence[Result]) -> float:
    values = sum(r.cost for r in results)
    return sum(r.cost - r.bounds[-1] for r in results) / values if values else 0.0
