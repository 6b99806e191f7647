"""Simulated days of the periodic run:  python -m tests.service.days [--days 3] [--seed 1]

A fleet of 20 hosts and 150 VMs with 1 % churn an hour, noisy loads, hosts that die, every fault of the simulated
hypervisors, and processes that die in the middle of a cycle. Judged after each cycle, by nothing of the service:

- the ledger and the hypervisors agree: what is written down as done is on its target, nothing that runs has lost its
  slot, nothing that is over keeps one for hours, every attempt began once at most;
- every cycle has its number, its end and its outcome; one whose process died is `lost`;
- what the process holds does not grow from day to day: its memory, and the objects of Python, by a line through hourly
  samples after the first day.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from optimizer.execute.button import StopFile
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.execute.states import OPEN, MoveState
from optimizer.pipeline import Request
from optimizer.service.automation import Level
from optimizer.service.book import LedgerBook
from optimizer.service.ending import Ending
from optimizer.service.events import CycleBegan, CycleEnded, Everybody
from optimizer.service.hands import LedgerHands
from optimizer.service.keep import MemoryKeep
from optimizer.service.memory import GivesBack
from optimizer.service.parts import Limits, Parts
from optimizer.service.periodic import Periodic
from optimizer.service.planner import PipelinePlanner
from optimizer.service.record import Outcome
from optimizer.service.schedule import Schedule
from optimizer.service.watching import MonitorsWatcher
from optimizer.sources.config_yaml import config_from_document
from tests import build
from tests.service.living import HOUR_S, LivingFleet
from tests.service.trend import trend_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.execute.ledger import Ledger
    from optimizer.service.events import Event

__all__ = ["Days", "simulate"]

MIB = 2**20
HELD_S = 3 * HOUR_S
"""A move that is over may keep its slot no longer than this."""

CRASHES = 0.0005
"""How often the process dies at a step of the ledger."""


WARM_HOURS = 24
"""Of the first day no trend is taken: modules are loaded, kernels compiled, the ledger's cache fills."""

MOST_MIB, MOST_THOUSAND = 2.0, 2.0
"""What may be added a day and still be called flat: MiB, and thousands of objects."""


class Crash(BaseException):
    """The process dies here."""


class OneLease:
    """A lease that nobody else wants."""

    epoch = 1

    def take(self, fleet: str) -> str:
        return ""

    def keep(self) -> bool:
        return True

    def release(self) -> None:
        pass


@dataclass
class Days:
    """What was seen."""

    cycles: int = 0
    crashes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    born: int = 0
    died: int = 0
    hosts_failed: int = 0
    faults: int = 0
    kinds: int = 0
    violations: list[int] = field(default_factory=list)


class _Listener:
    """Hears what the service tells, and judges after each cycle."""

    def __init__(self, fleet: LivingFleet, ledger: Ledger, out: Days) -> None:
        self._fleet, self._ledger, self._out = fleet, ledger, out
        self.begun: list[int] = []
        self.ended: dict[int, str] = {}

    def tell(self, event: Event) -> None:
        if isinstance(event, CycleBegan):
            self.begun.append(event.cycle.number)
        if isinstance(event, CycleEnded):
            cycle = event.cycle
            self.ended[cycle.number] = cycle.outcome.value
            self._out.outcomes[cycle.outcome.value] += 1
            self._out.violations.append(int(cycle.counts.get("violations", 0)))
            if cycle.outcome is Outcome.ERROR:
                self._out.broken.append(f"cycle {cycle.number}: {cycle.detail}")
            self._agree(f"after cycle {cycle.number}")
            self._sample()

    def _agree(self, when: str) -> None:
        """Hold the ledger against the hypervisors."""
        world, now = self._fleet.world, self._fleet.clock
        open_ = {f.vm: f for f in self._ledger.in_flight("living")}
        for job in world.running():
            if job.request.vm not in open_:
                self._out.broken.append(f"{when}: {job.request.vm} is migrating, and has no slot")
        for move in open_.values():
            age = (now.truth - move.intended_at).total_seconds() if move.intended_at else 0.0
            if age > HELD_S and world.job_of(move.vm) is None:
                self._out.broken.append(f"{when}: {move.vm} keeps a slot for {age:.0f} s")

    def _sample(self) -> None:
        """Note what the process holds once an hour, between two cycles: in one, a plan is held, too."""
        if self._fleet.clock.seconds >= len(self._out.rss_mib) * HOUR_S:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self._out.rss_mib.append(pages * 4096 / MIB)
            self._out.blocks.append(sys.getallocatedblocks() / 1000)

    def landed(self) -> None:
        """Hold every move that the ledger has as done against the place of its VM."""
        first, world = self._fleet.clock.first, self._fleet.world
        latest = {}
        for run in reversed(self._ledger.runs("living")):
            for record in self._ledger.moves("living", run.plan):
                if record.flying.state in (MoveState.DONE, *OPEN):
                    latest[record.flying.vm] = record
                self._out.ends[record.flying.state.value] += 1
        for vm, record in latest.items():
            at = (record.changed_at - first).total_seconds()
            if record.flying.state is not MoveState.DONE or self._fleet.changed.get(vm, 0.0) > at:
                continue
            if vm in world.place and world.place[vm] != record.flying.target:
                self._out.broken.append(f"{vm} is done by the ledger, and is on {world.place[vm]}")


def simulate(
    days: float, seed: int, *, directory: Path, faults: float = 0.1, crashes: float = CRASHES, place: str = ""
) -> Days:
    """Let a service live for some days, on a ledger in the directory or at `place`; returns what was seen."""
    out, living = Days(), LivingFleet(seed, faults=faults)
    rng = Random(f"crashes of {seed}")
    with open_ledger(place or str(directory / "ledger.sqlite")) as ledger:
        listener = _Listener(living, ledger, out)

        def probe(_: str) -> None:
            if rng.random() < crashes:
                raise Crash

        ledger.probe = probe
        end = days * 24 * HOUR_S
        living.clock.on_sleep = _living(living, end)
        while living.clock.seconds < end:
            with suppress(_Over):
                try:
                    _service(living, ledger, listener, seed).run()
                except Crash:
                    out.crashes += 1
                    living.clock.sleep(30.0)
        ledger.probe = lambda _: None
        _last_cycle(living, ledger, listener, seed)
        listener.landed()
        _accounted(ledger, listener, out)
        out.broken += [f"the ledger: {where}: {what}" for where, what in ledger.audit().faults]
    out.broken += [f"{token} began {n} times" for token, n in living.starts.items() if n > 1]
    out.born, out.died, out.hosts_failed = living.born, living.died, living.failed_hosts
    out.faults, out.kinds = living.faults.drawn, len(living.faults.reached)
    return out


class _Over(BaseException):
    """The days are over: like a crash, whatever goes on."""


def _living(living: LivingFleet, end: float) -> Callable[[], None]:
    """Let the fleet live while time passes, until the end."""

    def on_sleep() -> None:
        living.pass_time()
        if living.clock.seconds >= end and not living.quiet:
            living.quiet = True
            raise _Over

    return on_sleep


def _service(living: LivingFleet, ledger: Ledger, listener: _Listener, seed: int) -> Periodic:
    told = Everybody([GivesBack(), listener])
    order = Order("simulated", "periodic run")
    clock = living.clock
    parts = Parts(
        policy=build.policy(),
        level=Level.ACT,
        clock=clock,
        read=living.read,
        watch=MonitorsWatcher(
            ledger, config_from_document({"journeys": {"simulated": True}}, "days"), clock, {}, "simulated"
        ),
        plan=PipelinePlanner(Request(seconds=2, deterministic=True)),
        hands=LedgerHands(ledger, living.driver, "living", StopFile(None), Level.ACT, order, told),
        keep=MemoryKeep(),
        book=LedgerBook(ledger),
        told=told,
        limits=Limits(execute_s=1800.0),
    )
    schedule = Schedule(every_s=600.0, rng=Random(seed))
    return Periodic(parts, schedule, Ending(clock), OneLease(), "simulated")


def _last_cycle(living: LivingFleet, ledger: Ledger, listener: _Listener, seed: int) -> None:
    """One more without faults, so that nothing is left open that could be known."""
    living.faults.until_s = 0.0  # readings fail no more, either: that has no part in the rate
    living.clock.sleep(HELD_S)
    _service(living, ledger, listener, seed).once()


def _accounted(ledger: Ledger, listener: _Listener, out: Days) -> None:
    """Every cycle that began has its row and its end, and the rows say what was told."""
    rows = {row.number: row for row in ledger.cycles("living")}
    out.cycles = len(rows)
    if sorted(rows) != list(range(1, len(rows) + 1)):
        out.broken.append("the numbers of the cycles have gaps")
    if missing := set(listener.begun) - set(rows):
        out.broken.append(f"cycles without a row: {sorted(missing)}")
    for number, row in rows.items():
        told = listener.ended.get(number, "lost")
        if row.ended_at is None or row.outcome != told:
            out.broken.append(f"cycle {number} ended as {told}, and the ledger has {row.outcome or 'no end'}")
        if told == "lost":
            out.outcomes["lost"] += 1


def _said(what: str, unit: str, samples: list[float], most: float) -> str:
    """Say how something grew after the first day, and whether that is anything."""
    found = trend_of(samples, WARM_HOURS)
    if found is None:
        return f"{what}: too short for a trend (a day and a half at least)"
    grown = f"{found.a_day:+.2f} +- {found.error:.2f} {unit} a day after the first day"
    return f"{what}: {grown}, at {samples[-1]:.0f}: {found.verdict(most)} (by less than {most:g})"


def main() -> int:
    """Simulate, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.service.days", description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        seen = simulate(asked.days, asked.seed, directory=Path(directory))
    print(f"{asked.days:g} simulated days, seed {asked.seed}: {seen.cycles} cycles, {seen.crashes} crashes")
    print("outcomes: " + ", ".join(f"{name} {n}" for name, n in sorted(seen.outcomes.items())))
    print("moves: " + ", ".join(f"{name} {n}" for name, n in sorted(seen.ends.items())))
    print(f"churn: {seen.born} VMs created, {seen.died} deleted; {seen.hosts_failed} hosts failed")
    print(f"faults: {seen.faults} of {seen.kinds} kinds")
    print(f"violations at the start of a cycle: mean {sum(seen.violations) / max(len(seen.violations), 1):.2f}")
    twelfth = max(1, len(seen.rss_mib) // 12)
    parts = [max(seen.rss_mib[i : i + twelfth]) for i in range(0, len(seen.rss_mib), twelfth)]
    print("memory (MiB, highest in each twelfth): " + " ".join(f"{mib:.0f}" for mib in parts))
    for what, unit, samples, most in (
        ("memory", "MiB", seen.rss_mib, MOST_MIB),
        ("objects of Python", "thousand", seen.blocks, MOST_THOUSAND),
    ):
        print(_said(what, unit, samples, most))
    print(f"{len(seen.broken)} broken; {time.process_time() - began:.0f} s of CPU")
    for line in seen.broken[:20]:
        print("  " + line)
    return 1 if seen.broken else 0


if __name__ == "__main__":
    sys.exit(main())
