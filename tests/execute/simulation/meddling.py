"""What others do while a plan is carried out: people, other processes, dying hosts, a ledger that cannot be written."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from optimizer.execute.ledger.records import Order

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from random import Random

    from optimizer.execute.drivers.faults import SkewedClock
    from optimizer.execute.drivers.world import World
    from optimizer.execute.ledger import Ledger

__all__ = ["ORDER", "Mayhem", "Meddler"]

FLEET = "tiny"
ORDER = Order("sim", "simulated")
DEAD_S = 120.0
RESIZED_MIB = 512


class Mayhem(Enum):
    """What may happen besides the faults of the driver."""

    STOP = "the button is pressed"
    ABORT = "the button is pressed, and what is in flight is to be given up"
    LIMIT = "the limit on moves at once is lowered"
    STRANGER = "somebody else moves a VM"
    DELETED = "somebody deletes a VM"
    RESIZED = "somebody resizes a VM"
    CLOCK = "the clock on the wall jumps"
    HOST_DIES = "a host dies"
    DATABASE_DOWN = "the ledger's database is down"
    DISK_FULL = "the ledger's disk is full"
    PAUSED_LEADER = "the leader pauses, and another takes the lead"
    CRASH = "the process dies"


WHILE_TIME_PASSES = (
    *(Mayhem.STOP, Mayhem.ABORT, Mayhem.LIMIT, Mayhem.LIMIT, Mayhem.STRANGER),
    *(Mayhem.DELETED, Mayhem.RESIZED, Mayhem.CLOCK, Mayhem.HOST_DIES),
)


class Meddler:
    """Does these things to a fleet and its ledger, and notes them."""

    def __init__(
        self,
        rng: Random,
        kinds: frozenset[Mayhem],
        ledger: Ledger,
        clock: SkewedClock,
        world: World,
        hosts: list[str],
        note: Callable[..., None],
    ) -> None:
        self._rng, self._ledger, self._clock, self._world, self._hosts = rng, ledger, clock, world, hosts
        self._kinds = [k for k in WHILE_TIME_PASSES if k in kinds]
        self._note = note
        self._dead: dict[str, float] = {}
        self.resized: dict[str, int] = {}

    def meddle(self) -> str:
        """Let one of these things happen; returns which."""
        if not self._kinds:
            return ""
        what = self._rng.choice(self._kinds)
        acts: dict[Mayhem, Callable[[datetime], Any]] = {
            Mayhem.STOP: self._stop,
            Mayhem.ABORT: lambda at: self._stop(at, abort=True),
            Mayhem.LIMIT: self.limit,
            Mayhem.STRANGER: self._move,
            Mayhem.DELETED: self._delete,
            Mayhem.RESIZED: self._resize,
            Mayhem.CLOCK: self._jump,
            Mayhem.HOST_DIES: self._kill,
        }
        acts[what](self._clock.now())
        return what.name

    def repair(self, *, all_of_it: bool = False) -> None:
        """Bring hosts back that have been dead for a while."""
        for host, until in list(self._dead.items()):
            if all_of_it or self._clock.seconds >= until:
                del self._dead[host]
                self._world.down.discard(host)
                self._note("up", host=host)

    def resume(self) -> None:
        """Lift what was pressed and lowered."""
        if self._ledger.controls.lift(FLEET, "stop", ORDER, self._clock.now()):
            self._note("resume")
        self._ledger.controls.lift(FLEET, "limit", ORDER, self._clock.now())
        self._note("limit", most=None)

    def limit(self, at: datetime) -> None:
        """Lower the limit on moves at once, or lift it."""
        most = self._rng.choice([1, 2, 3, None])
        if most is None:
            self._ledger.controls.lift(FLEET, "limit", ORDER, at)
        else:
            self._ledger.controls.set(FLEET, "limit", str(most), ORDER, at)
        self._note("limit", most=most)

    def _stop(self, at: datetime, *, abort: bool = False) -> None:
        self._ledger.controls.set(FLEET, "stop", "abort" if abort else "", ORDER, at)
        self._note("stop", abort=abort)

    def _move(self, _: datetime) -> None:
        """Somebody else moves a VM that is not on its way."""
        busy = {job.request.vm for job in self._world.running()} | {f.vm for f in self._ledger.in_flight(FLEET)}
        free = sorted(vm for vm in self._world.place if vm not in busy)
        if free:
            vm, host = self._rng.choice(free), self._rng.choice(self._hosts)
            self._world.place[vm] = host
            self._note("moved", vm=vm, at=host)

    def _delete(self, _: datetime) -> None:
        if len(self._world.place) > 2:
            vm = self._rng.choice(sorted(self._world.place))
            self._note("deleted", vm=vm)
            self._world.delete(vm, self._clock.truth)

    def _resize(self, _: datetime) -> None:
        vm = self._rng.choice(sorted(self._world.place))
        self.resized[vm] = self.resized.get(vm, 0) + RESIZED_MIB
        self._note("resized", vm=vm)

    def _jump(self, _: datetime) -> None:
        self._note("clock")
        self._clock.jump(self._rng.choice([-3600, -60, 60, 3600]))

    def _kill(self, _: datetime) -> None:
        host = self._rng.choice(self._hosts)
        if len(self._dead) < 2:
            self._dead[host] = self._clock.seconds + DEAD_S
            self._note("down", host=host)
            self._world.kill(host, self._clock.truth)
