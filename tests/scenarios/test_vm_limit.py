"""A host over its limit of VMs: it may be left, it is not entered, and it is no reason to move anybody."""

from __future__ import annotations

import pytest

from optimizer.plan import Status
from tests.build import Document, document, host, policy, vm
from tests.scenarios.outcome import solve

RULES = policy("capacity", "anti_affinity", "eligible")


def crowded(*, pair: bool, overloaded: bool) -> Document:
    """h0 has 5 VMs where 3 are allowed and plenty of memory; h1 is overloaded, if asked; h2 has some room."""
    hosts = [host("h0", memory=100, max_vms=3), host("h1", memory=10), host("h2", memory=12)]
    vms = [
        *(vm(f"v{i}", "h0", memory=2, groups=["pair"] if pair and i < 2 else []) for i in range(5)),
        vm("big", "h1", memory=8),
        vm("more", "h1", memory=6 if overloaded else 2),
        vm("rest", "h2", memory=8),
    ]
    return document(hosts, vms, groups=[{"id": "pair", "rules": [{"rule": "anti_affinity", "level": "host"}]}])


def test_it_is_no_reason_to_move() -> None:
    found = solve(crowded(pair=False, overloaded=False), RULES)
    assert found.status is Status.NOTHING_TO_DO
    assert found.plan.moves == ()


def test_it_may_be_left() -> None:
    found = solve(crowded(pair=True, overloaded=False), RULES).proven().clean()
    assert {(m.source, m.target) for m in found.plan.moves} == {("h0", "h2")}
    assert {m.vm for m in found.plan.moves} < {"v0", "v1"}


def test_it_is_not_entered_though_it_has_the_only_room() -> None:
    found = solve(crowded(pair=False, overloaded=True), RULES)
    assert found.plan.moves == ()
    assert found.remaining == {("capacity", "h1", 4)}
    assert found.value("harm") == 400


@pytest.mark.slow
def test_it_is_not_entered_even_when_somebody_has_left_it() -> None:
    """One of the pair leaves, which makes 4 of 3: still nobody comes."""
    found = solve(crowded(pair=True, overloaded=True), RULES)
    assert {(m.source, m.target) for m in found.plan.moves} == {("h0", "h2")}
    assert found.remaining == {("capacity", "h1", 4)}
