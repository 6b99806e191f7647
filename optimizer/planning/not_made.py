"""Why a move that nothing forbids, and that would lessen what a plan leaves, was not made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.plan import Advice, Cause
from optimizer.planning.obstacles import Kind
from optimizer.problem.problem import Stage, stage_of
from optimizer.problem.rounding import harm
from optimizer.problem.rule import HIGHEST_PRICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.fleet import Fleet
    from optimizer.planning.trials import Trials, Unrepaired

__all__ = ["NotMade"]


class NotMade:
    """An early end, a price that is too low, or what the move would break instead: each is tried before it is said.

    `stopped_by`: what ended the search; None where it was finished.
    """

    def __init__(self, fleet: Fleet, trials: Trials, stopped_by: str | None) -> None:
        self.fleet, self.trials, self._stopped_by = fleet, trials, stopped_by

    def advise(self, violated: Unrepaired, moves: Sequence[tuple[int, int]]) -> Advice | None:
        """Return the first reason found for the moves (VM, host), of other rules the fewest; None without one."""
        trades: list[tuple[int, Advice]] = []
        for vm, host in moves:
            if self.trials.tried(violated, [vm], host).helps:
                return self._unfinished(vm, host)
            if price := self._price(violated, vm, host):
                return price
            trades += self._trade(violated, vm, host)
        return min(trades, key=lambda t: t[0])[1] if trades else None

    def _unfinished(self, vm: int, host: int) -> Advice:
        name, ended = self.fleet.vms.ids[vm], self._stopped_by or "order"
        there = self.fleet.hosts.ids[host]
        cause = Cause(Kind.SEARCH.value, vm=name, host=there, reason=f"the search was ended by {ended}")
        if ended == "time":
            return Advice(cause, "more time: the search was ended before it was finished (--time-limit)")
        return Advice(cause, f"no single change was found that helps: {name} has room on {there}")

    def _price(self, violated: Unrepaired, vm: int, host: int) -> Advice | None:
        """Return the price that would have to be paid for the move, where too low a price is what stops it."""
        asked = violated.atom.asked
        stage, price = stage_of(asked)
        here = int(self.trials.work.placement[vm])
        if stage is not Stage.PRICED or here != int(
            self.trials.problem.start[vm]
        ):  # a second trip costs what no stage says
            return None
        before, units = self.trials.work.values(), self._units(asked.rule)
        self.trials.work.put(vm, host)
        after, gain, worse = self.trials.work.values(), units - self._units(asked.rule), not self.trials.is_no_worse(())
        self.trials.work.put(vm, here)
        earlier = self.trials.problem.stages[: self.trials.problem.stages.index(Stage.PRICED)]
        if worse or gain <= 0 or any(after[s] > before[s] for s in earlier):
            return None
        needed = price + (after[Stage.PRICED] - before[Stage.PRICED]) // gain + 1
        cause = Cause(Kind.PRICE.value, asked.rule, self.fleet.vms.ids[vm], reason=f"price {price}, needed {needed}")
        lift = f"raise the price of {asked.rule} from {price} to {needed}"
        if needed > HIGHEST_PRICE:
            lift = f"give {asked.rule} no price (none up to {HIGHEST_PRICE} is enough)"
        return Advice(cause, f"{lift}: the move of {self.fleet.vms.ids[vm]} costs more")

    def _units(self, rule: str) -> int:
        """Return the harm of all that a rule's priced demands find, at a price of 1."""
        priced = (v for v in self.trials.work.violated() if v.atom.asked.rule == rule)
        return sum(harm(v.excess, v.unit, 1) for v in priced if stage_of(v.atom.asked)[0] is Stage.PRICED)

    def _trade(self, violated: Unrepaired, vm: int, host: int) -> list[tuple[int, Advice]]:
        """Return the rules that the move would break and for which it is not made, and how many they are."""
        worse = self.trials.worsened(vm, host)
        if not self.trials.tried(violated, [vm], host, worse).helps:
            return []
        rules = sorted(set(worse.values()))
        name, there, said = self.fleet.vms.ids[vm], self.fleet.hosts.ids[host], ", ".join(rules)
        reason = f"moving {name} to {there} would break {said}"
        cause = Cause(Kind.TRADE.value, rules[0] if len(rules) == 1 else "", name, host=there, reason=reason)
        return [(len(rules), Advice(cause, f"a choice between rules: {reason}, which weighs as much or more"))]
