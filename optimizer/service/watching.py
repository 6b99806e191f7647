"""What the ledger knows of a fleet, laid over what was read; and who watches it: monitors, or the rules alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.check import check
from optimizer.execute.journeys import JourneysPart, as_remembered, held_counts
from optimizer.execute.ledger.watch_records import PENDING
from optimizer.fleet import ABSENT, InFlight
from optimizer.monitors.asking import answers_for
from optimizer.monitors.config import MonitorsPart, monitors_of
from optimizer.monitors.reading import Observation
from optimizer.monitors.recording import record
from optimizer.report.imbalances_page import evidence_text
from optimizer.service.roles import Found, Watched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.watch_records import Imbalance
    from optimizer.fleet import Fleet
    from optimizer.monitors.reading import Monitor
    from optimizer.policy import Policy
    from optimizer.service.roles import Reading
    from optimizer.sources.config_yaml import Config

__all__ = ["MonitorsWatcher", "with_open_moves"]


def with_open_moves(fleet: Fleet, ledger: Ledger) -> Fleet:
    """Return the fleet in which every move that the ledger holds to be open is in flight: it counts at both ends.

    Those that the snapshot has already, and those of VMs and hosts that are no longer there, are left out.
    """
    known = {move.vm for move in fleet.in_flight}
    more = []
    for move in ledger.in_flight(fleet.id):
        vm, source, target = (
            fleet.vm_index.get(move.vm, ABSENT),
            fleet.host_index.get(move.source, ABSENT),
            fleet.host_index.get(move.target, ABSENT),
        )
        if ABSENT in (vm, source, target) or vm in known or int(fleet.vms.host[vm]) not in (source, target):
            continue
        at = move.intended_at.timestamp() if move.intended_at else fleet.now
        more.append(InFlight(f"{move.plan}/{move.move}", vm, source, target, min(at, fleet.now), "remora"))
    return replace(fleet, in_flight=(*fleet.in_flight, *more)) if more else fleet


class MonitorsWatcher:
    """Steps the monitors of section `monitors`, and lays journeys over the fleet as section `journeys` says.

    What opens and closes is written to the ledger, and so is where VMs are, so that moves by others are noticed.

    Parameters
    ----------
    by
        Who watches, for the ledger.

    Raises
    ------
    InputError
        One of the sections is wrong.
    """

    def __init__(self, ledger: Ledger, config: Config, clock: Clock, environ: Mapping[str, str], by: str) -> None:
        self._ledger, self._config, self._clock, self._environ, self._by = ledger, config, clock, environ, by
        self._part = config.section("monitors", MonitorsPart)
        self._journeys = config.section("journeys", JourneysPart)

    def __call__(self, reading: Reading, policy: Policy) -> Watched:
        """Return what hurts, by the rules at this instant and by the monitors over time."""
        fleet = with_open_moves(reading.fleet, self._ledger)
        monitors = monitors_of(self._part, policy.rules, fleet, self._config.where)
        within_s = self._part.ask_within_s
        answers = answers_for(monitors, self._config, policy, self._clock, self._environ, within_s)
        seen = Observation(fleet, fleet.taken_at, policy.rules, answers)
        found = record(self._ledger, monitors, self._part, seen, by=self._by)
        placed = fleet.vms.host.tolist()
        where = {
            vm: fleet.hosts.ids[h]
            for vm, h in zip(fleet.vms.ids, placed, strict=True)
            if h != ABSENT and vm not in fleet.awaited
        }
        simulated = fleet.simulated or self._journeys.simulated
        self._ledger.see_placements(fleet.id, where, fleet.taken_at, by=self._by, simulated=simulated)
        fleet = as_remembered(fleet, self._ledger, self._journeys)
        opened = {
            told.imbalance.id for told in found.changes if told.before in ("", "pending") and told.after == "open"
        }
        imbalances = tuple(_found(one) for one in found.open)
        return Watched(
            fleet,
            tuple(check(fleet, policy)),
            imbalances,
            tuple(one for one in imbalances if one.id in opened),
            _states(monitors, found.live),
            held_counts(policy.rules, fleet),
            again_s=_again_s(monitors, found.live, seen.at),
            unjudged=found.unjudged,
        )


def _found(one: Imbalance) -> Found:
    text = evidence_text(one.evidence)
    return Found(one.id, one.monitor, one.subject, one.since, text or one.state, one.place, one.evidence)


def _again_s(monitors: tuple[Monitor, ...], live: tuple[Imbalance, ...], at: datetime) -> float | None:
    """Return when the first of those that are pending has been bad for long enough to open."""
    lasts = {monitor.name: monitor.open_after_s for monitor in monitors}
    waits = [
        lasts[one.monitor] - (at - one.since).total_seconds()
        for one in live
        if one.state == PENDING and one.monitor in lasts
    ]
    return min((wait for wait in waits if wait > 0), default=None)


def _states(monitors: tuple[Monitor, ...], live: tuple[Imbalance, ...]) -> dict[str, dict[str, int]]:
    states: dict[str, dict[str, int]] = {m.name: {"pending": 0, "open": 0, "closing": 0} for m in monitors}
    for one in live:
        of = states.setdefault(one.monitor, {})
        of[one.state] = of.get(one.state, 0) + 1
    return states
