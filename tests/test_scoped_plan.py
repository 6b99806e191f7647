"""Drains under limits: as many hosts as can be are emptied whole, by brute force on tiny fleets; the rest waits."""

from __future__ import annotations

from collections import Counter
from itertools import product
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from optimizer.pipeline import Request
from optimizer.plan import Status
from tests.build import fleet, host, policy, vm
from tests.scoped import plan_under
from tests.shares import first_and_rotating

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

RULES = policy("capacity", "allowed")


class Tiny(NamedTuple):
    """A fleet in one resource: capacities, (home, amount) of each VM, hosts to drain, limits on moves and GiB."""

    capacity: tuple[int, ...]
    vms: tuple[tuple[int, int], ...]
    drain: tuple[int, ...]
    moves: int | None
    gib: int | None

    def fleet(self) -> Fleet:
        hosts = [host(f"h{i}", memory=c * 1024) for i, c in enumerate(self.capacity)]
        return fleet(hosts, [vm(f"v{i}", f"h{h}", memory=a * 1024) for i, (h, a) in enumerate(self.vms)])


def tiny(seed: int) -> Tiny:
    """Return a fleet in which every host holds what is on it."""
    rng = Random(seed)
    hosts, vms = rng.choice((3, 4, 4)), rng.choice((3, 4, 5, 5))
    placed = tuple((rng.randrange(hosts), rng.choice((1, 1, 2, 3))) for _ in range(vms))
    used = Counter({h: 0 for h in range(hosts)})
    for h, a in placed:
        used[h] += a
    capacity = tuple(max(1, used[h] + rng.choice((0, 0, 1, 2, 3))) for h in range(hosts))
    drain = tuple(rng.sample(range(hosts), rng.choice((1, 2, 2, min(3, hosts - 1)))))
    moves, gib = rng.choice(
        ((rng.randint(0, 5), None), (None, rng.randint(0, 7)), (rng.randint(1, 5), rng.randint(1, 7)))
    )
    return Tiny(capacity, placed, drain, moves, gib)


def most_emptied(case: Tiny) -> tuple[int, int]:
    """Try every sequence of single moves within the limits: most hosts emptied (of those with VMs), fewest moves."""
    home = tuple(h for h, _ in case.vms)
    wanted = {h for h in case.drain if h in home}
    best: dict[tuple[int, ...], list[tuple[int, int]]] = {home: [(0, 0)]}
    frontier = [(home, 0, 0)]
    top = (0, 0)
    while frontier:
        following = []
        for at, moves, copied in frontier:
            top = max(top, (sum(h not in at for h in wanted), -moves))
            for v, target in product(range(len(at)), range(len(case.capacity))):
                amount = case.vms[v][1]
                load = sum(a for w, (_, a) in enumerate(case.vms) if at[w] == target)
                now = (moves + 1, copied + amount)
                if target in case.drain or target == at[v] or load + amount > case.capacity[target]:
                    continue
                if now[0] > (case.moves if case.moves is not None else 8) or now[1] > (
                    case.gib or 99 * (case.gib is None)
                ):
                    continue
                there = (*at[:v], target, *at[v + 1 :])
                known = best.setdefault(there, [])
                if any(m <= now[0] and c <= now[1] for m, c in known):
                    continue
                known.append(now)
                following.append((there, *now))
        frontier = following
    return top[0], -top[1]


def emptied(case: Tiny, made: Plan) -> int:
    at = {f"v{i}": f"h{h}" for i, (h, _) in enumerate(case.vms)}
    homes = set(at.values())
    at.update({m.vm: m.target for m in made.moves})
    return sum(f"h{h}" in homes and f"h{h}" not in at.values() for h in case.drain)


@pytest.mark.slow
@pytest.mark.parametrize("block", first_and_rotating(range(6)))
def test_as_many_hosts_are_emptied_as_brute_force_says_and_with_the_fewest_moves(block: int) -> None:
    deferring = 0
    for seed in range(block * 20, block * 20 + 20):
        case = tiny(seed)
        names = [f"h{h}" for h in case.drain]
        made = plan_under(case.fleet(), RULES, drain=names, max_moves=case.moves, max_gib=case.gib)
        most, fewest = most_emptied(case)
        assert emptied(case, made) == most, (seed, case)
        assert made.status in (Status.OPTIMAL, Status.NOTHING_TO_DO), (seed, case, made.objective)
        if not made.scope.begun:
            assert len(made.moves) == fewest, (seed, case)
            left = {r.subject for r in made.remaining}
            assert not left & {m.source for m in made.moves}, (seed, "a host is emptied only in part")
        deferring += any(r.deferred for r in made.remaining)
    assert deferring


def two_and_four() -> Fleet:
    """h0 has two VMs and h1 four; h2 has room for all."""
    vms = [vm(f"a{i}", "h0", memory=1024) for i in range(2)] + [vm(f"b{i}", "h1", memory=1024) for i in range(4)]
    return fleet([host("h0", memory=8192), host("h1", memory=8192), host("h2", memory=8192)], vms)


def test_a_host_that_the_limit_pays_for_is_emptied_and_the_other_is_deferred_untouched() -> None:
    made = plan_under(two_and_four(), RULES, drain=["h0", "h1"], max_moves=5)
    assert [m.source for m in made.moves] == ["h1"] * 4 or [m.source for m in made.moves] == ["h0"] * 2
    assert [m.source for m in made.moves] == ["h0"] * 2  # as many hosts as can be, then the fewest moves
    (left,) = made.remaining
    assert (left.subject, left.excess, left.deferred) == ("h1", 4, "--max-moves: at most 5 moves")
    assert made.status is Status.OPTIMAL


def test_where_every_host_is_larger_than_the_limit_the_smallest_is_begun() -> None:
    made = plan_under(two_and_four(), RULES, drain=["h0", "h1"], max_moves=1)
    assert made.scope.begun == ("h0",)
    assert [m.source for m in made.moves] == ["h0"]
    assert all(r.deferred == "--max-moves: at most 1 move" for r in made.remaining)
    assert sorted(r.subject for r in made.remaining) in (["a0", "h1"], ["a1", "h1"])


def test_where_room_and_not_the_limit_is_short_as_many_leave_as_can() -> None:
    hosts = [host("h0", memory=8192), host("h1", memory=3072)]
    made = plan_under(
        fleet(hosts, [vm(f"v{i}", "h0", memory=1024) for i in range(5)]), RULES, drain=["h0"], max_moves=50
    )
    assert made.scope.begun == ("h0",)
    assert len(made.moves) == 3
    assert [r.deferred for r in made.remaining] == ["", ""]


def test_a_vm_that_cannot_leave_does_not_keep_the_others() -> None:
    vms = [vm("pinned", "h0", memory=1024, mobility="none"), vm("free", "h0", memory=1024)]
    made = plan_under(fleet([host("h0", memory=8192), host("h1", memory=8192)], vms), RULES, drain=["h0"], max_moves=5)
    assert [m.vm for m in made.moves] == ["free"]
    assert [(r.subject, r.deferred) for r in made.remaining] == [("pinned", "")]


def test_hosts_that_drain_by_the_snapshot_are_emptied_one_after_the_other_too() -> None:
    rules = policy("capacity", "allowed", "maintenance")
    hosts = [
        host("h0", memory=8192, state="draining"),
        host("h1", memory=8192, state="draining"),
        host("h2", memory=8192),
    ]
    vms = [vm(f"a{i}", "h0", memory=1024) for i in range(3)] + [vm(f"b{i}", "h1", memory=1024) for i in range(3)]
    made = plan_under(fleet(hosts, vms), rules, max_moves=4)
    assert len({m.source for m in made.moves}) == 1
    assert len(made.moves) == 3
    both = plan_under(fleet(hosts, vms), rules, drain=["h0"], max_moves=4)  # a host that two rules empty counts once
    assert len({m.source for m in both.moves}) == 1


def test_the_budget_of_a_policy_defers_as_a_switch_does() -> None:
    rules = policy("capacity", "allowed", {"rule": "budget", "limits": [{"per": "run", "moves": 5}]})
    made = plan_under(two_and_four(), rules, drain=["h0", "h1"])
    assert [m.source for m in made.moves] == ["h0"] * 2
    assert [r.deferred for r in made.remaining] == ["budget: run"]


@pytest.mark.slow
def test_a_large_drain_under_a_limit_leaves_no_host_half_empty() -> None:
    rng = Random(5)
    hosts = [host(f"h{i:02}", memory=65536) for i in range(60)]
    vms = [vm(f"v{i:03}", f"h{rng.randrange(60):02}", memory=1024 * rng.choice((1, 2, 4, 8))) for i in range(400)]
    names = [f"h{i:02}" for i in range(20)]
    of = fleet(hosts, vms)
    made = plan_under(of, RULES, Request(deterministic=True, seconds=20), drain=names, max_moves=50)
    counts = Counter(str(v["host"]) for v in vms)
    gone = Counter(m.source for m in made.moves)
    assert all(gone[h] == counts[h] for h in gone)
    affordable, left = 0, 50
    for n in sorted(counts[h] for h in names):
        affordable, left = affordable + (left >= n), left - n
    assert len(gone) == affordable  # no more hosts than the smallest ones that the limit pays for
    assert made.status is Status.OPTIMAL
