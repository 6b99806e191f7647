"""Generated fleets: the same for the same spec, as full as asked, clean without problems, broken exactly as planted."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from constraints import CATALOGUE, SHIPPED
from optimizer.errors import InputError
from optimizer.fleet import ABSENT, Fleet, State
from optimizer.problem.rule import Hardness, Violation
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import read_policy
from optimizer.sources.synthetic import Spec, generate
from optimizer.sources.synthetic.plants import PLANTERS
from optimizer.sources.synthetic.spec import TROUBLES
from tests.build import policy

if TYPE_CHECKING:
    from optimizer.policy import Policy

CLEAN: dict[str, Any] = {name: 0.0 for name in TROUBLES}
REFUSALS = ("errors", "busy", "disabled", "full_of_vms")
HEADROOM = {"rule": "headroom", "resource": "disk_mib", "alert": 0.9, "safe": 0.8}
NOISE = {
    "rule": "noisy_neighbor",
    "limit": {"io": 1.0},
    "noisy_from": 0.5,
    "at_most": 1,
    "apart_from_sensitive": True,
    "score_from": 0.5,
}
OWNERS = {"rule": "anti_affinity", "by": "owner"}
RULES: dict[str, tuple[Any, ...]] = {
    "nearly_full": (HEADROOM,),
    "noise": (NOISE,),
    "sensitive": (NOISE,),
    "interference": (NOISE,),
    "owners": (OWNERS,),
    "draining": ("maintenance",),
    "windows": ("maintenance",),
    "together": ("together",),
    "spread": ("spread",),
    "needs": ("needs",),
    "apart": ("apart",),
}
"""The rules that mind each problem; capacity and anti_affinity where nothing else is said."""


def fleet_of(document: dict[str, Any]) -> Fleet:
    return fleet_from_document(document, "generated")


def violations(rules: Policy, state: State) -> list[Violation]:
    hurts = (Hardness.MUST, Hardness.SHOULD)
    return [v for rule in rules.rules for v in rule.check(state) if v.hardness in hurts]


def minded(kind: str) -> Policy:
    return policy(*RULES.get(kind, ("capacity", "anti_affinity")))


def mended(fleet: Fleet, planted: list[dict[str, Any]]) -> State:
    """The state in which the first `least_moves` VMs of each problem are gone (for a spread: in another rack)."""
    placement = fleet.vms.host.copy()
    for trouble in planted:
        for name in trouble["vms"][: trouble["least_moves"]]:
            vm = fleet.vm_index[name]
            racks = fleet.hosts.domain[1]
            elsewhere = np.flatnonzero(racks != racks[placement[vm]])
            placement[vm] = elsewhere[0] if trouble["kind"] == "spread" else ABSENT
    return State(fleet, placement)


def test_same_spec_same_document() -> None:
    spec = Spec(hosts=50, vms=400, seed=5, draining=0.05, noise=0.05)
    assert json.dumps(generate(spec)) == json.dumps(generate(spec))
    assert generate(spec) != generate(Spec(hosts=50, vms=400, seed=6, draining=0.05, noise=0.05))


def test_troubles_do_not_change_the_rest() -> None:
    clean, hot = (generate(Spec(hosts=50, vms=400, **(CLEAN | {"hot": share}))) for share in (0.0, 0.04))
    touched = {h for trouble in hot["x_planted"] for h in trouble["hosts"]}
    assert len(touched) == 2
    assert [v for v in clean["vms"] if v["host"] not in touched] == [v for v in hot["vms"] if v["host"] not in touched]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"balance"}))  # nothing makes these fleets even
def test_clean_without_troubles(name: str, seed: int) -> None:
    fleet = fleet_of(generate(Spec(hosts=200, vms=2000, seed=seed, **CLEAN)))
    assert violations(read_policy(name, CATALOGUE, SHIPPED), State.start(fleet)) == []


def test_clean_for_every_rule_that_troubles_are_for() -> None:
    fleet = fleet_of(generate(Spec(hosts=200, vms=2000, **CLEAN)))
    for kind in (*PLANTERS, "misplaced"):
        assert violations(minded(kind), State.start(fleet)) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k in (*PLANTERS, "misplaced") if k not in REFUSALS])
def test_planted_is_found_and_mended_by_the_least_moves(kind: str) -> None:
    document = generate(Spec(hosts=200, vms=2000, seed=11, memory_fill=0.75, **(CLEAN | {kind: 0.03})))
    fleet, planted = fleet_of(document), document["x_planted"]
    grouped = sum(any(g[0] == "g" for g in v.get("groups", [])) for v in document["vms"])
    assert len(planted) == (round(0.03 * grouped) if kind == "misplaced" else 6)
    assert {t["kind"] for t in planted} == {kind}
    found = violations(minded(kind), State.start(fleet))
    assert len(found) >= len(planted)
    for trouble in planted:  # each is found by its subject, a host of it, or one of its VMs
        named = {trouble["subject"], *trouble["vms"], *trouble["hosts"]}
        assert any(v.subject in named or not named.isdisjoint(fleet.vms.ids[m] for m in v.vms) for v in found)
    assert violations(minded(kind), mended(fleet, planted)) == []
    almost = violations(minded(kind), mended(fleet, planted[1:]))
    assert almost, "what was planted first is still wrong if only the others are repaired"


def test_hosts_have_one_trouble() -> None:
    document = generate(Spec(hosts=200, vms=2000, memory_fill=0.75, **(CLEAN | dict.fromkeys(TROUBLES, 0.01))))
    hosts = Counter(h for t in document["x_planted"] if t["kind"] != "misplaced" for h in t["hosts"])
    misplaced = {h for t in document["x_planted"] if t["kind"] == "misplaced" for h in t["hosts"]}
    assert set(hosts.values()) == {1}
    assert misplaced.isdisjoint(hosts)
    assert {t["kind"] for t in document["x_planted"]} == set(TROUBLES)
    vms = Counter(v for t in document["x_planted"] for v in t["vms"][: t["least_moves"]])
    assert set(vms.values()) == {1}


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusing_hosts_hurt_nobody(kind: str) -> None:
    document = generate(Spec(hosts=200, vms=2000, **(CLEAN | {kind: 0.05})))
    assert [t["least_moves"] for t in document["x_planted"]] == [0] * 10
    assert violations(policy(), State.start(fleet_of(document))) == []


def test_default_amounts() -> None:
    document = generate(Spec(hosts=200, vms=2000))
    kinds = Counter(t["kind"] for t in document["x_planted"])
    grouped = sum("groups" in v for v in document["vms"])
    assert kinds == {"full_disks": 6, "hot": 6, "misplaced": round(0.035 * grouped)}


@pytest.mark.parametrize("kind", ["babies", "unmovable", "bouncing", "held", "immobile"])
def test_who_stays_would_mend_it_too(kind: str) -> None:
    document = generate(Spec(hosts=200, vms=2000, **(CLEAN | {kind: 0.03})))
    fleet = fleet_of(document)
    assert document["x_planted"]
    stay = [t | {"vms": t["stays"]} for t in document["x_planted"]]
    assert violations(policy("capacity"), mended(fleet, stay)) == []


@pytest.mark.parametrize("fill", [0.5, 0.7, 0.82, 0.94, 0.97])
def test_as_full_as_asked(fill: float) -> None:
    document = generate(Spec(hosts=300, vms=3000, memory_fill=fill, **CLEAN))
    capacity = sum(h["capacity"]["memory_mib"] - h["reserved"]["memory_mib"] for h in document["hosts"])
    assert sum(v["demand"]["memory_mib"] for v in document["vms"]) / capacity == pytest.approx(fill, abs=0.01)


def test_measured_cpu_is_within_what_was_bought() -> None:
    document = generate(Spec(hosts=200, vms=2000, hot=0.05))
    demands = [v["demand"] for v in document["vms"]]
    assert all(d["cpu_load_millicores"] <= d["cpu_millicores"] for d in demands)


def test_recent_moves_stand_in_history() -> None:
    history = generate(Spec(recent_moves=12))["history"]
    assert sum(m["started_at"] >= "2026-11-21T11:00:00Z" for m in history) == 12
    assert [m["started_at"] for m in history] == sorted(m["started_at"] for m in history)


def test_zone_is_the_limit_where_asked() -> None:
    document = generate(Spec(hosts=80, vms=600, racks_per_zone=2, move_within_zone=True, together=0.03))
    assert document["move_within"] == "zone"
    zone = {h["id"]: h["domains"]["zone"] for h in document["hosts"]}
    groups = [t for t in document["x_planted"] if t["kind"] == "together"]
    assert groups
    assert all(len({zone[h] for h in t["hosts"]}) == 1 for t in groups)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hosts", 0),
        ("hosts", True),
        ("hosts", 2.5),
        ("vms", -1),
        ("vms", 5),
        ("vms", 10**6),
        ("seed", -1),
        ("memory_fill", 0.99),
        ("memory_fill", float("nan")),
        ("full_disks", 1.5),
        ("hot", "much"),
        ("misplaced", -0.1),
        ("cpu_overcommit", "0.5"),
        ("cpu_overcommit", "1e1"),
        ("cpu_overcommit", 1.6),
        ("taken_at", "yesterday"),
        ("taken_at", "2026-11-21T12:00:00"),
        ("fleet", ""),
    ],
)
def test_nonsense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        generate(Spec(**{field: value}))
    assert caught.value.path == field


def test_an_empty_fleet() -> None:
    document = generate(Spec(hosts=3, vms=0))
    assert document["vms"] == document["x_planted"] == []
