"""Fleets whose CPU is used unevenly: a generated fleet, in which one host of ten is busy and the others idle more."""

from __future__ import annotations

import json
import random
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.case import REMORA, ROOT, generated_fleet

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.case import Settings

__all__ = ["LOAD", "skewed_fleet"]

LOAD = "cpu_load_millicores"

HEALTHY = ("--full-disks", "0", "--hot", "0", "--misplaced", "0", "--memory-fill", "0.7")
"""No violations: loads are uneven, and that is all."""

BUSY, BUSY_USE, IDLE_SHARE = 0.1, (0.7, 0.95), 0.7
"""Share of hosts that are busy, how busy they are, and what is left of the load of all others."""


def skewed_fleet(settings: Settings, hosts: int) -> Path:
    """Return a fleet of that many hosts with ten times as many VMs; only what VMs use of CPU is changed."""
    path = settings.work / f"skewed-{hosts}.json"
    if path.is_file():
        return path
    plain = generated_fleet(settings, f"even-{hosts}.json", hosts, 10 * hosts, *HEALTHY)
    fleet = json.loads(plain.read_bytes())
    rng = random.Random(settings.seed)
    vms_of: dict[str, list[dict[str, Any]]] = {}
    for vm in fleet["vms"]:
        if vm["host"] is not None:
            vms_of.setdefault(vm["host"], []).append(vm)
    for host in fleet["hosts"]:
        host.get("measured", {}).pop(LOAD, None)
        vms = [vm for vm in vms_of.get(host["id"], ()) if vm["demand"].get(LOAD)]
        load = sum(vm["demand"][LOAD] for vm in vms)
        busy = rng.random() < BUSY
        factor = rng.uniform(*BUSY_USE) * host["capacity"][LOAD] / max(1, load) if busy else IDLE_SHARE
        for vm in vms:
            vm["demand"][LOAD] = int(vm["demand"][LOAD] * factor)
    path.write_text(json.dumps(fleet), encoding="utf-8")
    subprocess.run((*REMORA, "check", str(path)), check=True, capture_output=True, cwd=ROOT)
    return path
