"""`plan --undo PLAN`: VMs go back to where a run took them from; nothing that holds now gets worse by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from constraints.hard import ends_of
from constraints.scope.common import Switch
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Asked, Leave
from optimizer.problem.rule import Hardness, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.problem.atoms import Atom
    from optimizer.problem.rule import NotEvaluated

__all__ = ["Undo", "homes_of"]


def homes_of(words: Iterable[str], fleet: Fleet) -> dict[int, int]:
    """Return the host that each VM goes back to, by number; a word is ``VM=HOST``.

    Names may have the sign in them: of all places to cut a word, the first that makes two names counts. A word that
    means nothing here is left out.
    """
    homes = {}
    for word in words:
        cuts = [(word[:i], word[i + 1 :]) for i, c in enumerate(word) if c == "="]
        known = [(vm, host) for vm, host in cuts if vm in fleet.vm_index and host in fleet.host_index]
        for vm, host in known[:1]:
            homes[fleet.vm_index[vm]] = fleet.host_index[host]
    return homes


@dataclass(frozen=True, kw_only=True)
class Undo(Switch):
    """VMs that go back."""

    switch: ClassVar[str] = "--undo"

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """`Leave` every host but the one that the VM came from; a staging hop may take it over others."""
        for vm, home in homes_of(self.words, fleet).items():
            if fleet.vms.host[vm] != ABSENT:
                elsewhere = np.arange(len(fleet.hosts.ids)) != home
                yield Leave(Asked(self.name), np.array([vm], np.int32), elsewhere)

    def check(self, state: State) -> Iterator[Violation]:
        """Name each VM that is not back."""
        fleet = state.fleet
        for vm, home in homes_of(self.words, fleet).items():
            if ends_of(state, vm) - {home}:
                yield Violation(
                    rule=self.name,
                    subject=fleet.vms.ids[vm],
                    hardness=Hardness.MUST,
                    value=1,
                    limit=0,
                    excess=1,
                    vms=(vm,),
                )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say where it came from."""
        home = homes_of(self.words, fleet)[violation.vms[0]]
        return f"{violation.subject}: it came from {fleet.hosts.ids[home]}, and goes back there (--undo)"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Nothing: what means nothing here was said when the run was read."""
        return ()
