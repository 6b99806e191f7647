"""What Ganeti's hspace is told of a fleet, and how its answer is read."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from benchmarks.whatif.hspace import ALL, Flavour, HspaceAnswer, answer_of, cluster_text, flavour_rows
from tests.build import document, host, vm


def test_the_text_says_what_is_free_and_who_keeps_apart() -> None:
    hosts = [host("a", cpu=4000, memory=100, reserved={"memory_mib": 10}), host("b", cpu=4000, memory=100)]
    vms = [vm("x", "a", cpu=2000, memory=30, groups=["g"]), vm("y", "a", cpu=1500, memory=20)]
    hosts[1]["overcommit"] = {"cpu_millicores": "1.6"}
    text = cluster_text(document(hosts, vms), Flavour(3, 5))
    _, nodes, instances, tags, sizes = text.rstrip().split("\n\n")
    assert [line.split("|")[:7] for line in nodes.splitlines()] == [
        ["a", "90", "0", "40", "1000000", "1000000", "4"],
        ["b", "100", "0", "100", "1000000", "1000000", "6"],
    ]
    assert instances.splitlines() == ["x|30|0|2|running|Y|a||ext|apart:g|1", "y|20|0|2|running|Y|a||ext||1"]
    assert (tags, sizes.count("|")) == ("htools:iextags:apart", 5)
    assert sizes.startswith("|5120,3,1024,1,1,1|5120,3,1024,1,1,1;")


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


def test_the_flavours_are_the_plain_list_of_the_page() -> None:
    assert [str(one) for one in ALL] == [
        f"cpu={cores},memory={gib}GiB"
        for cores, memory in ((1, (3, 4, 6)), (2, (6, 8, 12)), (4, (12, 16, 24)))
        for gib in memory
    ]


def _answered(*found: tuple[int, int]) -> dict[str, Any]:
    survive = [
        {"value": v, "bound": b, "status": "proven" if v == b else "gap", "checked": 19, "sets": 20} for v, b in found
    ]
    return {"flavours": [{"flavour": f"f{i}", "fit": {"survive": one}} for i, one in enumerate(survive)]}


def test_a_list_of_flavours_is_held_against_all_that_hspace_took() -> None:
    theirs = [HspaceAnswer(7, 50.0), HspaceAnswer(1500, 60.0)]
    rows, well = flavour_rows(_answered((7, 7), (1500, 1502)), (1.0, 0.5), theirs)
    assert well
    assert rows == [
        ("f0", "7 (proven, 19 of 20 losses checked)", "", "", "7", "50.0", "", ""),
        ("f1", "1,500 (at most 1,502, 19 of 20 losses checked)", "", "", "1,500", "60.0", "", ""),
        ("all, asked together", "1 of 2 proven", "1.0", "0.500", "", "110.0", "110", "220"),
    ]


@pytest.mark.parametrize(
    ("values", "took", "well"),
    [((7, 7), 1.0, True), ((6, 7), 1.0, False), ((7, 6), 1.0, False), ((7, 7), 1.2, False)],
)
def test_a_list_is_well_where_no_flavour_has_fewer_and_all_take_a_hundredth(
    values: tuple[int, int], took: float, well: bool
) -> None:
    theirs = [HspaceAnswer(7, 50.0), HspaceAnswer(7, 60.0)]
    assert flavour_rows(_answered(*((v, v) for v in values)), (took, 0.1), theirs)[1] == well


def test_a_flavour_that_hspace_did_not_end_counts_what_it_took() -> None:
    rows, well = flavour_rows(_answered((1, 1)), (1.0, 0.5), [HspaceAnswer(None, 300.0)])
    assert well
    assert rows[0][4:6] == ("not ended", "over 300.0")
    assert rows[-1][5:] == ("over 300.0", "over 300", "over 600")


def _ended(code: int, printed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(("hspace",), code, printed, "no memory\n")
