"""The least that leaves a component: closed form against the model, both and the curve against every subset."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from optimizer.bounds.component_model import ComponentModel, Eviction, _closed_form, curve, least_eviction
from optimizer.bounds.eviction_relaxation import Component, Row, Side
from optimizer.parameters import Bounding
from optimizer.problem.atoms import Asked
from optimizer.problem.rule import Hardness
from tests.problem.tiny import MUST, PRICED, SHOULD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONES = np.ones(8, np.int64)
EASE = np.ones(8)
GIVEN = Bounding(model_steps=40)


def row(amounts: dict[int, int], need: int, *, asked: Asked = MUST, unit: int = 1) -> Row:
    return Row(asked, (side(amounts, need),), need, unit)


def side(amounts: dict[int, int], need: int) -> Side:
    return Side(np.array(list(amounts), np.int64), np.array(list(amounts.values()), np.int64), need)


def component(*rows: Row) -> Component:
    return Component(rows, np.unique(np.concatenate([s.vms for r in rows for s in r.sides])))


def random_row(rng: Random, vms: int, asked: Sequence[Asked]) -> Row:
    def one() -> Side:
        some = sorted(rng.sample(range(vms), rng.randint(1, vms)))
        amounts = {v: rng.choice((1, 2, 3, 5)) for v in some}
        return side(amounts, rng.randint(1, sum(amounts.values()) + rng.choice((0, 0, 2))))

    sides = (one(), one()) if rng.random() < 0.2 else (one(),)
    return Row(rng.choice(asked), sides, min(s.need for s in sides), rng.choice((1, 3, 7)))


def subsets(of: Component) -> Iterator[frozenset[int]]:
    vms = of.vms.tolist()
    return (frozenset(c) for n in range(len(vms) + 1) for c in combinations(vms, n))


def harm(rows: Sequence[Row], gone: frozenset[int]) -> int:
    total = 0
    for r in rows:
        lacks = [
            s.need - sum(a for v, a in zip(s.vms.tolist(), s.amounts.tolist(), strict=True) if v in gone)
            for s in r.sides
        ]
        weight = r.asked.weight if r.asked.price is None else r.asked.price
        total += weight * -(-1000 * max(0, min(lacks)) // r.unit)
    return total


def outcome(of: Component, cost: np.ndarray, gone: frozenset[int]) -> tuple[int, int, int, int]:
    """Must, should, priced with its moves (where there is any), cost."""
    priced = of.of(Hardness.SHOULD, priced=True)
    spent = int(sum(cost[v] for v in gone))
    return (
        harm(of.of(Hardness.MUST), gone),
        harm(of.of(Hardness.SHOULD), gone),
        harm(priced, gone) + 1000 * spent if priced else 0,
        spent,
    )


# -- hand-made -------------------------------------------------------------------------------------------------------


def test_one_that_is_large_enough_leaves_and_the_easiest_of_these() -> None:
    ease = np.array([1.0, 9.0, 5.0, 2.0])
    found = least_eviction(component(row({0: 2, 1: 6, 2: 7, 3: 4}, 6)), ONES, ease, GIVEN)
    assert found == Eviction((2,), 1, (0, 0, 0), exact=True)


def test_of_two_that_suffice_together_the_easiest_pair() -> None:
    ease = np.array([1.0, 1.0, 5.0, 2.0])
    found = least_eviction(component(row({0: 4, 1: 1, 2: 5, 3: 3}, 7)), ONES, ease, GIVEN)
    assert found is not None
    assert (found.vms, found.cost) == ((0, 3), 2)


def test_a_vm_that_heals_two_rows_counts_once() -> None:
    found = least_eviction(component(row({0: 5, 1: 5}, 5), row({1: 5, 2: 5}, 5)), ONES, EASE, GIVEN)
    assert found is not None
    assert (found.vms, found.cost, found.exact) == ((1,), 1, True)


def test_dear_moves_are_spared() -> None:
    found = least_eviction(component(row({0: 5, 1: 3, 2: 2}, 5)), np.array([9, 2, 3], np.int64), EASE, GIVEN)
    assert found is not None
    assert (found.vms, found.cost) == ((1, 2), 5)


def test_a_must_comes_before_a_should_and_that_before_moving() -> None:
    """v0 alone repairs the must, v1 and v2 the should; all leave."""
    found = least_eviction(
        component(row({0: 1}, 1), row({1: 1, 2: 1}, 2, asked=SHOULD), row({0: 1, 1: 1}, 2)), ONES, EASE, GIVEN
    )
    assert found is not None
    assert (found.vms, found.harms) == ((0, 1, 2), (0, 0, 0))


@pytest.mark.parametrize(("price", "leaves"), [(1, ()), (2, ()), (3, (0, 1))])
def test_a_priced_should_is_mended_only_for_its_price(price: int, leaves: tuple[int, ...]) -> None:
    """One unit of excess takes two moves; at a price of two that is all the same, and least moving stays."""
    asked = Asked("r", Hardness.SHOULD, price=price)
    found = least_eviction(component(row({0: 1, 1: 1}, 2, asked=asked, unit=2)), ONES, EASE, GIVEN)
    assert found is not None
    assert found.vms == leaves
    assert found.harms == (0, 0, 0 if leaves else 1000 * price)


def test_what_cannot_leave_stays_as_harm() -> None:
    found = least_eviction(component(row({0: 2, 1: 2}, 7, unit=10)), ONES, EASE, GIVEN)
    assert found is not None
    assert (found.vms, found.harms[0]) == ((0, 1), 300)


def test_either_side_of_apart_will_do() -> None:
    either = Row(MUST, (side({0: 1, 1: 1}, 2), side({2: 1}, 1)), 1)
    found = least_eviction(component(either), ONES, EASE, GIVEN)
    assert found is not None
    assert found.vms == (2,)


def test_the_curve_falls_step_by_step_to_what_cannot_leave() -> None:
    assert curve(component(row({0: 5, 1: 3, 2: 1}, 10)), ONES, Hardness.MUST, GIVEN) == (
        (0, 10_000), (1, 5_000), (2, 2_000), (3, 1_000)
    )  # fmt: skip


def test_the_curve_of_shoulds_begins_where_the_musts_are_met() -> None:
    points = curve(component(row({0: 1, 1: 1}, 1), row({1: 1, 2: 1}, 2, asked=SHOULD)), ONES, Hardness.SHOULD, GIVEN)
    assert points == ((1, 3_000), (2, 0))


def test_a_curve_that_is_cut_short_ends_with_what_holds_for_all_above() -> None:
    of = component(row({v: 1 for v in range(8)}, 9))
    assert curve(of, ONES, Hardness.MUST, Bounding(model_steps=3)) == ((0, 9_000), (1, 8_000), (2, 1_000))
    asked = iter([False, False, True])
    assert curve(of, ONES, Hardness.MUST, GIVEN, stop=lambda: next(asked)) == ((0, 9_000), (1, 8_000), (2, 1_000))


def test_without_work_the_eviction_is_no_bound_and_the_curve_still_is_a_bound() -> None:
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(8):
        amounts = rng.integers(1_000, 99_999, 150)
        need = int(amounts.sum() * 2 // 5)
        rows.append(Row(MUST, (Side(np.arange(150), amounts, need),), need, 7919))
    of = Component(tuple(rows), np.arange(150))
    hasty = Bounding(component_work=1e-9)
    cost = rng.integers(100, 999, 150)
    found = least_eviction(of, cost, np.ones(150), hasty)
    assert not found.exact
    assert found.harms == (0, 0, 0)
    assert found.cost == cost[list(found.vms)].sum()
    before = sum(r.harm(r.excess) for r in rows)
    for spent, least in curve(of, cost, Hardness.MUST, hasty):
        assert least <= (before if spent == 0 else 0)


# -- against every subset --------------------------------------------------------------------------------------------


def test_the_closed_form_agrees_with_the_model_on_one_row() -> None:
    rng = Random(1)
    seen = 0
    for _ in range(150):
        of = component(random_row(rng, rng.randint(1, 7), (MUST, SHOULD)))
        ease = np.array([rng.choice((0.5, 1.0, 2.0, 3.0)) for _ in range(8)])
        simple = _closed_form(of, ONES, ease)
        modelled = ComponentModel(of, ONES, GIVEN).lexicographic(ease, 0)
        assert modelled is not None
        if simple is None:
            continue
        seen += 1
        assert (simple.cost, simple.harms, simple.exact) == (modelled.cost, modelled.harms, modelled.exact)
        assert ease[list(simple.vms)].sum() == ease[list(modelled.vms)].sum()
        assert harm(of.rows, frozenset(simple.vms)) == 0
    assert seen > 50


def test_least_evictions_agree_with_every_subset() -> None:
    rng = Random(2)
    for number in range(80):
        vms = rng.randint(1, 6)
        asked = (MUST, MUST, SHOULD, PRICED)
        of = component(*(random_row(rng, vms, asked) for _ in range(rng.randint(1, 3))))
        cost = np.array([rng.randint(1, 4) for _ in range(vms)], np.int64)
        found = least_eviction(of, cost, np.ones(vms), GIVEN)
        assert found is not None
        assert found.exact, number
        expected = min(outcome(of, cost, gone) for gone in subsets(of))
        assert outcome(of, cost, frozenset(found.vms)) == expected, number
        assert (*found.harms[:2], found.cost) == (*expected[:2], expected[3]), number


@pytest.mark.parametrize("hardness", [Hardness.MUST, Hardness.SHOULD])
def test_curves_agree_with_every_subset(hardness: Hardness) -> None:
    rng = Random(3)
    seen = 0
    for number in range(60):
        vms = rng.randint(1, 5)
        of = component(*(random_row(rng, vms, (MUST, SHOULD)) for _ in range(rng.randint(1, 3))))
        cost = np.array([rng.randint(1, 3) for _ in range(vms)], np.int64)
        allowed = [gone for gone in subsets(of) if hardness is Hardness.MUST or not harm(of.of(Hardness.MUST), gone)]
        if not allowed or not of.of(hardness):
            continue
        seen += 1
        reached = [(int(sum(cost[v] for v in gone)), harm(of.of(hardness), gone)) for gone in allowed]
        expected: list[tuple[int, int]] = []
        for spent in sorted({c for c, _ in reached}):
            least = min(h for c, h in reached if c <= spent)
            if not expected or least < expected[-1][1]:
                expected.append((spent, least))
        assert list(curve(of, cost, hardness, GIVEN)) == expected, number
    assert seen > 30
