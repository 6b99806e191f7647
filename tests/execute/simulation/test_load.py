"""What hosts may hold at each instant: the judge against histories written by hand, and a bug that it has to find."""

from __future__ import annotations

from typing import Any

import pytest

from tests.execute.simulation.history import lives_of
from tests.execute.simulation.load import Loads, overloads
from tests.execute.simulation.planted import after_is_ignored
from tests.execute.simulation.simulate import simulate, without_admission

MIB = {"a": 10, "b": 20, "c": 5}
MOVES = {"m1": ("b", "h1", "h2", []), "m2": ("a", "h0", "h1", ["m1"])}
"""b makes way for a, which is to follow; c stays on h1: with a on its way that holds 15 MiB, before it 25."""


def submit(move: str, plan: str = "plan-1", source: str = "") -> dict[str, Any]:
    vm, at, target, _ = MOVES[move]
    return {
        "what": "submit",
        "token": f"{plan}/{move}",
        "plan": plan,
        "move": move,
        "vm": vm,
        "source": source or at,
        "target": target,
    }


def start(move: str, plan: str = "plan-1") -> dict[str, Any]:
    return {"what": "start", "token": f"{plan}/{move}", "vm": MOVES[move][0]}


def end(move: str, at: str) -> dict[str, Any]:
    return {"what": "end", "token": f"plan-1/{move}", "vm": MOVES[move][0], "at": at}


FIRST = [submit("m1"), start("m1"), end("m1", "h2")]


@pytest.mark.parametrize(
    ("history", "found"),
    [
        ([*FIRST, submit("m2"), start("m2"), end("m2", "h1")], None),
        ([*FIRST[:2], submit("m2"), start("m2")], "plan-1/m2: h1 holds 35 MiB, at most 25 by its plan"),
        ([submit("m1"), start("m1"), end("m1", "h1"), submit("m2"), start("m2")], "h1 holds 35 MiB"),
        ([submit("m1"), submit("m2"), start("m2")], "h1 holds 35 MiB"),  # the first never began: b is where it was
        ([{"what": "moved", "vm": "b", "at": "h1"}, *FIRST[:2]], None),  # b came by others
        ([submit("m1"), start("m1"), end("m1", "h0")], None),  # the platform took it elsewhere: not by the plan
        ([*FIRST[:2], {"what": "takeover", "plan": "plan-2"}, end("m1", "h2")], None),  # open as the next begins
        ([*FIRST, {"what": "takeover", "plan": "plan-2"}, submit("m2", "plan-2"), start("m2", "plan-2")], "most 5 by"),
    ],
)
def test_the_judge_of_loads_finds(history: list[dict[str, Any]], found: str | None) -> None:
    facts = Loads(MIB, {"a": "h0", "b": "h1", "c": "h1"}, {"plan-1": MOVES, "plan-2": {}})
    said = list(overloads(history, facts, lives_of(history)))
    assert said == [] if found is None else any(found in one for one in said), said


def test_a_way_round_counts_where_a_vm_may_be() -> None:
    """b leaves h1 for h2 and comes back; a may come to h1 in between, or at any time before b has left: never both."""
    there_and_back = {
        "m1": ("b", "h1", "h2", []),
        "m2": ("a", "h0", "h1", ["m1"]),
        "m3": ("a", "h1", "h3", ["m2"]),
        "m4": ("b", "h2", "h1", ["m3"]),
    }
    facts = Loads(MIB, {"a": "h0", "b": "h1"}, {"plan-1": there_and_back})
    back = [{**submit("m1"), "token": "plan-1/m4", "target": "h1"}, {**start("m1"), "token": "plan-1/m4"}]
    history = [*FIRST, submit("m2"), start("m2"), end("m2", "h1"), *back]
    said = next(overloads(history, facts, lives_of(history)))
    assert "h1 holds 30 MiB, at most 20" in said


def test_a_move_that_does_not_wait_is_found_by_what_hosts_hold() -> None:
    with without_admission(), pytest.MonkeyPatch.context() as patch:
        after_is_ignored(patch)
        assert any("MiB, at most" in one for seed in range(12) for one in simulate(seed).broken)
