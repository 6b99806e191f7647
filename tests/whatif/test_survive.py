"""`whatif fit --survive` against every placement and every way to restart, on random tiny fleets with every rule."""

from __future__ import annotations

from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.clock import SystemClock
from optimizer.fleet import State
from optimizer.problem.rule import Hardness
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.whatif import fit as fitting
from optimizer.whatif.effort import Effort
from optimizer.whatif.fit import fit
from optimizer.whatif.loss import left_of
from optimizer.whatif.survive import Survival, survive
from tests.build import document, host, policy, vm
from tests.whatif.brute_force import holds, numbers, pairs
from tests.whatif.requests import asked

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy

CHUNK = 22
MOST, MOST_WAYS = 3, 700


def effort() -> Effort:
    clock = SystemClock()
    return Effort(clock, clock.monotonic() + 60, workers=1)


def answer(fleet: Fleet, rules: Policy, new: int, k: int = 1) -> tuple[Fleet, np.ndarray, Survival]:
    found = fit(fleet, rules, [(new, 1)], effort())
    return found.fleet, found.new[0], survive(found.fleet, rules, found.new[0], found.bound, k, effort())


class _TooMany(Exception):
    pass


def missing_after(fleet: Fleet, rules: Policy, lost: tuple[int, ...], made: list[tuple[int, int]]) -> int:
    """Return how many VMs have no host after a loss at least, by trying every way to restart."""
    gone = np.isin(np.arange(len(fleet.hosts)), lost)
    rest, vms = left_of(fleet, gone)
    again = [*vms.tolist(), *(v for v, h in made if h in lost)]
    before = State.start(rest).create([(v, h) for v, h in made if h not in lost])
    had = {v.instance: v.excess for rule in rules.judges for v in rule.check(before)}
    hosts = [h for h in range(len(fleet.hosts)) if h not in lost]
    if (len(hosts) + 1) ** len(again) > MOST_WAYS:
        raise _TooMany
    home = {v: fleet.hosts.domain[fleet.move_within or 0][h] for v, h in made}
    home |= {v: fleet.hosts.domain[fleet.move_within or 0][fleet.vms.host[v]] for v in vms.tolist()}
    for created in sorted(ways(again, hosts), key=len, reverse=True):
        if fleet.move_within is not None and any(
            fleet.hosts.domain[fleet.move_within][h] != home[v] for v, h in created
        ):
            continue
        after = before.create(created)
        found = (v for rule in rules.judges for v in rule.check(after) if v.hardness is not Hardness.SHOULD)
        if all(v.excess <= had.get(v.instance, 0) for v in found):
            return len(again) - len(created)
    raise AssertionError("restarting nothing breaks nothing")


def ways(vms: list[int], hosts: list[int]) -> list[list[tuple[int, int]]]:
    choices = product([None, *hosts], repeat=len(vms))
    return [[(v, h) for v, h in zip(vms, at, strict=True) if h is not None] for at in choices]


def most_surviving(fleet: Fleet, rules: Policy, new: list[int], k: int) -> int:
    """Return how many of the VMs can be placed so that no loss leaves more without a host than without them."""
    sets = list(combinations(range(len(fleet.hosts)), min(k, len(fleet.hosts))))
    now = {lost: missing_after(fleet, rules, lost, []) for lost in sets}
    best = 0
    for each in numbers(len(fleet.hosts), MOST):
        made = pairs(new, each)
        if len(made) <= best or not holds(fleet, rules.judges, made):
            continue
        if all(missing_after(fleet, rules, lost, made) <= now[lost] for lost in sets):
            best = len(made)
    return best


def judged(fleet: Fleet, rules: Policy, vm: int, k: int, name: str) -> tuple[bool, int] | None:
    """Hold an answer against trying everything; return whether they are the same, and what was found."""
    larger, new, found = answer(fleet, rules, vm, k)
    assert found.tried == found.sets == found.checked, name
    try:
        most = most_surviving(larger, rules, new.tolist(), k)
    except _TooMany:
        return None
    assert min(found.value, MOST) <= most <= found.bound, name
    return min(found.value, MOST) == most, most


@pytest.mark.rotating
@pytest.mark.parametrize("chunk", range(24))
def test_with_every_rule_never_more_survive_than_trying_everything_finds(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MOST", MOST)
    cases = [(n, asked(n)) for n in range(chunk * CHUNK, (chunk + 1) * CHUNK)]
    tried = [judged(c.fleet, c.policy, c.vms[0], 1, f"request {n}") for n, c in cases]
    done = [one for one in tried if one is not None]
    assert len(done) >= CHUNK // 2
    assert sum(same for same, _ in done) >= 0.8 * len(done)


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 25))])
def test_where_there_is_room_as_many_survive_as_trying_everything_finds(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MOST", MOST)
    rules = policy({"rule": "capacity"}, "anti_affinity", "eligible")
    tried = []
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        fleet = roomy(number)
        found = judged(fleet, rules, fleet.vm_index["new"], 2 if number % 4 == 0 else 1, f"roomy {number}")
        tried += [found] if found is not None else []
    assert len(tried) >= CHUNK // 2
    assert len({most for _, most in tried}) > 1
    assert sum(same for same, _ in tried) >= 0.9 * len(tried)


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 8))])
def test_new_vms_that_keep_apart_restart_in_their_own_pools(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST", MOST)
    rules = policy({"rule": "capacity"}, "anti_affinity", "eligible")
    tried = []
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        fleet = roomy(number, tied=("host", "rack")[number % 2])
        found = judged(fleet, rules, fleet.vm_index["new"], 2 if number % 4 == 0 else 1, f"tied {number}")
        tried += [found] if found is not None else []
    assert len(tried) >= CHUNK // 2
    assert sum(same for same, _ in tried) >= 0.8 * len(tried)


def test_a_new_vm_whose_pool_is_one_host_does_not_survive_its_loss() -> None:
    hosts = [host(f"h{i}", memory=4, rack=f"r{i}") for i in range(3)]
    groups = [{"id": "apart", "rules": [{"rule": "anti_affinity", "level": "rack"}]}]
    vms = [vm("new", None, memory=1) | {"groups": ["apart"]}]
    fleet = fleet_from_document(document(hosts, vms, groups=groups, move_within="rack"), "one host a pool")
    _, _, found = answer(fleet, policy({"rule": "capacity"}, "anti_affinity", "eligible"), 0)
    assert found.value == 0


def roomy(number: int, tied: str = "") -> Fleet:
    """Return hosts with some room, a group that keeps apart, and at times pools that no move leaves.

    `tied`: the level at which the group keeps apart, new VMs as well; pools are likelier then.
    """
    rng = Random(f"roomy {number}")
    size = rng.choice((3, 3, 4))
    hosts = [host(f"h{i}", memory=rng.randint(4, 9), cpu=rng.randint(4, 9), rack=f"r{i // 2}") for i in range(size)]
    vms = []
    for i in range(rng.randint(0, 4)):
        mine = {"groups": ["apart"]} if rng.random() < 0.4 else {}
        at = f"h{rng.randrange(size)}"
        vms.append(vm(f"v{i}", at, memory=rng.randint(1, 4), cpu=rng.randint(1, 3)) | mine)
    mine = {"groups": ["apart"]} if tied else {}
    vms.append(vm("new", None, memory=rng.randint(2, 4), cpu=rng.randint(1, 4)) | mine)
    groups = [{"id": "apart", "rules": [{"rule": "anti_affinity", "level": tied or "host"}]}]
    within = {"move_within": "rack"} if rng.random() < (0.5 if tied else 0.2) else {}
    return fleet_from_document(document(hosts, vms, groups=groups, **within), f"roomy {number}")


def shelf(sizes: list[int], used: list[tuple[int, int]], new: int) -> Fleet:
    hosts = [host(f"h{i}", memory=n) for i, n in enumerate(sizes)]
    vms = [vm(f"v{i}", f"h{at}", memory=n) for i, (at, n) in enumerate(used)]
    return fleet_from_document(document(hosts, [*vms, vm("new", None, memory=new)]), "shelf")


def test_one_host_of_room_is_kept_for_another() -> None:
    fleet = shelf([10, 10, 10], [], 1)
    _, _, found = answer(fleet, policy({"rule": "capacity"}), 0)
    assert (found.value, found.proven) == (20, True)
    assert found.numbers.max() <= 10
    assert answer(fleet, policy({"rule": "capacity"}), 0, 2)[2].value == 10


def test_a_large_vm_restarts_in_no_sum_of_small_places() -> None:
    fleet = shelf([8, 8, 8, 8], [(0, 6)], 2)
    _, _, found = answer(fleet, policy({"rule": "capacity"}), 1)
    assert (found.value, found.bound) == (9, 9)  # by sums ten: six of the 24 left, but the large one takes three places
    assert found.broken == ()


@pytest.mark.slow
def test_what_does_not_survive_already_is_named_and_does_not_hide_the_rest() -> None:
    fleet = shelf([8, 4, 4, 4], [(0, 8)], 4)
    _, _, found = answer(fleet, policy({"rule": "capacity"}), 1)
    assert [(loss.name, missing) for loss, missing in found.broken] == [("h0", 1)]
    assert (found.value, found.bound) == (2, 2)


def test_a_move_in_flight_that_a_loss_ends_leaves_its_target_free() -> None:
    """Eight fit: h1 lost, v restarts on h0 and h2 takes all of them; h2 lost, v is still on h1, beside all of them."""
    hosts = [host("h0", memory=8), host("h1", memory=16), host("h2", memory=11)]
    vms = [vm("v", "h1", memory=8), vm("new", None, memory=1) | {"forbidden_hosts": ["h0"]}]
    moves = [{"id": "m", "vm": "v", "from": "h1", "to": "h2", "started_at": "2026-11-21T11:59:00Z"}]
    fleet = fleet_from_document(document(hosts, vms, in_flight=moves), "in flight")
    _, _, found = answer(fleet, policy({"rule": "capacity"}, "allowed", "eligible"), 1)
    assert (found.value, found.bound) == (8, 8)


@pytest.mark.parametrize("certain", [True, False])
def test_what_no_quick_packing_restarts_is_not_said_to_be_lost(certain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What h0 has fills h1 and h2 to the last unit: 20 5 3 2, 11 9 6 4."""
    monkeypatch.setattr("optimizer.whatif.spare_room._share", lambda _: None)
    if not certain:
        monkeypatch.setattr("optimizer.whatif.survive.settled", lambda left, _: left)
    fleet = shelf([60, 30, 30], [(0, n) for n in (20, 3, 5, 2, 6, 11, 4, 9)], 1)
    _, _, found = answer(fleet, policy({"rule": "capacity"}), 8)
    assert (found.value, found.broken) == (0, ())
    assert found.tried == (3 if certain else 2)
    assert found.proven is certain
