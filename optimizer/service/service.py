"""Puts a service together from its configuration, and takes it apart again."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.errors import InputError
from optimizer.execute.button import StopFile
from optimizer.execute.drivers.registry import DRIVERS
from optimizer.execute.drivers.settings import DriverSettings
from optimizer.execute.guards.guards import open_guards
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.records import Order
from optimizer.monitors.config import MonitorsPart, refuse_unknown_rules
from optimizer.pipeline import Request
from optimizer.service.book import LedgerBook
from optimizer.service.evidence import EvidenceWatcher, PrometheusAttributing, evidence_part
from optimizer.service.hands import LedgerHands
from optimizer.service.keep import DirectoryKeep
from optimizer.service.lease import LedgerLease
from optimizer.service.parts import Limits, Parts
from optimizer.service.periodic import Periodic, Triggers
from optimizer.service.planner import SHARE, PipelinePlanner
from optimizer.service.readers import WithDeadline
from optimizer.service.schedule import Schedule
from optimizer.service.standing import Look
from optimizer.service.view import ViewWriter
from optimizer.service.watching import MonitorsWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random
    from types import TracebackType

    from optimizer.clock import Clock
    from optimizer.execute.drivers import Driver
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.service.config import ServiceConfig
    from optimizer.service.ending import Ending
    from optimizer.service.events import Everybody
    from optimizer.service.roles import Reader, Watcher

__all__ = ["Service"]

BESIDE_S = 60.0
"""What a stage needs beside its deadline: to write, and to tell."""


@dataclass(frozen=True)
class _Edges:
    """What comes from outside: the clock, randomness, the environment."""

    clock: Clock
    rng: Random
    environment: Mapping[str, str]
    machine: str


@contextmanager
def said_in(settings: ServiceConfig) -> Iterator[None]:
    """Name the field of the configuration where a driver names the option of the command line that `apply` has.

    Raises
    ------
    InputError
        As it was raised inside.
    """
    fields = {"--driver": settings.field("driver"), "--location": "driver.location"}
    try:
        yield
    except InputError as error:
        if error.where not in fields:
            raise
        field = fields[error.where] + (f" ({error.path})" if error.path else "")
        raise InputError(settings.config.where, field, error.value, error.expected, error.hint) from error


class Service:
    """A service that is ready to run; a context manager, since it holds the ledger open.

    Parameters
    ----------
    read
        Reads the fleet; it is given a thread of its own and a deadline here.
    watch
        Makes the watcher of a ledger; by default section `monitors` does.
    told
        Is told of all that happens.
    machine
        The name of this machine, for the ledger.

    Raises
    ------
    InputError
        There is no such driver, or ledger or state cannot be opened.
    """

    def __init__(
        self,
        settings: ServiceConfig,
        policy: Policy,
        read: Reader,
        ending: Ending,
        told: Everybody,
        *,
        clock: Clock,
        rng: Random,
        environment: Mapping[str, str],
        machine: str,
        watch: Callable[[Ledger], Watcher] | None = None,
    ) -> None:
        self.settings, self.policy, self.triggers = settings, policy, Triggers()
        self._edges = _Edges(clock, rng, environment, machine)
        self._ending = ending
        self._stack = ExitStack()
        self.seen_alive_at = clock.monotonic()
        with said_in(settings):
            factory = DRIVERS.load(settings.driver.name)
        self.button = StopFile(Path(settings.stop_file)) if settings.stop_file else StopFile.beside(settings.ledger)

        def opened(fleet: Fleet) -> Driver:
            with said_in(settings):
                return factory(fleet, DriverSettings(settings.driver.location))

        self.keep = DirectoryKeep(settings.state, settings.cycle.keep_plans)
        told.add(ViewWriter(settings.state, policy, told))
        self.ledger = self._stack.enter_context(open_ledger(settings.ledger))
        automation, cycle = settings.automation, settings.cycle
        holder = automation.by or f"remora run on {machine}"
        hands = LedgerHands(
            self.ledger,
            opened,
            settings.driver.name,
            self.button,
            automation.level,
            Order(holder, automation.reason),
            told,
            lambda wanted: open_guards(wanted, environment, ""),
        )
        request = Request(
            seconds=cycle.plan_s * SHARE,
            memory_mib=cycle.memory_mib,
            workers=cycle.workers,
            seed=cycle.seed,
            gap=cycle.gap,
        )
        parts = Parts(
            policy=policy,
            level=automation.level,
            clock=clock,
            read=WithDeadline(read, cycle.read_s, ending),
            watch=watch(self.ledger) if watch is not None else self._watcher(holder, ending, told),
            plan=PipelinePlanner(request),
            hands=hands,
            keep=self.keep,
            book=LedgerBook(self.ledger),
            told=told,
            limits=Limits(cycle.read_s, cycle.plan_s, cycle.execute_s, cycle.stop_s),
            plan_when_open=cycle.plan_when == "open",
        )
        lease = LedgerLease(settings.ledger, f"{holder} ({self._edges.machine})")
        ending.also = lambda: "" if lease.keep() or not lease.epoch else "another replica leads now"
        self.periodic = Periodic(
            parts,
            self._schedule(),
            ending,
            lease,
            holder,
            fleet=cycle.fleet,
            lease_again_s=cycle.lease_again_s,
            triggers=self.triggers,
            alive=self._alive,
        )
        self._look = Look(self.ledger, self.button, policy, self.keep, clock, told)

    def _alive(self) -> None:
        self.seen_alive_at = self._edges.clock.monotonic()
        self._look.at(self.periodic.fleet)

    def ill(self) -> str:
        """Say why the service is not well: nothing was done for too long; empty while it is. For other threads."""
        config = self.settings.config
        part = evidence_part(config)
        watch_s = config.section("monitors", MonitorsPart).ask_within_s + (part.within_s if part is not None else 0.0)
        longest = max(self.settings.cycle.longest_s, watch_s) + BESIDE_S
        silent = self._edges.clock.monotonic() - max(self.seen_alive_at, self._ending.began_at)
        return f"nothing was done for {silent:.0f} s" if silent > longest else ""

    def _watcher(self, by: str, ending: Ending, told: Everybody) -> Watcher:
        """Return the monitors' watcher; where sections ask for it, by a fleet that has the evidence of interference."""
        edges, config = self._edges, self.settings.config
        refuse_unknown_rules(config.section("monitors", MonitorsPart), self.policy.rules, config.where)
        monitors = MonitorsWatcher(self.ledger, config, edges.clock, edges.environment, by)
        part = evidence_part(config)
        if part is None:
            return monitors
        attributing = PrometheusAttributing(config, part, edges.clock, edges.clock, edges.environment)
        return EvidenceWatcher(monitors, self.ledger, part, attributing, edges.clock, ending, told, by)

    def _schedule(self) -> Schedule:
        cycle = self.settings.cycle
        return Schedule(
            every_s=cycle.every_s,
            jitter=cycle.jitter,
            watch_every_s=cycle.watch_every_s,
            backoff_s=cycle.backoff_s,
            backoff_most_s=cycle.backoff_most_s,
            rng=self._edges.rng,
        )

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
