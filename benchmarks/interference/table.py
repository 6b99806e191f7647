"""Precision and recall of the evidence, of CPI2's score and of plain correlation, on the same hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.interference.peers import cpi2_scores, pearson_scores
from optimizer.signals.interference.attribution import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from benchmarks.interference.truth import Trial
    from optimizer.signals.interference.series import HostSeries
    from optimizer.signals.interference.settings import Settings

__all__ = ["METHODS", "TRAP", "Score", "found_by", "judge", "total"]

TRAP = "common"
"""The recipe on which nobody in particular is to blame: what is found there is wrong, whatever it costs."""

Found = "NDArray[np.bool_]"


@dataclass
class Score:
    """What a method found. Counts are of ordered pairs of VMs on one host.

    `right`: without the noisy one the stall would fall by at least half of `score_from`, which is what confirms a pair
    that was separated; `exact`: by at least `score_from`. `true`: the VM is an antagonist by design, costs at least
    `score_from`, and in at least `lasts` windows; `hit`: found of these.
    """

    found: int = 0
    right: int = 0
    exact: int = 0
    true: int = 0
    hit: int = 0
    pairs: int = 0

    @property
    def precision(self) -> float:
        """The share of the found that is right."""
        return self.right / self.found if self.found else 1.0

    @property
    def exact_precision(self) -> float:
        """The share of the found that costs at least `score_from`."""
        return self.exact / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of the true that is found."""
        return self.hit / self.true if self.true else 1.0


def _evidence(series: list[HostSeries], settings: Settings) -> list[NDArray[np.bool_]]:
    out = []
    for host in series:
        found, here = attribute(host, settings), np.zeros((len(host.vms), len(host.vms)), np.bool_)
        for pair in found.evidence(settings) if found is not None else ():
            here[host.vms.index(pair.suffers), host.vms.index(pair.noisy)] = True
        out.append(here)
    return out


def _above(
    scores: Callable[[HostSeries], NDArray[np.float64]], threshold: float
) -> Callable[[list[HostSeries], Settings], list[NDArray[np.bool_]]]:
    return lambda series, settings: [scores(host) >= threshold for host in series]


METHODS: dict[str, Callable[[list[HostSeries], Settings], list[NDArray[np.bool_]]]] = {
    "evidence (this program)": _evidence,
    "Pearson(stall, use) >= 0.5": _above(pearson_scores, 0.5),
    "CPI2 >= 0.35 (as published)": _above(cpi2_scores, 0.35),
    "CPI2 >= 0.10": _above(cpi2_scores, 0.10),
}
"""Each with its threshold, fixed before."""


def found_by(method: str, trials: Iterable[Trial], settings: Settings) -> list[NDArray[np.bool_]]:
    """Return for each host bool [suffers, noisy]."""
    return METHODS[method]([trial.series for trial in trials], settings)


def judge(method: str, trials: list[Trial], settings: Settings) -> dict[str, Score]:
    """Return the score of a method by recipe; of the hosts on which all peak together under `TRAP`."""
    out: dict[str, Score] = {}
    for trial, found in zip(trials, found_by(method, trials, settings), strict=True):
        score = out.setdefault(trial.host.recipe, Score())
        score.pairs += found.size - len(found)
        score.found += int(found.sum())
        if trial.host.recipe != TRAP:
            for u in np.flatnonzero(found.any(axis=0)).tolist():
                cost = trial.cost(u, settings.windows).mean(axis=0)[found[:, u]]
                score.right += int((cost >= settings.confirming).sum())
                score.exact += int((cost >= settings.score_from).sum())
            _recall(trial, found, settings, score)
    return out


def _recall(trial: Trial, found: NDArray[np.bool_], settings: Settings, score: Score) -> None:
    for u in trial.host.antagonists:
        cost = trial.cost(u, settings.windows)
        lasts = (cost >= settings.score_from).sum(axis=0) >= settings.lasts
        true = lasts & (cost.mean(axis=0) >= settings.score_from)
        score.true += int(true.sum())
        score.hit += int((true & found[:, u]).sum())


def total(scores: Iterable[Score]) -> Score:
    """Add scores up."""
    out = Score()
    for score in scores:
        for name in vars(out):
            setattr(out, name, getattr(out, name) + getattr(score, name))
    return out
