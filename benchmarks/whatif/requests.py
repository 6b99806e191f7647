"""What a request for room costs that `remora serve` answers: read the inventory, choose a host, keep the room."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks.policy import default_policy
from optimizer.clock import SystemClock
from optimizer.service.placing import Placer
from optimizer.signals.config import InventoryPart
from optimizer.signals.inventory import read_inventory
from optimizer.sources.config_yaml import config_from_document
from optimizer.sources.files import json_bytes, write_whole
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate

if TYPE_CHECKING:
    from optimizer.policy import Policy
    from optimizer.sources.overlay import Warn

__all__ = ["print_requests"]

OLD_S = 31_536_000
DEMAND = {"cpu_millicores": 4000, "memory_mib": 16384, "disk_mib": 51200}
REQUESTS = 7


def print_requests(sizes: list[int]) -> bool:
    """Print CPU seconds of requests one after the other, by the number of hosts; return whether all were kept."""
    policy = default_policy()
    print("| hosts | VMs | first | median | most (CPU s) | kept |")
    print("|--:|--:|--:|--:|--:|--:|")
    well = True
    for hosts in sizes or [1000, 10_000]:
        with tempfile.TemporaryDirectory() as directory:
            document = generate(Spec(hosts=hosts, vms=10 * hosts))
            vms = len(fleet_from_document(document, "generated").vms)
            write_whole(Path(directory) / "fleet.json", json_bytes(document))
            placer = _placer(Path(directory), policy)
            kept, seconds = 0, []
            for n in range(REQUESTS):
                began = time.process_time()
                kept += placer.place(_request(f"new-{n}"), 600, "benchmark").complete
                seconds.append(time.process_time() - began)
        ranked = sorted(seconds)
        print(
            f"| {hosts:,} | {vms:,} | {seconds[0]:.2f} | {ranked[len(ranked) // 2]:.2f} | {ranked[-1]:.2f} | {kept} |"
        )
        well &= kept == REQUESTS
    return well


def _placer(directory: Path, policy: Policy) -> Placer:
    sections = {"inventory": {"file": "fleet.json", "max_age_s": OLD_S}}
    config = config_from_document(sections, str(directory / "remora.yaml"))
    part, clock, draw = config.section("inventory", InventoryPart), SystemClock(), Random(1)

    def read(warn: Warn) -> dict[str, Any]:
        return read_inventory(config, part, clock, os.environ, warn)

    return Placer(read, policy, str(directory / "ledger.sqlite"), clock, lambda: f"{draw.random():.16f}", 60.0)


def _request(name: str) -> dict[str, Any]:
    return {"format": "remora-request/1", "vms": [{"id": name, "demand": DEMAND}]}
