"""What `build` makes of a fleet and its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from optimizer.fleet import ABSENT
from optimizer.problem.atoms import AtMost, Enter, Fixed, Flow, Hinge, Leave
from optimizer.problem.problem import Least, Stage, build
from tests.build import document, fleet, host, policy, vm
from tests.problem.tiny import GUARD, MUST, PRICED, SHOULD, problem, room, sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, State
    from optimizer.fleet.plausible import Doubt
    from optimizer.problem.atoms import Asked, Atom
    from optimizer.problem.rule import NotEvaluated, Violation

HOSTS = [host("h0", memory=8, labels={"cpu": "epyc"}), host("h1", memory=8)]


@dataclass(frozen=True)
class Asking:
    """A rule that yields the atoms it is given and understands the needs it is told."""

    atoms: tuple[Atom, ...] = ()
    understands: frozenset[str] = frozenset()
    name: str = "asking"

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        return self.atoms

    def check(self, state: State) -> Iterator[Violation]:
        return iter(())

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        return ""

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        return ()

    def doubts(self, fleet: Fleet) -> Iterable[Doubt]:
        return ()


def pinned(whole: Fleet, *understands: str) -> dict[str, list[int]]:
    """Reason -> VMs that stay for it."""
    made = build(whole, [Asking(understands=frozenset(understands))])
    return {a.reason: a.vms.tolist() for a in made.atoms if isinstance(a, Fixed)}


# -- pins --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "facts"),
    [
        ("mobility", {"mobility": "cold"}),
        ("mobility", {"mobility": "none", "mobility_reason": "passthrough"}),
        ("requires", {"requires": {"cpu": ["epyc"]}}),
        ("forbidden_hosts", {"forbidden_hosts": ["h1"]}),
    ],
)
def test_a_need_that_no_rule_understands_keeps_the_vm_where_it_is(need: str, facts: dict[str, Any]) -> None:
    whole = fleet(HOSTS, [vm("v0", "h0"), vm("v1", "h0", **facts)])
    because = " (passthrough)" if "mobility_reason" in facts else ""
    assert pinned(whole) == {f"it has a need that no rule of this policy understands: {need}{because}": [1]}
    assert pinned(whole, need) == {}
    assert build(whole, [Asking()]).movable.tolist() == [True, False]


def test_move_within_binds_every_vm_until_a_rule_understands_it() -> None:
    whole = fleet(HOSTS, [vm("v0", "h0"), vm("v1", "h0")], move_within="zone")
    assert list(pinned(whole).values()) == [[0, 1]]
    assert pinned(whole, "move_within") == {}


def test_a_label_that_no_host_has_keeps_the_vm_even_from_a_rule_that_understands_labels() -> None:
    whole = fleet(HOSTS, [vm("v0", "h0", requires={"gpu": ["a100"]}), vm("v1", "h0", requires={"cpu": ["xeon"]})])
    assert list(pinned(whole, "requires").values()) == [[0]]
    text = next(iter(pinned(whole, "requires")))
    assert "requires the label gpu, which no host of this fleet has" in text


def test_a_vm_that_somebody_is_moving_stays_and_stands_at_both_ends() -> None:
    move = {"id": "x", "vm": "v0", "from": "h0", "to": "h1", "started_at": "2026-11-21T11:59:00Z", "by": "other"}
    whole = fleet(HOSTS, [vm("v0", "h0"), vm("v1", "h1")], in_flight=[move])
    assert pinned(whole) == {"somebody is moving it right now": [0]}
    assert build(whole, []).also_at.tolist() == [1, ABSENT]


def test_a_vm_that_is_not_placed_is_not_movable() -> None:
    whole = fleet(HOSTS, [vm("v0", None), vm("v1", "h0")])
    assert build(whole, []).movable.tolist() == [False, True]


# -- who may arrive where ----------------------------------------------------------------------------------------------


def masks(*rows: tuple[int, ...]) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    return [np.array(row, np.bool_) for row in rows]


def test_without_enter_every_vm_may_arrive_anywhere() -> None:
    which, rows = problem([0, 1]).enter_class
    assert which.tolist() == [0, 0]
    assert rows.tolist() == [[True, True, True]]


def test_several_enters_are_met_together() -> None:
    a, b, c = masks((1, 1, 0, 1), (0, 1, 1, 1), (1, 1, 1, 0))
    whole = problem(
        [0, 0, 0, 0],
        [Enter("a", np.array([0, 1]), a), Enter("b", np.array([1, 2]), b), Enter("c", None, c)],
        hosts=4,
    )
    assert [whole.may_enter(v).astype(int).tolist() for v in range(4)] == [
        [1, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 1, 1, 0],
        [1, 1, 1, 0],
    ]


def test_the_order_of_enters_does_not_matter() -> None:
    a, b = masks((1, 0, 1), (0, 1, 1))
    atoms = [Enter("a", np.array([1]), a), Enter("b", None, b)]
    for order in (atoms, atoms[::-1]):
        whole = problem([0, 0], order)
        assert [whole.may_enter(v).astype(int).tolist() for v in range(2)] == [[0, 1, 1], [0, 0, 1]]


def test_vms_with_the_same_enters_share_one_class() -> None:
    a, b = masks((1, 0, 1), (1, 1, 0))
    atoms = [Enter("a", np.arange(50, dtype=np.int32), a), Enter("b", np.arange(25, 75, dtype=np.int32), b)]
    which, rows = problem([0] * 100, atoms).enter_class
    assert len(rows) == len(set(which.tolist())) == 4


# -- stages ------------------------------------------------------------------------------------------------------------

K = np.array([1])


def at_most(asked: Asked) -> AtMost:
    return AtMost(asked, 0, sets([0, 1]), K)


@pytest.mark.parametrize(
    ("asked", "stages"),
    [
        ((), "harm moving placement"),
        ((MUST, GUARD), "harm moving placement"),
        ((SHOULD,), "harm should_harm moving placement"),
        ((PRICED,), "harm priced moving placement"),
        ((PRICED, SHOULD, MUST), "harm should_harm priced moving placement"),
    ],
)
def test_stages_follow_from_what_is_asked(asked: tuple[Asked, ...], stages: str) -> None:
    whole = fleet(HOSTS, [vm("v0", "h0"), vm("v1", "h0")])
    made = build(whole, [Asking(tuple(at_most(a) for a in asked))])
    assert " ".join(stage.value for stage in made.stages) == stages
    assert not made.has_cost


def test_a_cost_stage_is_one_that_says_so() -> None:
    assert problem([0], stages=[Stage.COST]).has_cost


# -- least moving ------------------------------------------------------------------------------------------------------

TRAVEL = [host("h0", migration_mib_per_s=100), host("h1")]


@pytest.mark.parametrize(
    ("least", "weights"),
    [
        (Least.MOVES, [1, 1, 1]),
        (Least.GIB, [1024, 1, 1]),  # memory and disk travel, processors do not; never below 1
        (Least.SECONDS, [103, 1, 1]),  # 1024 MiB at 100 MiB/s, in tenths, rounded up
        (Least.WEIGHTED, [2500, 1000, 0]),
    ],
)
def test_what_moving_counts(least: Least, weights: list[int]) -> None:
    vms = [
        vm("v0", "h0", cpu=4000, memory=1000, disk=24, move_cost=2.5),
        vm("v1", "h1", cpu=4000),
        vm("v2", None, move_cost=0),
    ]
    made = build(fleet(TRAVEL, vms), [], least)
    assert made.least is least
    assert made.moving.tolist() == weights


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_atoms_come_in_the_order_of_the_rules() -> None:
    whole = fleet(HOSTS, [vm("v0", "h0", groups=["g"]), vm("v1", "h0", groups=["g"], mobility="none")])
    for names in (("capacity", "anti_affinity"), ("anti_affinity", "capacity")):
        made = build(whole, policy(*names).rules)
        asked = list(dict.fromkeys(a.asked.rule for a in made.atoms if hasattr(a, "asked")))
        assert asked == list(names)
        assert isinstance(made.atoms[-1], Fixed)


def test_it_speaks_of_the_fleets_hosts_vms_and_domains() -> None:
    made = build(fleet([host("h0", rack="r1"), host("h1", rack="r0")], [vm("v0", "h1")]), [])
    assert (made.hosts, made.vms) == (2, 1)
    assert (made.host_ids, made.vm_ids, made.levels) == (("h0", "h1"), ("v0",), ("host", "rack", "zone"))
    assert made.domain[0].tolist() == [0, 1]
    assert [made.domain_ids[1][d] for d in made.domain[1]] == ["r1", "r0"]
    assert made.start.tolist() == [1]


def test_kinds_of_atoms_are_told_apart() -> None:
    hosts = np.array([True])
    hard: list[Atom] = [Enter("r", None, hosts), Fixed("r", K, ""), Flow("r", "s", None, None, None, K, 0)]
    knee, leave = Hinge("n", K, K, 1), Leave(MUST, K, hosts)
    every: list[Atom] = [*hard, knee, leave, room([1], [1])]
    assert [a.shape.is_hard for a in every] == [True, True, True, False, False, False]
    assert [a.shape.is_cost for a in every] == [False, False, False, True, False, False]
    assert [a.shape.has_excess for a in every] == [False, False, False, False, True, True]
    made = problem([0], every)
    assert made.flows == (hard[2],)
    assert (list(made.demands.leaves), list(made.demands.sums), list(made.demands.harming)) == ([4], [5], [4, 5])
    assert made.demands.has_cost
    assert not problem([0], hard).demands.has_cost


def test_the_same_document_makes_the_same_problem() -> None:
    whole = document(HOSTS, [vm("v0", "h0", memory=3), vm("v1", "h1", memory=4)])
    first, second = (build(fleet(whole["hosts"], whole["vms"]), policy("capacity").rules) for _ in range(2))
    assert first.stages == second.stages
    assert [str(a) for a in first.atoms] == [str(a) for a in second.atoms]
