"""A policy under the switches of one run: the same for `plan`, `verify`, `apply` and `explain`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from constraints.budget import Budget
from constraints.capacity import Capacity
from constraints.maintenance import Maintenance
from constraints.scope.best_balance import BestBalance
from constraints.scope.drain import Drain
from constraints.scope.ends import Sources, Targets
from constraints.scope.exclude import Exclude
from constraints.scope.keep_room import KeepRoom
from constraints.scope.limits import MaxGib, MaxMoves
from constraints.scope.one_by_one import OneByOne, must_leave
from constraints.scope.only import Only, chosen_keys
from constraints.scope.undo import Undo
from constraints.scope.wrapped import Wrapped
from optimizer.fleet.selection import host_mask, matching
from optimizer.problem.problem import build
from optimizer.problem.shapes import GROUPS, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.atoms import Group, Leave
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Rule
    from optimizer.scope import Scope

__all__ = ["empties_under_limits", "group_names", "scoped"]


def scoped(policy: Policy, fleet: Fleet, scope: Scope) -> Policy:
    """Return the policy as the switches change it; without any, the policy itself."""
    if not scope:
        return policy
    rules = [*_only(policy.rules, fleet, scope), *_switches(scope, policy)]
    if scope.balance:
        sold = next((rule.overcommit for rule in map(_inmost, policy.rules) if isinstance(rule, Capacity)), ())
        rules.append(BestBalance(words=scope.balance, overcommit=sold))
    if scope.whole:
        rules = _one_by_one(rules, fleet, scope)
    return replace(policy, rules=tuple(rules), scope=scope)


def empties_under_limits(policy: Policy, fleet: Fleet, scope: Scope) -> bool:
    """Whether hosts are to be emptied and something limits how much may move, so that it may not pay for all."""
    rules = [*_only(policy.rules, fleet, scope), *_switches(scope, policy)]
    limited = any(isinstance(_inmost(rule), Budget | MaxMoves | MaxGib) for rule in rules)
    return limited and any(True for rule in rules for _ in _leaves(rule, fleet))


def group_names(rules: Sequence[Rule], fleet: Fleet) -> list[str]:
    """Return what `--only` may call a group: groups of the fleet, and owners and labels by which rules judge."""
    names = set(fleet.group_index)
    for rule in rules:
        for atom in rule.lower(fleet):
            if shape_of(atom) in GROUPS:
                names.update(*(sets.ids for sets in cast("Group", atom).sides))
    return sorted(names)


# -- the switches ------------------------------------------------------------------------------------------------


def _switches(scope: Scope, policy: Policy) -> Iterator[Rule]:
    if scope.drain:
        yield Drain(words=scope.drain)
    if scope.undo:
        yield Undo(words=scope.undo)
    if scope.exclude:
        yield Exclude(words=scope.exclude)
    if scope.sources:
        yield Sources(words=scope.sources)
    if scope.targets:
        yield Targets(words=scope.targets)
    if scope.max_moves is not None:
        yield MaxMoves(most=scope.max_moves)
    if scope.max_gib is not None:
        yield MaxGib(most=scope.max_gib)
    if scope.room:
        overcommit = next((rule.overcommit for rule in policy.rules if isinstance(rule, Capacity)), ())
        yield KeepRoom(kept=scope.room, overcommit=overcommit)


def _inmost(rule: Rule) -> Rule:
    return _inmost(rule.inner) if isinstance(rule, Wrapped) else rule


# -- only --------------------------------------------------------------------------------------------------------


def _only(rules: Sequence[Rule], fleet: Fleet, scope: Scope) -> list[Rule]:
    if scope.undo:
        return [Only(rule) for rule in rules]  # all are guards
    if not scope.only:
        return list(rules)
    words = [word.partition(":")[::2] for word in scope.only]
    named = [rest for kind, rest in words if kind == "rule"]
    known = group_names(rules, fleet) if any(kind == "group" for kind, _ in words) else []
    groups = frozenset(known[i] for kind, rest in words if kind == "group" for i in matching(rest, known))
    others = [word for word, (kind, _) in zip(scope.only, words, strict=True) if kind not in ("rule", "group")]
    hosts = host_mask(fleet, others)
    return [
        rule
        if any(matching(word, [rule.name, getattr(rule, "kind", rule.name)]) for word in named)
        else Only(rule, chosen_keys(rule, fleet, groups, hosts))
        for rule in rules
    ]


# -- one by one --------------------------------------------------------------------------------------------------


def _one_by_one(rules: Sequence[Rule], fleet: Fleet, scope: Scope) -> list[Rule]:
    problem = build(fleet, rules)
    begun = host_mask(fleet, scope.begun)
    asked: set[str] = set()
    return [_whole(rule, fleet, problem, begun, asked) for rule in rules]


def _whole(rule: Rule, fleet: Fleet, problem: Problem, begun: NDArray[np.bool_], asked: set[str]) -> Rule:
    """Count the hosts of a rule that empties some; `asked`: VMs that rules before have asked to leave, and these."""
    inmost = _inmost(rule)
    if not isinstance(inmost, Drain | Maintenance):
        return rule
    homes: dict[str, str] = {}
    for leave in _leaves(rule, fleet):
        for vm in leave.vms.tolist():
            host = int(fleet.vms.host[vm])
            if problem.movable[vm] and not begun[host] and problem.may_enter(vm).any():
                homes[fleet.vms.ids[vm]] = fleet.hosts.ids[host]
    elsewhere = frozenset(homes.keys() & asked)
    homes = {vm: host for vm, host in homes.items() if vm not in elsewhere}
    asked |= homes.keys()
    if not homes and not elsewhere:
        return rule
    why = {host: inmost.why(fleet, fleet.host_index[host]) for host in dict.fromkeys(homes.values())}
    return OneByOne(rule, homes, why, elsewhere)


def _leaves(rule: Rule, fleet: Fleet) -> Iterator[Leave]:
    """Yield what a rule that empties hosts asks of VMs."""
    if isinstance(_inmost(rule), Drain | Maintenance):
        for atom in rule.lower(fleet):
            if leave := must_leave(atom):
                yield leave
