"""Repair: a snapshot in, a plan out, everything included; each plan is judged by `remora verify`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.case import REMORA, Party, Settings, Trial, case, generated_fleet, parse_json_peer, unpacked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["dolphin", "generated", "given", "largest", "plan_file", "planning"]

GIVEN = ("fleet-100", "fleet-1000", "fleet-100-tight", "fleet-1000-tight", "fleet-1000-full")
GENERATED = (
    (1_000, 10_000, 82),
    (1_000, 10_000, 94),
    (1_000, 10_000, 97),
    (10_000, 100_000, 82),
    (10_000, 100_000, 94),
)
"""Hosts, VMs, per cent of memory in use."""

LIMITS = ("--time-limit", "60")

LARGEST = ((100_000, 1_000_000, 82),)

PLANTED = ("--memory-fill", "0.75")
"""A fleet with room for all that its problems displace."""


@case("repair-given", "`remora plan` on the given fleets")
def given(settings: Settings) -> list[Trial]:
    """Plan the given fleets, as they are (xz)."""
    trials = []
    for name in GIVEN[:2] if settings.quick else GIVEN:
        packed = settings.given("fleets", f"{name}.json.xz")
        trials.append(_trial(settings, name, packed))
    return trials


@case("repair-generated", "`remora plan` on generated fleets with the default problems")
def generated(settings: Settings) -> list[Trial]:
    """Plan fleets of a thousand and of ten thousand hosts."""
    return [_filled(settings, *size) for size in (GENERATED[:1] if settings.quick else GENERATED)]


@case(
    "repair-largest", "`remora plan` on a generated fleet of 100,000 hosts and 1,000,000 VMs with the default problems"
)
def largest(settings: Settings) -> list[Trial]:
    """Plan the largest fleet within ten minutes and 12 GB (quick: a thousand hosts)."""
    limits = ("--time-limit", "600", "--memory-limit", "12000")
    return [_filled(settings, *size, limits=limits) for size in (GENERATED[:1] if settings.quick else LARGEST)]


@case("repair-dolphin", "`remora plan` under `dolphin` on generated fleets with every problem planted")
def dolphin(settings: Settings) -> list[Trial]:
    """Plan a fleet in which every rule finds something, and budgets do not pay for all of it."""
    from optimizer.sources.synthetic.spec import TROUBLES

    hosts, vms = (200, 2_000) if settings.quick else (1_000, 10_000)
    troubles = (word for name in TROUBLES for word in ("--" + name.replace("_", "-"), "0.01"))
    packed = generated_fleet(settings, f"dolphin-{hosts}.json.gz", hosts, vms, *PLANTED, *troubles)
    label = f"{hosts} hosts / {vms} VMs, every problem"
    return [_trial(settings, label, packed, ("--time-limit", "20"), ("--policy", "dolphin"))]


def _filled(settings: Settings, hosts: int, vms: int, fill: int, limits: tuple[str, ...] = LIMITS) -> Trial:
    """Return the trial on a generated fleet that has that many per cent of its memory in use."""
    packed = generated_fleet(
        settings, f"generated-{hosts}-{fill}.json.gz", hosts, vms, "--memory-fill", str(fill / 100)
    )
    return _trial(settings, f"{hosts} hosts / {vms} VMs at {fill} %", packed, limits)


def _trial(
    settings: Settings, label: str, fleet: Path, limits: tuple[str, ...] = LIMITS, policy: tuple[str, ...] = ()
) -> Trial:
    plain = parse_json_peer(unpacked(settings, fleet))
    return Trial(label=label, ours=planning(settings, fleet, *limits, policy=policy), peer=plain)


def plan_file(settings: Settings, fleet: Path, *options: str) -> Path:
    """Return where `planning` has the plan written."""
    return settings.work / f"{fleet.name}{'.'.join(options)}.plan.json"


def planning(settings: Settings, fleet: Path, *options: str, policy: tuple[str, ...] = ()) -> Party:
    """Return `remora plan` on a fleet, judged by `remora verify` under the same policy."""
    plan = plan_file(settings, fleet, *options)
    common = ("--seed", str(settings.seed), "--workers", str(settings.workers))
    return Party(
        (*REMORA, "plan", str(fleet), "-o", str(plan), *common, *options, *policy),
        judge=lambda printed: (*REMORA, "verify", str(fleet), str(plan), *policy),
        read=lambda printed: _figures(json.loads(plan.read_bytes())),
        ends=(0, 1),
    )


def _figures(plan: dict[str, Any]) -> dict[str, object]:
    """Return status, number of moves, the bound on them, and how much harm remains."""
    stages = {stage["stage"]: stage for stage in plan["objective"]}
    return {
        "status": plan["status"],
        "moves": stages["moving"]["value"],
        "bound": stages["moving"]["bound"],
        "harm": stages["harm"]["value"],
    }
