"""What the rules share: their common parameters, and small readings of a fleet. No rule's meaning stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from optimizer.problem.atoms import Asked
from optimizer.problem.names import Word
from optimizer.problem.rounding import share
from optimizer.problem.rule import HIGHEST_PRICE, Hardness, NotEvaluated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, GroupRule, State
    from optimizer.fleet.plausible import Doubt

__all__ = ["CONFIG", "Parameters", "Share", "host_load", "in_domains", "labelled", "names"]

Share = Annotated[float, BeforeValidator(share, json_schema_input_type=float | str)]
"""A share or ratio, written as a number, as text, or in percent: 0.9, "0.9" or "90%"."""

CONFIG = ConfigDict(extra="forbid", strict=False, defer_build=True)
"""How rules read their parameters; what checks them is only built for the rules that a policy has."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Parameters:
    """What every rule of a policy may say.

    Parameters
    ----------
    name
        How plans and messages call this rule; the kind of rule by default. Unique in a policy.
    hardness
        ``must``: never made worse, repaired if at all possible. ``should``: repaired where no must suffers.
    weight
        What one unit of excess counts beside those of other rules of the same hardness.
    price
        For a ``should``: that many moves at most for one unit of excess; any number if absent.
    require
        Facts that the snapshot has to have: their absence is an error, not a note.
    """

    kind: ClassVar[str] = ""
    understands: ClassVar[frozenset[str]] = frozenset()
    shared: ClassVar[frozenset[str]] = frozenset()
    """Parameters that, said by one rule of a policy, hold for every rule that has them: entries by resource."""

    name: Word = Field(default="", max_length=64, pattern=r"^[a-z0-9_]*$")
    hardness: Literal["must", "should"] = "must"
    weight: int = Field(default=1, ge=1, le=1000)
    price: int | None = Field(default=None, ge=0, le=HIGHEST_PRICE)
    require: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.kind)
        if self.price is not None and self.hardness == "must":
            raise ValueError("a price belongs to a should; a must is repaired at any price")

    @property
    def asked(self) -> Asked:
        """Who asks, how hard, and what it counts."""
        return Asked(self.name, Hardness(self.hardness), self.weight, self.price)

    def asked_by(self, rule: GroupRule) -> Asked:
        """Combine with what a group asks: the policy's ``should`` softens the group's own must; weights multiply."""
        hardness = Hardness.MUST if rule.must and self.hardness == "must" else Hardness.SHOULD
        return Asked(self.name, hardness, rule.weight * self.weight, self.price)

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name the facts that the rule wanted and the snapshot lacks; none unless a rule says otherwise."""
        return ()

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        """Say what makes the rule doubtful on this fleet; nothing unless a rule says otherwise."""
        return ()


def labelled(labels: Iterable[Mapping[str, str]], wanted: Mapping[str, str]) -> NDArray[np.bool_]:
    """Return bool [n]: which of the label mappings have every wanted value."""
    return np.array([all(have.get(k) == v for k, v in wanted.items()) for have in labels], np.bool_)


def in_domains(state: State, level: int, vms: NDArray[np.int32]) -> dict[int, set[int]]:
    """For each domain of a level, which of `vms` are (also) there: a migrating VM counts at both ends, once each."""
    here: dict[int, set[int]] = {}
    domain = state.fleet.hosts.domain[level]
    for vm in vms.tolist():
        host = int(state.placement[vm])
        if host >= 0:
            here.setdefault(int(domain[host]), set()).add(vm)
        if vm in state.other_end:
            here.setdefault(int(domain[state.other_end[vm]]), set()).add(vm)
    return here


def host_load(state: State, amount: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 [H]: the sum of `amount` (int64 [V]) over the VMs on each host, in flight at both ends."""
    vms, hosts = state.presence
    load = np.zeros(len(state.fleet.hosts), np.int64)
    np.add.at(load, hosts, amount[vms])
    return load


def names(fleet: Fleet, vms: Sequence[int], most: int = 5) -> str:
    """Return the ids of the VMs (indices) for a message; `most` of them and an ellipsis where there are more."""
    return ", ".join(fleet.vms.ids[vm] for vm in vms[:most]) + (", …" if len(vms) > most else "")
