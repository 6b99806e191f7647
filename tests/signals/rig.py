"""A small fleet with its Prometheus: what the tests of readings start from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optimizer.clock import SystemClock
from optimizer.pipeline import Request, make_plan
from optimizer.signals.reading import read_fleet
from optimizer.sources.config_yaml import config_from_document
from optimizer.verify.verify import verify
from tests.build import policy
from tests.signals.fake_prometheus import World, world_of

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.signals.reading import FleetReading
    from optimizer.sources.config_yaml import Config

__all__ = ["CLOCK", "Rig", "config_of", "host", "inventory", "moves", "vm"]

CLOCK = SystemClock()
GIB = 1024


def inventory(hosts: int = 4, per_host: int = 3) -> dict[str, Any]:
    """Every host has room for two more VMs; the first has a VM too many, so that every plan wants to move."""
    return {
        "format": "remora-fleet/1",
        "fleet": "lab",
        "taken_at": datetime.now(UTC).isoformat(),
        "resources": [
            {"name": "cpu_millicores", "copied": False},
            {"name": "memory_mib", "copied": True},
            {"name": "disk_mib", "copied": True},
        ],
        "levels": ["host"],
        "hosts": [
            {"id": f"h{h}", "capacity": {"cpu_millicores": 32000, "memory_mib": 20 * GIB, "disk_mib": 500 * GIB}}
            for h in range(hosts)
        ],
        "vms": [
            {
                "id": f"v{h}-{i}",
                "host": f"h{h}",
                "demand": {"cpu_millicores": 2000, "memory_mib": 4 * GIB, "disk_mib": 20 * GIB},
            }
            for h in range(hosts)
            for i in range(per_host + 2 * (h == 0))
        ],
    }


def config_of(tmp_path: Path, document: dict[str, Any], **signals: Any) -> Config:
    (tmp_path / "fleet.json").write_text(json.dumps(document))
    said = {"inventory": {"file": "fleet.json"}, "signals": {"deadline_s": 5, **signals}}
    return config_from_document(said, str(tmp_path / "remora.yaml"))


class Rig:
    """A configuration, its world, and how to read."""

    def __init__(self, tmp_path: Path, document: dict[str, Any] | None = None, **signals: Any) -> None:
        self.document = document or inventory()
        self.config = config_of(tmp_path, self.document, **signals)
        self.world: World = world_of(self.config, self.document)

    def read(self) -> FleetReading:
        with self.world.serving() as url:
            return read_fleet(self.config, CLOCK, {}, url=url)


def host(reading: FleetReading, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(h for h in reading.document["hosts"] if h["id"] == name)
    return found


def vm(reading: FleetReading, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(v for v in reading.document["vms"] if v["id"] == name)
    return found


def moves(reading: FleetReading) -> list[tuple[str, str, str]]:
    rules = policy("capacity")
    plan = make_plan(reading.fleet, rules, Request(seconds=5, deterministic=True))
    assert verify(reading.fleet, rules, plan).findings == ()
    return [(move.vm, move.source, move.target) for move in plan.moves]
