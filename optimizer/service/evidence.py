"""Evidence of interference between the cycles: found, kept in the ledger, laid over the fleet that is planned for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from optimizer.errors import RemoraError
from optimizer.execute.ledger.watch_records import Evidence
from optimizer.fleet import ABSENT
from optimizer.service.ending import Ended
from optimizer.service.events import PairChanged, Trouble
from optimizer.service.readers import Aside
from optimizer.signals.interference.confirmation import Outcome, update
from optimizer.signals.interference.feed import fleet_with_evidence, pressure_of
from optimizer.signals.interference.records import Record, State
from optimizer.signals.series_reading import InterferencePart, read_series

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.service.ending import Ending
    from optimizer.service.events import Told
    from optimizer.service.roles import Reading, Watched, Watcher
    from optimizer.signals.interference.records import Change
    from optimizer.sources.config_yaml import Config

__all__ = ["Attributed", "Attributing", "EvidenceWatcher", "PrometheusAttributing", "evidence_part", "never_attributed"]

WHERE = "interference"


def evidence_part(config: Config) -> InterferencePart | None:
    """Return the section `interference`, where the periodic run is to attribute: it is there, and so is `signals`.

    Raises
    ------
    InputError
        The section is wrong.
    """
    part = config.section("interference", InterferencePart)
    wanted = config.has("interference") and config.has("signals") and part.every_s is not None
    return part if wanted else None


def never_attributed(config: Config) -> str:
    """Say why nothing is attributed although a section asks for it; empty where it is, or none does."""
    if not config.has("interference") or config.has("signals"):
        return ""
    return "section interference is there, and section signals is not: no evidence of interference is looked for"


@dataclass(frozen=True)
class Attributed:
    """What the series said, up to a time; `notes`: what could not be read, and why."""

    outcome: Outcome
    ends_at: datetime
    notes: tuple[str, ...] = ()


class Attributing(Protocol):
    """Takes what is held of pairs on by the series of now."""

    def __call__(self, fleet: Fleet, known: tuple[Record, ...]) -> Attributed:
        """Return what came of it; it may take long, and writes nothing."""


@dataclass(frozen=True)
class PrometheusAttributing:
    """Attributes by the series of the Prometheus that section `signals` names; `waiting` measures deadlines."""

    config: Config
    part: InterferencePart
    clock: Clock
    waiting: Clock
    environ: Mapping[str, str]

    def __call__(self, fleet: Fleet, known: tuple[Record, ...]) -> Attributed:
        """Read, and attribute."""
        reading = read_series(self.config, fleet, self.clock, self.waiting, self.environ)
        outcome = update(known, reading.observation, self.part, _places(fleet))
        return Attributed(outcome, reading.observation.ends_at, reading.notes)


class EvidenceWatcher:
    """Watches as another does, by a fleet that has the evidence in it; attributes anew where it is due.

    Whatever fails at that is told in a line, and the cycle goes on with what the ledger has: pairs that were found
    apart stay apart, and a pair that is together is acted upon only while the series that showed it are not older than
    all the windows that it was judged by.

    Parameters
    ----------
    by
        Who watches, for the ledger.
    """

    def __init__(
        self,
        inner: Watcher,
        ledger: Ledger,
        part: InterferencePart,
        attributing: Attributing,
        clock: Clock,
        ending: Ending,
        told: Told,
        by: str,
    ) -> None:
        self._inner, self._ledger, self._part, self._attributing = inner, ledger, part, attributing
        self._clock, self._told, self._by = clock, told, by
        behind = "no evidence of interference is looked for: the attribution of an earlier cycle has not ended yet"
        late = "interference was not attributed within {seconds:g} s (interference.within_s): the cycle goes on without"
        self._aside: Aside[Attributed] = Aside(part.within_s, ending, WHERE, behind, late)
        self._span = timedelta(seconds=part.windows * part.window * part.step_s)
        self._tried_at = float("-inf")
        self._felt: tuple[datetime, Mapping[str, Mapping[str, float]]] | None = None

    def __call__(self, reading: Reading, policy: Policy) -> Watched:
        """Return what hurts, evidence of interference included."""
        fleet, counts = reading.fleet, Counter[str]()
        try:
            known = self._known(fleet)
            if self._is_due():
                known = self._attribute(fleet, known)
            counts = Counter(record.state.value for record in known)
            fleet = fleet_with_evidence(fleet, self._fresh(known, fleet), self._pressure(fleet), self._part)
        except Ended:
            raise
        except Exception as error:  # evidence is one fact among many: no cycle ends for want of it
            self._told.tell(Trouble(WHERE, _line(error)))
        watched = self._inner(replace(reading, fleet=fleet), policy)
        return replace(watched, evidence={state.value: counts[state.value] for state in State})

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        if self._part.every_s is None or now - self._tried_at < self._part.every_s:
            return False
        self._tried_at = now
        return True

    def _known(self, fleet: Fleet) -> tuple[Record, ...]:
        return tuple(Record.from_dict(dict(row.record)) for row in self._ledger.evidence(fleet.id))

    def _attribute(self, fleet: Fleet, known: tuple[Record, ...]) -> tuple[Record, ...]:
        """Return what is held now, after it was written down; what was held where nothing could be read."""
        try:
            found = self._aside.do(lambda: self._attributing(fleet, known))
        except Ended:
            raise
        except Exception as error:
            self._told.tell(Trouble(WHERE, _line(error)))
            return known
        for note in found.notes:
            self._told.tell(Trouble(WHERE, note))
        self._felt = found.ends_at, pressure_of(found.outcome)
        self._write(fleet.id, known, found.outcome)
        return found.outcome.records

    def _write(self, fleet: str, known: tuple[Record, ...], outcome: Outcome) -> None:
        """Write down what is held of each pair, and tell which came to another state."""
        at, pairs = self._clock.now(), {record.pair for record in outcome.records}
        gone = [_row(fleet, record, at) for record in known if record.pair not in pairs]
        self._ledger.write_evidence([_row(fleet, record, at) for record in outcome.records], at, by=self._by)
        self._ledger.drop_evidence(gone, at, by=self._by)
        for change in outcome.changes:
            self._told.tell(_told(fleet, change))

    def _fresh(self, known: tuple[Record, ...], fleet: Fleet) -> list[Record]:
        """Return what may be acted upon: what shows that two together disturb each other is not too old."""
        oldest = fleet.taken_at - self._span
        fresh = [record for record in known if record.state is not State.EVIDENT or record.seen_at >= oldest]
        if old := len(known) - len(fresh):
            why = f"what showed them is older than {self._span.total_seconds():,.0f} s"
            self._told.tell(Trouble(WHERE, f"pairs that are not acted upon, since {why}: {old}"))
        return fresh

    def _pressure(self, fleet: Fleet) -> Mapping[str, Mapping[str, float]]:
        if self._felt is None or self._felt[0] < fleet.taken_at - self._span:
            return {}
        return self._felt[1]


def _places(fleet: Fleet) -> dict[str, str | None]:
    hosts = fleet.hosts.ids
    placed = zip(fleet.vms.ids, fleet.vms.host.tolist(), strict=True)
    return {vm: None if host == ABSENT else hosts[host] for vm, host in placed}


def _row(fleet: str, record: Record, at: datetime) -> Evidence:
    values: dict[str, Any] = record.to_dict()
    return Evidence(fleet, record.noisy, record.suffers, record.kind, record.state.value, values, at)


def _told(fleet: str, change: Change) -> PairChanged:
    before, after = (state.value if state else "" for state in (change.before, change.after))
    return PairChanged(fleet, *change.pair, before, after, change.why)


def _line(error: Exception) -> str:
    return str(error) if isinstance(error, RemoraError) else f"{type(error).__name__}: {error}"
