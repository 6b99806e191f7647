"""The table on the kernel's own PSI: light victims, steady ones, decoys, and in two rounds of three a hog.

The truth is by design: the hog spins three processes for each core, so every group beside it is its victim, and the
others take too little to cost anybody `score_from`. What each costs each other is measured as well, by acting: after
the windows of a round groups are stopped and let go on at random. So what a method finds is right by design, or by what
stall does without the noisy one. All thresholds are the program's defaults.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.interference.psi_groups import Group, Rig
from benchmarks.interference.table import METHODS, Score
from optimizer.signals.interference.series import HostSeries
from optimizer.signals.interference.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["HOG", "Conditions", "Round", "groups_of", "lines", "run_round"]

ROUNDS = 6
SAMPLE_S = 0.25
ACTING_S = 22.0
PAUSED = 0.25
"""How often a group is stopped while it is found out what each costs; the hog half of the time."""
HOG = "hog"
GOALS = {"precision": 0.90, "recall": 0.80}


@dataclass(frozen=True)
class Conditions:
    """What else runs: processes of our own outside of all groups, and how the rig stands to everything else."""

    outside: int = 0
    nice: int = 0


@dataclass(frozen=True, eq=False)
class Round:
    """What was measured; float64 [suffers, noisy]: by how much stall was lower without the noisy one, and its error."""

    series: HostSeries
    cost: np.ndarray
    error: np.ndarray


def _phases(rng: np.random.Generator, low: float, high: float) -> tuple[float, ...]:
    return tuple(rng.uniform(low, high, 80).round(3).tolist())


def groups_of(rng: np.random.Generator, hog: bool) -> list[Group]:
    """Return the groups of a round."""
    groups = [Group(f"light{i}", 0.010, 0.030) for i in (1, 2)]
    groups += [Group(f"steady{i}", 0.004, 0.016) for i in (1, 2)]
    groups += [Group(f"decoy{i}", 0.005, 0.015, phases=_phases(rng, 1.0, 4.0)) for i in (1, 2)]
    if hog:
        groups.append(Group(HOG, 0.010, 0.0, processes=3 * (os.cpu_count() or 1), phases=_phases(rng, 1.0, 4.0)))
    return groups


def run_round(
    name: str,
    rng: np.random.Generator,
    settings: Settings,
    *,
    hog: bool,
    sample_s: float,
    acting_s: float = ACTING_S,
    conditions: Conditions = Conditions(),
) -> Round:
    """Run a round of windows of samples, and find out by acting what each group costs each other."""
    groups = groups_of(rng, hog)
    outside = None
    if conditions.outside:
        outside = Group("outside", 0.020, 0.010, processes=conditions.outside, phases=_phases(rng, 0.5, 3.0))
    with Rig(groups, outside, conditions.nice) as rig:
        rig.watch(2, 0.5)  # until all have started
        watched = [rig.watch(settings.window, sample_s) for _ in range(settings.windows)]
        stall, use, total = (np.concatenate(parts) for parts in zip(*watched, strict=True))
        cost, error = _acted(rig, rng, max(3 * len(groups), round(acting_s / sample_s)), sample_s)
    return Round(HostSeries(name, "cpu", tuple(group.name for group in groups), stall, use, total), cost, error)


def _acted(rig: Rig, rng: np.random.Generator, slots: int, slot_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Stop groups at random, slot by slot; return what each costs each other, and the standard error of that.

    Both are float64 [suffers, noisy], by least squares of a group's stall on who is stopped while it runs itself.
    """
    share = np.array([0.5 if group.name == HOG else PAUSED for group in rig.groups])
    paused, stall = np.zeros((slots, len(share)), np.bool_), np.zeros((slots, len(share)))
    for slot in range(slots):
        paused[slot] = rng.random(len(share)) < share
        for group, now, before in zip(rig.groups, paused[slot], paused[slot - 1] & (slot > 0), strict=True):
            if now != before:
                rig.pause(group, paused=bool(now))
        stall[slot] = rig.watch(1, slot_s)[0][0]
    cost, error = np.zeros((len(share), len(share))), np.zeros((len(share), len(share)))
    for v in range(len(share)):
        runs, others = ~paused[:, v], np.arange(len(share)) != v
        columns = np.column_stack([np.ones(runs.sum()), paused[runs][:, others]])
        solution = np.linalg.lstsq(columns, stall[runs, v], rcond=None)[0]
        left = stall[runs, v] - columns @ solution
        variance = np.linalg.pinv(columns.T @ columns).diagonal() * (left @ left) / max(len(left) - len(solution), 1)
        cost[v, others], error[v, others] = -solution[1:], np.sqrt(np.maximum(variance[1:], 0.0))  # by rounding
    return cost, error


def judge(method: str, rounds: list[Round], settings: Settings) -> Score:
    """Return what a method found: `exact` of it is right by design, `right` by design or by what stall did then."""
    score = Score()
    found = METHODS[method]([one.series for one in rounds], settings)
    for one, here in zip(rounds, found, strict=True):
        by_design = np.zeros_like(here)
        if HOG in one.series.vms:
            by_design[:, one.series.vms.index(HOG)] = True
            score.true += len(one.series.vms) - 1
        score.pairs += here.size - len(here)
        score.found += int(here.sum())
        score.exact += int((here & by_design).sum())
        score.right += int((here & (by_design | (one.cost >= settings.confirming))).sum())
        score.hit += int((here & by_design).sum())
    return score


def lines(seed: int, rounds: int, conditions: Conditions, tell: Callable[[str], None]) -> Generator[str, None, bool]:
    """Run all rounds, and yield the table in Markdown; return whether our method reaches `GOALS`."""
    settings, rng, ran = Settings(), np.random.Generator(np.random.PCG64(seed)), list[Round]()
    for i in range(rounds):
        hog = i % 3 != 2
        ran.append(run_round(f"round{i}", rng, settings, hog=hog, sample_s=SAMPLE_S, conditions=conditions))
        tell(f"round {i + 1} of {rounds}: {_told(ran[-1], settings)}")
    yield "| method | precision by design | and by acting | recall | found | true |"
    yield "|---|---|---|---|---|---|"
    for method in METHODS:
        score = judge(method, ran, settings)
        yield (
            f"| {method} | {score.exact_precision:.3f} | {score.precision:.3f} | {score.recall:.3f} | {score.found} | "
            f"{score.true} |"
        )
    load = float(np.mean([r.series.total for r in ran]))
    ours = float(np.mean([r.series.use.sum(axis=1).mean() for r in ran]))
    with_hog = [(r.cost[:-1, -1], r.cost[:-1, :-1]) for r in ran if HOG in r.series.vms]
    yield ""
    if with_hog:
        hogs, rest = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*with_hog, strict=True))
        yield f"by acting: the hog costs each group {hogs.mean():.3f} in the mean, these each other {rest.mean():.3f}"
    yield (
        f"{rounds} rounds of {settings.window * settings.windows} samples of {SAMPLE_S:g} s, "
        f"{judge(next(iter(METHODS)), ran, settings).pairs} pairs, {os.cpu_count()} cores, of which {load:.2f} were "
        f"busy, {load - ours:.2f} outside of the groups; {conditions.outside} processes of ours there, "
        f"nice {conditions.nice}; seed {seed}"
    )
    ours_found = judge(next(iter(METHODS)), ran, settings)
    return ours_found.precision >= GOALS["precision"] and ours_found.recall >= GOALS["recall"]


def _told(one: Round, settings: Settings) -> str:
    """Say what the hog costs by acting, and which pairs were found that are none by design."""
    vms = one.series.vms
    found = METHODS[next(iter(METHODS))]([one.series], settings)[0]
    text = "no hog"
    if HOG in vms:
        costs = ", ".join(f"{vm} {cost:.2f}" for vm, cost in zip(vms[:-1], one.cost[:-1, -1], strict=True))
        text = f"the hog costs {costs}; {int(found[:, -1].sum())} found"
    for v, u in np.argwhere(found).tolist():
        if vms[u] != HOG:
            text += f"; {vms[u]} blamed for {vms[v]}: by acting {one.cost[v, u]:.3f} +- {one.error[v, u]:.3f}"
    return text
