"""`plan --exclude`: VMs that stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.scope.common import Switch
from optimizer.fleet.selection import named_vms, vm_mask
from optimizer.problem.atoms import Fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import Violation

__all__ = ["Exclude"]


@dataclass(frozen=True, kw_only=True)
class Exclude(Switch):
    """VMs that stay."""

    switch: ClassVar[str] = "--exclude"
    of_vms: ClassVar[bool] = True

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Fix all of them."""
        vms = np.flatnonzero(vm_mask(fleet, self.words)).astype(np.int32)
        if vms.size:
            yield Fixed(self.name, vms, "it is excluded")

    def check(self, state: State) -> Iterator[Violation]:
        """Name each of them that was moved."""
        stay = {v for word in self.words for v in named_vms(state.fleet, word)}
        for vm in dict.fromkeys(m.vm for m in state.moves):
            if vm in stay:
                yield self.refusal(state.fleet.vms.ids[vm], 1, 0, (vm,), "excluded")

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say that it stays."""
        return f"{violation.subject}: it is excluded (--exclude) and stays where it is"
