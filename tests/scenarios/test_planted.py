"""Generated fleets of 200 hosts and 2,000 VMs under dolphin, each with one rule's problems planted, and one with all.

What was planted is found by its subject, and repaired with as many moves as the generator says it takes; what a budget
does not allow is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer.check import check
from optimizer.plan import Status
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from optimizer.sources.synthetic import Spec, generate
from optimizer.sources.synthetic.spec import TROUBLES
from tests.scenarios.outcome import Outcome, solve_fleet

if TYPE_CHECKING:
    from optimizer.problem.rule import Violation

HOSTS, VMS, SEED = 200, 2000, 1
CPU_S = 5.0
"""What a plan may take, of one core; each takes a fraction of a second on the machine that this was written on."""

FEW, SOME = 0.01, 0.03
BUDGET, HOUR_S = 500, 3600
"""Moves an hour that dolphin allows, whoever makes them."""

RULES: dict[str, dict[str, float]] = {
    "capacity": {"full_disks": SOME, "hot": SOME, "memory_over": SOME, "unexplained": SOME},
    "headroom": {"nearly_full": SOME},
    "anti_affinity": {"misplaced": 0.035, "owners": SOME},
    "spread": {"spread": SOME},
    "together": {"together": SOME},
    "needs": {"needs": SOME},
    "apart": {"apart": SOME},
    "noisy_neighbor": {"noise": SOME, "sensitive": SOME, "interference": SOME},
    "eligible": {"full_disks": SOME, "errors": 0.1, "busy": 0.1, "disabled": 0.1, "full_of_vms": 0.1},
    "allowed": {"choosy": SOME, "forbidden": SOME, "immobile": SOME},
    "maintenance": {"draining": FEW, "windows": FEW},
    "journey": {"babies": SOME, "unmovable": SOME, "bouncing": SOME, "held": SOME},
    "everything": dict.fromkeys(TROUBLES, FEW),
}
"""What is planted for each rule of the catalogue; budget has tests of its own."""

FINDS = {
    "nearly_full": "headroom_disk",
    "misplaced": "anti_affinity",
    "owners": "owners",
    "spread": "spread",
    "together": "together",
    "needs": "needs",
    "apart": "apart",
    "noise": "noisy_neighbor",
    "sensitive": "noisy_neighbor",
    "interference": "noisy_neighbor",
    "draining": "maintenance",
    "windows": "maintenance",
}
"""The rule, as dolphin calls it, that finds a problem; capacity where it is not said."""

REFUSING = ("errors", "busy", "disabled", "full_of_vms")
"""Nothing hurts on these hosts: they only take nobody."""


@dataclass(frozen=True)
class Planted:
    """A generated fleet, its plan, and what was planted."""

    outcome: Outcome
    troubles: list[dict[str, Any]]
    found: list[Violation]

    @property
    def least_moves(self) -> int:
        return sum(int(t["least_moves"]) for t in self.troubles)

    def finds(self, trouble: dict[str, Any]) -> list[Violation]:
        """What the rule meant for the problem says of it."""
        vms = set(trouble["vms"])
        rule = FINDS.get(trouble["kind"], "capacity")
        return [v for v in self.found if v.rule == rule and self._is_of(v, trouble["subject"], vms)]

    def _is_of(self, violation: Violation, subject: str, vms: set[str]) -> bool:
        ids = self.outcome.fleet.vms.ids
        return violation.subject in {subject, *vms} or {ids[v] for v in violation.vms} == vms

    def named(self) -> set[tuple[str, str, str | None, str | None, int]]:
        """What the plan says will remain."""
        return {(r.rule, r.subject, r.resource, r.domain, r.excess) for r in self.outcome.plan.remaining}

    def left(self) -> set[tuple[str, str, str | None, str | None, int]]:
        """What the rules find when all moves are done."""
        end = self.outcome.end()
        found = (v for rule in self.outcome.policy.rules for v in rule.check(end) if v.harm)
        return {(v.rule, v.subject, v.resource, v.domain, v.excess) for v in found}


@lru_cache(maxsize=len(RULES) + 2)
def planted(name: str, recent_moves: int = 0) -> Planted:
    """Plan for a fleet with the problems of a rule; `verify` has found nothing to say of the plan."""
    shares: dict[str, Any] = dict.fromkeys(TROUBLES, 0.0) | RULES[name]
    document = generate(Spec(hosts=HOSTS, vms=VMS, seed=SEED, recent_moves=recent_moves, **shares))
    fleet, policy = fleet_from_document(document, "generated"), read_policy("dolphin", CATALOGUE, SHIPPED)
    found = [v for v in check(fleet, policy) if v.harm]
    return Planted(solve_fleet(fleet, policy, cpu_s=CPU_S, seconds=30), document["x_planted"], found)


def test_every_rule_has_a_fleet() -> None:
    elsewhere = {"balance", "budget", "prefer"}  # they speak of the fleet as a whole, or of hosts by name
    elsewhere |= {"pressure"}  # by signals, which tests/signals makes
    said = "say in RULES which troubles that `remora generate` plants a rule finds, or here why there are none"
    assert set(RULES) == {*CATALOGUE, "everything"} - elsewhere, said


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_what_was_planted_is_there_and_nothing_else(name: str) -> None:
    fleet = planted(name)
    assert {t["kind"] for t in fleet.troubles} == set(RULES[name])
    hurting = [t for t in fleet.troubles if t["kind"] not in REFUSING]
    assert all(fleet.finds(t) for t in hurting)
    ids, about = fleet.outcome.fleet.vms.ids, {n for t in hurting for n in (t["subject"], *t["hosts"], *t["vms"])}
    assert all(v.subject in about or {ids[m] for m in v.vms} & about for v in fleet.found)


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_it_is_mended_with_the_least_number_of_moves(name: str) -> None:
    fleet = planted(name)
    fleet.outcome.proven().clean()
    assert len(fleet.outcome.plan.moves) == fleet.outcome.value("moving") == fleet.least_moves > 0
    assert fleet.left() == fleet.named() == set()


@pytest.mark.parametrize("name", ["eligible", "everything"])
def test_hosts_that_refuse_receive_nobody(name: str) -> None:
    fleet = planted(name)
    refusing = {t["subject"] for t in fleet.troubles if t["kind"] in REFUSING}
    assert len(refusing) >= len(REFUSING)
    assert refusing.isdisjoint(m.target for m in fleet.outcome.plan.moves)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["allowed", "journey", "everything"])
def test_who_may_not_move_stays_and_another_goes(name: str) -> None:
    fleet = planted(name)
    stay = {vm for t in fleet.troubles for vm in t.get("stays", ())}
    assert len(stay) >= 2
    assert stay.isdisjoint(m.vm for m in fleet.outcome.plan.moves)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "recent_moves"), [("capacity", 490), ("everything", 460)])
def test_a_budget_too_small_mends_the_worst_and_the_rest_is_named(name: str, recent_moves: int) -> None:
    """The hour's moves are nearly used up: what is left goes where it repairs most, and that is proven."""
    fleet = planted(name, recent_moves)
    outcome = fleet.outcome
    allowed = BUDGET - sum(p.started_at >= outcome.fleet.now - HOUR_S for p in outcome.fleet.history)
    assert fleet.least_moves > allowed > 0
    assert outcome.proven().status is Status.OPTIMAL
    assert len(outcome.plan.moves) == allowed
    assert outcome.value("harm") == outcome.bound("harm") > 0
    assert fleet.left() == fleet.named() != set()
    assert {r.rule for r in outcome.plan.remaining} <= {v.rule for v in fleet.found}
