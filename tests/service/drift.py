"""Simulated weeks of a fleet whose load drifts:  python -m tests.service.drift [--days 30] [--fleet small] [--seed 1]

What each VM uses of the CPU follows a day of its own, wanders over days, and is measured with noise; nothing else
happens. The periodic run looks every ten minutes, or every hour at the large fleet, and acts. In the last day the load
and the noise stand still. `--seeds N` lives through it N times, and adds up.

Judged from what the hypervisors did, by nothing of the service: no VM moves more often than its journey allows, at most
one in a thousand (of all lives together) goes back and forth, and once the load stands still, nothing moves. Back and
forth is a move to a host that the VM had left before in all these days, whatever the reason. And no cycle ends badly
(`error`, `lost`, `no_plan`), for nothing hinders it. `--without-avoiding` shows what the policy's `avoid_return_s` is
for.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer.execute.button import StopFile
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.pipeline import Request
from optimizer.service.automation import Level
from optimizer.service.book import LedgerBook
from optimizer.service.ending import Ending
from optimizer.service.events import CycleEnded, Everybody
from optimizer.service.hands import LedgerHands
from optimizer.service.keep import MemoryKeep
from optimizer.service.parts import Limits, Parts
from optimizer.service.periodic import Periodic
from optimizer.service.planner import PipelinePlanner
from optimizer.service.record import BAD, Outcome
from optimizer.service.schedule import Schedule
from optimizer.service.watching import MonitorsWatcher
from optimizer.sources.config_yaml import config_from_document
from tests import build
from tests.service.days import OneLease
from tests.service.living import HOUR_S, LivingFleet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.service.events import Event

__all__ = ["DAY_S", "FIRST_S", "DriftingFleet", "Moved", "Weeks", "lived", "returns", "too_often"]

DAY_S = 24 * HOUR_S
LOAD = "cpu_load_millicores"


class Size(NamedTuple):
    """A fleet: `busy` times as busy as generated VMs, so that hosts are over their limit; seconds between two looks."""

    hosts: int
    vms: int
    busy: float
    every_s: float


FLEETS = {"small": Size(20, 150, 2.7, 600.0), "large": Size(60, 450, 3.3, 3600.0)}
LOOKS = 6
"""Looks after the load stands still by which nothing moves any more."""

BOUNCING, BOUNCING_S = 4, DAY_S
HOURLY = 2
FIRST_S, LONGEST_S, COUNTS_S = 900.0, 21_600.0, 2 * DAY_S
AVOIDED_S = 30 * DAY_S
JOURNEY = {
    "rule": "journey",
    "bouncing": {"times": BOUNCING, "within_s": int(BOUNCING_S)},
    "moves_per_hour": HOURLY,
    "cool_down": {"first_s": int(FIRST_S), "at_most_s": int(LONGEST_S), "within_s": int(COUNTS_S)},
    "no_return_s": int(COUNTS_S),
}
AVOIDING = {"avoid_return_s": int(AVOIDED_S)}


class Moved(NamedTuple):
    """A migration, as the hypervisors carried it out; seconds from the start."""

    vm: str
    source: str
    target: str
    began: float
    ended: float


class DriftingFleet(LivingFleet):
    """Only its load changes; `moves` is what was migrated."""

    def __init__(self, seed: int, size: Size, *, stands_still_at: float) -> None:
        super().__init__(seed, hosts=size.hosts, vms=size.vms, churn=0.0, faults=0.0)
        self._due.clear()
        self._busy = size.busy
        self._still_at, self._drawn_at = stands_still_at, -HOUR_S
        self._wander = Random(f"drift {seed}")
        self._phase = {vm: self._wander.uniform(0, 2 * math.pi) for vm in sorted(self.vms)}
        self._walk = {vm: self._wander.gauss(0, 0.5) for vm in sorted(self.vms)}
        self._noise: dict[str, float] = {}
        self.moves: list[Moved] = []
        self._begun: dict[str, tuple[str, str, float]] = {}

    def _note(self, what: str, **facts: Any) -> None:
        super()._note(what, **facts)
        if what == "start":
            self._begun[facts["token"]] = facts["source"], facts["target"], self.clock.seconds
        if what == "end":
            source, target, began = self._begun.pop(facts["token"])
            if facts["at"] == target:
                self.moves.append(Moved(facts["vm"], source, target, began, self.clock.seconds))

    def document(self) -> dict[str, Any]:
        """Return the snapshot of now."""
        made = super().document()
        seconds = min(self.clock.seconds, self._still_at)
        while self._drawn_at + HOUR_S <= seconds:
            self._drawn_at += HOUR_S
            for vm, at in self._walk.items():
                keep = math.exp(-1 / 72)  # it remembers three days
                self._walk[vm] = keep * at + self._wander.gauss(0, 0.5 * math.sqrt(1 - keep**2))
        for vm in made["vms"]:
            name, base = vm["id"], self.vms[vm["id"]]["demand"].get(LOAD)
            if base is not None:
                daily = 1 + 0.4 * math.sin(2 * math.pi * seconds / DAY_S + self._phase[name])
                if self.clock.seconds < self._still_at or name not in self._noise:
                    self._noise[name] = self._wander.uniform(0.95, 1.05)
                most = vm["demand"]["cpu_millicores"]
                vm["demand"][LOAD] = max(
                    1, min(most, int(self._busy * base * daily * math.exp(self._walk[name]) * self._noise[name]))
                )
        return made


# -- judging -----------------------------------------------------------------------------------------------------------


def too_often(moves: Sequence[Moved]) -> list[str]:
    """Return every move that began although the journey of its VM did not allow one."""
    found, before = [], defaultdict[str, list[Moved]](list)
    for move in sorted(moves, key=lambda m: m.began):
        past = before[move.vm]
        lately = [m for m in past if move.began - m.ended < COUNTS_S]
        if lately:
            rests = min(FIRST_S * 2 ** (len(lately) - 1), LONGEST_S)
            since = move.began - max(m.ended for m in lately)
            if since < rests:
                found.append(f"{move.vm} after {since:.0f} s, and it rests {rests:.0f} s after {len(lately)} moves")
        for name, most, within in (("a day", BOUNCING, BOUNCING_S), ("an hour", HOURLY, HOUR_S)):
            if sum(move.began - m.ended < within for m in past) >= most:
                found.append(f"{move.vm} more than {most} times within {name}")
        past.append(move)
    return found


def returns(moves: Sequence[Moved], within_s: float) -> list[Moved]:
    """Return the moves that took a VM back to a host that it had left within that time."""
    found, before = [], defaultdict[str, list[Moved]](list)
    for move in sorted(moves, key=lambda m: m.began):
        if any(m.source == move.target and move.began - m.ended < within_s for m in before[move.vm]):
            found.append(move)
        before[move.vm].append(move)
    return found


@dataclass
class Weeks:
    """What was seen."""

    cycles: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    moves: list[Moved] = field(default_factory=list)
    days: float = 0.0
    every_s: float = 600.0
    unfaithful: list[str] = field(default_factory=list)
    violated_at: list[float] = field(default_factory=list)
    """Seconds at which a cycle found something violated."""

    @property
    def still_at(self) -> float:
        """From when on the load stood still."""
        return (self.days - 1) * DAY_S

    @property
    def restless(self) -> list[Moved]:
        """Moves from some looks after the load stood still."""
        return [m for m in self.moves if m.began > self.still_at + LOOKS * self.every_s]

    @property
    def back(self) -> list[Moved]:
        """Moves back and forth: to a host that the VM had left before."""
        return returns(self.moves, self.days * DAY_S)

    @property
    def forbidden(self) -> list[str]:
        """What may never be, not even once."""
        restless = [f"{m.vm} moved {m.began - self.still_at:.0f} s after the load stood still" for m in self.restless]
        bad = [
            f"{self.outcomes[o.value]} cycles ended as {o.value}"
            for o in Outcome
            if o in BAD and self.outcomes[o.value]
        ]
        return too_often(self.moves) + self.unfaithful + restless + bad


def lived(days: float, seed: int, directory: Path, size: Size = FLEETS["small"], *, avoiding: bool = True) -> Weeks:
    """Let a service live with a drifting fleet for some days, the last of which without drift.

    Parameters
    ----------
    avoiding
        Whether its policy has `avoid_return_s`.
    """
    journey = JOURNEY | AVOIDING if avoiding else JOURNEY
    out = Weeks(days=days, every_s=size.every_s)
    fleet = DriftingFleet(seed, size, stands_still_at=out.still_at)
    clock = fleet.clock

    class Listener:
        def tell(self, event: Event) -> None:
            if isinstance(event, CycleEnded):
                out.cycles += 1
                out.outcomes[event.cycle.outcome.value] += 1
                if event.cycle.counts.get("violations"):
                    out.violated_at.append(clock.seconds)

    def on_sleep() -> None:
        fleet.pass_time()
        if clock.seconds >= days * DAY_S and not ending.asked:
            ending.ask("the days are over")

    clock.on_sleep = on_sleep
    told, ending = Everybody([Listener()]), Ending(clock)
    with open_ledger(str(directory / "ledger.sqlite")) as ledger:
        parts = Parts(
            policy=build.policy("capacity", "anti_affinity", "spread", "allowed", "eligible", journey),
            level=Level.ACT,
            clock=clock,
            read=fleet.read,
            watch=MonitorsWatcher(
                ledger, config_from_document({"journeys": {"simulated": True}}, "weeks"), clock, {}, "simulated"
            ),
            plan=PipelinePlanner(Request(seconds=1, deterministic=True)),
            hands=LedgerHands(ledger, fleet.driver, "living", StopFile(None), Level.ACT, Order("test", "test"), told),
            keep=MemoryKeep(),
            book=LedgerBook(ledger),
            told=told,
            limits=Limits(execute_s=1800.0),
        )
        schedule = Schedule(every_s=size.every_s, rng=Random(seed))
        Periodic(parts, schedule, ending, OneLease(), "simulated", look_s=60.0).run()
        done = [m for run in ledger.runs("living") for m in ledger.moves("living", run.plan)]
        if len([m for m in done if m.flying.state.value == "done"]) != len(fleet.moves):
            out.unfaithful.append("the ledger has another number of moves than the hypervisors made")
    out.moves = fleet.moves
    return out


def report(seen: Weeks, seed: int) -> None:
    """Print what one life came to."""
    moves, per_vm = seen.moves, Counter(m.vm for m in seen.moves)
    print(f"{seen.days:g} simulated days of drifting load, seed {seed}: {seen.cycles} cycles")
    print("outcomes: " + ", ".join(f"{name} {n}" for name, n in sorted(seen.outcomes.items())))
    by_day = Counter(int(m.began // DAY_S) for m in moves)
    print(f"moves: {len(moves)} of {len(per_vm)} VMs, {max(per_vm.values(), default=0)} of one at most")
    print("moves by day: " + " ".join(str(by_day[d]) for d in range(math.ceil(seen.days))))
    print(f"moves that the journey of their VM did not allow: {len(too_often(moves))}")
    print(f"moves back to a host left within 48 h: {len(returns(moves, COUNTS_S))}; within all days: {len(seen.back)}")
    print(f"moves from {LOOKS} looks after the load stood still: {len(seen.restless)}")
    print(f"cycles that found a violation: {len(seen.violated_at)}")
    for line in seen.forbidden[:20]:
        print("  broken: " + line)
    sys.stdout.flush()


def main() -> int:
    """Simulate, and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.service.drift", description=__doc__.split("\n")[0])
    parser.add_argument("--days", type=float, default=30.0, help="the last of them without drift")
    parser.add_argument("--fleet", choices=sorted(FLEETS), default="small")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from that one on")
    parser.add_argument("--without-avoiding", action="store_true", help="the policy has no avoid_return_s")
    asked = parser.parse_args()
    began, moves, back, broken = time.process_time(), 0, 0, 0
    for seed in range(asked.seed, asked.seed + asked.seeds):
        with tempfile.TemporaryDirectory() as directory:
            seen = lived(asked.days, seed, Path(directory), FLEETS[asked.fleet], avoiding=not asked.without_avoiding)
        report(seen, seed)
        moves, back, broken = moves + len(seen.moves), back + len(seen.back), broken + len(seen.forbidden)
    if back > moves / 1000:
        print(f"  broken: {back} of {moves:,} moves took a VM back to where it had been")
        broken += 1
    took = time.process_time() - began
    print(f"in all {moves:,} moves, {back} back and forth; {broken} broken; {took:.0f} s of CPU")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
