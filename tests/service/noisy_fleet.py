"""A fleet in which one VM makes noise: its stalls and use, sampled once a minute wherever the hypervisors have each VM.

VM `NOISY` goes on and off by chance. What `VICTIM` suffers follows it while both share a host (`by_host`), or always:
then it was never the neighbour's doing, however much the series look like it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from optimizer.service.evidence import Attributed
from optimizer.signals.interference import HostSeries, Observation, Record, update
from tests.service.living import LivingFleet

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.signals.interference import Settings

__all__ = ["STEP_S", "NoisyFleet"]

STEP_S = 60
COST = 0.4


class NoisyFleet(LivingFleet):
    """Nothing happens in it but noise; `attribute` is what a service attributes with."""

    def __init__(self, seed: int, settings: Settings, *, by_host: bool) -> None:
        super().__init__(seed, hosts=4, vms=24, churn=0.0, faults=0.0)
        self._due.clear()
        self._settings, self._by_host = settings, by_host
        self._random, self._on, self._until = Random(f"noise {seed}"), False, 0
        self._noise = np.random.default_rng(seed)
        self.minutes: list[dict[str, tuple[str, float, float]]] = []
        by: dict[str, list[str]] = {}
        for vm in sorted(self.vms):
            by.setdefault(str(self.world.place[vm]), []).append(vm)
        self.noisy, self.victim, *_ = next(vms for _, vms in sorted(by.items()) if len(vms) > 4)
        self.asked = 0

    def pass_time(self) -> None:
        """Take a sample of each minute that has passed."""
        super().pass_time()
        while len(self.minutes) * STEP_S <= self.clock.seconds:
            self._sample()

    def _sample(self) -> None:
        if len(self.minutes) >= self._until:
            self._on, self._until = not self._on, len(self.minutes) + self._random.randint(2, 8)
        place, out = self.world.place, {}
        for vm in sorted(self.vms):
            use, stall = self._noise.uniform(0.4, 0.6), self._noise.uniform(0.0, 0.04)
            if vm == self.noisy and self._on:
                use += 3.0
            suffers = self._on and (not self._by_host or place[vm] == place[self.noisy])
            if vm == self.victim and suffers:
                stall += COST * self._noise.uniform(0.8, 1.2)
            out[vm] = (str(place[vm]), use, min(stall, 1.0))
        self.minutes.append(out)

    def attribute(self, fleet: Fleet, known: tuple[Record, ...]) -> Attributed:
        """Attribute the last windows, as by the series that a Prometheus would have."""
        self.asked += 1
        seen = self.observation()
        hosts = fleet.hosts.ids
        places = {vm: hosts[h] for vm, h in zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True)}
        return Attributed(update(known, seen, self._settings, places), seen.ends_at)

    def observation(self) -> Observation:
        """Return the series of the last windows."""
        span = self._settings.window * self._settings.windows
        last = self.minutes[-span:]
        ends = self.clock.first.timestamp() + (len(self.minutes) - 1) * STEP_S
        hosts = []
        for host in sorted({at for minute in last for at, _, _ in minute.values()}):
            vms = tuple(sorted({vm for minute in last for vm, (at, _, _) in minute.items() if at == host}))
            use, stall = np.full((2, len(last), len(vms)), np.nan)
            for row, minute in enumerate(last):
                for column, vm in enumerate(vms):
                    at, used, stalled = minute[vm]
                    if at == host:
                        use[row, column], stall[row, column] = used, stalled
            hosts.append(HostSeries(host, "cpu", vms, stall, use, np.nansum(use, axis=1)))
        return Observation(tuple(hosts), datetime.fromtimestamp(ends, UTC), float(STEP_S))
