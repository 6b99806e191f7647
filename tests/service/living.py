"""A fleet that lives: VMs come and go, loads are noisy, hosts die and return, hypervisors behave as they do.

The hypervisors (`World`) alone know the truth. Time passes where somebody sleeps, and what happens meanwhile happens
then, in the middle of a run as well as between two.
"""

from __future__ import annotations

import heapq
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from optimizer.execute.drivers.faults import Faults, FaultyDriver, SkewedClock
from optimizer.execute.drivers.world import World
from optimizer.service.roles import Reading
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.synthetic import Spec, generate

if TYPE_CHECKING:
    from optimizer.fleet import Fleet

__all__ = ["HOUR_S", "LivingFleet"]

HOUR_S = 3600.0
FORGET_S = 2 * HOUR_S
"""Jobs that ended longer ago than this, and what never ends, are cleared away by the platform."""


class LivingFleet:
    """A fleet with its clock; `read` is the reader of a service, `driver` opens one."""

    def __init__(self, seed: int, *, hosts: int = 20, vms: int = 150, churn: float = 0.01, faults: float = 0.1) -> None:
        self.rng = Random(seed)
        document = generate(Spec(hosts=hosts, vms=vms, seed=seed, fleet="living", history=0.0, hosts_per_rack=5))
        self._fixed = {k: v for k, v in document.items() if k not in ("vms", "hosts", "history", "x_planted")}
        self._hosts = document["hosts"]
        self.vms: dict[str, dict[str, Any]] = {vm["id"]: vm for vm in document["vms"]}
        self.churn, self.born, self.died, self.failed_hosts = churn, 0, 0, 0
        first = fleet_from_document(document, "living")
        self.clock = SkewedClock(first.taken_at)
        self.clock.on_sleep = self.pass_time
        self.world = World(first)
        self.world.note = self._note
        self.faults = Faults(seed, rate=faults)
        self.changed: dict[str, float] = {}
        self.starts: dict[str, int] = {}
        self.quiet = False
        self._due: list[tuple[float, str]] = []
        self._bursts: dict[str, float] = {}
        for what, share in (("born", churn / 2), ("died", churn / 2), ("host", 1 / 8 / vms), ("burst", 1 / vms)):
            self._rate(what, share * vms / HOUR_S)

    def _rate(self, what: str, per_second: float) -> None:
        if per_second:
            heapq.heappush(self._due, (self.clock.seconds + self.rng.expovariate(per_second), f"{what} {per_second}"))

    def _note(self, what: str, **facts: Any) -> None:
        """Remember when a VM was last changed by the hypervisors, and what was really begun."""
        if "vm" in facts:
            self.changed[facts["vm"]] = self.clock.seconds
        if what == "start":
            self.starts[facts["token"]] = self.starts.get(facts["token"], 0) + 1

    def pass_time(self) -> None:
        """Let happen what is due by now."""
        while self._due and self._due[0][0] <= self.clock.seconds:
            what, _, rate = heapq.heappop(self._due)[1].partition(" ")
            getattr(self, f"_{what}")(rate)
            if rate and what != "back":
                self._rate(what, float(rate))
        self.world.advance(self.clock.truth)
        self._clear()

    def _born(self, _: str) -> None:
        """A VM is created, now and then where its fellow already is."""
        grouped = sorted(name for name, vm in self.vms.items() if vm.get("groups"))
        like = self.vms[self.rng.choice(grouped if self.rng.random() < 0.5 else sorted(self.vms))]
        self.born += 1
        name = f"new-{self.born}"
        up = [h["id"] for h in self._hosts if h["id"] not in self.world.down]
        where = self.world.place.get(like["id"]) if self.rng.random() < 0.6 else self.rng.choice(up)
        self.vms[name] = {**like, "id": name, "host": where}
        self.world.place[name] = where
        self.changed[name] = self.clock.seconds

    def _died(self, _: str) -> None:
        vm = self.rng.choice(sorted(self.vms))
        del self.vms[vm]
        self.died += 1
        self.world.delete(vm, self.clock.truth)

    def _burst(self, _: str) -> None:
        """A VM is busy for two hours: its host may be too."""
        self._bursts[self.rng.choice(sorted(self.vms))] = self.clock.seconds + 2 * HOUR_S

    def _host(self, _: str) -> None:
        """A host dies, and returns after an hour."""
        host = self.rng.choice(self._hosts)["id"]
        if not self.world.down:
            self.failed_hosts += 1
            self.world.kill(host, self.clock.truth)
            heapq.heappush(self._due, (self.clock.seconds + HOUR_S, f"back {host}"))

    def _back(self, host: str) -> None:
        self.world.down.discard(host)

    def _clear(self) -> None:
        before = self.clock.truth - timedelta(seconds=FORGET_S)
        for name, job in list(self.world.jobs.items()):
            if job.is_over and job.ended_at is not None and job.ended_at < before:
                del self.world.jobs[name]
            elif not job.is_over and job.started_at < before:
                self.world.end(name, self.clock.truth, fails="given up by the platform")

    def read(self) -> Reading:
        """Return what an inventory says now."""
        return Reading(fleet_from_document(self.document(), "living"))

    def document(self) -> dict[str, Any]:
        """Return the snapshot of now: where the hypervisors have VMs, with noise in what is measured."""
        taken_at = self.clock.now().isoformat()
        vms = []
        for name in sorted(self.vms):
            vm, demand = self.vms[name], dict(self.vms[name]["demand"])
            if "cpu_load_millicores" in demand:
                busy = 8 if self._bursts.get(name, 0.0) > self.clock.seconds else 1
                demand["cpu_load_millicores"] = (
                    int(demand["cpu_load_millicores"] * busy * self.rng.uniform(0.8, 1.2)) + 1
                )
            vms.append({**vm, "host": self.world.place.get(name), "demand": demand})
        hosts = [{**h, "state": "down"} if h["id"] in self.world.down else h for h in self._hosts]
        hosts = [{k: v for k, v in h.items() if k not in ("measured", "observed_at")} for h in hosts]
        names = set(self.vms)
        groups = [
            {**g, "members": [m for m in g["members"] if m in names]} if "members" in g else g
            for g in self._fixed.get("groups", [])
        ]
        more = {"groups": groups} if groups else {}
        return {**self._fixed, **more, "taken_at": taken_at, "hosts": hosts, "vms": vms, "history": []}

    def driver(self, fleet: Fleet) -> FaultyDriver:
        """Open a driver for a snapshot."""
        return FaultyDriver(fleet, self.faults, self.clock, self.world)
