"""Proofs and their parts, from connected components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.plan import Part, Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.problem.problem import Problem, Stage

__all__ = ["part_of", "proof_of"]


def part_of(
    problem: Problem, component: Component, at_least: int, by: str, points: tuple[tuple[int, int], ...] = ()
) -> Part:
    """Return the part of a proof that one component is."""
    hosts = sorted({int(problem.start[v]) for v in component.vms.tolist()})
    return Part(
        tuple(problem.host_ids[h] for h in hosts),
        tuple(problem.vm_ids[v] for v in component.vms.tolist()),
        at_least,
        by,
        points,
    )


def proof_of(stage: Stage, parts: Sequence[Part]) -> Proof:
    """Return the proof whose parts add up."""
    return Proof(stage.value, sum(p.at_least for p in parts), tuple(parts))
