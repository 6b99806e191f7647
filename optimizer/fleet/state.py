"""A state of a fleet while a plan is carried out: what every rule's `check` judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet.fleet import ABSENT, Fleet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["Move", "State"]


@dataclass(frozen=True, slots=True)
class Move:
    """One live migration of VM `vm` from host `source` to host `target` (indices)."""

    vm: int
    source: int
    target: int


@dataclass(frozen=True, eq=False)
class State:
    """Where each VM is, where it was at the start (`fleet.vms.host`), and which moves have been made or are in flight.

    Attributes
    ----------
    placement
        int32 [V]: the host of each VM, `ABSENT` where it has none; a VM in flight stands at its source here.
    done
        Moves that have succeeded, in order; a VM may be in several (staging hops).
    in_flight
        Moves of the plan that have started and not ended; the VM counts at both ends. (Moves that others have under
        way stand in `fleet.in_flight` and count at both ends always.)
    created
        Pairs (VM, host) of VMs that had no host at the start and were made on this one, or restarted there: arrivals,
        but no moves. `placement` has them.
    """

    fleet: Fleet
    placement: NDArray[np.int32]
    done: tuple[Move, ...] = ()
    in_flight: tuple[Move, ...] = ()
    created: tuple[tuple[int, int], ...] = ()

    @classmethod
    def start(cls, fleet: Fleet) -> State:
        """Return the state that the snapshot shows."""
        return cls(fleet, fleet.vms.host)

    def begin(self, moves: Iterable[Move]) -> State:
        """Return the state in which `moves` are in flight as well."""
        return replace(self, in_flight=self.in_flight + tuple(moves))

    def finish(self, moves: Iterable[Move]) -> State:
        """Return the state in which `moves` have succeeded (whether or not they were in flight here)."""
        finished = tuple(moves)
        placement = self.placement.copy()
        for move in finished:
            placement[move.vm] = move.target
        still = tuple(m for m in self.in_flight if m not in finished)
        return replace(self, placement=placement, done=self.done + finished, in_flight=still)

    @property
    def moves(self) -> tuple[Move, ...]:
        """Every move that was ever submitted: what hard rules about moves judge."""
        return self.done + self.in_flight

    @property
    def arrivals(self) -> tuple[tuple[int, int], ...]:
        """Pairs (VM, host) of everything that arrived or is about to, each once: what rules about receivers judge."""
        return tuple(dict.fromkeys([*((m.vm, m.target) for m in self.moves), *self.created]))

    def create(self, created: Iterable[tuple[int, int]]) -> State:
        """Return the state in which VMs without a host were made on hosts: pairs (VM, host)."""
        made = tuple(created)
        placement = self.placement.copy()
        for vm, host in made:
            placement[vm] = host
        return replace(self, placement=placement, created=self.created + made)

    @cached_property
    def presence(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Pairs (VM, host), as two arrays: each placed VM where it is, and each VM in flight at its other end too."""
        placed = np.flatnonzero(self.placement != ABSENT).astype(np.int32)
        others = np.flatnonzero(self.fleet.also_at != ABSENT).astype(np.int32)
        vms = np.concatenate([placed, others, np.array([m.vm for m in self.in_flight], np.int32)])
        hosts = np.concatenate(
            [
                self.placement[placed],
                self.fleet.also_at[others],
                np.array([m.target for m in self.in_flight], np.int32),
            ]
        )
        return vms, hosts.astype(np.int32)

    @cached_property
    def other_end(self) -> dict[int, int]:
        """For each VM that is in flight, by us or by others: the host at its other end."""
        ends = {int(v): int(self.fleet.also_at[v]) for v in np.flatnonzero(self.fleet.also_at != ABSENT)}
        ends.update({m.vm: m.target for m in self.in_flight})
        return ends
