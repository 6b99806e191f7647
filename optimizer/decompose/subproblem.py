"""One part of a problem as a problem of its own: what it finds can be joined with what the others find.

A subproblem holds the hosts of its part and the VMs on them. What a rule counts within the part it counts as before.
What reaches over parts has one owner:

- A group whose VMs stand in several parts (and whose rule counts over them) belongs to the part that holds most of
  them. There the others count as fixed VMs on hosts that receive nobody. In the other parts its VMs do not
  leave their domain of the rule's level, so that the owner's view of them stays true.
- Room in a domain that lies in several parts is dealt out by hosts; where the domain is over its limit, one part owns
  the excess and the others do not add to it.
- A budget of moves that several parts may spend is dealt out, by what has to move in each.

So placements of all subproblems that are no worse than the start, together are no worse than the start; and orders of
moves that are safe subproblem by subproblem are safe in any interleaving.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer.decompose.partition import sides_of
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import UNLIMITED, Enter, Fixed, Sets
from optimizer.problem.presence import presence
from optimizer.problem.shapes import ENTER, FIXED, FLOW, GROUPS, LEAVE, LEFT, SUM, ByShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from optimizer.problem.atoms import Atom, Flow, Group, Leave, Linear
    from optimizer.problem.problem import Problem

__all__ = ["Cut", "Subproblem"]


@dataclass(frozen=True, slots=True, eq=False)
class Subproblem:
    """A part as a problem.

    Attributes
    ----------
    hosts, vms
        int64 [n]: numbers, in the whole problem, of the part's hosts and VMs; they come first in `problem`, before
        those that are only fixed VMs.
    """

    problem: Problem
    hosts: NDArray[np.int64]
    vms: NDArray[np.int64]

    def join(self, placement: NDArray[np.int32], found: NDArray[np.int32]) -> None:
        """Write what was found for the subproblem into a placement of the whole."""
        there = found[: self.vms.size]
        placement[self.vms] = np.where(there == ABSENT, ABSENT, self.hosts[np.maximum(there, 0)])


class Cut:
    """A problem cut into parts.

    Parameters
    ----------
    part
        int32 [H]: the part of each host.
    spent
        bool [V]: VMs that have to move in any case; budgets are dealt out by them.
    """

    def __init__(self, problem: Problem, part: NDArray[np.int32], spent: NDArray[np.bool_]) -> None:
        self.problem, self.part, self.spent = problem, part, spent
        self.parts = int(part.max()) + 1
        self.hosts = [np.flatnonzero(part == p) for p in range(self.parts)]
        end = np.where(problem.start != ABSENT, problem.start, problem.also_at)
        self.home = np.where(end == ABSENT, ABSENT, part[np.maximum(end, 0)])
        self.vms = [np.flatnonzero(self.home == p) for p in range(self.parts)]

    def subproblem(self, p: int) -> Subproblem:
        """Return part `p` as a problem."""
        return _SubproblemBuilder(self, p).made()

    # -- what reaches over parts ---------------------------------------------------------------------------------

    @cached_property
    def torn(self) -> tuple[NDArray[np.bool_], ...]:
        """For each level, bool [domains]: the domain has hosts in several parts."""
        out = []
        for level, ids in enumerate(self.problem.domain_ids):
            least = np.full(len(ids), self.parts, np.int64)
            most = np.full(len(ids), -1, np.int64)
            np.minimum.at(least, self.problem.domain[level], self.part)
            np.maximum.at(most, self.problem.domain[level], self.part)
            out.append(most > least)
        return tuple(out)

    @cached_property
    def owners(self) -> dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """By number of an atom: the part that owns each group, int64 [n], and whether others hold VMs of it.

        Only atoms whose groups can reach over parts; the groups of all others are judged where they stand.
        """
        out = {}
        for number, atom in self.problem.demands.groups.items():
            if not atom.shape.by_domain or bool(self.torn[atom.level].any()):
                out[number] = self._owners(atom)
        return out

    def _owners(self, atom: Group) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        sides = sides_of(atom)
        count = np.zeros((len(atom.sides[LEFT]), self.parts), np.int64)
        for groups, members in sides:
            placed = self.home[members] != ABSENT
            np.add.at(count, (groups[placed], self.home[members[placed]]), 1)
        return count.argmax(axis=1), (count > 0).sum(axis=1) > 1

    def loads(self, atom: Linear) -> NDArray[np.int64]:
        """Return int64 [parts, domains]: what each part's VMs come to."""
        domain = self.problem.domain[atom.level]
        out = np.zeros((self.parts, len(self.problem.domain_ids[atom.level])), np.int64)
        vms, domains = presence(domain, self.problem.start, self.problem.also_at)
        np.add.at(out, (self.home[vms], domains), atom.amount[vms])
        return out

    @cached_property
    def flow_limits(self) -> dict[int, NDArray[np.int64]]:
        """By number of an atom: the limit of a flow in each part, int64 [parts]."""
        return {number: self._dealt(flow) for number, flow in self.problem.demands.flows.items()}

    def _dealt(self, flow: Flow) -> NDArray[np.int64]:
        counted = self.home != ABSENT if flow.vms is None else flow.vms & (self.home != ABSENT)
        if flow.sources is not None:
            counted = counted & (self.problem.start != ABSENT) & flow.sources[np.maximum(self.problem.start, 0)]
        may = np.bincount(self.home[counted], minlength=self.parts)
        if flow.targets is not None:
            may[np.bincount(self.part[flow.targets], minlength=self.parts) == 0] = 0
        must = counted & self.spent
        need = np.bincount(self.home[must], flow.cost[must], self.parts).astype(np.int64)
        return deal(flow.limit, np.where(may > 0, need, 0), may)


def deal(limit: int, need: NDArray[np.int64], may: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal a limit out: first by need, what is left by who `may` (0: gets nothing); the sum is at most the limit."""
    if limit >= UNLIMITED or (may > 0).sum() <= 1:
        return np.where(may > 0, limit, 0).astype(np.int64)
    given = need if need.sum() <= limit else _shares(limit, need)
    return given + _shares(limit - int(given.sum()), may)


def _shares(amount: int, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return integers in proportion to the weights that sum to `amount` (largest remainders, then lowest number)."""
    total = int(weights.sum())
    if total == 0:
        return np.zeros_like(weights)
    exact = [amount * int(w) for w in weights]
    out = np.array([e // total for e in exact], np.int64)
    order = sorted(range(weights.size), key=lambda i: (-(exact[i] % total), i))
    out[order[: amount - int(out.sum())]] += 1
    return out


class _SubproblemBuilder:
    """One subproblem under construction."""

    def __init__(self, cut: Cut, p: int) -> None:
        self.cut, self.p, self.problem = cut, p, cut.problem
        self.mine, self.my_hosts = cut.vms[p], cut.hosts[p]
        self.guests = self._fixed_vms()
        self.vms = np.concatenate([self.mine, self.guests])
        self._lay_out_hosts()
        self.new_vm = np.full(self.problem.vms, ABSENT, np.int32)
        self.new_vm[self.vms] = np.arange(self.vms.size)
        self.levels = [np.unique(self.problem.domain[level][self.hosts]) for level in range(len(self.problem.levels))]
        self.levels[0] = self.hosts  # a host is its own domain, in the order of the hosts

    def made(self) -> Subproblem:
        """Return the subproblem."""
        old = self.problem
        domain = [np.arange(self.hosts.size)]
        domain += [np.searchsorted(used, old.domain[i][self.hosts]) for i, used in enumerate(self.levels[1:], start=1)]
        problem = replace(
            old,
            host_ids=tuple(old.host_ids[h] for h in self.hosts.tolist()),
            vm_ids=tuple(old.vm_ids[v] for v in self.vms.tolist()),
            domain=np.array(domain, np.int32),
            domain_ids=tuple(
                tuple(ids[d] for d in used.tolist()) for ids, used in zip(old.domain_ids, self.levels, strict=True)
            ),
            start=self._ends(old.start),
            also_at=self._ends(old.also_at),
            moving=old.moving[self.vms],
            atoms=tuple(self._atoms()),
        )
        return Subproblem(problem, self.my_hosts, self.mine)

    # -- who belongs to it ---------------------------------------------------------------------------------------

    def _fixed_vms(self) -> NDArray[np.int64]:
        """VMs of other parts that are in a group which this part owns."""
        found = [np.zeros(0, np.int64)]
        for number, (owner, shared) in self.cut.owners.items():
            atom = self.problem.demands.groups[number]
            mine = shared & (owner == self.p)
            for groups, members in sides_of(atom):
                found.append(members[mine[groups]].astype(np.int64))
        vms = np.unique(np.concatenate(found))
        home = self.cut.home[vms]
        return np.asarray(vms[(home != ABSENT) & (home != self.p)])

    def _lay_out_hosts(self) -> None:
        """Give the hosts their numbers: the part's own, then those of fixed VMs.

        Where no group that it owns counts hosts, one host stands for all that share their domains.
        """
        ends = np.concatenate([self.problem.start[self.guests], self.problem.also_at[self.guests]])
        outside = np.unique(ends[ends != ABSENT]).astype(np.int64)
        stand_in = outside
        if outside.size and not self._counts_hosts():
            _, first, inverse = np.unique(
                self.problem.domain[1:, outside], axis=1, return_index=True, return_inverse=True
            )
            stand_in = outside[first][inverse.reshape(-1)]
        others = np.unique(stand_in)
        self.hosts = np.concatenate([self.my_hosts, others])
        self.new_host = np.full(self.problem.hosts, ABSENT, np.int32)
        self.new_host[self.my_hosts] = np.arange(self.my_hosts.size)
        self.new_host[outside] = self.my_hosts.size + np.searchsorted(others, stand_in)

    def _counts_hosts(self) -> bool:
        return any(self.problem.demands.groups[number].level == 0 for number in self.cut.owners)

    def _ends(self, hosts: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return where VMs are, in the subproblem's numbers."""
        there = hosts[self.vms]
        return np.where(there == ABSENT, ABSENT, self.new_host[np.maximum(there, 0)]).astype(np.int32)

    # -- what is asked of it -------------------------------------------------------------------------------------

    def _atoms(self) -> Iterator[Atom]:
        for number, atom in enumerate(self.problem.atoms):
            yield from _RESTRICTED[atom](self, number, atom)
        if self.guests.size:
            count = self.mine.size
            yield Fixed("partition", np.arange(count, self.vms.size, dtype=np.int32), "it stands in another part")
            yield Enter("partition", None, np.arange(self.hosts.size) < self.my_hosts.size)

    def _own(self, vms: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.asarray(self.new_vm[vms[self.cut.home[vms] == self.p]])

    def _host_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        out = np.zeros(self.hosts.size, np.bool_)
        out[: self.my_hosts.size] = mask[self.my_hosts]
        return out

    def _vm_column(self, column: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the VMs' amounts; a fixed VM has none."""
        out = np.zeros(self.vms.size, np.int64)
        out[: self.mine.size] = column[self.mine]
        return out

    def _leave(self, number: int, atom: Leave) -> Iterator[Leave]:
        yield replace(atom, vms=self._own(atom.vms), hosts=self._host_mask(atom.hosts))

    def _fixed(self, number: int, atom: Fixed) -> Iterator[Fixed]:
        yield replace(atom, vms=self._own(atom.vms))

    def _linear(self, number: int, atom: Linear) -> Iterator[Linear]:
        domains = self.levels[atom.level]
        limit, base = atom.limit[domains], atom.base[domains]
        if atom.level == 0:
            limit[self.my_hosts.size :] = base[self.my_hosts.size :] = 0  # a fixed VM's host receives nobody
        elif self.cut.torn[atom.level].any():
            limit, base = self._dealt_room(atom, domains)
        yield replace(atom, amount=self._vm_column(atom.amount), limit=limit, base=base, unit=atom.unit[domains])

    def _dealt_room(self, atom: Linear, domains: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return limits and bases of domains of which parts share some."""
        loads = self.cut.loads(atom)
        hosts = np.array(
            [np.bincount(self.problem.domain[atom.level][h], minlength=loads.shape[1]) for h in self.cut.hosts]
        )
        limit, base = atom.limit[domains], atom.base[domains]
        for i, d in enumerate(domains.tolist()):
            total = int(atom.base[d] + loads[:, d].sum())
            own = int(loads[self.p, d])
            if not self.cut.torn[atom.level][d]:
                if not hosts[self.p, d]:
                    limit[i] = base[i] = 0  # only fixed VMs are there
            elif total > atom.limit[d] and self.p == int(loads[:, d].argmax()):
                base[i] = total - own
            elif total > atom.limit[d]:
                limit[i], base[i] = own, 0
            elif atom.limit[d] < UNLIMITED:
                share = _shares(int(atom.limit[d]) - total, hosts[:, d])
                limit[i], base[i] = own + int(share[self.p]), 0
        return limit, base

    def _family(self, number: int, atom: Group) -> Iterator[Atom]:
        """Yield the groups that are judged here; VMs of groups that others own stay in their domain."""
        if number not in self.cut.owners:
            yield from self._some(atom, np.ones(len(atom.sides[LEFT]), np.bool_), self.cut.home == self.p)
            return
        owner, shared = self.cut.owners[number]
        yield from self._some(atom, owner == self.p, self.new_vm != ABSENT)
        bound = [members[(shared & (owner != self.p))[groups]] for groups, members in sides_of(atom)]
        yield from self._bound(atom.level, np.unique(np.concatenate(bound)))

    def _some(self, atom: Group, wanted: NDArray[np.bool_], present: NDArray[np.bool_]) -> Iterator[Atom]:
        """Yield the atom with the wanted groups that have VMs here, and of their VMs those that are here."""
        for groups, members in sides_of(atom)[: atom.shape.needed_sides]:
            wanted = wanted & (np.bincount(groups[present[members]], minlength=wanted.size) > 0)
        which = np.flatnonzero(wanted)
        if not which.size:
            return
        yield atom.some(which, lambda sets: self._subset(sets, which, present))

    def _subset(self, sets: Sets, which: NDArray[np.int64], present: NDArray[np.bool_]) -> Sets:
        position = np.full(len(sets), ABSENT, np.int64)
        position[which] = np.arange(which.size)
        groups = position[np.repeat(np.arange(len(sets)), np.diff(sets.indptr))]
        kept = (groups != ABSENT) & present[sets.members]
        groups, members = groups[kept], self.new_vm[sets.members[kept]]
        indptr = np.append(0, np.cumsum(np.bincount(groups, minlength=which.size))).astype(np.int64)
        ids = tuple(sets.ids[i] for i in which.tolist())
        return Sets(ids, indptr, members[np.lexsort((members, groups))].astype(np.int32))

    def _bound(self, level: int, members: NDArray[np.int32]) -> Iterator[Enter]:
        vms = members[(self.cut.home[members] == self.p) & (self.problem.start[members] != ABSENT)]
        domain = self.problem.domain[level]
        at = domain[self.problem.start[vms]]
        for d in np.unique(at).tolist():
            yield Enter("partition", self.new_vm[vms[at == d]], self._host_mask(domain == d))

    def _enter(self, number: int, atom: Enter) -> Iterator[Enter]:
        vms = None if atom.vms is None else self._own(atom.vms)
        if vms is None or vms.size:
            yield replace(atom, vms=vms, hosts=self._host_mask(atom.hosts))

    def _flow(self, number: int, atom: Flow) -> Iterator[Flow]:
        vms = None
        if atom.vms is not None:
            vms = np.zeros(self.vms.size, np.bool_)
            vms[: self.mine.size] = atom.vms[self.mine]
        sources, targets = (None if m is None else self._host_mask(m) for m in (atom.sources, atom.targets))
        if all(mask is None or mask.any() for mask in (vms, sources, targets)):
            limit = int(self.cut.flow_limits[number][self.p])
            yield replace(atom, vms=vms, sources=sources, targets=targets, cost=self._vm_column(atom.cost), limit=limit)


_RESTRICTED: ByShape[Callable[..., Iterator[Atom]]] = ByShape(
    "the cut into parts",
    {
        SUM: _SubproblemBuilder._linear,
        **dict.fromkeys(GROUPS, _SubproblemBuilder._family),
        LEAVE: _SubproblemBuilder._leave,
        ENTER: _SubproblemBuilder._enter,
        FIXED: _SubproblemBuilder._fixed,
        FLOW: _SubproblemBuilder._flow,
    },
)
"""Problems with costs are not cut: their terms couple everything."""
