"""Budget: how much may be moved: per run or per window, of everything or by source, target, domain, owner, pool."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.budget_accounts import MIB_PER_GIB, Key, Limit, Trip, accounts_of, keys_of, subject_of
from constraints.common import CONFIG
from constraints.hard import HardParameters, counted
from optimizer.fleet import ABSENT, copied_mib
from optimizer.problem.atoms import Flow
from optimizer.problem.rule import Hardness, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from constraints.budget_accounts import Accounts
    from optimizer.fleet import Fleet, Move, State
    from optimizer.problem.atoms import Atom

__all__ = ["Budget", "Limit"]

THROUGH = 8
"""A limit that even that many VMs on their way through would not reach is left out of the problem."""


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Budget(HardParameters):
    """Limits on moves and on what they copy.

    Parameters
    ----------
    limits
        Each for itself; a plan keeps them all, staging hops included.
    """

    kind: ClassVar[str] = "budget"
    facts: ClassVar[frozenset[str]] = frozenset({"history", "owner", "label", "level"})

    limits: tuple[Limit, ...] = Field(min_length=1, max_length=100)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Return one `Flow` for each budget account that can run empty."""
        mib, ones = copied_mib(fleet), np.ones(len(fleet.vms), np.int64)
        for limit in self.limits:
            used = self._used(limit, fleet, mib)
            for accounts in accounts_of(limit, fleet):
                for word, most in limit.amounts:
                    yield from self._flows(limit, accounts, word, most, used, ones if word == "moves" else mib, fleet)

    def _flows(
        self,
        limit: Limit,
        accounts: Accounts,
        word: str,
        most: int,
        used: Mapping[tuple[Key, str], int],
        cost: NDArray[np.int64],
        fleet: Fleet,
    ) -> Iterator[Flow]:
        gone = np.array([used.get((Key(accounts.side, name), word), 0) for name in accounts.names], np.int64)
        left = np.maximum(most - gone, 0)
        for p in np.flatnonzero(left < accounts.reach(fleet, cost, THROUGH)).tolist():
            mask = None if accounts.side == "all" else accounts.of == p
            yield Flow(
                rule=self.name,
                subject=subject_of(limit, Key(accounts.side, accounts.names[p])),
                vms=None if accounts.hosts else mask,
                sources=mask if accounts.side == "out of" else None,
                targets=mask if accounts.side == "into" else None,
                cost=cost,
                limit=int(left[p]),
                most=most,
            )

    def check(self, state: State) -> Iterator[Violation]:
        """Add up every move that was made or is in flight, beside what history has used."""
        fleet = state.fleet
        if not state.moves:
            return
        mib = copied_mib(fleet)
        for limit in self.limits:
            used = self._used(limit, fleet, mib)
            spent, vms = self._spent(limit, fleet, state.moves, mib)
            for (key, word), amount in spent.items():
                most = dict(limit.amounts)[word]
                if amount > max(0, most - used[key, word]):
                    yield Violation(
                        rule=self.name,
                        subject=subject_of(limit, key),
                        hardness=Hardness.HARD,
                        value=amount + used[key, word],
                        limit=most,
                        excess=1,
                        vms=tuple(dict.fromkeys(vms[key])),
                        reason=word,
                    )

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say which budget account is empty."""
        v = violation
        if v.reason == "moves":
            return f"{v.subject}: {counted(v.value, 'move')}, {v.limit} allowed; wait, or raise the limit"
        value, limit = -(-v.value * 10 // MIB_PER_GIB) / 10, v.limit // MIB_PER_GIB
        return f"{v.subject}: {value:g} GiB copied, {limit} GiB allowed; wait, or raise the limit"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name a history that is too short, VMs without owner, hosts or VMs without label, levels there are not."""
        longest = max((limit.window_s or 0 for limit in self.limits), default=0)
        if (longest or "history" in self.require) and not fleet.history_since <= fleet.now - longest:
            yield NotEvaluated(self.name, "history", vms=len(fleet.vms))
        missing = int((fleet.vms.owner == ABSENT).sum())
        if missing and ("owner" in self.require or any(limit.per == "owner" for limit in self.limits)):
            yield NotEvaluated(self.name, "owner", vms=missing)
        for limit in self.limits:
            if limit.level not in fleet.level_index:
                yield NotEvaluated(self.name, "level", hosts=len(fleet.hosts))
            yield from self._unlabelled(limit, fleet)

    def _unlabelled(self, limit: Limit, fleet: Fleet) -> Iterator[NotEvaluated]:
        if limit.per == "pool":
            hosts = sum(limit.label not in labels for labels in fleet.hosts.labels)
            if hosts:
                yield NotEvaluated(self.name, "label", hosts=hosts)
        elif limit.per == "label":
            vms = sum(limit.label not in labels for labels in fleet.vms.labels)
            if vms:
                yield NotEvaluated(self.name, "label", vms=vms)

    def _used(self, limit: Limit, fleet: Fleet, mib: NDArray[np.int64]) -> dict[tuple[Key, str], int]:
        """Return what was submitted within the window before the snapshot, whoever did it and however it ended."""
        if limit.window_s is None:
            return defaultdict(int)
        since = fleet.now - limit.window_s
        vm, host = fleet.vm_index, fleet.host_index
        trips = [
            Trip(vm.get(p.vm, ABSENT), host.get(p.source, ABSENT), host.get(p.target, ABSENT))
            for p in fleet.history
            if p.started_at >= since
        ]
        trips += [Trip(m.vm, m.source, m.target) for m in fleet.in_flight if m.started_at >= since]
        return self._spent(limit, fleet, trips, mib)[0]

    def _spent(
        self, limit: Limit, fleet: Fleet, trips: Iterable[Trip | Move], mib: NDArray[np.int64]
    ) -> tuple[dict[tuple[Key, str], int], dict[Key, list[int]]]:
        spent: dict[tuple[Key, str], int] = defaultdict(int)
        vms: dict[Key, list[int]] = defaultdict(list)
        for trip in trips:
            for key in keys_of(limit, fleet, trip):
                vms[key].append(trip.vm)
                for word, _ in limit.amounts:
                    copied = int(mib[trip.vm]) if trip.vm != ABSENT else 0
                    spent[key, word] += 1 if word == "moves" else copied
        return spent, vms
