from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from constraints.noisy_neighbor import NoisyNeighbor
from optimizer.problem.rounding import demand_milli, demands_milli
from optimizer.problem.rule import Hardness
from tests.build import Document, fleet, host, vm
from tests.constraints.given import given

HOSTS = [host("h0"), host("h1"), host("h2")]


def loud(name: str, where: str, **noise: float) -> Document:
    return vm(name, where, noise=noise)


def evidence(*pairs: str, score: float = 0.8) -> list[Document]:
    return [
        {"noisy": noisy, "suffers": suffers, "kind": "io", "score": score}
        for noisy, suffers in (pair.split(">") for pair in pairs)
    ]


# -- the noise on a host -------------------------------------------------------------------------------------------


def test_noise_within_the_limit_is_fine() -> None:
    quiet = fleet(HOSTS, [loud("v0", "h0", io=0.5), loud("v1", "h0", io=0.5), loud("v2", "h0", cpu=9)])
    given(NoisyNeighbor(limit={"io": 1.0}), quiet).is_content()


def test_noise_over_the_limit_counts_in_thousandths() -> None:
    # 0.7 + 0.4 + 0.001 is 1.101: 0.101 over 1.0
    noisy = fleet(HOSTS, [loud("v0", "h0", io=0.7), loud("v1", "h0", io=0.4), loud("v2", "h0", io=0.0001)])
    rule = NoisyNeighbor(limit={"io": 1.0}, weight=2)
    given(rule, noisy).exceeds_by(101)
    given(rule, noisy).penalizes_by(202)
    given(rule, noisy).says("h0: noise.io 1.101, at most 1.000", "0.101 of it")
    given(rule, noisy).under_way("v1 h1").exceeds_by(101)
    given(rule, noisy).finished("v1 h1").is_content()


def test_each_kind_has_its_limit() -> None:
    noisy = fleet(HOSTS, [loud("v0", "h0", io=0.7, cpu=0.9, memory=1.0, cpu_steal=0.2)])
    given(NoisyNeighbor(limit={"io": 0.5, "cpu": 0.5, "cpu_steal": 0.1}), noisy).exceeds_by(400, 100, 200)


def test_what_is_not_measured_is_silent_and_named() -> None:
    partly = fleet(HOSTS, [loud("v0", "h0", io=0.7), vm("v1", "h0"), loud("v2", "h0", cpu=0.4)])
    given(NoisyNeighbor(limit={"io": 0.7}), partly).is_content()
    given(NoisyNeighbor(limit={"io": 0.7}), partly).lacks(noise__io=2)
    given(NoisyNeighbor(noisy_from=0.3, at_most=2), partly).lacks(noise=1)
    given(NoisyNeighbor(score_from=0.5), partly).lacks()


# -- how many are noisy --------------------------------------------------------------------------------------------


def test_at_most_so_many_noisy_vms_on_a_host() -> None:
    rule = NoisyNeighbor(noisy_from=0.3, at_most=1)
    noisy = [loud("v0", "h0", io=0.3), loud("v1", "h0", cpu=0.5), loud("v2", "h0", io=0.29)]
    given(rule, fleet(HOSTS, noisy)).penalizes_by(1000)
    given(rule, fleet(HOSTS, noisy)).says("h0: 2 noisy VMs, at most 1")
    given(rule, fleet(HOSTS, noisy)).finished("v0 h1").is_content()
    given(NoisyNeighbor(noisy_from=0.3, at_most=0), fleet(HOSTS, noisy)).exceeds_by(2)


# -- noisy and sensitive -------------------------------------------------------------------------------------------

MIXED = [loud("n0", "h0", io=0.6), vm("s0", "h0", sensitive=True), vm("s1", "h0", sensitive=True), vm("v0", "h0")]
AWAY = NoisyNeighbor(noisy_from=0.5, apart_from_sensitive=True)


def test_noisy_ones_stay_away_from_sensitive_ones() -> None:
    met = given(AWAY, fleet(HOSTS, MIXED))
    met.penalizes_by(1000)
    assert (met.only.subject, met.only.domain, met.only.vms) == ("noisy|sensitive", "host:h0", (0, 1, 2))
    met.says("noisy|sensitive: n0, s0, s1 are both on h0")
    met.finished("n0 h1").is_content()
    met.under_way("n0 h1").exceeds_by(1)


def test_one_that_is_both_counts_as_noisy() -> None:
    both = [vm("b0", "h0", noise={"io": 0.9}, sensitive=True), loud("n0", "h0", io=0.9)]
    given(AWAY, fleet(HOSTS, both)).is_content()
    given(AWAY, fleet(HOSTS, [*both, vm("s0", "h0", sensitive=True)])).exceeds_by(1)


@pytest.mark.parametrize(("moves", "leave"), [("victim", ["s0", "s1"]), ("noisy", ["n0"]), ("cheapest", [])])
def test_who_has_to_go_from_a_sensitive_neighbour(moves: Any, leave: list[str]) -> None:
    rule = NoisyNeighbor(noisy_from=0.5, apart_from_sensitive=True, moves=moves)
    found = given(rule, fleet(HOSTS, MIXED)).violations
    assert [v.subject for v in found] == ["noisy|sensitive", *leave]


# -- evidence ------------------------------------------------------------------------------------------------------

PAIR = [vm("n", "h0"), vm("s", "h0"), vm("v", "h1")]


def test_pairs_with_evidence_stay_apart() -> None:
    rule = NoisyNeighbor(score_from=0.8)
    met = given(rule, fleet(HOSTS, PAIR, interference=evidence("n>s")))
    met.penalizes_by(1000)
    assert met.only.subject == "n|s"
    met.finished("s h1").is_content()
    met.finished("n h2").is_content()
    given(rule, fleet(HOSTS, PAIR, interference=evidence("n>v"))).is_content()
    given(rule, fleet(HOSTS, PAIR, interference=evidence("n>s", score=0.79))).is_content()


def test_evidence_of_several_kinds_or_both_ways_counts_once() -> None:
    several = evidence("n>s") + evidence("s>n", score=0.9) + evidence("n>s")
    found = given(NoisyNeighbor(score_from=0.5), fleet(HOSTS, PAIR, interference=several)).only
    assert found.subject == "s|n"


def test_who_has_to_go_where_there_is_evidence() -> None:
    hurt = fleet(HOSTS, PAIR, interference=evidence("n>s"))
    victim = given(NoisyNeighbor(score_from=0.5, moves="victim"), hurt)
    assert [v.subject for v in victim.violations] == ["n|s", "s"]
    # that the noisy one goes does not repair it: the victim was to go
    assert victim.finished("n h1").only.subject == "s"
    assert "has to leave that host" in victim.rule.explain(victim.finished("n h1").only, hurt)
    victim.finished("s h2").is_content()
    victim.under_way("s h2").exceeds_by(1, 1)
    noisy = given(NoisyNeighbor(score_from=0.5, moves="noisy"), hurt)
    assert [v.subject for v in noisy.violations] == ["n|s", "n"]
    noisy.finished("n h1").is_content()


def test_nobody_has_to_go_where_they_do_not_stand_together() -> None:
    hurt = fleet(HOSTS, PAIR, interference=evidence("n>v"))
    given(NoisyNeighbor(score_from=0.5, moves="victim"), hurt).is_content()
    given(NoisyNeighbor(score_from=0.5, moves="victim"), hurt).finished("n h1").exceeds_by(1)


# -- parameters ----------------------------------------------------------------------------------------------------


def test_a_should_is_one() -> None:
    rule = NoisyNeighbor(score_from=0.5, hardness="should", moves="victim")
    found = given(rule, fleet(HOSTS, PAIR, interference=evidence("n>s"))).violations
    assert {v.hardness for v in found} == {Hardness.SHOULD}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"moves": "victim"},
        {"noisy_from": 0.3},
        {"at_most": 1},
        {"apart_from_sensitive": True},
        {"limit": {"disk": 1.0}},
        {"limit": {"io": -0.1}},
        {"score_from": float("nan")},
        {"score_from": 0.5, "moves": "both"},
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NoisyNeighbor(**parameters)


def test_noise_is_rounded_up_as_the_decimal_that_it_prints_as() -> None:
    rng = np.random.default_rng(0)
    thousandths = np.arange(2000) / 1000
    hairs = np.concatenate([np.nextafter(thousandths, 9), np.nextafter(thousandths[1:], 0)])
    values = np.concatenate([thousandths, hairs, rng.random(2000), rng.random(2000) * 1e-6, [1e6, 123456.7891]])
    assert demands_milli(values).tolist() == [demand_milli(float(v)) for v in values]
