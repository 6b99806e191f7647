"""Plans over links that copies share: the model against sums by hand, the executor's pace against fixed ones."""

from __future__ import annotations

from math import inf, isclose
from random import Random

import pytest

from benchmarks.executor.carry import NUMBERS, adaptive, carry, fixed
from benchmarks.executor.fleets import KINDS, case_of
from benchmarks.executor.links import Copy, Network, fair_rates, least_seconds
from optimizer.execute.core.model import Settings
from optimizer.execute.states import MoveState

MOVES, HOSTS, MARGIN = 60, 16, 1.02


def copies(*links: tuple[str, ...]) -> list[Copy]:
    return [Copy(tuple((name, "") for name in names), 1000.0, 0.0, 1000.0) for names in links]


def test_rates_are_max_min_fair() -> None:
    """Bertsekas and Gallager's kind of example: one link of 10 for three, of which one also goes over one of 2."""
    speeds = {"a": 10.0, "b": 2.0}
    three = copies(("a", "b"), ("a",), ("a",))
    network = _Named(speeds)
    fair_rates(three, network)
    assert [c.rate_mib_s for c in three] == [2.0, 4.0, 4.0]


class _Named(Network):
    def __new__(cls, *_: object) -> _Named:
        return object.__new__(cls)

    def __init__(self, speeds: dict[str, float], stream: float = inf) -> None:
        object.__setattr__(self, "speeds", speeds)
        super().__init__(1.0, stream_mib_s=stream)

    def speed(self, link: tuple[str, str]) -> float:
        return float(self.speeds[link[0]])  # type: ignore[attr-defined]


def test_random_rates_fill_a_link_of_each_copy_and_overfill_none() -> None:
    """Max-min fair: each copy has a full link on which nobody has more, or the speed of a stream."""
    for seed in range(30):
        rng = Random(seed)
        names = [f"l{n}" for n in range(rng.randint(1, 6))]
        speeds = {name: rng.uniform(1, 10) for name in names}
        them = copies(*(tuple(rng.sample(names, rng.randint(1, len(names)))) for _ in range(rng.randint(1, 12))))
        stream = rng.choice([inf, 1.5])
        fair_rates(them, _Named(speeds, stream))
        on = {name: [c.rate_mib_s for c in them if (name, "") in c.links] for name in names}
        assert all(sum(rates) <= speeds[name] + 1e-9 for name, rates in on.items())
        for copy in them:
            full = [n for n, _ in copy.links if isclose(sum(on[n]), speeds[n]) and max(on[n]) <= copy.rate_mib_s + 1e-9]
            assert full or isclose(copy.rate_mib_s, stream), seed


@pytest.mark.parametrize("dirtied", [0.0, 20.0, 60.0, 99.0])
def test_what_is_dirtied_is_copied_again(dirtied: float) -> None:
    """Against many small steps of the equation itself."""
    copy, left, seconds = Copy((), 1000.0, dirtied, 1000.0, 100.0), 1000.0, 0.0
    while left > 30.0:
        left += 0.001 * (dirtied * (1 - left / 1000.0) - 100.0)
        seconds += 0.001
    assert isclose(copy.ends_in_s(), seconds, rel_tol=0.01)
    assert isclose(
        copy.after(seconds / 2), Copy((), 1000.0, dirtied, copy.after(seconds / 4), 100.0).after(seconds / 4)
    )


def test_a_guest_that_dirties_more_than_it_gets_never_ends() -> None:
    assert Copy((), 1000.0, 101.0, 1000.0, 70.0).ends_in_s() == inf


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["host-bound", "evacuation", "dirty guests", "slow streams", "mixed"])
def test_the_own_pace_is_as_quick_as_the_best_fixed_number(kind: str) -> None:
    """So few moves leave it little time to learn; `python -m benchmarks.executor` measures many, without a margin.

    Over slow streams canaries of about the same size, by which nobody gains there, may take up to three looks longer.
    """
    case = case_of(KINDS[kind], 1, MOVES, HOSTS)
    own = carry(case, adaptive(max(NUMBERS)))
    assert own.ended == {MoveState.DONE: MOVES}
    assert own.at_once <= max(NUMBERS)
    assert own.seconds > least_seconds(case.plan.moves, case.network)
    others = [carry(case, fixed(n, canary=True)) for n in NUMBERS]
    looks_s = 3 * Settings().poll_s if kind == "slow streams" else 0.0
    assert own.seconds <= MARGIN * min(c.seconds for c in others if c.ended[MoveState.DONE] == MOVES) + looks_s


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["host-bound", "evacuation", "small guests", "dirty guests"])
def test_what_guests_dirty_is_learned_in_time_where_the_snapshot_does_not_say_it(kind: str) -> None:
    """A little longer than the best fixed number, since so few moves are over soon after it is known."""
    case = case_of(KINDS[kind], 1, MOVES, HOSTS, knows=False)
    own, *others = [carry(case, way) for way in (adaptive(max(NUMBERS)), *(fixed(n, canary=True) for n in NUMBERS))]
    assert own.ended == {MoveState.DONE: MOVES}
    assert own.seconds <= 1.06 * min(c.seconds for c in others if c.ended[MoveState.DONE] == MOVES)


def test_dirty_guests_of_which_the_snapshot_knows_nothing_all_move() -> None:
    case = case_of(KINDS["dirty guests"], 3, MOVES, HOSTS, knows=False)
    assert carry(case, adaptive(1)).ended == {MoveState.DONE: MOVES}


def test_a_move_costs_few_commits() -> None:
    """Three for the move itself; the lead is kept where time is let pass, not for each move that starts."""
    carried = carry(case_of(KINDS["host-bound"], 2, MOVES, HOSTS), adaptive(max(NUMBERS)))
    assert carried.commits <= 4.5 * MOVES


def test_a_cap_of_one_is_held() -> None:
    assert carry(case_of(KINDS["host-bound"], 2, 30, 10), adaptive(1)).at_once == 1
