"""The ablation: what it switches, how it judges pairs, and that the command prints it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.ablation.classes import CLASSES, COSTS, GIVEN
from benchmarks.ablation.compare import EVERYWHERE, Comparison, Count, compared, pooled, steadied
from benchmarks.ablation.given import has_given
from benchmarks.ablation.measure import Result, planned
from benchmarks.ablation.mechanisms import COST, NOTHING, REPAIR
from benchmarks.ablation.report import as_markdown, paying
from benchmarks.regression import check
from benchmarks.regression.shown import SHOWN, shown_figures
from optimizer.check import check as violations
from optimizer.parameters import Parameters
from tests.command_line import run


def result(moves: int, *, harm: int = 0, bound: int = 0, placement: int = 0, cpu_s: float = 1.0) -> Result:
    return Result((harm, moves), (0, bound), placement, cpu_s)


def test_each_mechanism_switches_something_off_and_the_control_nothing() -> None:
    for mechanisms in (REPAIR, COST):
        assert mechanisms[NOTHING] == Parameters()
        assert len(set(map(repr, mechanisms.values()))) == len(mechanisms)


@pytest.mark.parametrize("kind", CLASSES)
def test_fleets_of_a_class_are_the_same_for_the_same_seed_and_have_something_to_repair(
    kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == GIVEN:
        request.getfixturevalue("data_dir")  # skips where there is none, and says so
        assert has_given()
    (first, policy), (again, _), (other, _) = (CLASSES[kind].make(seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest
    assert violations(first, policy)
    assert set(CLASSES[kind].mechanisms or ()) <= set(REPAIR)


def test_the_same_plan_comes_out_twice() -> None:
    fleet, policy = CLASSES["tiny"].make(2)
    first, second = (planned(fleet, policy, 1.0, Parameters()) for _ in range(2))
    assert replace(first, cpu_s=0.0) == replace(second, cpu_s=0.0)
    assert first.values == (0, 1)


def test_four_out_of_four_are_no_chance_and_three_of_four_may_be() -> None:
    assert Count(4, 0).pays
    assert Count(0, 4).harms
    assert not Count(3, 0).pays
    assert not Count(3, 1).pays
    assert not Count(0, 0).pays


def test_plans_come_before_bounds_and_these_before_the_tie_break() -> None:
    on = [result(5), result(5, bound=5), result(5, placement=7), result(5)]
    off = [result(6, bound=6), result(5, bound=4, placement=1), result(5, placement=9), result(4, harm=1)]
    found = compared("x", "y", on, off)
    assert (found.plan, found.bound, found.placement) == (Count(2, 0), Count(1, 0), Count(1, 0))
    assert found.cost == 1.0
    assert found.gap == (0.75, 0.5)


def test_time_counts_beyond_noise_and_only_where_plans_are_no_better_without() -> None:
    on = [result(5, cpu_s=1.0)] * 4
    assert compared("x", "y", on, [result(5, cpu_s=c) for c in (1.3, 1.4, 1.3, 1.4)]).pays == ("CPU",)
    assert compared("x", "y", on, [result(5, cpu_s=c) for c in (1.0, 1.1, 1.0, 1.1)]).pays == ()
    assert compared("x", "y", on, [result(4, cpu_s=c) for c in (1.3, 1.4, 1.3, 1.4)]).pays == ()


def test_what_planning_twice_differs_by_is_no_difference() -> None:
    on, slower = [result(5)] * 4, [result(5, cpu_s=1.4)] * 4
    assert steadied([compared("x", "y", on, slower)], NOTHING)[0].pays == ("CPU",)
    noisy = compared(NOTHING, "y", on, [result(5, cpu_s=1.3)] * 4)
    assert steadied([noisy, compared("x", "y", on, slower)], NOTHING)[1].pays == ()


def test_what_wins_on_one_fleet_of_each_class_and_loses_on_none_wins_over_all() -> None:
    pair = [result(5)] * 2, [result(5), result(6)]
    assert compared("x", "y", *pair).pays == ()
    found = pooled({f"class {n}": pair for n in range(4)}, "x")
    assert (found.kind, found.fleets, found.plan, found.pays) == (EVERYWHERE, 8, Count(4, 0), ("plan",))


def test_the_table_says_what_pays_nowhere() -> None:
    on, worse = [result(5)] * 4, [result(6)] * 4
    rows: list[Comparison] = [compared("a", "k", on, on), compared("b", "k", on, worse), compared("b", "l", on, on)]
    assert paying(rows) == {"a": [], "b": ["k"]}
    text = as_markdown(rows)
    assert "| b | k | 4 / 0 |" in text
    assert "beyond noise: a." in text
    assert "from 0" in as_markdown([compared("b", "k", on, [result(5, harm=3)] * 4)])


SHOWS = {
    "extra starts": "packed",
    "ejection chains": "tight",
    "full hosts": "chains, small",
    "wider chains": "pools",
    "group moves": "many-groups",
    "groups as one": "together",
    "neighbourhood search": "packed",
    "phases": "packed",
    "trimming": "tight",
    "staging hops": "swaps",
    "whole model": "swaps",
    "affordable": "budget",
    "refutation": "make-way",
    "exhaustive search": "tiny",
    "even out": "uneven",
    "even out by model": "uneven",
}
"""The class of the regression check on which each mechanism of plans shows."""


SHOWS_IN_TIME = {"trade-off curves": "hotspots", "subsets": "hotspots, vCPUs"}
"""The class on which each mechanism that spares models shows, in the time that planning takes."""


def test_each_class_of_the_check_is_there_for_a_mechanism() -> None:
    assert set(SHOWS.values()) == set(SHOWN)


def test_each_mechanism_of_plans_shows_somewhere() -> None:
    assert {*SHOWS, *SHOWS_IN_TIME} == set(REPAIR) - {NOTHING}


@pytest.mark.rotating
@pytest.mark.parametrize("mechanism", SHOWS_IN_TIME)
def test_planning_takes_longer_without_a_mechanism_that_spares_models(mechanism: str) -> None:
    """By half at least; measured: by 130 to 180 %."""
    fleet, policy = CLASSES[SHOWS_IN_TIME[mechanism]].make(1)
    with_it, without = (
        min(planned(fleet, policy, 0.5, parameters).cpu_s for _ in range(3))
        for parameters in (Parameters(), REPAIR[mechanism])
    )
    assert without > 1.5 * with_it


@pytest.mark.rotating
@pytest.mark.parametrize("mechanism", SHOWS)
def test_the_regression_check_fails_without_a_mechanism_that_stays(mechanism: str) -> None:
    kind = SHOWS[mechanism]
    before = shown_figures(Parameters(), [kind])
    assert not any(row.failed for row in check.compared(before, before, check.WORSE))
    without = shown_figures(REPAIR[mechanism], [kind])
    assert any(row.failed for row in check.compared(without, before, check.WORSE)), mechanism


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_it(tmp_path) -> None:
    out = tmp_path / "figures.json"
    found = run("bench", "ablation", "--quick", "--only", "tiny", "-o", out)
    assert found.code == 0
    assert "| without | on |" in found.out
    document = json.loads(out.read_text())
    assert document["format"] == "remora-ablation/1"
    assert {row["class"] for row in document["rows"]} == {"tiny", "tiny-slack", "all of these"}
    assert run("bench", "ablation", "--only", "no such").code == 1


def test_it_is_run_alone() -> None:
    for args in (("ablation", "reading"), ("ablation", "--rivals", "9")):
        found = run("bench", *args)
        assert found.code == 2
        assert "alone" in found.err
    assert set(COSTS).isdisjoint(CLASSES)
