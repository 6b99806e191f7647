"""Whether what plans say of what remains is true, judged without any of the planner's code.

``python -m tests.planning.causes [PROBLEMS [FIRST]]`` plans so many tiny problems (600 by default) and prints, for each
kind of cause, how many were said and how many are wrong by one of three judges:

- `true_hosts`, by the rules' own `check` over every host: the rule named is all that keeps the VM off some host on
  which the violation would be less, with every other must and guard no worse than at the start.
- `replanned`: the remedy is written into the documents, and the plan made anew from them has to be better.
- `untrue` (`tests.planning.single_moves`), where no single rule or limit is named: every move of one VM is tried, or
  every placement of a group.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, NamedTuple

from optimizer.fleet import Move, State
from optimizer.pipeline import Request, make_plan
from optimizer.problem.evaluate import evaluate
from optimizer.problem.problem import build
from optimizer.problem.rounding import harm
from optimizer.problem.rule import HIGHEST_PRICE, Hardness
from tests.oracle.problems import TinyProblem, tiny_documents
from tests.planning.single_moves import End, untrue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from optimizer.fleet import Fleet
    from optimizer.plan import Cause, Plan, Remaining
    from optimizer.policy import Policy
    from optimizer.problem.rule import Rule, Violation
    from tests.build import Document

__all__ = ["Said", "counted", "ended", "said", "true_hosts"]

ASK = Request(seconds=5.0, deterministic=True)
LIFTED = {"room", "group", "refused", "pinned", "leaving", "budget"}
"""Causes that name one rule or limit, for one VM."""

MENDS_HOSTS = {"room", "refused", "leaving"}
"""Causes whose remedy, as it is written into the documents, is about a host."""

AMPLE = 10**9

INSTEAD = re.compile(r"in place of the plan's moves? of ")
"""Before the VMs that would stay at home if another moved to the host where the plan sends them."""

Excesses = dict[tuple[str, str, str, str], int]


class Said(NamedTuple):
    """A violation that a plan leaves, and the documents that the plan was made from."""

    number: int
    snapshot: Document
    policy: Document
    plan: Plan
    left: Remaining


def said(numbers: Iterable[int]) -> Iterator[Said]:
    """Plan tiny problems, and yield all that their plans leave."""
    for number in numbers:
        snapshot, policy = tiny_documents(number)
        tiny = TinyProblem.of(number, snapshot, policy)
        plan = make_plan(tiny.fleet, tiny.policy, ASK)
        yield from (Said(number, snapshot, policy, plan, left) for left in plan.remaining)


def counted(numbers: Iterable[int]) -> tuple[Counter[str], Counter[str], list[tuple[Said, str]]]:
    """Return by kind how many were said and how many planned again, and what was wrong, by which judge."""
    seen, again, wrong = Counter[str](), Counter[str](), []
    for one in said(numbers):
        assert one.left.cause is not None, one
        assert one.left.would_help, one
        kind = one.left.cause.kind
        seen[kind] += 1
        if kind in LIFTED and one.left.cause.rule and one.left.cause.hosts and not true_hosts(one):
            wrong.append((one, "check"))
        if false := untrue(ended(one)):
            wrong.append((one, f"every single move: {false}"))
        better = replanned(one)
        again[kind] += better is not None
        if better is False:
            wrong.append((one, "planned again"))
    return seen, again, wrong


def ended(one: Said) -> End:
    """Return where the plan of a violation ends."""
    tiny = TinyProblem.of(one.number, one.snapshot, one.policy)
    return End(tiny.fleet, tiny.policy, one.plan, one.left)


# -- by the rules' own check -----------------------------------------------------------------------------------------


def true_hosts(one: Said) -> int:
    """Return how many hosts the rule named alone closes to the VM, of those on which the violation would be less."""
    cause = one.left.cause
    assert cause is not None
    tiny = TinyProblem.of(one.number, one.snapshot, one.policy)
    of, policy = tiny.fleet, tiny.policy
    start, end = _judged(policy, State.start(of))[0], _ended(of, one.plan)
    vms = [of.vm_index[name] for name in cause.vm.split(", ")]
    there = _ended(of, one.plan, INSTEAD.sub("", cause.reason).split(", "))
    found = 0
    for h in range(len(of.hosts.ids)):
        moves = [Move(v, int(there.placement[v]), h) for v in vms if there.placement[v] != h]
        then = there.finish(moves)
        closing = _worse(policy, then, start)
        if not cause.reason:  # else the plan is put in order anew
            closing |= _worse(policy, there.begin(moves), start)
        less = _left(policy, end, one.left, then) < one.left.excess
        found += closing == set(cause.rule.split(", ")) and less
    return found


def _left(policy: Policy, end: State, left: Remaining, then: State) -> int:
    """Return the excess in another state of what is left at the end: of one preference, where a VM has several.

    Of several preferences that ask the same, word by word, the most that is left of one.
    """
    key = (left.rule, left.subject, left.resource, left.domain)

    def same(state: State) -> list[tuple[Rule, Violation]]:
        found = ((rule, v) for rule in policy.demands for v in rule.check(state))
        return [(rule, v) for rule, v in found if (v.rule, v.subject, v.resource, v.domain) == key]

    instances = {v.instance for rule, v in same(end) if rule.explain(v, end.fleet) == left.why}
    return max(sum(v.excess for _, v in same(then) if v.instance == instance) for instance in instances)


def _judged(policy: Policy, state: State, *, softly: bool = False) -> tuple[Excesses, set[str]]:
    """Return the excess of each must and guard (and should) by its names, and the rules with a hard breach."""
    excess: Excesses = {}
    hard: set[str] = set()
    for rule in policy.demands:
        for v in rule.check(state):
            if v.hardness is Hardness.HARD:
                hard.add(v.rule)
            elif v.hardness is not Hardness.SHOULD or softly:
                key = (v.rule, v.subject, v.resource or "", v.domain or "")
                excess[key] = excess.get(key, 0) + v.excess  # one VM may be the subject of several preferences
    return excess, hard


def _worse(policy: Policy, state: State, start: Excesses) -> set[str]:
    """Return the rules of which an instance that binds is worse than at the start, or a hard demand is broken."""
    excess, hard = _judged(policy, state)
    return hard | {k[0] for k, e in excess.items() if e > start.get(k, 0)}


def _ended(of: Fleet, plan: Plan, stay: Sequence[str] = ()) -> State:
    """Return the end of a plan; of one in which these VMs stay at home."""
    of_plan = (m for m in plan.moves if m.vm not in stay)
    moves = (Move(of.vm_index[m.vm], of.host_index[m.source], of.host_index[m.target]) for m in of_plan)
    return State.start(of).finish(moves)


# -- by planning again -----------------------------------------------------------------------------------------------


def replanned(one: Said) -> bool | None:
    """Whether the plan is better once the remedy is in the documents; None where no document says such a remedy."""
    cause = one.left.cause
    assert cause is not None
    remedy = REMEDIES.get(cause.kind)
    snapshot, policy = deepcopy(one.snapshot), deepcopy(one.policy)
    if remedy is None or not remedy(snapshot, policy, one.left, cause):
        return None
    tiny = TinyProblem.of(one.number, snapshot, policy)
    then = make_plan(tiny.fleet, tiny.policy, ASK)
    if cause.kind == "price":  # what a stage is worth is counted in prices
        return _harm_of(tiny, then, cause.rule) < _harm_of(tiny, one.plan, cause.rule)
    better = _values(then, one.plan) < _values(one.plan, then)
    return better or (None if _changes_the_mean(policy, cause) else False)


def _harm_of(tiny: TinyProblem, plan: Plan, rule: str) -> int:
    """Return what a plan leaves of a rule, in the rule's own unit: excesses of unlike hosts have no sum."""
    problem = build(tiny.fleet, tiny.policy.demands, tiny.policy.least)
    left = evaluate(problem, _ended(tiny.fleet, plan).placement.tolist()).excess
    atoms = ((problem.atoms[i.atom], i, excess) for i, excess in left.items())
    mine = ((atom, i, excess) for atom, i, excess in atoms if getattr(getattr(atom, "asked", None), "rule", "") == rule)
    return sum(harm(e, int(atom.unit[i.domain]) if hasattr(atom, "unit") else 1, 1) for atom, i, e in mine)


def _changes_the_mean(policy: Document, cause: Cause) -> bool:
    """Whether the remedy changes what hosts have or may receive, and so the mean that `balance` compares with."""
    return cause.kind in MENDS_HOSTS and any(rule["rule"] == "balance" for rule in policy["rules"])


def _values(plan: Plan, other: Plan) -> list[int]:
    """Return what the plan is worth, stage by stage, in the stages that both have; what is left comes before cost."""
    own, others = ({s.stage: s.value for s in p.objective} for p in (plan, other))
    stages = ("harm", "should_harm", "priced")
    return [own.get(s, 0) for s in stages if s in own or s in others]


def _vm(snapshot: Document, name: str) -> Document:
    found: Document = next(v for v in snapshot["vms"] if v["id"] == name)
    return found


def _host(snapshot: Document, name: str) -> Document:
    found: Document = next(h for h in snapshot["hosts"] if h["id"] == name)
    return found


def _room(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    capacity = _host(snapshot, cause.host)["capacity"]
    if cause.resource not in capacity or left.subject == cause.host:
        return False
    capacity[cause.resource] += AMPLE
    return True


def _pinned(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    names = cause.vm.split(", ")
    for vm in (_vm(snapshot, name) for name in names):
        vm |= {"mobility": "live", "state": "running"}
        for field in ("created_at", "no_move_until"):
            vm.pop(field, None)
    if cause.rule == "journey":
        snapshot["history"] = [h for h in snapshot.get("history", ()) if h["vm"] not in names]
    return cause.rule in ("allowed", "journey", "snapshot") and not snapshot.get("in_flight")


def _refused(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    if cause.rule == "allowed":
        for name in cause.vm.split(", "):
            for field in ("forbidden_hosts", "requires"):
                _vm(snapshot, name).pop(field, None)
        return True
    if not cause.host or cause.rule not in ("eligible", "maintenance", "snapshot"):
        return False
    host = _host(snapshot, cause.host)
    for field in ("error_count", "max_vms", "busy", "maintenance"):
        host.pop(field, None)
    host["state"] = "active"
    for vm in snapshot["vms"]:
        vm.pop("owner", None)
    return True


def _budget(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    policy["rules"] = [r for r in policy["rules"] if r["rule"] != "budget"]
    if cause.rule == "disruption":
        policy["concurrency"] = {"per_group": None}
    return True


def _group(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    """Take the VM out of the group; not where it is the group that is violated, which that would make smaller."""
    mine = set(cause.subject.split("|"))
    if "," in cause.vm or mine & set(left.subject.split("|")) or not mine <= {g["id"] for g in snapshot["groups"]}:
        return False  # pairs by evidence, and owners, are no groups
    needed = cause.rule == "needs" and f" for {cause.vm}:" not in left.would_help  # others need it: the rule is lifted
    if cause.rule == "spread" or needed:  # which a group with a VM less can break
        for group in (g for g in snapshot["groups"] if g["id"] in mine):
            group["rules"] = [r for r in group["rules"] if r["rule"] != cause.rule]
        return True
    vm = _vm(snapshot, cause.vm)
    vm["groups"] = [g for g in vm.get("groups", ()) if g not in mine]
    return True


def _price(snapshot: Document, policy: Document, left: Remaining, cause: Cause) -> bool:
    needed = int(cause.reason.rsplit(" ", 1)[1])
    for rule in policy["rules"]:
        if rule.get("name", rule["rule"]) == cause.rule:
            rule["price"] = needed if needed <= HIGHEST_PRICE else None
    return not any("price" in r for g in snapshot.get("groups", ()) for r in g["rules"])


REMEDIES: dict[str, Callable[[Document, Document, Remaining, Cause], bool]] = {
    "room": _room,
    "pinned": _pinned,
    "refused": _refused,
    "leaving": _refused,
    "budget": _budget,
    "group": _group,
    "price": _price,
}
"""By kind of cause, how the remedy is written into the documents; each returns whether it could be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if anything said is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.planning.causes", description=__doc__)
    parser.add_argument("problems", nargs="?", type=int, default=600, help="how many fleets")
    parser.add_argument("first", nargs="?", type=int, default=0, help="the number of the first of them")
    asked = parser.parse_args(arguments)
    seen, again, wrong = counted(range(asked.first, asked.first + asked.problems))
    stuck = Counter(one.left.cause.kind for one, _ in wrong if one.left.cause)
    print(f"{'cause':14} {'said':>6} {'planned again':>14} {'wrong':>6}")
    for kind in sorted(seen):
        print(f"{kind:14} {seen[kind]:6} {again[kind]:14} {stuck[kind]:6}")
    print(f"{'all':14} {seen.total():6} {again.total():14} {len(wrong):6}")
    for one, judge in wrong:
        print(f"wrong by {judge}: problem {one.number}: {one.left.rule} {one.left.subject}: {one.left.would_help}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
