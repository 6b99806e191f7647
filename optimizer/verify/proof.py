"""The proof of a plan, recomputed part by part, by arithmetic of its own.

What cannot be recomputed (a complete model that is too large, say) is told in a note; it is never passed over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED, AtMost, Linear
from optimizer.problem.problem import Stage
from optimizer.problem.rounding import MILLI
from optimizer.problem.rule import Hardness
from optimizer.verify.proof_component import Component, least_harm_within
from optimizer.verify.proof_prices import bound_by_prices
from optimizer.verify.proof_receivers import bound_by_receivers
from optimizer.verify.proof_rows import Relaxed
from optimizer.verify.proof_too_large import least_wherever
from optimizer.verify.proof_whole import judge_whole
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from optimizer.plan import Part, Plan, Proof
    from optimizer.problem.problem import Problem

__all__ = ["Proofs", "judge_proofs"]

STAGES = (Stage.HARM, Stage.SHOULD_HARM, Stage.COST, Stage.PRICED, Stage.MOVING)
"""Stages whose bounds can be proven."""

HARDNESS = {Stage.HARM.value: Hardness.MUST, Stage.SHOULD_HARM.value: Hardness.SHOULD}

ABOUT_ALL = ("whole model", "no order", "refuted", "room", "prices", "receivers", "too large")
"""Arguments about every host."""

NAMED = ("room", "pigeonhole", "prices", "receivers")
"""Arguments that name what they are about: ``room: RESOURCE``, ``pigeonhole: RULE``, ``prices: OF LOAD, OF A MOVE``,
``receivers: RESOURCE STEP RESOURCE STEP OF_HARM``."""

KINDS = (*ABOUT_ALL, "own minimum", "irreducible", "budget", "pigeonhole")
"""Arguments that can be followed."""


@dataclass
class Proofs:
    """What the proofs came to."""

    findings: list[Finding] = field(default_factory=list)
    recomputed: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def judge_proofs(problem: Problem, plan: Plan, values: Mapping[str, int]) -> Proofs:
    """Compute every part of every proof again.

    Parameters
    ----------
    values
        The value of each stage at the plan's end, recomputed.
    """
    out = Proofs()
    proofs = {proof.stage: proof for proof in plan.proof}
    for stage in plan.objective:
        proof = proofs.get(stage.stage)
        if proof is None and stage.bound > 0:
            where = f"objective[{stage.stage}].bound"
            out.findings.append(Finding("proof_missing", where, f"nothing in the plan proves {stage.bound}"))
        if proof is not None and proof.bound != stage.bound:
            where = f"proof[{stage.stage}].bound"
            out.findings.append(
                Finding("proof_bound", where, f"proves {proof.bound}, the objective says {stage.bound}")
            )
    judge = _Judge(problem, values)
    for stage_name, times in sorted(Counter(proof.stage for proof in plan.proof).items()):
        if times > 1:
            out.findings.append(Finding("proof_twice", f"proof[{stage_name}]", f"{times} proofs of one stage"))
    for proof in plan.proof:
        found = [*_beside_the_point(problem, proof)] or [*_malformed(problem, proof)] or [*judge.judge(proof)]
        out.findings.extend(found)
        if not found and proof.stage not in judge.open:
            out.recomputed[f"bound:{proof.stage}"] = proof.bound
    out.notes.extend(judge.open.values())
    return out


def _beside_the_point(problem: Problem, proof: Proof) -> Iterator[Finding]:
    """Yield arguments that cannot be followed: of no known kind, or about a stage that the policy does not ask for."""
    where = f"proof[{proof.stage}]"
    arguments = sorted({part.by for part in proof.parts}) or ["no argument"]
    provable = [s.value for s in problem.stages if s in STAGES]
    if proof.stage not in provable:
        told = f"{', '.join(arguments)}: cannot be followed for stage {proof.stage}, only for {', '.join(provable)}"
        yield Finding("proof_stage", where, told)
    for argument in arguments if proof.parts else ():
        kind, _, name = argument.partition(": ")
        if kind not in KINDS or bool(name) != (kind in NAMED):
            yield Finding("proof_kind", where, f"{argument}: no argument that can be followed ({', '.join(KINDS)})")


def _malformed(problem: Problem, proof: Proof) -> Iterator[Finding]:
    where = f"proof[{proof.stage}]"
    vms = {name: v for v, name in enumerate(problem.vm_ids) if problem.start[v] != ABSENT}
    hosts = set(problem.host_ids)
    named = Counter(v for part in proof.parts for v in part.vms)
    unknown = {*(named.keys() - vms.keys()), *({h for part in proof.parts for h in part.hosts} - hosts)}
    for name in sorted(unknown):
        yield Finding("proof_unknown", where, f"the fleet has no {name} (or it is placed nowhere)")
    for name, times in sorted(named.items()):
        if times > 1:
            yield Finding("proof_overlap", where, f"{name} is in {times} parts: their minima do not add up")
    kinds = {part.by.partition(":")[0] for part in proof.parts}
    if len(kinds) > 1:
        yield Finding("proof_kind", where, f"different arguments do not add up: {', '.join(sorted(kinds))}")
    for i, part in enumerate(proof.parts):
        if not unknown and set(part.hosts) != _hosts_of(problem, part, vms):
            yield _part(
                proof, i, f"{', '.join(part.hosts) or 'no host'}: these are not the hosts that its VMs stand on"
            )
    if any(part.prices and not part.by.startswith("receivers: ") for part in proof.parts):
        yield Finding("proof_kind", where, "prices of VMs, and no argument that has any")
    if proof.bound > 0 and not proof.parts:
        yield Finding("proof_sum", where, "no part proves anything")


def _hosts_of(problem: Problem, part: Part, number: Mapping[str, int]) -> set[str]:
    """Return the hosts that a part has to name: those of its VMs, or all where the argument is about all.

    Parameters
    ----------
    number
        The VMs by name.
    """
    kind = part.by.partition(":")[0]
    if kind in ABOUT_ALL:
        return set(problem.host_ids)
    return {problem.host_ids[problem.start[number[name]]] for name in part.vms}


class _Judge:
    """One problem, and the values that a plan for it reached."""

    def __init__(self, problem: Problem, values: Mapping[str, int]) -> None:
        self.problem, self.values = problem, values
        self.open: dict[str, str] = {}
        self.number = {name: v for v, name in enumerate(problem.vm_ids)}

    @cached_property
    def relaxed(self) -> Relaxed:
        """The departures relaxation of the problem."""
        return Relaxed(self.problem)

    def judge(self, proof: Proof) -> Iterator[Finding]:
        """Yield the parts that do not hold."""
        ways: dict[str, Callable[[Proof], Iterator[Finding]]] = {
            "own minimum": self._own_minimum,
            "irreducible": self._irreducible,
            "room": self._room,
            "pigeonhole": self._pigeonhole,
            "too large": self._too_large,
            "budget": self._budget,
            "prices": self._prices,
            "receivers": self._receivers,
            "whole model": self._whole,
            "no order": self._whole,
            "refuted": self._whole,
        }
        for kind in {part.by.partition(":")[0] for part in proof.parts}:
            yield from ways[kind](proof)

    def _component(self, part: Part, cost: NDArray[np.int64]) -> Component:
        return Component(self.relaxed.within(self.number[name] for name in part.vms), cost)

    # -- components ------------------------------------------------------------------------------------------------

    def _own_minimum(self, proof: Proof) -> Iterator[Finding]:
        kept = next((s for s in HARDNESS if self.values.get(s, 0) > 0), None)
        cost = self.problem.moving
        if proof.stage == Stage.MOVING.value and kept is not None:
            yield from self._curves(proof, cost, HARDNESS[kept], first=True)
            curves = [p.curve or ((0, 0),) for p in proof.parts]
            if proof.bound > 0 and least_harm_within(curves, proof.bound - 1) <= self.values[kept]:
                yield _sum(proof, f"less than {proof.bound} may be enough for a {kept} of {self.values[kept]}")
            return
        if proof.stage not in (Stage.MOVING.value, Stage.PRICED.value):
            yield Finding("proof_kind", f"proof[{proof.stage}]", "own minima of moves bound no harm")
            return
        loose = self._loose(Hardness.SHOULD, priced=True) if proof.stage == Stage.PRICED.value else 0
        for i, part in enumerate(proof.parts):
            component = self._component(part, cost)
            if not part.vms:
                loose -= part.at_least
                holds = loose >= 0
            elif proof.stage == Stage.MOVING.value:
                holds = component.costs_at_least(part.at_least)
            else:
                holds = component.priced_at_least(part.at_least, clean=kept is None)
            if not holds:
                yield _part(proof, i, f"{', '.join(part.hosts)}: {part.at_least} is more than its rows ask for")
        yield from _adds_up(proof)

    def _curves(self, proof: Proof, cost: NDArray[np.int64], hardness: Hardness, *, first: bool) -> Iterator[Finding]:
        """Each entry holds up to the cost of the next: with one less to spend, no less harm.

        Parameters
        ----------
        first
            Whether a part counts what its curve begins with as `at_least`; nothing otherwise.
        """
        loose = self._loose(hardness)
        for i, part in enumerate(proof.parts):
            component = self._component(part, cost)
            points = part.curve or ((0, 0),)
            if part.at_least != (points[0][0] if first else 0):
                yield _part(proof, i, f"says at_least {part.at_least}, and its curve begins at {points[0][0]}")
            if not part.vms:
                loose -= points[0][1]
                if loose < 0 or len(points) > 1:
                    yield _part(proof, i, "more harm than the instances keep of which no VM can leave")
                continue
            musts = Component(component.of(Hardness.MUST) if hardness is Hardness.SHOULD else (), cost)
            holds = musts.costs_at_least(points[0][0])
            for (at, kept), following in zip(points, [*points[1:], None], strict=True):
                budget = following[0] - 1 if following is not None else None
                rising = following is None or (following[0] > at and following[1] < kept)
                keeps = component.keeps_at_least(kept, hardness, budget)
                holds = holds and rising and (keeps or (hardness is Hardness.SHOULD and kept <= self._wherever(part)))
            if not holds:
                yield _part(proof, i, f"{', '.join(part.hosts)}: the curve promises more harm than has to remain")

    def _wherever(self, part: Part) -> int:
        """Return the harm that VMs which no host has room for do, be it here or elsewhere."""
        return sum(least_wherever(self.problem, self.number[name]) for name in part.vms)

    def _loose(self, hardness: Hardness, *, priced: bool = False) -> int:
        """Return the harm of instances of which no VM can leave: parts that name no VM share it."""
        rows = Component([r for r in self.relaxed.rows if not r.vms], self.problem.moving).of(hardness, priced=priced)
        return sum(r.harm(r.stuck) for r in rows)

    def _irreducible(self, proof: Proof) -> Iterator[Finding]:
        hardness = HARDNESS.get(proof.stage)
        if hardness is None:
            yield Finding("proof_kind", f"proof[{proof.stage}]", "what is irreducible is harm")
            return
        loose = self._loose(hardness)
        for i, part in enumerate(proof.parts):
            rows = self._component(part, self.problem.moving).of(hardness)
            least = sum(r.harm(r.stuck) for r in rows) if part.vms else loose
            if not part.vms:
                loose -= part.at_least
            if part.at_least > least:
                yield _part(proof, i, f"{part.at_least} remains at least, it says; {least} does")
        yield from _adds_up(proof)

    def _budget(self, proof: Proof) -> Iterator[Finding]:
        """Any budget that every move counts in will do."""
        flows = [f for f in self.problem.flows if f.vms is None and f.sources is None and f.targets is None]
        curves = [p.curve or ((0, 0),) for p in proof.parts]
        doubts: list[Finding] = [_sum(proof, "no budget counts every move")]
        for flow in flows:
            doubts = [*self._curves(proof, flow.cost, Hardness.MUST, first=False)]
            if least_harm_within(curves, flow.limit) < proof.bound:
                doubts.append(_sum(proof, f"{flow.subject}: the budget leaves less than {proof.bound}"))
            if not doubts:
                break
        yield from doubts

    # -- room ------------------------------------------------------------------------------------------------------

    def _room(self, proof: Proof) -> Iterator[Finding]:
        """Load beyond the limits of all hosts together stays on some of them; cheapest where the unit is largest."""
        least: dict[str, list[int]] = defaultdict(list)
        for number, atom in self.problem.demands.sums.items():
            counts = atom.asked.hardness is HARDNESS.get(proof.stage) and atom.asked.price is None
            if counts and atom.level == 0 and (atom.limit < UNLIMITED).all():
                least[atom.resource].append(self._overflow(number, atom))
        for found in least.values():
            found.sort()
        for i, part in sorted(enumerate(proof.parts), key=lambda p: -p[1].at_least):
            known = least[part.by.partition(":")[2].strip()]
            true = known.pop() if known else 0
            if part.at_least > true:
                yield _part(proof, i, f"{part.at_least} cannot be housed, it says; {true} cannot")
        yield from _adds_up(proof)

    def _overflow(self, number: int, atom: Linear) -> int:
        """Return the least harm, rounded up as each host's is; of a must a host keeps at most what it had too much."""
        load = self.relaxed.loads[number]
        over = int(load.sum()) - int(atom.limit.sum())
        must = atom.asked.hardness is Hardness.MUST
        kept = Fraction(0)
        for d in sorted(range(load.size), key=lambda d: -int(atom.unit[d])):
            here = max(0, min(over, int(load[d]) - int(atom.limit[d]) if must else over))
            kept += Fraction(MILLI * here, int(atom.unit[d]))
            over -= here
        return atom.asked.weight * ceil(kept)

    # -- prices ----------------------------------------------------------------------------------------------------

    def _prices(self, proof: Proof) -> Iterator[Finding]:
        """Any prices prove a bound: it is recomputed with those that the plan names."""
        for i, part in enumerate(proof.parts):
            words = part.by.partition(":")[2].split()
            prices = [int(word) for word in words if word.lstrip("-").isdecimal() and word.isascii() and len(word) < 25]
            known = bound_by_prices(self.problem, prices) if len(prices) == len(words) else None
            if proof.stage != Stage.COST.value or known is None:
                yield _part(proof, i, f"{part.by}: not the prices of load and of moves that this problem has")
            elif part.at_least > known or len(proof.parts) > 1:
                yield _part(proof, i, f"{part.at_least} is the least cost at these prices, it says; {known} is")
        yield from _adds_up(proof)

    def _receivers(self, proof: Proof) -> Iterator[Finding]:
        """Any prices for receiving VMs prove a bound: it is recomputed with those that the plan names."""
        for i, part in enumerate(proof.parts):
            prices = dict(zip((self.number[name] for name in part.vms), part.prices, strict=False))
            known: int | str = "one part of the stage moving has a price for each of its VMs"
            if proof.stage == Stage.MOVING.value and i == 0 and prices and len(part.prices) == len(part.vms):
                argument = part.by.partition(": ")[2]
                known = bound_by_receivers(self.problem, self.relaxed, argument, prices, self.values)
            if isinstance(known, str):
                yield _part(proof, i, f"{part.by}: {known}")
            elif part.at_least > known:
                yield _part(proof, i, f"{part.at_least} is the least at these prices, it says; {known} is")
        yield from _adds_up(proof)

    # -- sets --------------------------------------------------------------------------------------------------------

    def _pigeonhole(self, proof: Proof) -> Iterator[Finding]:
        """Of n placed VMs, at most k in each of D domains, n - k x D are too many wherever they are."""
        named = Counter(part.by for part in proof.parts)
        for i, part in enumerate(proof.parts):
            rule = part.by.partition(":")[2].strip()
            least = sum(
                self._crowd(a, proof.stage) for a in self.problem.demands.counts.values() if a.asked.rule == rule
            )
            if part.at_least > least or named[part.by] > 1:
                yield _part(proof, i, f"{part.at_least} remains at least, it says; {least} does")
        yield from _adds_up(proof)

    def _crowd(self, atom: AtMost, stage: str) -> int:
        hardness = atom.asked.hardness
        if atom.asked.price is not None or HARDNESS.get(stage) is not hardness:
            return 0
        domains = len(self.problem.domain_ids[atom.level])
        placed = [sum(1 for v in atom.sets[i].tolist() if self.problem.start[v] >= 0) for i in range(len(atom.sets))]
        return sum(
            MILLI * atom.asked.weight * max(0, n - int(k) * domains) for n, k in zip(placed, atom.k, strict=True)
        )

    def _too_large(self, proof: Proof) -> Iterator[Finding]:
        """Who fits on no host does harm wherever it is; that of several adds up."""
        if proof.stage != Stage.SHOULD_HARM.value:
            yield Finding("proof_kind", f"proof[{proof.stage}]", "VMs that are too large for limits do harm to shoulds")
            return
        for i, part in enumerate(proof.parts):
            least = sum(least_wherever(self.problem, self.number[name]) for name in part.vms)
            if part.at_least > least:
                yield _part(proof, i, f"{part.at_least} remains at least, it says; {least} does")
        yield from _adds_up(proof)

    # -- the complete model ----------------------------------------------------------------------------------------

    def _whole(self, proof: Proof) -> Iterator[Finding]:
        orders = any(part.by == "no order" for part in proof.parts)
        if [part.at_least for part in proof.parts] != [proof.bound]:
            yield _sum(proof, "one part about all VMs proves the bound, no more and no less")
            return
        if set(proof.parts[0].vms) != {name for v, name in enumerate(self.problem.vm_ids) if self.problem.movable[v]}:
            yield _part(proof, 0, "it is about all VMs that may move, and names others")
            return
        refuted = judge_whole(self.problem, self.relaxed, Stage(proof.stage), proof.bound, self.values, orders=orders)
        if isinstance(refuted, str):
            self.open[proof.stage] = f"proof[{proof.stage}]: not recomputed: {refuted}"
        elif not refuted:
            yield _part(proof, 0, f"there is a plan that comes to less than {proof.bound}")


def _part(proof: Proof, number: int, message: str) -> Finding:
    return Finding("proof_part", f"proof[{proof.stage}].parts[{number}]", message)


def _sum(proof: Proof, message: str) -> Finding:
    return Finding("proof_sum", f"proof[{proof.stage}].bound", message)


def _adds_up(proof: Proof) -> Iterator[Finding]:
    total = sum(part.at_least for part in proof.parts)
    if total != proof.bound:
        yield _sum(proof, f"says {proof.bound}, its parts add up to {total}")
