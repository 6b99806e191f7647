"""May this VM go to that host? The filters one by one: each rule's own `check` judges a trial move.

Nothing here knows a rule. The state in which the move is in flight, and the one in which it is done, are compared
with the state before: an instance that is new or worse is why the rule says no.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from optimizer.fleet import ABSENT, Move, State
from optimizer.problem.demands import Demands
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import Rule, Violation

__all__ = ["Filter", "Says", "arrival", "reason_of", "worsened"]


class Says(Enum):
    """What a filter says to a move."""

    PASS = "PASS"
    SKIP = "SKIP"
    NOTE = "NOTE"  # a should would be worse: it may be traded, so the host is not skipped


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter's word on one move; `value` and `limit` as the rule measures them, where it measures."""

    rule: str
    says: Says
    reason: str = ""
    text: str = ""
    subject: str = ""
    value: int | None = None
    limit: int | None = None
    resource: str | None = None
    domain: str | None = None


def arrival(
    fleet: Fleet, rules: Sequence[Rule], atoms: Iterable[Atom], vm: int, host: int, before: State | None = None
) -> tuple[Filter, ...]:
    """Ask every filter whether the VM may move to the host now.

    Parameters
    ----------
    fleet, rules
        The snapshot and the policy's rules.
    atoms
        What the rules asked for, with the pins that no rule gave (`Problem.atoms`).
    vm, host
        Indices.
    before
        The state in which the move would start; the snapshot by default.
    """
    state = State.start(fleet) if before is None else before
    source = int(state.placement[vm])
    if source == ABSENT:
        return (Filter("placement", Says.SKIP, "not_placed", "it is not placed yet: a plan leaves it alone"),)
    if source == host:
        return (Filter("placement", Says.SKIP, "same_host", "it stands on this host already"),)
    out = list(pinned(rules, atoms, vm))
    move = Move(vm, source, host)
    for rule in rules:
        found = [_filter(rule, violation, fleet) for violation in worsened(rule, state, move)]
        out.extend(found or [Filter(rule.name, Says.PASS)])
    return tuple(out)


def pinned(rules: Iterable[Rule], atoms: Iterable[Atom], vm: int) -> Iterator[Filter]:
    """Yield the reasons no rule gave for which a VM stays: in flight already, or a need that no rule understands."""
    names = {rule.name for rule in rules}
    for atom in Demands.of(atoms).fixed.values():
        if atom.rule not in names and vm in atom.vms:
            yield Filter(atom.rule, Says.SKIP, "fixed", atom.reason)


def worsened(rule: Rule, before: State, move: Move) -> list[Violation]:
    """Return the instances that the move, in flight or done, makes new or worse."""
    had = {v.instance: v.excess for v in rule.check(before)}
    found: dict[tuple[str, ...], Violation] = {}
    for state in (before.begin([move]), before.finish([move])):
        for violation in rule.check(state):
            if violation.excess > had.get(violation.instance, 0):
                found.setdefault(violation.instance, violation)
    return list(found.values())


def reason_of(violation: Violation) -> str:
    """Name which demand of its rule a violation is of: its reason, else its resource, else the level of its domain."""
    level = (violation.domain or "").partition(":")[0]
    return violation.reason or violation.resource or level or violation.subject


def _filter(rule: Rule, violation: Violation, fleet: Fleet) -> Filter:
    return Filter(
        rule=violation.rule,
        says=Says.NOTE if violation.hardness is Hardness.SHOULD else Says.SKIP,
        reason=reason_of(violation),
        text=rule.explain(violation, fleet),
        subject=violation.subject,
        value=violation.value,
        limit=violation.limit,
        resource=violation.resource,
        domain=violation.domain,
    )
