"""What the ledger knows of a fleet, laid over what was read; and the plainest of watchers, without monitors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.check import check
from optimizer.fleet import ABSENT, InFlight
from optimizer.service.roles import Watched

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.service.roles import Reading

__all__ = ["RulesWatcher", "with_open_moves"]


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


@dataclass(frozen=True, slots=True)
class RulesWatcher:
    """Judges by the rules of the policy alone, at one instant."""

    ledger: Ledger

    def __call__(self, reading: Reading, policy: Policy) -> Watched:
        """Return what the rules say."""
        fleet = with_open_moves(reading.fleet, self.ledger)
        return Watched(fleet, tuple(check(fleet, policy)))
