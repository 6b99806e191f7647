"""The Prometheus of the pages: it speaks of the fleet of ``docs/examples/inventory-now.json``.

On alder the disks are nearly full and vCPUs wait; of dogwood nothing was heard for ten minutes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optimizer.sources.config_yaml import read_config
from tests.signals.fake_prometheus import world_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["measured_examples"]

GIB = 1024


@contextmanager
def measured_examples(examples: Path) -> Iterator[str]:
    """Serve it; yields its address."""
    document = json.loads((examples / "inventory-now.json").read_text("utf-8"))
    world = world_of(read_config(examples / "measured.yaml"), document)
    world.set("host.measured.disk_mib", "alder", 380.0 * GIB)
    world.set("host.full_in_s.disk_mib", "alder", 5.0 * 3600)
    world.set("host.pressure.cpu_steal", "alder", 0.14)
    world.set("host.measured.cpu_load_millicores", "alder", 15_200.0)
    for i, load in enumerate((6000.0, 4000.0, 3000.0, 2000.0)):
        world.set("vm.demand.cpu_load_millicores", f"a{i}", load)
        world.set("vm.pressure.cpu_steal", f"a{i}", 0.12)
    world.ages["dogwood"] = 600.0
    with world.serving() as url:
        yield url
