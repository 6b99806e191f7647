"""Emptying a host of a large, nearly full fleet."""

from __future__ import annotations

from random import Random

from optimizer.plan import Status
from tests.build import Document, document, host, vm
from tests.scenarios.outcome import solve

GIB = 1024


def fleet_of_300(*, draining: str | None) -> Document:
    """300 hosts and 2,200 VMs at about 90 % of memory; 14 of the VMs on `h7`."""
    rng = Random(7)
    hosts = [host(f"h{h}", cpu=64_000, memory=128 * GIB, rack=f"r{h // 20}") for h in range(300)]
    vms = []
    for h in range(300):
        count = 14 if h == 7 else 8 if h < 15 or h % 3 == 0 else 7
        sizes = [rng.choice((4, 8)) if h == 7 else rng.choice((8, 16, 24)) for _ in range(count)]
        while sum(sizes) > 124:
            sizes[sizes.index(max(sizes))] -= 8
        vms += [vm(f"v{h}-{i}", f"h{h}", cpu=2000, memory=n * GIB) for i, n in enumerate(sizes)]
    del vms[2200:]
    for entry in hosts:
        if entry["id"] == draining:
            entry["state"] = "draining"
    return document(hosts, vms)


def test_draining_a_host_moves_its_14_vms_and_no_other() -> None:
    whole = fleet_of_300(draining="h7")
    assert (len(whole["hosts"]), len(whole["vms"])) == (300, 2200)
    found = solve(whole).proven().clean()
    assert {m.source for m in found.plan.moves} == {"h7"}
    assert found.value("moving") == len(found.plan.moves) == 14
    assert not any(m.after or m.staging for m in found.plan.moves)


def test_without_the_drain_there_is_nothing_to_do() -> None:
    assert solve(fleet_of_300(draining=None)).status is Status.NOTHING_TO_DO


def test_a_millisecond_gives_a_safe_answer_or_none() -> None:
    """A time-out is never called impossible, claims nothing that is not so, and names what remains."""
    found = solve(fleet_of_300(draining="h7"), seconds=0.001)
    assert found.status in (Status.NO_PLAN_IN_TIME, Status.FEASIBLE, Status.OPTIMAL)
    assert found.bound("harm") == 0
    assert found.bound("moving") <= 14
    if found.status is Status.NO_PLAN_IN_TIME:
        assert found.plan.moves == ()
        assert len(found.plan.remaining) == 14
