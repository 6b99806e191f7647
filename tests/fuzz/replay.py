"""A plan that was accepted, carried out at random: by the rules' own `check`, without anything of the judge's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constraints.together import Together
from optimizer.fleet import Move, State
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from random import Random

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.problem.instance import InstanceName

__all__ = ["refutation"]

WALKS = 8


def refutation(rng: Random, fleet: Fleet, policy: Policy, plan: Plan) -> str:
    """Return what some state on the way makes worse; empty where none of the walks finds any."""
    moves = [Move(fleet.vm_index[m.vm], fleet.host_index[m.source], fleet.host_index[m.target]) for m in plan.moves]
    number = {m.id: i for i, m in enumerate(plan.moves)}
    after = [{number[p] for p in m.after} for m in plan.moves]
    start = State.start(fleet)
    found = (v for rule in policy.demands for v in rule.check(start) if v.hardness is not Hardness.SHOULD)
    before = {v.instance: v.excess for v in found}
    for _ in range(WALKS):
        done: list[int] = []
        while len(done) < len(moves):
            ready = [m for m in range(len(moves)) if m not in done and after[m] <= set(done)]
            if not ready:
                return f"no move can start after {done}"
            flying = rng.sample(ready, rng.randint(1, len(ready)))
            state = start.finish(moves[m] for m in done).begin(moves[m] for m in flying)
            if worse := _worse(policy, state, before, travelling=True):
                return worse
            done += rng.sample(flying, rng.randint(1, len(flying)))
        if worse := _worse(policy, start.finish(moves[m] for m in done), before, travelling=False):
            return worse
    return ""


def _worse(policy: Policy, state: State, before: dict[InstanceName, int], *, travelling: bool) -> str:
    for rule in policy.demands:
        if travelling and isinstance(rule, Together):
            continue
        for v in rule.check(state):
            if v.hardness is not Hardness.SHOULD and v.excess > before.get(v.instance, 0):
                return f"{v.instance}: {v.excess}, at the start {before.get(v.instance, 0)}"
    return ""
