"""Repair: a snapshot in, a plan out, everything included; each plan is judged by `remora verify`."""

from __future__ import annotations

import json
import lzma
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.case import REMORA, Missing, Party, Settings, Trial, case, parse_json_peer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["generated", "given", "read_plan"]

GIVEN = ("fleet-100", "fleet-1000", "fleet-1000-tight", "fleet-1000-full")
GENERATED = (
    (1_000, 10_000, 82),
    (1_000, 10_000, 94),
    (1_000, 10_000, 97),
    (10_000, 100_000, 82),
    (10_000, 100_000, 94),
)
"""Hosts, VMs, per cent of memory in use."""


@case("repair-given", "`remora plan` on the given fleets")
def given(settings: Settings) -> list[Trial]:
    """Plan the given fleets, as they are (xz)."""
    trials = []
    for name in GIVEN[:2] if settings.quick else GIVEN:
        packed = settings.given("fleets", f"{name}.json.xz")
        plain = settings.work / f"{name}.json"
        plain.write_bytes(lzma.decompress(packed.read_bytes()))
        trials.append(_trial(settings, name, packed, plain))
    return trials


@case("repair-generated", "`remora plan` on generated fleets with the default troubles")
def generated(settings: Settings) -> list[Trial]:
    """Plan fleets of a thousand and of ten thousand hosts."""
    trials = []
    for hosts, vms, fill in GENERATED[:1] if settings.quick else GENERATED:
        path = settings.work / f"generated-{hosts}-{fill}.json"
        size = ("--hosts", str(hosts), "--vms", str(vms), "--memory-fill", str(fill / 100))
        command = (*REMORA, "generate", *size, "--seed", str(settings.seed), "-o", str(path))
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise Missing(f"remora generate failed: {made.stderr.strip()[-200:]}")
        trials.append(_trial(settings, f"{hosts} hosts / {vms} VMs at {fill} %", path, path))
    return trials


def _trial(settings: Settings, label: str, fleet: Path, plain: Path) -> Trial:
    plan = settings.work / f"{fleet.name}.plan.json"
    limits = ("--seed", str(settings.seed), "--workers", str(settings.workers), "--time-limit", "60")

    def read(printed: bytes) -> dict[str, object]:
        return read_plan(json.loads(plan.read_bytes()))

    return Trial(
        label=label,
        ours=Party(
            (*REMORA, "plan", str(fleet), "-o", str(plan), *limits),
            judge=lambda printed: (*REMORA, "verify", str(fleet), str(plan)),
            read=read,
            ends=(0, 1),
        ),
        peer=parse_json_peer(plain),
    )


def read_plan(plan: dict[str, Any]) -> dict[str, object]:
    """Return status, number of moves, the bound on them, and how much harm remains."""
    stages = {stage["stage"]: stage for stage in plan["objective"]}
    return {
        "status": plan["status"],
        "moves": stages["moving"]["value"],
        "bound": stages["moving"]["bound"],
        "harm": stages["harm"]["value"],
    }
