"""Parts: `remora plan` on a fleet that is split and solved by processes, beside the same on the whole fleet."""

from __future__ import annotations

from benchmarks.case import Settings, Trial, case, generated_fleet
from benchmarks.cases.repair import LIMITS, planning

__all__ = ["parts"]

FILLS = (82, 94)
"""Per cent of memory in use."""


@case("parts", "`remora plan --parts 4`, in process and by processes, beside the whole fleet in one")
def parts(settings: Settings) -> list[Trial]:
    """Plan ten thousand hosts (quick: three hundred). CPU and memory are the first process's, not the workers'."""
    hosts = 300 if settings.quick else 10_000
    trials = []
    for fill in FILLS:
        fleet = generated_fleet(settings, f"parts-{fill}.json", hosts, 10 * hosts, "--memory-fill", str(fill / 100))
        for engine in ("local", "process"):
            split = planning(settings, fleet, *LIMITS, "--parts", "4", "--engine", engine)
            label = f"{hosts} hosts / {10 * hosts} VMs at {fill} %, 4 parts, engine {engine}"
            trials.append(Trial(label=label, ours=split, peer=planning(settings, fleet, *LIMITS, "--parts", "1")))
    return trials
