"""VMs that have to change places while nothing may be overloaded and nobody may meet."""

from __future__ import annotations

from optimizer.plan import Status
from tests.build import Document, document, host, policy, vm
from tests.scenarios.outcome import solve

RULES = policy("capacity", "anti_affinity", "needs", "allowed")


def exchange(third: int, *, room: int = 8, rivals: bool = False) -> Document:
    """v0 needs its cache, which cannot leave h1, and v1 the one on h0; h2 may be passed through."""
    hosts = [host("h0", memory=room), host("h1", memory=room), host("h2", memory=third)]
    both = ["rivals"] if rivals else []
    vms = [
        vm("v0", "h0", memory=8, groups=["app0", *both]),
        vm("v1", "h1", memory=8, groups=["app1", *both]),
        vm("c0", "h1", memory=0, groups=["cache0"], mobility="none"),
        vm("c1", "h0", memory=0, groups=["cache1"], mobility="none"),
    ]
    groups: list[Document] = [
        {"id": f"app{i}", "rules": [{"rule": "needs", "level": "host", "with": f"cache{i}"}]} for i in (0, 1)
    ]
    groups += [{"id": f"cache{i}", "rules": []} for i in (0, 1)]
    return document(hosts, vms, groups=groups)


def test_two_full_hosts_exchange_over_a_third() -> None:
    found = solve(exchange(8), RULES).proven().clean()
    assert found.value("moving") == len(found.plan.moves) == 3
    assert [m.staging for m in found.plan.moves].count(True) == 1
    assert {m.target for m in found.plan.moves if m.staging} == {"h2"}
    assert found.end().placement.tolist() == [1, 0, 1, 0]


def test_two_full_hosts_cannot_exchange_without_a_third() -> None:
    found = solve(exchange(7), RULES)
    assert found.plan.moves == ()
    assert found.value("harm") == 2000
    assert found.remaining == {("needs", "app0|cache0", 1), ("needs", "app1|cache1", 1)}
    assert found.status in (Status.OPTIMAL, Status.NO_PLAN_IN_TIME)


def test_two_anti_affine_vms_that_swap_never_meet() -> None:
    """However much room there is: not at rest, and not while one of them is in flight."""
    found = solve(exchange(100, room=100, rivals=True), RULES).proven().clean()
    assert found.value("moving") == 3
    for state in found.states():
        vms, hosts = state.presence
        where = [set(hosts[vms == v].tolist()) for v in (0, 1)]
        assert not where[0] & where[1]


def test_without_the_rivalry_they_pass_each_other() -> None:
    """The same room, but nothing forbids them to meet: two moves, no hop."""
    found = solve(exchange(100, room=100), RULES).proven().clean()
    assert found.value("moving") == 2
    assert not any(m.staging or m.after for m in found.plan.moves)
