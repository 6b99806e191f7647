"""What differs between two plans, against a plain look at where each leaves each VM."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from optimizer.plan import PlannedMove, Remaining
from optimizer.report.plan_diff import describe_diff, diff_page
from optimizer.report.render import plain_lines
from tests import build
from tests.command_line import refused, run, write
from tests.report.large_plan import large_plan

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.plan import Plan

HOSTS, VMS = 4, 8


def random_plan(draw: random.Random) -> Plan:
    """Return a plan of random moves, some by a hop; VM i begins on host i mod 4."""
    moves: list[PlannedMove] = []
    for vm in draw.sample(range(VMS), draw.randint(0, VMS)):
        at = [vm % HOSTS]
        for _ in range(draw.choice((1, 1, 2))):
            at.append(draw.choice([h for h in range(HOSTS) if h != at[-1]]))
        if at[-1] == at[0]:
            continue
        for i, (a, b) in enumerate(pairwise(at)):
            hop = i < len(at) - 2
            moves.append(PlannedMove(f"m{len(moves)}", f"v{vm}", f"h{a}", f"h{b}", (), 1, hop, 1.0, 10, (), "because"))
    left = [Remaining("capacity", f"h{h}", draw.randint(1, 2), "", "") for h in range(HOSTS) if draw.random() < 0.5]
    return replace(large_plan(14), moves=tuple(moves), remaining=tuple(left), batches=())


def ends(plan: Plan) -> dict[str, list[str]]:
    """Return the hosts that each VM visits, the first it stands on included."""
    at = {f"v{i}": [f"h{i % HOSTS}"] for i in range(VMS)}
    for move in plan.moves:
        assert at[move.vm][-1] == move.source
        at[move.vm].append(move.target)
    return at


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_it_is_what_a_plain_look_says(seed: int) -> None:
    draw = random.Random(seed)
    first, second = random_plan(draw), random_plan(draw)
    a, b = ends(first), ends(second)
    facts = describe_diff(first, second)
    moved = [v for v in a if len(a[v]) > 1 or len(b[v]) > 1]
    assert {w.vm for w in facts.added} == {v for v in moved if len(a[v]) == 1}
    assert {w.vm for w in facts.dropped} == {v for v in moved if len(b[v]) == 1}
    both = [v for v in moved if len(a[v]) > 1 and len(b[v]) > 1]
    assert {(w.vm, w.first, w.second) for w in facts.retargeted} == {
        (v, a[v][-1], b[v][-1]) for v in both if a[v][-1] != b[v][-1]
    }
    assert {w.vm for w in facts.rerouted} == {v for v in both if a[v][-1] == b[v][-1] and a[v] != b[v]}
    assert facts.same == sum(a[v] == b[v] for v in both)
    left = [{(r.subject, r.excess) for r in plan.remaining} for plan in (first, second)]
    assert {(one.subject, one.excess) for one in facts.left_by_first} == left[0] - left[1]
    assert {(one.subject, one.excess) for one in facts.left_by_second} == left[1] - left[0]
    back = describe_diff(second, first)
    assert {w.vm for w in back.added} == {w.vm for w in facts.dropped}
    same = describe_diff(first, first)
    assert same.is_empty
    assert facts.is_empty is (a == b and left[0] == left[1])
    lines = list(plain_lines(diff_page(facts)))
    assert sum(line.strip().startswith("v") and " h" in line for line in lines) == len(moved) - facts.same


def test_the_command(tmp_path: Path) -> None:
    hosts = [build.host(f"h{h}", memory=10) for h in range(3)]
    vms = [build.vm("a<b>", "h0", memory=6), build.vm("b", "h0", memory=6), build.vm("c", "h1", memory=1)]
    fleet = write(tmp_path / "f.json", build.document(hosts, vms))
    first, second, html = tmp_path / "1.json", tmp_path / "2.json", tmp_path / "d.html"
    assert run("plan", fleet, "-o", first).code == 0
    assert run("plan", fleet, "--exclude", "a<b>", "-o", second).code == 0
    assert "both plans make the same 1 move" in run("diff", first, first).out
    outcome = run("diff", first, second, "--report", html)
    assert outcome.code == 0
    facts = run("diff", first, second, "--json").json
    assert facts["one_fleet"]
    assert not facts["one_scope"]
    assert facts["first"]["moves"] == facts["second"]["moves"] == 1
    assert "<b>" not in html.read_text()
    assert "is not" in refused("diff", first, fleet) or "remora-plan/1" in refused("diff", first, fleet)
    assert "by its ending" in refused("diff", first, second, "--report", second)
