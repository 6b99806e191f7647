"""VMs that are idle, too large, too small or noisy."""

from __future__ import annotations

from optimizer.sources.fleet_json import fleet_from_document
from optimizer.whatif.size import Judgement, Pair, Thresholds, judged, size
from tests.build import document, host, vm


def test_each_is_judged_by_what_it_uses_and_noise_comes_first() -> None:
    used = {
        "idle": 10,
        "large": 1000,
        "right": 4000,
        "small": 7900,
        "loud": 10,
        "stopped": 5,
        "nothing": 5,
        "least": 1,
        "unmeasured": 0,
    }
    vms = [
        vm(name, "h0", cpu=8000, memory=n) | ({"noise": {"cpu": 0.7}} if name == "loud" else {})
        for name, n in used.items()
    ]
    by_name = {one["id"]: one for one in vms}
    by_name["stopped"]["state"] = "stopped"
    by_name["nothing"]["demand"] = {"memory_mib": 5}
    by_name["least"]["demand"] = {"cpu_millicores": 500, "memory_mib": 1}
    fleet = fleet_from_document(document([host("h0", cpu=10**6, memory=10**6)], vms), "sizes")
    pair = Pair("memory_mib", "cpu_millicores")
    assert {fleet.vms.ids[v] for v in judged(fleet, pair)} == used.keys() - {"stopped", "nothing", "unmeasured"}
    found = {fleet.vms.ids[s.vm]: s for s in size(fleet, pair, Thresholds())}
    assert {name: s.judgement for name, s in found.items()} == {
        "idle": Judgement.IDLE,
        "large": Judgement.TOO_LARGE,
        "small": Judgement.TOO_SMALL,
        "loud": Judgement.NOISY,
    }
    assert [found[n].recommended for n in ("idle", "large", "small", "loud")] == [500, 2000, 15800, None]
