"""How many VMs more of a kind fit so that any K hosts may be lost afterwards, and everything restarts elsewhere.

With what was lost packed somehow for each loss L, let ``places[L, h]`` be how many new VMs host h has room for then.
Numbers ``x[h]`` of new VMs survive every loss exactly if ``x[h] <= places[L, h]`` for each host that is not lost, and
``sum of x <= sum of places[L]``: those of the lost hosts restart in places that nobody has. (With a domain that no move
leaves: in each of them.) So the most for these packings is a sum of minima; the search is for packings.

Where demands tie the new VMs to others, or a limit of a rack counts them, placements are tried instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from optimizer.fleet import ABSENT
from optimizer.whatif.greedy import Greedy
from optimizer.whatif.judge import refuse_wrong
from optimizer.whatif.lose import accepted
from optimizer.whatif.loss import together
from optimizer.whatif.packing import pack, pairs_of
from optimizer.whatif.restart import Restarts
from optimizer.whatif.room import Kind, room_of
from optimizer.whatif.shared_places import SharedPlaces
from optimizer.whatif.spare_room import Left, exactly_packed, packed, settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.whatif.effort import Effort
    from optimizer.whatif.loss import Loss

__all__ = ["Survival", "survive"]

SOLVED = 12
"""How often the tightest loss is packed exactly, at most."""

MOST_SETS = 20_000
"""Of more sets of hosts none is tried."""

PACKING, CHECKING = 0.7, 0.9
"""Shares of the time: for packing every loss; and of what is left then, for the rules' judgement."""


@dataclass(frozen=True, eq=False)
class Survival:
    """How many fit so that any `k` hosts may be lost.

    Attributes
    ----------
    value, bound
        VMs that fit so, as `numbers` (int64 [H]) shows, and how many do at most.
    sets, tried
        How many sets of `k` hosts there are, and for how many it is known what restarts; if not all, nothing is shown
        and `value` is 0.
    tightest
        The loss that leaves the fewest places.
    broken
        Losses after which VMs have no host already, and how many: no more may have none.
    checked
        How many losses every rule's `check` has judged with all VMs where they restart.
    """

    k: int
    value: int
    bound: int
    numbers: NDArray[np.int64]
    sets: int
    tried: int
    tightest: Loss | None
    broken: tuple[tuple[Loss, int], ...]
    checked: int

    @property
    def proven(self) -> bool:
        """Whether no more can."""
        return self.value >= self.bound


def survive(fleet: Fleet, policy: Policy, new: NDArray[np.int32], most: int, k: int, effort: Effort) -> Survival:
    """Return how many of `new` (int32 [n], VMs without a host, alike) fit and survive the loss of any `k` hosts.

    Parameters
    ----------
    most
        No more fit, losses aside.
    """
    search = _Search(Restarts(fleet, policy), Kind(fleet.vms.ids[int(new[0])], new, len(new)), effort)
    hosts = search.hosts(k)
    k = min(k, len(fleet.hosts))
    sets = comb(len(hosts), min(k, len(hosts)))
    if sets <= MOST_SETS:
        search.pack_all((together(fleet, some) for some in combinations(hosts, min(k, len(hosts)))), effort)
    known = sum(one.certain for one in search.left)
    if known < sets:
        return Survival(k, 0, most, np.zeros(len(fleet.hosts), np.int64), sets, known, None, (), 0)
    numbers, bound = search.tied(most) if search.is_tied else search.best(most)
    refuse_wrong(fleet, policy, pairs_of([search.kind], numbers[None, :]))
    checked = search.checked(numbers)
    broken = tuple((one.loss, one.missing) for one in search.left if one.missing)
    tightest = min(search.left, key=lambda one: (int(one.places.sum()), one.loss.name), default=None)
    value = int(numbers.sum())
    return Survival(
        k,
        value,
        max(value, bound),
        numbers,
        sets,
        len(search.left),
        None if tightest is None else tightest.loss,
        broken,
        checked,
    )


@dataclass
class _Search:
    restarts: Restarts
    kind: Kind
    effort: Effort
    left: list[Left] = field(default_factory=list)

    def __post_init__(self) -> None:
        fleet = self.restarts.fleet
        room = room_of(self.restarts.problem, [self.kind])
        self.room = room
        self.is_tied = bool(room.couplings) or any(row.level and row.amount[0] for row in room.rows)
        self.most = room.most(0)
        self.shared = SharedPlaces(self.left, self.most, self.effort)
        within = fleet.move_within
        self.pool = np.zeros(len(fleet.hosts), np.int64) if within is None else fleet.hosts.domain[within]

    def hosts(self, k: int) -> list[int]:
        """Return the hosts that count if `k` are lost, those with most room first: one is nothing where nothing is."""
        fleet = self.restarts.fleet
        counts = self.most >= (1 if k == 1 else 0)
        counts[fleet.vms.host[fleet.vms.host != ABSENT]] = True
        counts[[h for m in fleet.in_flight for h in (m.source, m.target)]] = True
        return sorted(np.flatnonzero(counts).tolist(), key=lambda h: (-int(self.most[h]), h))

    def pack_all(self, losses: Iterable[Loss], effort: Effort) -> None:
        """Pack what each loss takes, the hardest first."""
        until = effort.clock.monotonic() + PACKING * effort.left()
        share = replace(effort, until=until)
        paid = np.zeros(len(self.most), np.int64)
        for loss in losses:
            if share.over():
                return
            room, vms = self.restarts.room(loss, self.kind)
            one = packed(loss, room, len(vms), self.most, paid, share)
            self.left.append(one)
            paid = np.maximum(paid, self.shared.pays(one))
        for i, one in enumerate(self.left):
            if not one.certain and not effort.over():
                self.left[i] = settled(one, replace(effort, until=self._soon()))

    def best(self, most: int) -> tuple[NDArray[np.int64], int]:
        """Return numbers that survive, int64 [H], and a bound."""
        pools = [self.pool == number for number in np.unique(self.pool).tolist()]
        bounds = []
        for pool in pools:
            bounds.append(self._solve_tightest(pool))
            self.shared.share(pool)
        total, common = np.zeros_like(self.most), self.shared.common()
        for pool, at_most in zip(pools, bounds, strict=True):  # only now: a loss in two pools is packed for both
            limit = min(at_most, most, self.shared.tightest(pool)[1])
            total = total + _shared_out(np.where(pool, common, 0), limit)
        return total, min(sum(bounds), most)

    def _solve_tightest(self, pool: NDArray[np.bool_]) -> int:
        """Pack the tightest loss exactly, until it is known that no packing of it leaves more; return a bound."""
        after = (int(one.room.most(0)[pool].sum()) + one.missing for one in self.left if one.loss.lost[pool].any())
        bound = min([int(self.most[pool].sum()), *after])
        for _ in range(SOLVED):
            which, places = self.shared.tightest(pool)
            if places >= bound or self.effort.over():
                break
            before = self.left[which]
            self.left[which], at_most = exactly_packed(before, pool, replace(self.effort, until=self._soon()))
            bound = min(bound, at_most)
            if self.left[which].places[pool].sum() <= before.places[pool].sum():
                break  # nor would it find more the next time
        return bound

    def _soon(self) -> float:
        return self.effort.clock.monotonic() + 0.3 * self.effort.left()

    def tied(self, most: int) -> tuple[NDArray[np.int64], int]:
        """Return the most of what going one by one places, of those that survive."""
        low, high = 0, most
        best = np.zeros_like(self.most)
        while low < high and not self.effort.over():
            middle = (low + high + 1) // 2
            numbers = self._placed(middle)
            if numbers is not None and all(self._restart(one, numbers) is not None for one in self.left):
                low, best = middle, numbers
            else:
                high = middle - 1
        return best, most

    def _placed(self, number: int) -> NDArray[np.int64] | None:
        filled = Greedy(self.room)
        if filled.place(0, number, self.effort.over) < number or not filled.kept():
            return None
        return np.asarray(filled.numbers[0], np.int64)

    def _restart(self, one: Left, numbers: NDArray[np.int64]) -> list[tuple[int, int]] | None:
        """Return pairs (VM, host) of what restarts after a loss; None if more have no host than without new VMs."""
        if not self.is_tied:
            return [*pairs_of(one.room.kinds[1:], one.numbers), *self._dealt(one, numbers)]
        staying, lost = np.where(one.loss.lost, 0, numbers), one.loss.lost & (numbers > 0)
        nothing = np.zeros((len(one.room.kinds) - 1, len(staying)), np.int64)
        pools = self.pool == np.unique(self.pool[lost])[:, None]
        each = [np.array(self._standing(numbers, pool & lost), np.int32) for pool in pools]
        room = one.room.spent(np.concatenate([staying[None, :], nothing]))
        room = room.instead_of_first([Kind(self.kind.name, vms, len(vms)) for vms in each], pools)
        found, _ = pack(room, self.effort)
        if found.sum() < numbers[lost].sum() + one.vms - one.missing:
            return None
        return [*pairs_of(room.kinds, found)]

    def _standing(self, numbers: NDArray[np.int64], where: NDArray[np.bool_]) -> list[int]:
        """Return the new VMs that stand on some hosts (bool [H]): the first ones host by host, as in `pairs_of`."""
        ends = np.cumsum(numbers)
        hosts = np.flatnonzero(where & (numbers > 0)).tolist()
        return [vm for host in hosts for vm in self.kind.vms[ends[host] - numbers[host] : ends[host]].tolist()]

    def _dealt(self, one: Left, numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return pairs (VM, host) of the new VMs that a loss takes: each in its own pool, in places that are free."""
        out = []
        for number in np.unique(self.pool[one.loss.lost & (numbers > 0)]).tolist():
            pool = self.pool == number
            free = np.where(pool & ~one.loss.lost, one.places - numbers, 0)
            made = _shared_out(free, int(numbers[pool & one.loss.lost].sum()))
            out += _paired(self._standing(numbers, pool & one.loss.lost), made)
        return out

    def checked(self, numbers: NDArray[np.int64]) -> int:
        """Hold where everything restarts against every rule's own `check`, for as many losses as time allows.

        Raises
        ------
        RuntimeError
            A fault of the program: a rule refuses it, or a VM more has no host.
        """
        share = replace(self.effort, until=self.effort.clock.monotonic() + CHECKING * self.effort.left())
        made = pairs_of([self.kind], numbers[None, :])
        later = Restarts(_with_new(self.restarts.fleet, made), self.restarts.policy)
        for done, one in enumerate(self.left):
            if share.over():
                return done
            created = self._restart(one, numbers)
            if created is None or not _accepted(later, one, created):
                raise RuntimeError(f"what-if found VMs that do not restart after the loss of {one.loss.name}")
        return len(self.left)


def _accepted(later: Restarts, one: Left, created: list[tuple[int, int]]) -> bool:
    """Whether no more VMs than without new ones have no host after a loss, and every rule accepts the others."""
    placed = {vm for vm, _ in created}
    missing = set(later.rest(one.loss)[1].tolist()) - placed
    return len(placed) == len(created) and len(missing) <= one.missing and accepted(later, one.loss, created)


def _with_new(fleet: Fleet, made: list[tuple[int, int]]) -> Fleet:
    """Return the fleet in which new VMs stand on hosts; host overhead stays what it was."""
    at, measured = fleet.vms.host.copy(), fleet.hosts.measured.copy()
    for vm, host in made:
        at[vm] = host
        measured[host] = np.where(measured[host] == ABSENT, ABSENT, measured[host] + fleet.vms.demand[vm])
    return replace(fleet, hosts=replace(fleet.hosts, measured=measured), vms=replace(fleet.vms, host=at))


def _paired(vms: list[int], numbers: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(vms, np.repeat(np.arange(len(numbers)), numbers).tolist(), strict=False))


def _shared_out(places: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """Return int64 [H]: `number` VMs at most on places, each host by its share."""
    total = int(places.sum())
    if total <= number:
        return places.copy()
    out = places * number // max(total, 1)
    spare = np.flatnonzero(out < places)
    out[spare[: number - int(out.sum())]] += 1
    return out
