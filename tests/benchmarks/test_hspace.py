"""What Ganeti's hspace is told of a fleet, and how its answer is read."""

from __future__ import annotations

import signal
import subprocess

import pytest

from benchmarks.whatif.hspace import HspaceAnswer, answer_of, cluster_text
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


def test_an_answer_counts_half_of_the_work() -> None:
    assert answer_of(_ended(0, "HTS_OK=1\nHTS_ALLOC_INSTANCES=7\n"), 8.0) == HspaceAnswer(7, 4.0)


def test_what_its_limit_ended_took_what_it_took() -> None:
    assert answer_of(_ended(-signal.SIGXCPU, ""), 1190.0) == HspaceAnswer(None, 595.0)


@pytest.mark.parametrize(
    ("code", "printed"), [(-signal.SIGKILL, ""), (1, "HTS_OK=1\nHTS_ALLOC_INSTANCES=7\n"), (0, "HTS_OK=0\n"), (0, "")]
)
def test_any_other_end_without_an_answer_is_an_error(code: int, printed: str) -> None:
    with pytest.raises(RuntimeError, match=f"exited with {code}: no memory"):
        answer_of(_ended(code, printed), 1200.0)


def _ended(code: int, printed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(("hspace",), code, printed, "no memory\n")
