"""What disruption budgets leave to a plan, where others are migrating VMs when the snapshot is taken.

A move by others is in flight in every state that a plan can lead to, since nobody here can foresee its end. So a VM
stays for as long as those have used up a budget on which its own move would count: no order of moves could start it.
What a plan's own moves take of the budgets is for its batches and for `apply`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optimizer.disruption import Budgets
from optimizer.errors import shorten
from optimizer.problem.atoms import Fixed
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.concurrency import Concurrency
    from optimizer.fleet import Fleet, State
    from optimizer.fleet.plausible import Doubt
    from optimizer.problem.atoms import Atom

__all__ = ["DISRUPTION", "DisruptionRule"]

DISRUPTION = "disruption"
"""Its name in plans and messages; no rule of a policy may be called so."""


@dataclass(frozen=True)
class DisruptionRule:
    """The VMs that stay since moves of others have used up a budget of theirs."""

    concurrency: Concurrency
    name: str = field(default=DISRUPTION, init=False)
    understands: frozenset[str] = field(default=frozenset(), init=False)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Lower to one `Fixed` for each budget that is used up."""
        if not fleet.in_flight:
            return
        budgets = Budgets(fleet, self.concurrency)
        for budget in sorted(budgets.strangers):
            if not budgets.left(budget):
                moving = budgets.strangers[budget]
                vms = np.setdiff1d(budgets.members(budget), np.array(moving, np.int64))
                if vms.size:
                    reason = f"{budget} at once; {shorten(fleet.vms.ids[moving[0]])} is migrating"
                    yield Fixed(self.name, vms.astype(np.int32), reason)

    def check(self, state: State) -> Iterator[Violation]:
        """Judge the VM of every move that was made or is in flight: do others use up a budget of it."""
        fleet = state.fleet
        theirs = {move.vm for move in fleet.in_flight}
        if not theirs or not state.moves:
            return
        budgets = Budgets(fleet, self.concurrency)
        taken = Counter(budget for vm in theirs for budget in set(budgets.of(vm)))
        for vm in dict.fromkeys(m.vm for m in state.moves):
            for budget in sorted(set(budgets.of(vm))):
                n = taken[budget] - (vm in theirs)
                if n >= budget.limit:
                    subject, of = fleet.vms.ids[vm], f"{budget.kind} {budget.name}"
                    limit = budget.limit
                    yield Violation(self.name, subject, Hardness.HARD, n + 1, limit, excess=1, vms=(vm,), reason=of)

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say of which budget too many would be migrating."""
        v = violation
        return (
            f"{v.subject}: others are migrating {v.value - 1} of {v.reason}, and at most {v.limit} may migrate at once"
        )

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Nothing: a VM without groups, owner or labels counts on no budget."""
        return ()

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Nothing: any number is a budget."""
        return ()
