"""One plan carried out by the executor over shared links: how long it took, and what the executor itself cost."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.executor.links import LinkedDriver
from optimizer.concurrency import Concurrency
from optimizer.execute.apply import loop_of, settings_of
from optimizer.execute.button import StopFile
from optimizer.execute.caps import Caps
from optimizer.execute.guards.guards import NO_GUARDS
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.executor.fleets import Case
    from optimizer.execute.core.model import Settings
    from optimizer.execute.drivers import HostReading, JobReading, Request, VmReading
    from optimizer.execute.states import MoveState

__all__ = ["NUMBERS", "Carried", "Way", "adaptive", "carry", "fixed"]

NUMBERS = (1, 2, 3)

ORDER = Order("bench", "measured")
NO_CAP = 10**6


@dataclass(frozen=True, slots=True)
class Way:
    """How a plan is carried out: the caps, and what is changed in the settings."""

    concurrency: Concurrency
    settings: dict[str, Any]


def adaptive(most: int) -> Way:
    """Return the executor's own way within a cap for each host; the fleet has none, as for fixed numbers."""
    return Way(_caps(most), {})


def fixed(number: int, *, canary: bool) -> Way:
    """Return the way of a fixed number of moves for each host at once, as many as there are hosts for."""
    return Way(_caps(number), {"adapts": False} | ({} if canary else {"canary": 0}))


def _caps(each: int) -> Concurrency:
    return Concurrency(NO_CAP, each, each, {}, per_group=None)


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of it.

    Attributes
    ----------
    seconds
        From the first intent to the end of the last move, in simulated time.
    ended
        How many moves ended in each state.
    cpu_s, commits
        The executor's own, without what the simulated hypervisors took.
    at_once
        The most that were in flight on one host as a source or as a target, as the hypervisors saw it.
    sent_mib
        What went over the links.
    """

    seconds: float
    ended: Counter[MoveState]
    cpu_s: float
    commits: int
    at_once: int
    sent_mib: float


def carry(case: Case, way: Way, ledger: str = "") -> Carried:
    """Carry a plan out; the ledger is a file that is gone afterwards, if none is given."""
    with tempfile.TemporaryDirectory(prefix="remora-executor-") as directory:
        return _carry(case, way, ledger or str(Path(directory) / "ledger.sqlite"))


def _carry(case: Case, way: Way, place: str) -> Carried:
    driver = Timed(case)
    policy = Policy("bench", (), concurrency=way.concurrency)
    caps = Caps(case.fleet, policy.concurrency)
    settings: Settings = replace(settings_of(policy, caps, driver), **way.settings)
    commits, most = Counter[str](), _Most()
    driver.linked.note = most.note
    with open_ledger(place) as ledger:
        lead = ledger.lead(case.fleet.id, "bench", driver.clock.now())
        ledger.probe = lambda at: commits.update([at.split()[0]])
        began = time.process_time()
        ledger.begin(lead, case.plan, ORDER, driver.clock.now())
        loop = loop_of(
            case.fleet,
            policy,
            case.plan,
            driver,
            ledger,
            lead,
            StopFile(None),
            NO_GUARDS,
            ORDER,
            settings,
            None,
            None,
        )
        loop.run()
        cpu_s = time.process_time() - began - driver.cpu_s
        ledger.release(lead)
    ended = Counter(e.state for k, e in loop.state.ended.items() if k in loop.state.tasks)
    seconds = max(p.ended_at for p in loop.past) - case.fleet.taken_at.timestamp()
    return Carried(seconds, ended, cpu_s, commits["after"], most.at_once, driver.linked.sent_mib)


class _Most:
    """Counts what the hypervisors have in flight at each end."""

    def __init__(self) -> None:
        self.at_once = 0
        self._ends: dict[str, tuple[str, str]] = {}
        self._now = Counter[str]()

    def note(self, what: str, **facts: Any) -> None:
        if what == "start":
            self._ends[facts["token"]] = f"out of {facts['source']}", f"into {facts['target']}"
            self._now.update(self._ends[facts["token"]])
            self.at_once = max(self.at_once, *(self._now[end] for end in self._ends[facts["token"]]))
        elif what == "end":
            self._now.subtract(self._ends[facts["token"]])


class Timed(LinkedDriver):
    """Counts the CPU time that the hypervisors take."""

    def __init__(self, case: Case) -> None:
        self.cpu_s = 0.0
        super().__init__(case.fleet, case.network)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.cpu_s += time.process_time() - began

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as it is now."""
        with self._counted():
            return super().read_vm(vm)

    def read_host(self, host: str) -> HostReading | None:
        """Return the host as it is now."""
        with self._counted():
            return super().read_host(host)

    def migrating(self) -> frozenset[str]:
        """Return what is migrating."""
        with self._counted():
            return super().migrating()

    def submit(self, request: Request) -> str:
        """Start a move."""
        with self._counted():
            return super().submit(request)

    def observe(self, request: Request) -> JobReading | None:
        """Return what became of a job."""
        with self._counted():
            return super().observe(request)
