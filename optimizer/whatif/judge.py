"""The judge of what-if answers: every rule's own `check`, which knows neither atoms nor solvers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.fleet import State
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.fleet import Fleet, Move
    from optimizer.policy import Policy
    from optimizer.problem.rule import Rule, Violation
    from optimizer.whatif.obstacles import Obstacle

__all__ = ["in_words", "made_worse", "refuse_wrong"]


def made_worse(
    fleet: Fleet,
    rules: Sequence[Rule],
    created: Iterable[tuple[int, int]],
    before: State | None = None,
    moves: Sequence[Move] = (),
    after: Sequence[Move] = (),
) -> list[Violation]:
    """Return what VMs made on hosts would break or make worse, preferences (``should``) aside.

    Parameters
    ----------
    rules
        Those that judge (`Policy.judges`).
    created
        Pairs (VM, host); the VMs have no host in `before`.
    before
        The state in which they are made; the snapshot by default.
    moves
        What is moved first, in any order: all in flight at once is judged as well.
    after
        What a plan moves first; its own order is somebody else's to judge.
    """
    start = before or State.start(fleet)
    states = [start.begin(moves)] if moves else []
    states.append(start.finish([*moves, *after]).create(created))
    worse = []
    for rule in rules:
        found = [v for state in states for v in rule.check(state) if v.hardness is not Hardness.SHOULD]
        if found:  # only then does it matter what was wrong before
            had = {v.instance: v.excess for v in rule.check(start)}
            worse += [v for v in found if v.excess > had.get(v.instance, 0)]
    return worse


def refuse_wrong(fleet: Fleet, policy: Policy, created: Iterable[tuple[int, int]], moves: Sequence[Move] = ()) -> None:
    """Let no answer out that a rule's own `check` refuses.

    Raises
    ------
    RuntimeError
        A fault of the program: what was found breaks a rule.
    """
    worse = made_worse(fleet, policy.judges, created, moves=moves)
    if worse:
        first = worse[0]
        raise RuntimeError(
            f"what-if found a placement that {first.rule} refuses: {first.subject} {first.domain or ''} {first.reason}"
        )


def in_words(fleet: Fleet, rules: Sequence[Rule], vm: int, found: Iterable[Obstacle]) -> tuple[Obstacle, ...]:
    """Return obstacles to a VM without a host, with what the rules that close a host as such say of it there."""
    return tuple(o if o.level is not None or o.what else replace(o, said=_said(fleet, rules, vm, o)) for o in found)


def _said(fleet: Fleet, rules: Sequence[Rule], vm: int, obstacle: Obstacle) -> str:
    """Return the rules' own words; nothing where they find nothing wrong with it."""
    mine = {rule.name: rule for rule in rules if rule.name in obstacle.rules}
    worse = made_worse(fleet, list(mine.values()), [(vm, obstacle.example)])
    return "; ".join(dict.fromkeys(mine[v.rule].explain(v, fleet) for v in worse if v.rule in mine))
