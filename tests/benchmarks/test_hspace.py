"""What Ganeti's hspace is told of a fleet."""

from __future__ import annotations

from benchmarks.whatif.hspace import cluster_text
from tests.build import document, host, vm


def test_the_text_says_what_is_free_and_who_keeps_apart() -> None:
    hosts = [host("a", cpu=4000, memory=100, reserved={"memory_mib": 10}), host("b", cpu=4000, memory=100)]
    vms = [vm("x", "a", cpu=2000, memory=30, groups=["g"]), vm("y", "a", cpu=1500, memory=20)]
    hosts[1]["overcommit"] = {"cpu_millicores": "1.6"}
    text = cluster_text(document(hosts, vms))
    _, nodes, instances, tags, sizes = text.rstrip().split("\n\n")
    assert [line.split("|")[:7] for line in nodes.splitlines()] == [
        ["a", "90", "0", "40", "1000000", "1000000", "4"],
        ["b", "100", "0", "100", "1000000", "1000000", "6"],
    ]
    assert instances.splitlines() == ["x|30|0|2|running|Y|a||ext|apart:g|1", "y|20|0|2|running|Y|a||ext||1"]
    assert (tags, sizes.count("|")) == ("htools:iextags:apart", 5)
