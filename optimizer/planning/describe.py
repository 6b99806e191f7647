"""From ordered moves to what a plan says of them: reasons, batches, what remains and what would help, its identity."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT, Move, State, copied_mib, move_seconds
from optimizer.grammar import listed
from optimizer.plan import Batch, PlannedMove, Reason, Remaining
from optimizer.planning.advice import Outlook
from optimizer.planning.deferral import Deferral
from optimizer.planning.ending import Ending
from optimizer.problem.amounts import spoken
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.rule import Hardness
from optimizer.sequence.batches import batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule, Violation
    from optimizer.sequence.order import Ordered

__all__ = ["Described", "Ending", "describe", "highest_load", "violations"]

Instance = tuple[str, ...]

ARC = 10_000
"""What one `after` arc counts in the stage placement, beside the highest load in 10^-4 of its limit."""


@dataclass(frozen=True)
class Described:
    """The parts of a plan that follow from its moves."""

    moves: tuple[PlannedMove, ...]
    batches: tuple[Batch, ...]
    remaining: tuple[Remaining, ...]
    placement_value: int
    end: State
    outside_scope: int = 0


def describe(
    fleet: Fleet,
    policy: Policy,
    problem: Problem,
    ordered: Ordered,
    before: Mapping[Instance, Violation] | None = None,
    ending: Ending | None = None,
) -> Described:
    """Say in a plan's words what the ordered moves are, why, and what they leave.

    Parameters
    ----------
    before
        The `violations` of the start, where they are known.
    ending
        How the search ended; as if it had been finished, where it is not given.
    """
    if before is None:
        before = violations(policy, State.start(fleet))
    rules = {rule.name: rule for rule in policy.rules}
    end = State.start(fleet).finish(m.move for m in ordered.moves)
    after = violations(policy, end) if ordered.moves else before
    of_batch, grouped = _batches(fleet, policy, ordered)
    repaired = [v for key, v in before.items() if key not in after or after[key].excess < v.excess]
    moves = _moves(fleet, rules, ordered, of_batch, repaired, policy.scope.balance)
    made = [m.move for m in ordered.moves]
    ending = (ending or Ending()).keeping(len(moves), len(after))
    outlook, deferral = Outlook(fleet, problem, end.placement, made, ending), Deferral(problem, made)
    return Described(
        moves=moves,
        batches=tuple(
            Batch(i + 1, tuple(moves[m].id for m in members), max(moves[m].seconds for m in members))
            for i, members in enumerate(grouped)
        ),
        remaining=tuple(_remaining(fleet, rules, outlook, deferral, v) for v in after.values()),
        outside_scope=_outside(policy, end),
        end=end,
        placement_value=ARC * sum(len(m.after) for m in ordered.moves) + highest_load(problem, end.placement, made),
    )


def violations(policy: Policy, state: State) -> dict[Instance, Violation]:
    """Return what a plan repairs or leaves, by instance, musts first; what is reported only is for `check` to say."""
    silent = (Hardness.HARD, Hardness.GUARD)
    found = (v for rule in policy.rules for v in rule.check(state) if v.hardness not in silent)
    return {v.instance: v for v in sorted(found, key=lambda v: (v.hardness.value, v.instance))}


def _outside(policy: Policy, state: State) -> int:
    """Return how many violations are none of this plan's, since it was asked for others alone."""
    if not policy.scope.only:
        return 0
    return sum(v.hardness is Hardness.GUARD for rule in policy.rules for v in rule.check(state))


def _batches(fleet: Fleet, policy: Policy, ordered: Ordered) -> tuple[list[int], list[list[int]]]:
    grouped = batches(ordered.moves, fleet, policy.concurrency)
    of_batch = [0] * len(ordered.moves)
    for i, members in enumerate(grouped):
        for m in members:
            of_batch[m] = i + 1
    return of_batch, grouped


# -- moves ---------------------------------------------------------------------------------------------------------


def _moves(
    fleet: Fleet,
    rules: Mapping[str, Rule],
    ordered: Ordered,
    of_batch: Sequence[int],
    repaired: Sequence[Violation],
    balance: Sequence[str] = (),
) -> tuple[PlannedMove, ...]:
    names = [f"m{i + 1:04d}" for i in range(len(ordered.moves))]
    copied = copied_mib(fleet)
    by_subject, by_vm = _index(repaired)
    waiting = _waiting(ordered)
    explained: dict[Instance, str] = {}
    out = []
    for i, planned in enumerate(ordered.moves):
        move = planned.move
        found = _reasons(fleet, move, by_subject, by_vm)
        why = _explained(fleet, rules, found, explained)
        if not why:
            why = _evens_out(balance) if balance and not waiting[i] else _makes_room(fleet, ordered, move, waiting[i])
        out.append(
            PlannedMove(
                id=names[i],
                vm=fleet.vms.ids[move.vm],
                source=fleet.hosts.ids[move.source],
                target=fleet.hosts.ids[move.target],
                after=tuple(names[a] for a in planned.after),
                batch=of_batch[i],
                staging=planned.staging,
                seconds=move_seconds(fleet, move.vm, move.source, move.target, int(copied[move.vm])),
                copied_mib=int(copied[move.vm]),
                reasons=tuple(Reason(v.rule, v.subject, v.value, v.limit, v.resource, v.domain) for v in found),
                why=f"staging hop: {why}" if planned.staging else why,
            )
        )
    return tuple(out)


def _index(repaired: Sequence[Violation]) -> tuple[dict[str, list[Violation]], dict[int, list[Violation]]]:
    by_subject: dict[str, list[Violation]] = defaultdict(list)
    by_vm: dict[int, list[Violation]] = defaultdict(list)
    for v in repaired:
        by_subject[v.subject].append(v)
        for vm in v.vms:
            by_vm[vm].append(v)
    return by_subject, by_vm


def _reasons(
    fleet: Fleet, move: Move, by_subject: Mapping[str, list[Violation]], by_vm: Mapping[int, list[Violation]]
) -> list[Violation]:
    """Return the repaired violations of the host (or other domain) that the VM leaves for good, and of itself."""
    home = int(fleet.vms.host[move.vm])
    found = list(by_vm.get(move.vm, ()))
    found += [v for v in by_subject.get(fleet.vms.ids[move.vm], ()) if v not in found]
    for level, ids in enumerate(fleet.domain_ids):
        for v in by_subject.get(ids[fleet.hosts.domain[level, home]], ()):
            r = fleet.resource_index.get(v.resource or "")
            concerned = not v.vms and (r is None or fleet.vms.demand[move.vm, r] > 0)
            if v not in found and concerned:
                found.append(v)
    return sorted(found, key=lambda v: (v.hardness.value, v.instance))


def _explained(fleet: Fleet, rules: Mapping[str, Rule], found: Sequence[Violation], known: dict[Instance, str]) -> str:
    """Explain the first of the violations, if there is one, and remember that: many moves repair the same."""
    if not found:
        return ""
    first = found[0]
    if first.instance not in known:
        known[first.instance] = rules[first.rule].explain(first, fleet)
    return known[first.instance]


def _waiting(ordered: Ordered) -> dict[int, list[int]]:
    waiting: dict[int, list[int]] = defaultdict(list)
    for i, planned in enumerate(ordered.moves):
        waiting[i]
        for a in planned.after:
            waiting[a].append(i)
    return waiting


def _makes_room(fleet: Fleet, ordered: Ordered, move: Move, waiting: Sequence[int]) -> str:
    vms = [fleet.vms.ids[ordered.moves[w].move.vm] for w in waiting]
    if not vms:
        return f"makes room on {fleet.hosts.ids[move.source]}"
    return f"makes room on {fleet.hosts.ids[move.source]} for {', '.join(vms)}"


def _evens_out(resources: Sequence[str]) -> str:
    return f"evens out {listed(spoken(r) for r in resources)}"


# -- what remains --------------------------------------------------------------------------------------------------


def _remaining(
    fleet: Fleet, rules: Mapping[str, Rule], outlook: Outlook, deferral: Deferral, violation: Violation
) -> Remaining:
    advice, waits_for = outlook.advise(violation), deferral.of(violation)
    budget = f"{advice.cause.rule}: {advice.cause.subject}" if advice.deferred else ""
    return Remaining(
        rule=violation.rule,
        subject=violation.subject,
        excess=violation.excess,
        why=rules[violation.rule].explain(violation, fleet),
        would_help=f"a later run, or a larger limit ({waits_for})" if waits_for else advice.would_help,
        resource=violation.resource,
        domain=violation.domain,
        cause=advice.cause,
        deferred=waits_for or budget,
    )


# -- the whole -----------------------------------------------------------------------------------------------------


def highest_load(problem: Problem, placement: NDArray[np.int32], moves: Sequence[Move]) -> int:
    """Return the highest load of any must on any host that the moves touch, in 10^-4 of its limit, rounded down."""
    hosts = sorted({h for m in moves for h in (m.source, m.target)})
    highest = 0
    placed = np.flatnonzero(placement != ABSENT)
    for atom in problem.demands.sums.values():
        if atom.level or atom.asked.hardness is not Hardness.MUST or not hosts:
            continue
        load = atom.base.astype(np.int64).copy()
        np.add.at(load, placement[placed], atom.amount[placed])
        for h in hosts:
            if 0 < atom.limit[h] < UNLIMITED:
                highest = max(highest, ARC * int(load[h]) // int(atom.limit[h]))
    return highest
