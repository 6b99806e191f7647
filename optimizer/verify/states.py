"""The states of a plan: hard demands, every reachable state by the atoms, and a replay through the rules' own check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optimizer.fleet import State
from optimizer.problem.evaluate import hard_breaches
from optimizer.problem.naming import name_of
from optimizer.problem.rule import Hardness
from optimizer.reachability.reachable import witnesses
from optimizer.verify.effect import judge
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.problem.instance import InstanceName
    from optimizer.problem.problem import Problem
    from optimizer.problem.rule import Violation
    from optimizer.reachability.reachable import Witness
    from optimizer.verify.effect import Effect, Judged
    from optimizer.verify.form import Script

__all__ = ["States", "judge_states"]

REPLAY = 2_000_000
"""VMs and hosts looked at in a replay, all states together; past that, states are taken at even distances."""

SHOWN = 4
"""Moves named in a message."""


@dataclass
class States:
    """What the states showed."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge_states(fleet: Fleet, policy: Policy, problem: Problem, script: Script, effect: Effect) -> States:
    """Judge every reachable state exactly, and a line through them by `check`."""
    out = States()
    out.findings.extend(_hard(fleet, problem, script, effect))
    for witness in witnesses(problem, script.moves, script.after):
        out.findings.append(_unsafe(problem, fleet, script, witness))
    replay = _Replay(fleet, policy, problem, effect)
    out.findings.extend(replay.run(script, {f.where for f in out.findings}))
    out.notes.extend(replay.notes)
    return out


def _hard(fleet: Fleet, problem: Problem, script: Script, effect: Effect) -> Iterator[Finding]:
    """Judge what has no degrees twice: by `check` of all moves, and by the atoms."""
    seen: set[str] = set()
    for rule, v in effect.after:
        if v.hardness is Hardness.HARD:
            seen.add(rule.name)
            yield Finding("hard", f"{v.rule}:{v.subject}", rule.explain(v, fleet))
    for breach in hard_breaches(problem, script.in_order):
        if breach.partition(":")[0] not in seen:
            yield Finding("hard", breach.partition(":")[0], breach)


def _unsafe(problem: Problem, fleet: Fleet, script: Script, witness: Witness) -> Finding:
    name = str(name_of(problem, witness.instance))
    return Finding(
        "unsafe",
        name,
        f"excess {witness.excess}, at the start {witness.allowed}: with {_some(fleet, script, witness.done)} done and "
        f"{_some(fleet, script, witness.in_flight)} in flight",
    )


def _some(fleet: Fleet, script: Script, moves: Iterable[int]) -> str:
    listed = [script.moves[m] for m in moves]
    names = [f"{fleet.vms.ids[m.vm]} to {fleet.hosts.ids[m.target]}" for m in listed[:SHOWN]]
    return (", ".join(names) or "nothing") + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")


class _Replay:
    """Wave by wave: all that may be in flight at once, by every rule's own `check`."""

    def __init__(self, fleet: Fleet, policy: Policy, problem: Problem, effect: Effect) -> None:
        self.fleet, self.policy, self.effect = fleet, policy, effect
        self.notes: list[str] = []
        self.at_end = {(a.asked.rule, name) for a in problem.demands.togethers.values() for name in a.sets.ids}
        self.before = _bad(effect.before)

    def run(self, script: Script, known: set[str]) -> Iterator[Finding]:
        """Yield what some state of the replay makes worse, each instance once, unless it is known already."""
        told = set(known)
        states = list(self._states(script))
        step = max(1, -(-len(states) * (len(self.fleet.vms) + len(self.fleet.hosts)) // REPLAY))
        chosen = [s for i, s in enumerate(states) if i % step == 0 or i == len(states) - 1]
        if step > 1:
            self.notes.append(
                f"{len(chosen)} of {len(states)} states of the replay were judged by the rules' own check; "
                "every reachable state was judged by the atoms"
            )
        for label, done, flying in chosen:
            final = done == len(script.moves)
            state = State.start(self.fleet).finish(script.in_order[:done]).begin(script.in_order[done:flying])
            judged_here = self.effect.after if final else judge(self.policy, state)
            for key, v in _bad(judged_here).items():
                name = str(key)
                allowed = self.before[key].excess if key in self.before else 0
                judged = final or (v.rule, v.subject) not in self.at_end
                if v.excess > allowed and judged and name not in told:
                    told.add(name)
                    code = "worse_end" if final else "worse_on_the_way"
                    yield Finding(code, name, f"{label}: excess {v.excess}, at the start {allowed}")

    @staticmethod
    def _states(script: Script) -> Iterator[tuple[str, int, int]]:
        """Yield (label, moves done, moves started) wave by wave: moves that wait for equally long chains go together.

        A wave holds every batch that could be in flight then, and more, so its states are the harder ones.
        """
        done = 0
        for wave, size in sorted(Counter(script.depth).items()):
            yield f"wave {wave} in flight", done, done + size
            done += size
        yield "at the end", done, done


def _bad(judged: Judged) -> Mapping[InstanceName, Violation]:
    """Pick what may not be made worse, by instance."""
    return {v.instance: v for _, v in judged if v.hardness in (Hardness.MUST, Hardness.GUARD)}
