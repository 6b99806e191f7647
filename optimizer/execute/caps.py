"""The limits on moves at once, as they bind when a move is about to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.disruption import Budgets
from optimizer.errors import shorten
from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from optimizer.execute.ledger import FlyingMove
    from optimizer.fleet import Fleet
    from optimizer.plan import PlannedMove
    from optimizer.policy import Concurrency

__all__ = ["Caps"]


class Caps:
    """The limits of a policy on the moves of one fleet that are in flight at once."""

    def __init__(self, fleet: Fleet, caps: Concurrency) -> None:
        self._fleet, self._caps = fleet, caps
        self._budgets = Budgets(fleet, caps)

    def refusal(self, move: PlannedMove, migrating: Collection[str], flying: Sequence[FlyingMove]) -> str | None:
        """Say which limit a further move would break; None if it would break none.

        Parameters
        ----------
        migrating
            Ids of all VMs that are migrating now, whoever moves them: they count on disruption budgets.
        flying
            The moves that the ledger holds to be in flight.
        """
        return self._over_ends(move, flying) or self._over_budget(move, {*migrating, *(f.vm for f in flying)})

    def _over_ends(self, move: PlannedMove, flying: Sequence[FlyingMove]) -> str | None:
        caps = self._caps
        if len(flying) >= caps.fleet:
            return f"{caps.fleet} in the fleet"
        if sum(f.source == move.source for f in flying) >= caps.per_source:
            return f"{caps.per_source} per source"
        if sum(f.target == move.target for f in flying) >= caps.per_target:
            return f"{caps.per_target} per target"
        for level, most in caps.per_domain.items():
            number = self._fleet.level_index.get(level)
            if number is None:
                continue  # a level that this fleet does not have limits nothing
            for domain in self._domains(number, move.source, move.target):
                if sum(domain in self._domains(number, f.source, f.target) for f in flying) >= most:
                    return f"{most} per {level}"
        return None

    def _over_budget(self, move: PlannedMove, migrating: Collection[str]) -> str | None:
        index = self._fleet.vm_index
        others = sorted(index[vm] for vm in migrating if vm in index and vm != move.vm)
        for budget in self._budgets.of(index[move.vm]):
            counted = [vm for vm in others if budget in self._budgets.of(vm)]
            if len(counted) >= budget.limit:
                return f"{budget}; {shorten(self._fleet.vms.ids[counted[0]])} is migrating"
        return None

    def _domains(self, level: int, *hosts: str) -> set[int]:
        """Return the domains of a level that some of `hosts` are in; a host that is gone is in none."""
        numbers = (self._fleet.host_index.get(h, ABSENT) for h in hosts)
        return {int(self._fleet.hosts.domain[level, h]) for h in numbers if h != ABSENT}
