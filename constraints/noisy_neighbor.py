"""Noisy neighbours: noise on a host within limits, noisy VMs few, away from sensitive ones and from their victims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG, Parameters, host_load, names
from constraints.groups import PairDemand, meetings
from constraints.hard import check_facts, counted
from optimizer.fleet import ABSENT, Pressure, State
from optimizer.problem.atoms import Apart, Leave, Linear, Sets
from optimizer.problem.rounding import MILLI, demands_milli, limit_milli
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.atoms import Atom

__all__ = ["NoisyNeighbor"]

Kind = Literal["cpu_steal", "cpu", "io", "memory"]
Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]

NOISY_VMS = "noisy_vms"
"""What the limit on their number counts, where a plan names a resource."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class NoisyNeighbor(Parameters):
    """Neighbours that do not hurt each other. Each part is optional, and at least one has to be asked for.

    Parameters
    ----------
    limit
        By kind of noise: the sum over the VMs of a host stays within.
    noisy_from
        A VM is noisy whose noise of any kind is at least this.
    at_most
        That many noisy VMs on one host.
    apart_from_sensitive
        Noisy VMs and sensitive ones share no host. A VM that is both counts as noisy.
    score_from
        Pairs with evidence of interference of at least this score share no host; where each hurts the other, the
        stronger evidence says who is the victim.
    moves
        Who has to go where a noisy VM stands with a sensitive one or with its victim at the start.
    """

    kind: ClassVar[str] = "noisy_neighbor"

    limit: dict[Kind, Amount] = Field(default_factory=dict)
    noisy_from: Amount | None = None
    at_most: int | None = Field(default=None, ge=0, le=1_000_000)
    apart_from_sensitive: bool = False
    score_from: Amount | None = None
    moves: Literal["victim", "noisy", "cheapest"] = "cheapest"

    def __post_init__(self) -> None:
        super().__post_init__()
        of_noisy = self.at_most is not None or self.apart_from_sensitive
        if of_noisy != (self.noisy_from is not None):
            raise ValueError("noisy_from goes with at_most or apart_from_sensitive: it says who is noisy")
        if not (self.limit or of_noisy or self.score_from is not None):
            raise ValueError("asks nothing: give limit, at_most, apart_from_sensitive or score_from")
        check_facts(self.require, ["noise"] * of_noisy + [f"noise.{kind}" for kind in self.limit])

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Limits as `Linear`, pairs as `Apart` on hosts, and `Leave` for those who have to go."""
        for kind, limit in sorted(self.limit.items()):
            yield self._linear(fleet, f"noise.{kind}", self._milli(fleet, kind), limit_milli(limit), MILLI)
        if self.at_most is not None:
            yield self._linear(fleet, NOISY_VMS, self._noisy(fleet).astype(np.int64), self.at_most, 1)
        for pairs in (self._sensitive_pair(fleet), self._evidence(fleet)):
            if pairs:
                left = Sets.of((p.left_id, p.left) for p in pairs)
                yield Apart(self.asked, 0, left, Sets.of((p.right_id, p.right) for p in pairs))
        by_hosts: dict[frozenset[int], list[int]] = {}
        for vm, hosts in sorted(self._have_to_go(fleet).items()):
            by_hosts.setdefault(hosts, []).append(vm)
        for hosts, vms in by_hosts.items():
            mask = np.zeros(len(fleet.hosts), np.bool_)
            mask[sorted(hosts)] = True
            yield Leave(self.asked, np.array(vms, np.int32), mask)

    def check(self, state: State) -> Iterator[Violation]:
        """Add up noise, count the noisy, and look who stands with which."""
        fleet = state.fleet
        for kind, limit in sorted(self.limit.items()):
            load = host_load(state, self._milli(fleet, kind))
            yield from self._over(fleet, f"noise.{kind}", load, limit_milli(limit), MILLI)
        if self.at_most is not None:
            load = host_load(state, self._noisy(fleet).astype(np.int64))
            yield from self._over(fleet, NOISY_VMS, load, self.at_most, 1)
        for met in meetings(state, self._sensitive_pair(fleet) + self._evidence(fleet)):
            domain = f"host:{fleet.hosts.ids[met.domain]}"
            yield self._violation(met.pair.id, met.fewer, 0, domain=domain, vms=met.left + met.right)
        yield from self._still_there(state)

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say who disturbs which, or how loud it is."""
        v = violation
        if v.resource == NOISY_VMS:
            noisy = counted(v.value, "noisy VM")
            return f"{v.subject}: {noisy}, at most {v.limit} allowed; move {v.excess} of them away"
        if v.resource is not None:
            return (
                f"{v.subject}: {v.resource} {v.value / v.unit:.3f}, at most {v.limit / v.unit:.3f}; "
                f"move VMs that make {v.excess / v.unit:.3f} of it away"
            )
        if v.domain is not None:
            host = v.domain.partition(":")[2]
            return (
                f"{v.subject}: {names(fleet, v.vms)} are both on {host}, where one disturbs the other; "
                f"move {counted(v.excess, 'VM')} of one side away"
            )
        whom = "its noisy neighbour" if self.moves == "victim" else "one that it disturbs"
        host = fleet.hosts.ids[int(fleet.vms.host[v.vms[0]])]
        return f"{v.subject}: on {host} with {whom} at the start, and the one of them that has to leave that host"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name VMs of which the snapshot does not say how noisy they are: they count as silent."""
        silent = np.isnan(fleet.vms.noise)
        for kind in sorted(self.limit):
            missing = int(silent[:, Pressure[kind.upper()]].sum())
            if missing:
                yield NotEvaluated(self.name, f"noise.{kind}", vms=missing)
        missing = int(silent.all(axis=1).sum())
        if self.noisy_from is not None and missing:
            yield NotEvaluated(self.name, "noise", vms=missing)

    # -- who is noisy, and to which -----------------------------------------------------------------------------------

    def _milli(self, fleet: Fleet, kind: str) -> NDArray[np.int64]:
        """Return int64 [V]: noise in thousandths, rounded up; 0 where the snapshot says nothing."""
        return demands_milli(np.nan_to_num(fleet.vms.noise[:, Pressure[kind.upper()]], nan=0.0))

    def _noisy(self, fleet: Fleet) -> NDArray[np.bool_]:
        if self.noisy_from is None:
            return np.zeros(len(fleet.vms), np.bool_)
        noise = np.nan_to_num(fleet.vms.noise, nan=-1.0)
        return np.asarray((noise >= self.noisy_from).any(axis=1), np.bool_)

    def _sensitive_pair(self, fleet: Fleet) -> list[PairDemand]:
        if not self.apart_from_sensitive:
            return []
        noisy = self._noisy(fleet)
        left, right = np.flatnonzero(noisy), np.flatnonzero(fleet.vms.sensitive & ~noisy)
        if not (left.size and right.size):
            return []
        return [PairDemand("noisy", "sensitive", left.astype(np.int32), right.astype(np.int32), 0, self.asked)]

    def _evidence(self, fleet: Fleet) -> list[PairDemand]:
        """Return pairs of one noisy VM and one victim, each two VMs once."""
        if self.score_from is None:
            return []
        strongest: dict[frozenset[int], tuple[float, int, int]] = {}
        for e in fleet.interference:
            if e.score >= self.score_from and e.noisy != e.suffers:
                found = (-e.score, e.noisy, e.suffers)
                key = frozenset((e.noisy, e.suffers))
                strongest[key] = min(found, strongest.get(key, found))
        ids = fleet.vms.ids
        return [
            PairDemand(ids[a], ids[b], np.array([a], np.int32), np.array([b], np.int32), 0, self.asked)
            for _, a, b in sorted(strongest.values(), key=lambda found: found[1:])
        ]

    def _have_to_go(self, fleet: Fleet) -> dict[int, frozenset[int]]:
        """Return by VM: the hosts on which it stands at the start with the one that makes it leave."""
        if self.moves == "cheapest":
            return {}
        start = State.start(fleet)
        hosts: dict[int, set[int]] = {}
        for met in meetings(start, self._sensitive_pair(fleet) + self._evidence(fleet)):
            for vm in met.right if self.moves == "victim" else met.left:
                hosts.setdefault(vm, set()).add(met.domain)
        return {vm: frozenset(there) for vm, there in hosts.items()}

    # -- making atoms and violations ---------------------------------------------------------------------------------

    def _linear(self, fleet: Fleet, resource: str, amount: NDArray[np.int64], limit: int, unit: int) -> Linear:
        whole = np.ones(len(fleet.hosts), np.int64)
        return Linear(
            asked=self.asked,
            resource=resource,
            level=0,
            amount=amount,
            limit=limit * whole,
            unit=unit * whole,
            base=0 * whole,
        )

    def _over(self, fleet: Fleet, resource: str, load: NDArray[np.int64], limit: int, unit: int) -> Iterator[Violation]:
        for h in np.flatnonzero(load > limit).tolist():
            yield self._violation(fleet.hosts.ids[h], int(load[h]), limit, resource=resource, unit=unit)

    def _still_there(self, state: State) -> Iterator[Violation]:
        for vm, hosts in sorted(self._have_to_go(state.fleet).items()):
            if hosts & {int(state.placement[vm]), state.other_end.get(vm, ABSENT)}:
                yield self._violation(state.fleet.vms.ids[vm], 1, 0, vms=(vm,))

    def _violation(
        self,
        subject: str,
        value: int,
        limit: int,
        *,
        resource: str | None = None,
        domain: str | None = None,
        unit: int = 1,
        vms: tuple[int, ...] = (),
    ) -> Violation:
        return Violation(
            rule=self.name,
            subject=subject,
            hardness=Hardness(self.hardness),
            value=value,
            limit=limit,
            excess=value - limit,
            resource=resource,
            domain=domain,
            unit=unit,
            weight=self.weight,
            vms=vms,
        )
