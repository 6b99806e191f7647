"""The table of the simulation, and how long the attribution of 10,000 VMs takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.interference.table import METHODS, TRAP, judge, total
from benchmarks.interference.truth import draw_fleet
from optimizer.signals.interference.attribution import attribute_all
from optimizer.signals.interference.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from benchmarks.interference.table import Score
    from benchmarks.interference.truth import Trial

__all__ = ["GOALS", "lines", "seconds_for", "simulated"]

IO_SHARE = 0.2
"""Share of the hosts on which VMs compete for the disk; on the others it is the cores."""

OF_TRAP = "false pairs in 1,000 host-windows of the trap"

GOALS = {"precision": 0.95, "recall": 0.85, OF_TRAP: 1.0}


def simulated(hosts: int, seed: int) -> list[Trial]:
    """Draw a fleet: most hosts compete for cores, some for the disk."""
    disks = round(hosts * IO_SHARE)
    return draw_fleet(hosts - disks, "cpu", seed) + draw_fleet(disks, "io", seed + 1)


def lines(hosts: int, seed: int, tell: Callable[[str], None]) -> Generator[str, None, bool]:
    """Yield the table in Markdown, and what it says in words; return whether our method reaches `GOALS`."""
    settings = Settings()
    tell(f"simulating {hosts} hosts")
    trials = simulated(hosts, seed)
    trap = [t for t in trials if t.host.recipe == TRAP]
    extra = draw_fleet(max(round(0.3 * hosts) - len(trap), 0), "cpu", seed + 2, TRAP)
    trials += extra
    windows = (len(trap) + len(extra)) * settings.windows
    yield "| method | precision | of it >= score | recall | found | true | false, per 1,000 host-windows of the trap |"
    yield "|---|---|---|---|---|---|---|"
    ours: dict[str, Score] = {}
    reached = []
    for method in METHODS:
        tell(method)
        by_recipe = judge(method, trials, settings)
        ours = ours or by_recipe
        trapped = by_recipe.pop(TRAP, None)
        score, false = total(by_recipe.values()), 1000 * (trapped.found if trapped else 0) / max(windows, 1)
        if by_recipe is ours:
            reached = [score.precision >= GOALS["precision"], score.recall >= GOALS["recall"], false <= GOALS[OF_TRAP]]
        yield (
            f"| {method} | {score.precision:.3f} | {score.exact_precision:.3f} | {score.recall:.3f} | {score.found} | "
            f"{score.true} | {false:.1f} |"
        )
    everything = total(ours.values())
    yield ""
    yield (
        f"{hosts} hosts and {len(extra)} more of the trap, {everything.pairs} pairs beside the trap, "
        f"{100 * everything.true / max(everything.pairs, 1):.1f} % true; {windows} host-windows of the trap; "
        f"seed {seed}"
    )
    yield ""
    yield "| hosts | found | precision | recall |"
    yield "|---|---|---|---|"
    for recipe, score in sorted(ours.items()):
        recall = f"{score.recall:.3f}" if score.true else "-"
        yield f"| {recipe} | {score.found} | {score.precision:.3f} | {recall} |"
    yield ""
    vms = sum(len(t.series.vms) for t in trials)
    yield f"attributed {vms} VMs: {seconds_for(trials, settings):.2f} seconds of CPU"
    return all(reached)


def seconds_for(trials: list[Trial], settings: Settings) -> float:
    """Return the seconds of CPU that the attribution of all hosts takes, compiled before."""
    attribute_all([trials[0].series], settings)
    began = time.process_time()
    attribute_all([trial.series for trial in trials], settings)
    return time.process_time() - began
