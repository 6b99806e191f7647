"""A simulated host with an antagonist, before and after it was moved away: the series that two runs read.

The stall comes from a queue (benchmarks.interference), not from the formula that is under test.
`python -m tests.signals.interference.story DIRECTORY` writes the files of docs/examples.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.interference.hosts import VMS, Raw, draw_host, measure, simulate
from optimizer.signals.interference import HostSeries, Observation
from optimizer.signals.interference.documents import series_document
from optimizer.sources.files import json_bytes, write_whole
from tests import build
from tests.signals.interference.series import END

if TYPE_CHECKING:
    from benchmarks.interference.hosts import SimHost

NOISY = 0
INTERVAL_S = 15.0


def story(seed: int, kind: str = "cpu") -> tuple[SimHost, Raw, Raw]:
    """Return a host, what happens on it with the antagonist, and without."""
    rng = np.random.Generator(np.random.PCG64(seed))
    while True:
        host = draw_host("hv1", "antagonist", kind, rng)
        if len(host.antagonists) > 1 or host.gaps or host.lag or host.skew:
            continue
        with_it, without = simulate(host), simulate(host, without=NOISY)
        fall = (with_it.stall - without.stall)[:, 1:VMS].mean(axis=0)
        if (fall > 0.08).sum() >= 3:
            return host, with_it, without


def before(host: SimHost, raw: Raw) -> Observation:
    """All VMs on one host, another one empty."""
    series = measure(host, raw, np.random.default_rng(0))
    return Observation((_named(series),), END, INTERVAL_S)


def after(host: SimHost, raw: Raw, without: Raw, target: str, samples: int) -> Observation:
    """The noisy VM has been on `target` for the last `samples`."""
    old, new = (measure(host, r, np.random.default_rng(0)) for r in (raw, without))
    use, stall = old.use.copy(), old.stall.copy()
    use[-samples:], stall[-samples:] = new.use[-samples:], new.stall[-samples:]
    use[-samples:, NOISY], stall[-samples:, NOISY] = np.nan, np.nan
    there = np.full((len(use), 1), np.nan)
    there[-samples:, 0] = old.use[-samples:, NOISY]
    moved = HostSeries(target, old.kind, (old.vms[NOISY],), np.where(np.isnan(there), np.nan, 0.0), there)
    left = HostSeries(old.host, old.kind, old.vms, stall, use)
    return Observation((_named(left), _named(moved)), END + timedelta(seconds=samples * INTERVAL_S), INTERVAL_S)


def _named(series: HostSeries) -> HostSeries:
    names = tuple(f"v{vm.rpartition('v')[2]}" for vm in series.vms)
    return HostSeries(series.host, series.kind, names, series.stall, series.use, series.total)


def fleet() -> dict[str, Any]:
    """All VMs on hv1, another host empty."""
    hosts = [build.host(name, cpu=64_000, memory=262_144) for name in ("hv1", "hv2")]
    vms = [build.vm(f"v{i}", "hv1", cpu=2_000, memory=8_192) for i in range(VMS)]
    return build.document(hosts, vms, fleet="story", taken_at="2026-11-29T10:00:00Z")


def main(directory: Path) -> None:
    """Write the files of the page."""
    host, raw, without = story(3)
    told = {"before": before(host, raw)}
    told |= {name: after(host, raw, without, "hv2", n) for name, n in (("after", 40), ("later", 75))}
    write_whole(directory / "interference-fleet.json", json_bytes(fleet()))
    for name, seen in told.items():
        write_whole(directory / f"interference-{name}.json.xz", json_bytes(series_document(seen), indent=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
