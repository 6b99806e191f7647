"""Who costs which neighbour how much of its time: from the series of a host to pairs with a score and a p-value."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optimizer.signals.interference.account import account_of, accountable
from optimizer.signals.interference.design import design_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.signals.interference.design import Design
    from optimizer.signals.interference.series import HostSeries
    from optimizer.signals.interference.settings import Settings

__all__ = ["Attribution", "PairScore", "attribute", "attribute_all", "false_discovery_cut"]


MOST_DRAWS = 50_000
"""Shifts, at most; on a host of more than about 60 VMs, one pair by itself then no longer stands out."""


BESIDE = 0.5
"""A second noisy VM on a host costs at least this share of what the first one costs."""


class PairScore(NamedTuple):
    """What one VM costs another on a host."""

    noisy: str
    suffers: str
    host: str
    kind: str
    score: float
    """The fraction of its time that `suffers` loses to `noisy`."""
    p: float
    """The probability of that much by chance, by circular shifts."""
    lasted: int
    """Windows in which the pair cost at least `score_until`, each by itself."""
    windows: int
    """Windows that were looked at."""
    significant: bool
    """Whether the pair is among those found at the rate of false discoveries asked for, over all pairs of the host."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the series of one host and one resource say; arrays are [suffers, noisy].

    Parameters
    ----------
    score
        float64 [V, V]: the fraction of its time that each VM loses to each other.
    p
        float64 [V, V]: 1 where the score is too low to be looked at.
    by_window
        float64 [n, V, V]: the score in each window by itself.
    lag
        Scrapes by which stall follows use.
    stall
        float64 [V]: the mean stall of each; NaN where it is not known.
    significant
        bool [V, V].
    accounted
        bool [V, V]: the score is from the account of the host's cores, not from the regression.
    """

    host: str
    kind: str
    vms: tuple[str, ...]
    score: NDArray[np.float64]
    p: NDArray[np.float64]
    by_window: NDArray[np.float64]
    lag: int
    stall: NDArray[np.float64]
    significant: NDArray[np.bool_]
    accounted: NDArray[np.bool_]

    def pairs(self, settings: Settings) -> Iterable[PairScore]:
        """Yield the pairs that cost at least `score_until`, the highest score first."""
        lasted = (self.by_window >= settings.score_until).sum(axis=0)
        found = np.argwhere(self.score >= max(settings.score_until, 1e-12))
        for v, u in sorted(found.tolist(), key=lambda at: (-self.score[at[0], at[1]], at)):
            yield PairScore(
                noisy=self.vms[u],
                suffers=self.vms[v],
                host=self.host,
                kind=self.kind,
                score=float(self.score[v, u]),
                p=float(self.p[v, u]),
                lasted=int(lasted[v, u]),
                windows=len(self.by_window),
                significant=bool(self.significant[v, u]),
            )

    def evidence(self, settings: Settings) -> list[PairScore]:
        """Return the pairs that are evidence: they cost enough, for long enough, and are no chance.

        Where VMs disturb `noisy_from` others or more, the one that costs most in all is the noisy one, with those that
        cost at least `BESIDE` as much. What others seem to cost waits until these are gone: on a host that one VM
        fills, everybody's use seems to hurt. The account of its cores has no such doubt.
        """
        s = settings
        found = [p for p in self.pairs(s) if p.significant and p.lasted >= s.lasts and p.score >= s.score_from]
        cost: dict[str, float] = defaultdict(float)
        victims = Counter(pair.noisy for pair in found)
        for pair in found:
            cost[pair.noisy] += pair.score
        noisy = {vm: cost[vm] for vm, count in victims.items() if count >= s.noisy_from}
        if not noisy:
            return found
        enough = BESIDE * max(noisy.values())
        return [pair for pair in found if noisy.get(pair.noisy, 0.0) >= enough or self._accounted(pair)]

    def _accounted(self, pair: PairScore) -> bool:
        return bool(self.accounted[self.vms.index(pair.suffers), self.vms.index(pair.noisy)])


class Work(NamedTuple):
    """Room for the kernels to work in: R rows, K columns, n windows of L samples."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    at: NDArray[np.int64]
    y: NDArray[np.float64]
    left: NDArray[np.float64]
    own: NDArray[np.float64]
    x: NDArray[np.float64]
    basis: NDArray[np.float64]
    scale: NDArray[np.float64]
    usable: NDArray[np.bool_]
    gram: NDArray[np.float64]
    moment: NDArray[np.float64]
    beta: NDArray[np.float64]
    chosen: NDArray[np.int64]
    without: NDArray[np.float64]
    others: NDArray[np.int64]
    length: NDArray[np.float64]
    factor: NDArray[np.float64]
    out: NDArray[np.float64]
    banned: NDArray[np.bool_]
    moments: NDArray[np.float64]
    dots: NDArray[np.float64]

    @classmethod
    def of(cls, windows: int, length: int, columns: int) -> Work:
        """Make room."""
        rows, k = windows * length, columns
        return cls(
            row=np.zeros(rows, np.int64),
            start=np.zeros(windows + 1, np.int64),
            at=np.zeros(windows, np.int64),
            y=np.zeros(rows),
            left=np.zeros(rows),
            own=np.zeros(rows),
            x=np.zeros((k, rows)),
            basis=np.zeros((k, rows)),
            scale=np.ones(k),
            usable=np.zeros(k, np.bool_),
            gram=np.zeros((k, k)),
            moment=np.zeros(k),
            beta=np.zeros(k),
            chosen=np.zeros(k, np.int64),
            without=np.zeros(k),
            others=np.zeros(k, np.int64),
            length=np.zeros(1),
            factor=np.zeros((k, k)),
            out=np.zeros(k),
            banned=np.zeros(k, np.bool_),
            moments=np.zeros((windows, length)),
            dots=np.zeros((windows, length, k)),
        )


class Arrays(NamedTuple):
    """A design as the kernels take it."""

    columns: NDArray[np.float64]
    stall: NDArray[np.float64]
    row_known: NDArray[np.bool_]
    stall_known: NDArray[np.bool_]
    present: NDArray[np.bool_]
    quiet: NDArray[np.float64]
    tested: NDArray[np.bool_]
    window: int


def attribute_all(hosts: Iterable[HostSeries], settings: Settings) -> list[Attribution]:
    """Attribute host by host; hosts with too short a series are left out."""
    hosts = list(hosts)
    most = max((draws_for(len(series.vms), settings) for series in hosts), default=0)
    draws = np.random.Generator(np.random.PCG64(settings.seed)).random((most, settings.windows))
    room: dict[tuple[int, int, int], Work] = {}
    found = []
    for series in hosts:
        design = design_of(series, settings)
        if design is not None:
            size = len(design.present), design.window, design.columns.shape[1]
            work = room.setdefault(size, Work.of(*size)) if size not in room else room[size]
            enough = draws[: draws_for(len(series.vms), settings), : size[0]]
            found.append(_attribute(series, design, settings, enough, work))
    return found


def draws_for(vms: int, settings: Settings) -> int:
    """Return how many shifts it takes for one pair of a host to stand out: so small may its p have to be."""
    return min(max(settings.shifts, int(1.5 * vms * (vms - 1) / settings.false_discoveries)), MOST_DRAWS)


def attribute(series: HostSeries, settings: Settings) -> Attribution | None:
    """Attribute the stall of the VMs of one host; None where there is not one whole window."""
    return next(iter(attribute_all([series], settings)), None)


def _attribute(
    series: HostSeries, design: Design, settings: Settings, draws: NDArray[np.float64], work: Work
) -> Attribution:
    from optimizer.signals.interference.kernel import attribute_victim, best_lag  # numba: for who attributes alone

    n, vms = design.present.shape
    arrays = Arrays(
        design.columns,
        design.stall,
        design.row_known,
        design.stall_known,
        design.present,
        design.quiet,
        np.repeat(design.alone[None, :], vms, axis=0),
        design.window,
    )
    score, p = np.zeros((vms, vms)), np.ones((vms, vms))
    by_window, stall = np.zeros((n, vms, vms)), np.full(vms, np.nan)
    lag = int(best_lag(settings.lag, arrays, work)) if settings.lag else 0
    account = account_of(design, lag, settings, draws) if accountable(series) else None
    if account is not None:
        # the regression decides only about what the account leaves open
        enough = account.cost >= settings.score_until
        arrays.tested[:] &= enough & ~account.in_step & (account.cost < settings.score_from)
    for v in range(vms):
        attribute_victim(
            v, lag, settings.score_until, settings.confirming, draws, arrays, work, score, p, by_window, stall
        )
    accounted = np.zeros((vms, vms), np.bool_)
    if account is not None:
        accounted = ~account.in_step & enough & (account.cost >= score)
        score, by_window = np.where(accounted, account.cost, score), np.where(accounted, account.by_window, by_window)
        p = np.where(accounted, account.p[:, None], np.maximum(p, account.p[:, None]))
    cut = false_discovery_cut(p[~np.eye(vms, dtype=np.bool_)], settings.false_discoveries)
    return Attribution(series.host, series.kind, series.vms, score, p, by_window, lag, stall, p <= cut, accounted)


def false_discovery_cut(p: NDArray[np.float64], rate: float) -> float:
    """Return the p-value up to which pairs are found, by Benjamini and Hochberg (1995); 0 if none is."""
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(p) + 1) / max(len(p), 1))
    return float(ordered[below[-1]]) if below.size else 0.0
