"""The budget accounts of the rule budget: what each limit is kept for, and which moves are paid from it."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG
from optimizer.fleet import ABSENT, NameKind
from optimizer.problem.names import LevelName, Refers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, Move

__all__ = ["MIB_PER_GIB", "Accounts", "Key", "Limit", "Trip", "accounts_of", "keys_of", "subject_of"]

MIB_PER_GIB = 1024

Side = Literal["all", "out of", "into", "of"]


def _label_of(limit: dict[str, Any]) -> NameKind:
    """Return whose label a limit speaks of: a pool is made of hosts, all else of VMs."""
    return NameKind.HOST_LABEL if limit.get("per") == "pool" else NameKind.VM_LABEL


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Limit:
    """One budget.

    Parameters
    ----------
    per
        ``run``: everything. ``source``, ``target``: out of, into each domain of `level`. ``domain``: both, each
        for itself. ``pool``: out of, and into, the hosts with each value of `label`. ``owner``: the VMs of each owner.
        ``label``: the VMs with each value of `label`.
    level, label
        See `per`.
    moves, gib
        At most that many moves; that much copied. One of the two or both.
    window_s
        What history shows within that many seconds before the snapshot has used part of it; only this run if absent.
    """

    per: Literal["run", "source", "target", "domain", "pool", "owner", "label"] = "run"
    level: LevelName = "host"
    label: Annotated[str, Refers(_label_of)] | None = None
    moves: int | None = Field(default=None, ge=0, le=10**9)
    gib: int | None = Field(default=None, ge=0, le=10**9)
    window_s: int | None = Field(default=None, ge=1, le=31_536_000)

    def __post_init__(self) -> None:
        if self.moves is None and self.gib is None:
            raise ValueError("a limit needs moves or gib")
        if (self.per in ("pool", "label")) != (self.label is not None):
            raise ValueError("label goes with per: pool and per: label, and only with them")

    @property
    def amounts(self) -> Iterator[tuple[str, int]]:
        """Yield the word of each amount and its limit: moves, MiB."""
        if self.moves is not None:
            yield "moves", self.moves
        if self.gib is not None:
            yield "gib", self.gib * MIB_PER_GIB


class Key(NamedTuple):
    """What one budget account is for: ``out of`` rack r1; ``of`` owner u3; everything."""

    side: Side
    name: str


@plain_dataclass(frozen=True, slots=True)
class Trip:
    """A move as budgets see it; what is gone (a deleted VM or host) is `ABSENT`."""

    vm: int
    source: int
    target: int


def subject_of(limit: Limit, key: Key) -> str:
    """Return what messages call a budget account: ``run in 86400 s``, ``out of rack r1``, ``owner u3``."""
    what = {"run": "run", "owner": "owner", "pool": f"pool {limit.label}", "label": f"label {limit.label}"}
    words = [what.get(limit.per, limit.level) if key.side != "all" else "run", key.name]
    side = [key.side] if key.side in ("out of", "into") else []
    over = [f"in {limit.window_s} s"] if limit.window_s is not None else []
    return " ".join(w for w in (*side, *words, *over) if w)


# -- one trip, for `check` ---------------------------------------------------------------------------------------


def keys_of(limit: Limit, fleet: Fleet, trip: Trip | Move) -> Iterator[Key]:
    """Yield the budget accounts that a trip is paid from; this side is read by `check` alone."""
    if limit.per == "run":
        yield Key("all", "")
    elif limit.per == "owner":
        owner = int(fleet.vms.owner[trip.vm]) if trip.vm != ABSENT else ABSENT
        if owner != ABSENT:
            yield Key("of", fleet.vms.owner_ids[owner])
    elif limit.per == "label":
        value = fleet.vms.labels[trip.vm].get(limit.label or "") if trip.vm != ABSENT else None
        if value is not None:
            yield Key("of", value)
    else:
        yield from _ends(limit, fleet, trip)


def _ends(limit: Limit, fleet: Fleet, trip: Trip | Move) -> Iterator[Key]:
    ends: list[tuple[Side, int]] = [("out of", trip.source), ("into", trip.target)]
    for side, host in ends:
        if host == ABSENT or (limit.per, side) in (("source", "into"), ("target", "out of")):
            continue
        name = _place(limit, fleet, host)
        if name is not None:
            yield Key(side, name)


def _place(limit: Limit, fleet: Fleet, host: int) -> str | None:
    if limit.per == "pool":
        return fleet.hosts.labels[host].get(limit.label or "")
    level = fleet.level_index.get(limit.level)
    return None if level is None else fleet.domain_ids[level][int(fleet.hosts.domain[level, host])]


# -- for `lower` -------------------------------------------------------------------------------------------------


@plain_dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """The budget accounts of one side of a limit: `of` is the account of each VM, or (`hosts`) of each host."""

    side: Side
    names: tuple[str, ...]
    of: NDArray[np.int32]
    hosts: bool

    def reach(self, fleet: Fleet, cost: NDArray[np.int64], through: int) -> NDArray[np.int64]:
        """Return int64 [budget accounts]: what no plan spends more than.

        A VM leaves a host at most once and comes to one at most once; on its way it makes at most one hop. A source
        may see VMs from elsewhere pass through: `through` of the dearest are reckoned with.
        """
        placed = np.flatnonzero(fleet.vms.host != ABSENT)
        extra = through * int(cost.max(initial=0))
        if self.side == "into":
            return np.full(len(self.names), int(cost[placed].sum()) + extra)
        of = self.of[fleet.vms.host[placed]] if self.hosts else self.of[placed]
        total = np.zeros(len(self.names), np.int64)
        np.add.at(total, of[of != ABSENT], cost[placed][of != ABSENT])
        return total * (1 if self.hosts else 2) + extra


def accounts_of(limit: Limit, fleet: Fleet) -> Iterator[Accounts]:
    """Yield the budget accounts of a limit, side by side."""
    if limit.per == "run":
        yield Accounts("all", ("",), np.zeros(len(fleet.vms), np.int32), hosts=False)
    elif limit.per == "owner":
        yield Accounts("of", fleet.vms.owner_ids, fleet.vms.owner, hosts=False)
    elif limit.per == "label":
        yield Accounts("of", *_by_label(fleet.vms.labels, limit.label or ""), hosts=False)
    else:
        names, of = _places(limit, fleet)
        if limit.per != "target":
            yield Accounts("out of", names, of, hosts=True)
        if limit.per != "source":
            yield Accounts("into", names, of, hosts=True)


def _places(limit: Limit, fleet: Fleet) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    if limit.per == "pool":
        return _by_label(fleet.hosts.labels, limit.label or "")
    if limit.level not in fleet.level_index:
        return (), np.full(len(fleet.hosts), ABSENT, np.int32)
    level = fleet.level_index[limit.level]
    return fleet.domain_ids[level], fleet.hosts.domain[level]


def _by_label(labels: Iterable[Mapping[str, str]], label: str) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    values = [have.get(label) for have in labels]
    names = tuple(sorted({v for v in values if v is not None}))
    number = {name: i for i, name in enumerate(names)}
    return names, np.array([ABSENT if v is None else number[v] for v in values], np.int32)
