"""`whatif lose` against every way to restart, on random fleets with every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from constraints import CATALOGUE
from optimizer.clock import SystemClock
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import policy_from_document
from optimizer.whatif.any_loss import lose_any
from optimizer.whatif.effort import Effort
from optimizer.whatif.lose import accepted, lose
from optimizer.whatif.loss import each_of, each_to_lose, together
from optimizer.whatif.packing import pairs_of
from optimizer.whatif.restart import Restarts
from optimizer.whatif.spare import spares
from tests.build import Document, document, host, policy, vm
from tests.oracle.problems import tiny_documents
from tests.whatif.losses import most_restarted, ways

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.whatif.lose import Lost
    from optimizer.whatif.loss import Loss

CHUNK = 20
MOST_WAYS, MOST_WAYS_OF_TWO = 300, 64


def effort(seconds: float = 60) -> Effort:
    clock = SystemClock()
    return Effort(clock, clock.monotonic() + seconds, workers=1)


def lost_of(of: Fleet, rules: Policy, losses: list[Loss] | None = None) -> Lost:
    answer = lose(Restarts(of, rules), losses or each_to_lose(of), effort())
    assert answer.checked == answer.survived
    return answer


def case(number: int) -> tuple[Document, Fleet, Policy]:
    snapshot, rules = tiny_documents(number)
    return snapshot, fleet_from_document(snapshot, "tiny"), policy_from_document(rules, "policy", CATALOGUE)


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 33))])
def test_as_many_restart_as_trying_everything_finds(chunk: int) -> None:
    seen = set()
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        snapshot, of, rules = case(number)
        for outcome in lost_of(of, rules).outcomes:
            names = [of.hosts.ids[h] for h in np.flatnonzero(outcome.loss.lost).tolist()]
            if ways(snapshot, names) > MOST_WAYS:
                continue
            found = (len(outcome.vms), outcome.restarted, outcome.bound)
            vms, most = most_restarted(snapshot, rules, names)
            assert found == (vms, most, most), f"problem {number}, loss of {outcome.loss.name}"
            seen.add(vms - most)
    assert len(seen) > 1


def shelf(*sizes: int, used: dict[str, tuple[int, int]], **more: object) -> Fleet:
    """Return hosts of these sizes, and VMs by name: on which host, of which size."""
    hosts = [host(f"h{i}", memory=n, rack=f"r{i // 2}") for i, n in enumerate(sizes)]
    vms = [vm(name, f"h{at}", memory=n) for name, (at, n) in used.items()]
    return fleet_from_document(document(hosts, vms, **more), "shelf")


def test_a_vm_of_three_quarters_of_a_host_is_not_restarted_by_sums() -> None:
    of = shelf(8, 8, 8, 8, used={"big": (0, 6), "a": (1, 4), "b": (2, 4), "c": (3, 4)})
    answer = lost_of(of, policy({"rule": "capacity"}), each_of(of, 0))
    assert [(o.loss.name, o.missing, o.fails) for o in answer.outcomes][:2] == [("h0", 1, True), ("h1", 0, False)]


def test_a_pool_that_is_broken_at_the_start_does_not_hide_the_others() -> None:
    used = {"x": (0, 6), "y": (0, 6), "z": (1, 8), "a": (2, 3), "b": (3, 3)}
    of = shelf(8, 8, 8, 8, used=used, move_within="rack")
    answer = lost_of(of, policy({"rule": "capacity"}, "eligible"), each_of(of, 0))
    found = {o.loss.name: (o.missing, o.missing_at_least) for o in answer.outcomes}
    assert found == {"h0": (2, 2), "h1": (1, 1), "h2": (0, 0), "h3": (0, 0)}


def test_what_is_added_is_enough_and_one_less_is_not() -> None:
    of = shelf(8, 8, 8, used={"a": (0, 6), "b": (1, 6), "c": (2, 6)})
    rules = policy({"rule": "capacity"})
    answer = lost_of(of, rules, each_of(of, 0))
    assert (answer.survived, answer.failed, answer.missing, answer.proven) == (0, 3, 1, True)
    found = spares(answer.restarts, answer.outcomes, effort())
    assert [(s.like, s.number, s.apart) for s in found] == [(0, 1, False)]


def test_stopped_vms_restart_only_if_they_are_asked_for() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8)]
    vms = [vm("a", "h0", memory=8, state="stopped"), vm("b", "h1", memory=8)]
    of = fleet_from_document(document(hosts, vms), "stopped")
    rules = policy({"rule": "capacity"})
    first = [together(of, [0])]
    assert lose(Restarts(of, rules), first, effort()).survived == 1
    assert lose(Restarts(of, rules, stopped=True), first, effort()).failed == 1


def test_a_migration_that_loses_an_end_is_over() -> None:
    hosts = [host("h0", memory=8), host("h1", memory=8), host("h2", memory=4)]
    moving = [{"id": "x", "vm": "a", "from": "h0", "to": "h1", "started_at": "2026-11-21T11:50:00Z", "by": "other"}]
    vms = [vm("a", "h0", memory=6), vm("b", "h2", memory=4)]
    of = fleet_from_document(document(hosts, vms, in_flight=moving), "moving")
    rules = policy({"rule": "capacity"})
    found = {o.loss.name: (len(o.vms), o.missing) for o in lost_of(of, rules, each_of(of, 0)).outcomes}
    assert found == {"h0": (1, 0), "h1": (0, 0), "h2": (1, 1)}


def test_a_packing_that_breaks_a_rule_is_not_accepted() -> None:
    of = shelf(8, 8, 8, used={"a": (0, 4), "b": (0, 4), "c": (1, 4)})
    answer = lost_of(of, policy({"rule": "capacity"}), each_of(of, 0))
    outcome = next(o for o in answer.outcomes if o.loss.name == "h0")
    wrong = np.zeros_like(outcome.numbers)
    wrong[0, 1] = 2
    assert accepted(answer.restarts, outcome.loss, outcome.created)
    assert not accepted(answer.restarts, outcome.loss, pairs_of(outcome.room.kinds, wrong))


@pytest.mark.parametrize("chunk", [0, *(pytest.param(c, marks=pytest.mark.rotating) for c in range(1, 26))])
def test_any_two_hosts_against_trying_everything(chunk: int) -> None:
    seen = set()
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        snapshot, of, rules = case(number)
        answer = lose_any(Restarts(of, rules), 2, effort())
        assert answer.tried == answer.sets == len(of.hosts) * (len(of.hosts) - 1) // 2
        bad = {o.loss.name: (o.missing, o.missing_at_least) for o in answer.outcomes}
        pairs = [(a, b) for a in of.hosts.ids for b in of.hosts.ids if of.host_index[a] < of.host_index[b]]
        if any(ways(snapshot, pair) > MOST_WAYS_OF_TWO for pair in pairs):
            continue
        for pair in pairs:
            vms, most = most_restarted(snapshot, rules, pair)
            assert bad.get(" ".join(pair), (0, 0)) == (vms - most, vms - most), f"problem {number}, loss of {pair}"
            seen.add(vms - most)
    assert len(seen) > 1
