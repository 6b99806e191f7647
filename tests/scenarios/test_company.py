"""Groups that belong together, when the place where they are has to be left: they move as one, by repair alone."""

from __future__ import annotations

import pytest

from tests.build import Document, document, host, vm
from tests.scenarios.outcome import solve

TOGETHER = [{"id": "team", "rules": [{"rule": "together", "level": "rack"}]}]


def racks(draining: tuple[int, ...]) -> Document:
    """Three racks of three hosts, two VMs and (in the first rack) one of the team on each."""
    hosts = [
        host(f"h{i}", cpu=64000, memory=65536, rack=f"r{i // 3}", state="draining" if i in draining else "active")
        for i in range(9)
    ]
    vms = [vm(f"t{i}", f"h{i}", cpu=1000, memory=4096, groups=["team"]) for i in range(3)]
    vms += [vm(f"v{i}", f"h{i % 9}", cpu=1000, memory=4096) for i in range(18)]
    return document(hosts, vms, groups=TOGETHER)


@pytest.mark.parametrize(("draining", "moves", "leave"), [((0,), 3, False), ((0, 1, 2), 9, True)])
def test_a_group_leaves_its_rack_as_one_and_only_if_it_must(
    draining: tuple[int, ...], moves: int, *, leave: bool
) -> None:
    found = solve(racks(draining), path="repair").proven().clean()
    assert found.value("moving") == moves
    rack = {found.fleet.hosts.domain[1, found.end().placement[found.fleet.vm_index[f"t{i}"]]] for i in range(3)}
    assert len(rack) == 1
    assert (rack != {0}) is leave
