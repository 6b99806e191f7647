"""The table on the kernel's own PSI: light victims, steady ones, decoys, and in two rounds of three a hog.

The truth is by design: the hog spins more processes than there are cores, so every group beside it is its victim, and
nobody else disturbs anybody. What it costs them is measured as well, by stopping it for a while after each window; on
a machine with other work that is too noisy to be the truth pair by pair. All thresholds are the program's defaults.
Whatever else the machine does is part of the noise.
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
    from collections.abc import Callable, Iterator

__all__ = ["HOG", "Round", "groups_of", "lines", "run_round"]

ROUNDS = 12
SAMPLE_S = 0.25
CONTROL_S = 3.0
HOG = "hog"
GOALS = {"precision": 0.90, "recall": 0.80}


@dataclass(frozen=True, eq=False)
class Round:
    """What was measured, and by how much stall was lower while the hog was stopped (0 where there is none)."""

    series: HostSeries
    fall: np.ndarray


def groups_of(rng: np.random.Generator, hog: bool) -> list[Group]:
    """Return the groups of a round."""

    def phases(low: float, high: float) -> tuple[float, ...]:
        return tuple(rng.uniform(low, high, 80).round(3).tolist())

    groups = [Group(f"light{i}", 0.010, 0.030) for i in (1, 2)]
    groups += [Group(f"steady{i}", 0.004, 0.016) for i in (1, 2)]
    groups += [Group(f"decoy{i}", 0.005, 0.015, phases=phases(1.0, 4.0)) for i in (1, 2)]
    if hog:
        groups.append(Group(HOG, 0.050, 0.0, processes=1 + (os.cpu_count() or 1), phases=phases(1.0, 4.0)))
    return groups


def run_round(
    name: str, rng: np.random.Generator, settings: Settings, *, hog: bool, sample_s: float, control_s: float = CONTROL_S
) -> Round:
    """Run a round of windows of samples; where there is a hog, it is stopped after each."""
    groups = groups_of(rng, hog)
    watched, control = [], []
    with Rig(groups) as rig:
        rig.watch(2, 0.5)  # until all have started
        for _ in range(settings.windows):
            watched.append(rig.watch(settings.window, sample_s))
            if hog:
                rig.pause(groups[-1], paused=True)
                control.append(rig.watch(max(2, round(control_s / sample_s)), sample_s)[0][1:])
                rig.pause(groups[-1], paused=False)
    stall, use, total = (np.concatenate(parts) for parts in zip(*watched, strict=True))
    fall = stall.mean(axis=0) - np.concatenate(control).mean(axis=0) if hog else np.zeros(len(groups))
    if hog:
        fall[-1] = 0.0
    return Round(HostSeries(name, "cpu", tuple(group.name for group in groups), stall, use, total), fall)


def judge(method: str, rounds: list[Round], settings: Settings) -> Score:
    """Return what a method found; what it blames on the hog is right, and all else is not."""
    score = Score()
    found = METHODS[method]([one.series for one in rounds], settings)
    for one, here in zip(rounds, found, strict=True):
        vms = one.series.vms
        score.pairs += here.size - len(here)
        score.found += int(here.sum())
        if HOG in vms:
            right = int(here[:, vms.index(HOG)].sum())
            score.right += right
            score.hit += right
            score.true += len(vms) - 1
    return score


def lines(seed: int, rounds: int, tell: Callable[[str], None]) -> Iterator[str]:
    """Run all rounds, and yield the table in Markdown."""
    settings, rng, ran = Settings(), np.random.Generator(np.random.PCG64(seed)), list[Round]()
    samples = settings.window * settings.windows
    for i in range(rounds):
        hog = i % 3 != 2
        ran.append(run_round(f"round{i}", rng, settings, hog=hog, sample_s=SAMPLE_S))
        costs = ", ".join(f"{vm} {cost:.2f}" for vm, cost in zip(ran[-1].series.vms, ran[-1].fall, strict=True) if hog)
        tell(f"round {i + 1} of {rounds}" + (f": the hog costs {costs}" if hog else ": no hog"))
    yield "| method | precision | recall | found | true |"
    yield "|---|---|---|---|---|"
    for method in METHODS:
        score = judge(method, ran, settings)
        yield f"| {method} | {score.precision:.3f} | {score.recall:.3f} | {score.found} | {score.true} |"
    pairs, load = judge(next(iter(METHODS)), ran, settings).pairs, float(np.mean([r.series.total for r in ran]))
    ours = float(np.mean([r.series.use.sum(axis=1).mean() for r in ran]))
    falls = np.concatenate([r.fall[:-1] for r in ran if HOG in r.series.vms])
    yield ""
    yield f"while the hog was stopped, stall was lower by {falls.mean():.3f} in the mean (deviation {falls.std():.3f})"
    yield (
        f"{rounds} rounds of {samples} samples of {SAMPLE_S:g} s, {pairs} pairs, {os.cpu_count()} cores, of which "
        f"{load:.2f} were busy, {load - ours:.2f} with others' work; seed {seed}"
    )
