"""The departures relaxation: rows as the table in docs/architecture.md has them, and who can leave."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.bounds.eviction_relaxation import EvictionRelaxation, Row
from optimizer.fleet import ABSENT
from optimizer.problem.atoms import Apart, AtLeast, AtMost, Enter, Fixed, Leave, Needs, Same
from optimizer.problem.rule import Hardness
from tests.problem.tiny import GUARD, MUST, PRICED, SHOULD, problem, room, sets


def only(departures: EvictionRelaxation) -> Row:
    (row,) = departures.rows
    return row


def k(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def vms(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def test_an_overloaded_host_asks_for_its_excess_from_those_that_weigh_something() -> None:
    row = only(EvictionRelaxation(problem([0, 0, 0, 1], [room([5, 3, 0, 9], [6, 20, 20], unit=10)])))
    (side,) = row.sides
    assert side.vms.tolist() == [0, 1]
    assert side.amounts.tolist() == [5, 3]
    assert (side.need, row.excess, row.unit, row.heals) == (2, 2, 10, True)
    assert row.harm(2) == 200


def test_the_base_of_a_host_counts_in_its_excess_and_cannot_leave() -> None:
    row = only(EvictionRelaxation(problem([0, 1], [room([2, 2], [6, 20, 20], base=[9, 0, 0])])))
    assert row.excess == 5
    assert row.least_excess == 3


def test_an_overloaded_rack_asks_all_its_hosts() -> None:
    row = only(EvictionRelaxation(problem([0, 1, 2], [room([4, 4, 4], [5, 20], level=1)], racks=[0, 0, 1])))
    assert row.sides[0].vms.tolist() == [0, 1]
    assert row.excess == 3


def test_a_crowded_set_asks_for_the_surplus() -> None:
    row = only(EvictionRelaxation(problem([0, 0, 0, 1], [AtMost(MUST, 0, sets([0, 1, 2, 3]), k(1))])))
    assert row.sides[0].vms.tolist() == [0, 1, 2]
    assert (row.sides[0].need, row.excess) == (2, 2)


def test_apart_is_met_by_either_side() -> None:
    row = only(EvictionRelaxation(problem([0, 0, 0], [Apart(MUST, 0, sets([0, 1]), sets([2]))])))
    assert [(s.vms.tolist(), s.need) for s in row.sides] == [([0, 1], 2), ([2], 1)]
    assert row.excess == 1


@pytest.mark.parametrize(
    ("atom", "excess"),
    [(AtLeast(MUST, 0, sets([0, 1, 2]), k(3)), 2), (Same(MUST, 0, sets([0, 1, 3])), 1)],
)
def test_groups_that_have_to_come_somewhere_are_not_healed_by_leaving(atom: AtLeast | Same, excess: int) -> None:
    row = only(EvictionRelaxation(problem([0, 0, 0, 1], [atom])))
    assert row.sides[0].vms.tolist() == atom.sets[0].tolist()
    assert (row.excess, row.heals) == (excess, False)


def test_needs_counts_one_partner_for_everybody_it_could_join() -> None:
    """v0 and v1 are alone; either leaves, or v2 comes, which repairs both."""
    row = only(EvictionRelaxation(problem([0, 0, 1, 1], [Needs(MUST, 0, sets([0, 1, 3]), sets([2]))])))
    side = row.sides[0]
    assert dict(zip(side.vms.tolist(), side.amounts.tolist(), strict=True)) == {0: 1, 1: 1, 2: 2}
    assert (side.need, row.heals) == (2, False)


def test_each_vm_that_must_leave_is_a_row_of_its_own() -> None:
    atom = Leave(MUST, vms(0, 1, 2), np.array([True, False, False]))
    rows = EvictionRelaxation(problem([0, 0, 1], [atom])).rows
    assert [r.sides[0].vms.tolist() for r in rows] == [[0], [1]]
    assert [r.excess for r in rows] == [1, 1]


def test_guards_and_demands_that_hold_are_no_rows() -> None:
    atoms = [room([5, 5], [6, 20, 20], asked=GUARD), room([5, 5], [20, 20, 20]), AtMost(MUST, 0, sets([0, 1]), k(2))]
    departures = EvictionRelaxation(problem([0, 0], atoms))
    assert departures.rows == ()
    assert departures.components == ()


def test_rows_of_a_knot_are_told_apart_by_hardness_and_price() -> None:
    atoms = [AtMost(asked, 0, sets([0, 1]), k(1)) for asked in (MUST, SHOULD, PRICED)]
    (component,) = EvictionRelaxation(problem([0, 0], atoms)).components
    assert [r.asked for r in component.of(Hardness.MUST)] == [MUST]
    assert [r.asked for r in component.of(Hardness.SHOULD)] == [SHOULD]
    assert [r.asked for r in component.of(Hardness.SHOULD, priced=True)] == [PRICED]


# -- components ---------------------------------------------------------------------------------------------------


def test_rows_that_share_a_vm_are_one_knot_and_others_are_not() -> None:
    atoms = [room([5, 3, 5, 3], [6, 6, 20]), AtMost(MUST, 0, sets([0, 1]), k(1))]
    components = EvictionRelaxation(problem([0, 0, 1, 1], atoms)).components
    assert sorted((k.vms.tolist(), len(k.rows)) for k in components) == [([0, 1], 2), ([2, 3], 1)]


def test_rows_that_share_only_a_vm_that_stays_are_two_knots() -> None:
    """v1 is in both sets, and fixed: what v0 and v2 do has nothing to do with one another."""
    atoms = [AtMost(MUST, 0, sets([0, 1], [1, 2]), k(1, 1)), Fixed("f", vms(1), "it stays")]
    components = EvictionRelaxation(problem([0, 0, 0], atoms)).components
    assert sorted(k.vms.tolist() for k in components) == [[0], [2]]


def test_a_row_of_which_nobody_can_leave_is_a_knot_without_vms() -> None:
    atoms = [AtMost(MUST, 0, sets([0, 1], [2, 3]), k(1, 1)), Fixed("f", vms(0, 1), "they stay")]
    components = EvictionRelaxation(problem([0, 0, 1, 1], atoms)).components
    assert [k.vms.tolist() for k in components] == [[], [2, 3]]
    assert components[0].rows[0].least_excess == 1


# -- who can leave ---------------------------------------------------------------------------------------------------


def test_a_vm_that_fits_on_no_other_host_even_empty_cannot_leave() -> None:
    departures = EvictionRelaxation(problem([0, 0, 1], [room([9, 3, 5], [10, 5, 4])]))
    assert not departures.can_leave(0)
    assert departures.can_leave(1)
    assert not departures.can_leave(2) or departures.problem.start[2] == 1
    assert departures.rows[0].sides[0].vms.tolist() == [1]


def test_a_host_over_its_limit_receives_up_to_its_load_at_the_start() -> None:
    """h1 is over its limit of 4 with 9 at the start: never worse is 9, so 8 would do if it were empty."""
    departures = EvictionRelaxation(problem([0, 1], [room([8, 9], [20, 4, 3])]))
    assert departures.can_leave(0)


def test_hosts_that_receive_nobody_are_not_asked_for_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight large hosts take nobody; a small one that does has room for all, and no VM asks every host."""
    limit = [30] * 8 + [9, 1]
    closed = Enter("e", None, np.array([False] * 8 + [True, True]))
    departures = EvictionRelaxation(problem(list(range(8)), [room([5] * 8, limit), closed], hosts=10))
    monkeypatch.setattr(EvictionRelaxation, "_fits_somewhere", None)
    assert all(departures.can_leave(v) for v in range(8))


def test_fixed_unplaced_and_unwelcome_vms_cannot_leave() -> None:
    nowhere = np.zeros(3, np.bool_)
    home = np.array([True, False, False])
    atoms = [
        Fixed("f", vms(0), "it stays"),
        Enter("e", vms(1), nowhere),
        Enter("e", vms(3), home),
        AtMost(MUST, 0, sets([0, 1, 2, 3, 4]), k(1)),
    ]
    departures = EvictionRelaxation(problem([0, 0, ABSENT, 0, 0], atoms))
    assert [departures.can_leave(v) for v in range(5)] == [False, False, False, False, True]
    assert only(departures).sides[0].vms.tolist() == [4]
    assert only(departures).least_excess == 2


def test_a_should_keeps_nobody_at_home() -> None:
    departures = EvictionRelaxation(problem([0], [room([9], [10, 5, 4], asked=SHOULD)]))
    assert departures.can_leave(0)
