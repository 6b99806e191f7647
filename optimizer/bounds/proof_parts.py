"""Proofs and their parts, from connected components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optimizer.plan import Part, Proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.bounds.eviction_relaxation import Component
    from optimizer.problem.problem import Problem, Stage

__all__ = ["part_of", "proof_of", "whole_proof"]


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


def whole_proof(problem: Problem, stage: Stage, bound: int, by: str = "whole model") -> Proof:
    """Return the proof that rests on the complete model: one part that is everything."""
    vms = tuple(problem.vm_ids[v] for v in np.flatnonzero(problem.movable).tolist())
    return Proof(stage.value, bound, (Part(problem.host_ids, vms, bound, by),))
