"""A rule as a gate: what a fresh reading shows beyond what the plan foresees, and only that."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.execute.drivers import Unreadable
from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.execute.guards.gates import PolicyGates
from optimizer.execute.guards.reading import Standing, read_state, unforeseen
from optimizer.execution import Gate
from optimizer.fleet import HostState, Move, State
from tests import build
from tests.execute.plans import move, request_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Rule

POLICY = build.policy("capacity", "anti_affinity")
RULES: Mapping[str, Rule] = {rule.name: rule for rule in POLICY.rules}


def some() -> Fleet:
    return build.fleet(
        [build.host(f"h{i}", memory=100) for i in range(4)],
        [
            build.vm("a", "h0", memory=60, groups=["g"]),
            build.vm("b", "h0", memory=60, groups=["g"]),
            build.vm("c", "h1", memory=50),
        ],
    )


FLEET = some()
AT_START = Standing(FLEET)


class Watched(SimulatedDriver):
    """A driver whose hosts can be changed, and be unreadable."""

    changes: dict[str, Any]
    blind = False

    def read_host(self, host: str) -> Any:
        if self.blind:
            raise Unreadable("no answer")
        reading = super().read_host(host)
        assert reading is not None
        more = self.changes.get(host, {})
        return None if more is None else replace(reading, **more)


def driver(**changes: Any) -> Watched:
    made = Watched(FLEET)
    made.changes = changes
    return made


def closed(driver: Watched, standing: Standing = AT_START, *names: str) -> list[str]:
    gates = [Gate(name, 5.0, check=name) for name in names or ("capacity", "anti_affinity")]
    asked = PolicyGates(gates, RULES, {}, SimulatedClock(FLEET.taken_at))
    return list(asked.ask(standing, "plan-1", driver, lambda: None))


def test_what_was_there_at_the_start_closes_nothing() -> None:
    assert list(RULES["capacity"].check(State.start(FLEET)))
    assert closed(driver()) == []


def test_more_of_it_does() -> None:
    (found,) = closed(driver(h0={"capacity": {"memory_mib": 90}}))
    assert found.startswith("capacity: ")
    assert found.endswith("(the plan foresees 20)")


def test_a_vm_that_others_moved_is_counted_where_it_is() -> None:
    seen = driver()
    seen.world.place["c"] = "h0"
    (found,) = closed(seen)
    assert "h0" in found
    seen.world.place["a"] = "h1"  # as the plan would have it: better, not worse
    seen.world.place["c"] = "h2"
    assert closed(seen) == []


def test_a_vm_that_the_snapshot_does_not_know_takes_its_room() -> None:
    class WithNew(Watched):
        def read_vm(self, vm: str) -> Any:
            known = super().read_vm("c")
            assert known is not None
            return (
                replace(known, id="new", host="h1", demand={"memory_mib": 51}) if vm == "new" else super().read_vm(vm)
            )

    seen = WithNew(FLEET)
    seen.changes = {"h1": {"vms": frozenset({"c", "new"})}}
    (found,) = closed(seen)
    assert found.startswith("capacity: ")
    assert "h1" in found


def test_a_vm_that_is_gone_and_a_host_that_is_gone_close_nothing_by_themselves() -> None:
    seen = driver(h1=None, h3=None)
    seen.world.place["c"] = None
    assert closed(seen) == []
    state = read_state(Standing(FLEET), seen, lambda: None)
    assert HostState(state.fleet.hosts.state[3]) is HostState.DOWN


def test_a_vm_in_flight_counts_at_both_ends_in_both() -> None:
    planned = move(FLEET, 1, "b", "h0", "h1")
    seen = driver()
    seen.submit(request_of(planned))
    standing = Standing(FLEET, in_flight=(Move(1, 0, 1),))
    assert closed(seen, standing) == []
    assert closed(seen) != []  # of which the run knows nothing: somebody else's, and too much for h1


def test_what_was_done_is_foreseen() -> None:
    seen = driver()
    seen.world.place["b"] = "h2"
    assert closed(seen, Standing(FLEET, done=(Move(1, 0, 2),))) == []
    seen.world.place["b"] = "h0"  # and somebody took it back
    assert len(closed(seen, Standing(FLEET, done=(Move(1, 0, 2),)))) == 2


def test_what_cannot_be_read_closes_every_check() -> None:
    seen = driver()
    seen.blind = True
    assert [text.split(": ")[1] for text in closed(seen)] == ["the fleet cannot be read"] * 2


def test_a_reading_that_takes_too_long_closes() -> None:
    clock = SimulatedClock(FLEET.taken_at)
    seen, called = driver(), []

    class Slow(Watched):
        def read_host(self, host: str) -> Any:
            clock.sleep(3)
            return seen.read_host(host)

    slow = Slow(FLEET)
    gates = PolicyGates([Gate("capacity", 5.0, check="capacity")], RULES, {}, clock)
    assert gates.ask(Standing(FLEET), "plan-1", slow, lambda: called.append(1)) == [
        "capacity: reading the fleet takes longer than 5 s"
    ]
    assert called


def test_vms_on_hosts_that_are_read_closely_are_read_one_by_one() -> None:
    """One that has grown since the snapshot, on a host of which the VMs are the same."""

    class Grown(Watched):
        def read_vm(self, vm: str) -> Any:
            reading = super().read_vm(vm)
            assert reading is not None
            return replace(reading, demand={"memory_mib": 101}) if vm == "c" else reading

    seen = Grown(FLEET)
    seen.changes = {}
    rule = RULES["capacity"]
    assert unforeseen(rule, read_state(AT_START, seen, lambda: None), AT_START) is None
    found = unforeseen(rule, read_state(AT_START, seen, lambda: None, closely=["h1"]), AT_START, binding=True)
    assert found is not None
    assert (found[0].subject, found[0].excess) == ("h1", 1)


@pytest.mark.parametrize("seed", range(30))
def test_random_changes_close_exactly_what_they_make_worse(seed: int) -> None:
    """Against the rule itself, on a fleet with the changes written into its document."""
    rng = random.Random(seed)
    seen = driver()
    where = {vm: rng.choice([*FLEET.hosts.ids, None]) if rng.random() < 0.5 else None for vm in FLEET.vms.ids}
    places = {vm: host or FLEET.hosts.ids[FLEET.vms.host[v]] for v, (vm, host) in enumerate(where.items())}
    seen.world.place.update(places)
    hosts = [build.host(f"h{i}", memory=100) for i in range(4)]
    vms = [
        build.vm("a", places["a"], memory=60, groups=["g"]),
        build.vm("b", places["b"], memory=60, groups=["g"]),
        build.vm("c", places["c"], memory=50),
    ]
    after = State.start(build.fleet(hosts, vms))
    for rule in RULES.values():
        before = {v.instance: v.excess for v in rule.check(State.start(FLEET))}
        worse = any(v.excess > before.get(v.instance, 0) for v in rule.check(after))
        fresh = read_state(Standing(FLEET), seen, lambda: None)
        assert (unforeseen(rule, fresh, Standing(FLEET)) is not None) == worse
