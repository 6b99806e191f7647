"""`plan --max-moves`, `plan --max-gib`: how much a plan may move, staging hops included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.budget_accounts import MIB_PER_GIB
from constraints.hard import counted
from constraints.scope.common import Switch
from optimizer.fleet import copied_mib
from optimizer.problem.atoms import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import Violation

__all__ = ["MaxGib", "MaxMoves"]

TWICE = 2
"""A VM moves at most so often in a plan: a limit beyond that is left out of the problem."""


@dataclass(frozen=True, kw_only=True)
class MaxMoves(Switch):
    """At most that many moves."""

    switch: ClassVar[str] = "--max-moves"

    most: int

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Flow` in which every move counts 1."""
        ones = np.ones(len(fleet.vms), np.int64)
        if self.most < TWICE * len(fleet.vms):
            yield Flow(self.name, f"at most {counted(self.most, 'move')}", None, None, None, ones, self.most)

    def check(self, state: State) -> Iterator[Violation]:
        """Count every move that was made or is in flight."""
        if len(state.moves) > self.most:
            vms = tuple(dict.fromkeys(m.vm for m in state.moves))
            yield self.refusal("plan", len(state.moves), self.most, vms)

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how many there are."""
        return f"plan: {counted(violation.value, 'move')}, at most {violation.limit} allowed (--max-moves)"


@dataclass(frozen=True, kw_only=True)
class MaxGib(Switch):
    """At most that much copied."""

    switch: ClassVar[str] = "--max-gib"

    most: int

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """One `Flow` in which every move counts what it copies."""
        mib = copied_mib(fleet)
        if self.most * MIB_PER_GIB < TWICE * int(mib.sum()):
            yield Flow(self.name, f"at most {self.most} GiB copied", None, None, None, mib, self.most * MIB_PER_GIB)

    def check(self, state: State) -> Iterator[Violation]:
        """Add up what every move copies that was made or is in flight."""
        mib = copied_mib(state.fleet)
        total = sum(int(mib[m.vm]) for m in state.moves)
        if total > self.most * MIB_PER_GIB:
            vms = tuple(dict.fromkeys(m.vm for m in state.moves))
            yield self.refusal("plan", total, self.most * MIB_PER_GIB, vms)

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say how much it is."""
        copied, limit = -(-violation.value * 10 // MIB_PER_GIB) / 10, violation.limit // MIB_PER_GIB
        return f"plan: {copied:g} GiB copied, at most {limit} GiB allowed (--max-gib)"
