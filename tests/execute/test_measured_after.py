"""What hosts report in use after moves: the simulated driver and the snapshot that `apply -o` writes say the same."""

from __future__ import annotations

from random import Random

import pytest

from optimizer.execute.drivers.simulated import SimulatedDriver
from optimizer.fleet import measured_after
from optimizer.sources.fleet_after import after_document
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.execute.plans import move, request_of


@pytest.mark.parametrize(
    ("measured", "before", "after", "then"),
    [
        (30, 20, 10, 20),  # 10 that is not attributed to any VM (host overhead) stay
        (20, 20, 0, 0),
        (10, 40, 20, 5),  # a quarter of what is allocated is used
        (10, 40, 120, 30),
        (1, 3, 2, 1),  # rounded up
        (7, 0, 5, 12),
        (0, 40, 80, 0),
        (0, 0, 9, 9),
    ],
)
def test_the_rule(measured: int, before: int, after: int, then: int) -> None:
    assert measured_after(measured, before, after) == then


@pytest.mark.parametrize("seed", range(40))
def test_driver_and_document_agree(seed: int) -> None:
    """Random fleets, some with VMs that others move, some hosts that measure nothing, some moves that fail."""
    rng = Random(seed)
    hosts = [
        build.host(f"h{h}", memory=10_000, disk=10_000, measured={"memory_mib": rng.randrange(400)} if h else {})
        | (
            {"measured": {"memory_mib": rng.randrange(99), "disk_mib": rng.randrange(400)}}
            if rng.random() < 0.5
            else {}
        )
        for h in range(4)
    ]
    vms = [
        build.vm(f"v{v}", f"h{rng.randrange(4)}", memory=rng.randrange(1, 99), disk=rng.randrange(99)) for v in range(8)
    ]
    theirs = {"id": "x", "vm": "v7", "from": vms[7]["host"], "started_at": build.TAKEN_AT, "by": "other"}
    theirs["to"] = rng.choice([h["id"] for h in hosts if h["id"] != vms[7]["host"]])
    document = build.document(hosts, vms, in_flight=[theirs] if rng.random() < 0.5 else [])
    fleet = fleet_from_document(document, "test")
    fail = {f"m{n:04}" for n in range(7) if rng.random() < 0.2}
    driver = SimulatedDriver(fleet, fail)
    for n in rng.sample(range(7), 4):
        target = rng.choice([h["id"] for h in hosts if h["id"] != vms[n]["host"]])
        driver.submit(request_of(move(fleet, n, f"v{n}", vms[n]["host"], target)))
        if rng.random() < 0.5:
            driver.clock.sleep(rng.randrange(99))
    while driver.world.running():
        driver.clock.sleep(1)
        driver.migrating()
    then = driver.snapshot()
    written = fleet_from_document(after_document(document, then.history, driver.clock.now()), "after")
    assert written.hosts.measured.tolist() == then.hosts.measured.tolist()
    assert written.vms.host.tolist() == then.vms.host.tolist()
    assert written.unexplained.tolist() == then.unexplained.tolist()
