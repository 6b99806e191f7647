"""VMs that prefer hosts, or may stand only on these: judged, planned, explained; by brute force where it is small."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from constraints.prefer import Prefer
from constraints.preference import Preference
from optimizer.check import check
from optimizer.errors import InputError
from optimizer.pipeline import Request, make_plan
from optimizer.problem.atoms import Leave
from optimizer.problem.rule import Hardness
from optimizer.verify.verify import verify
from tests.build import fleet, host, policy, vm
from tests.command_line import refused, run, write
from tests.constraints.given import given

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan

NVME: dict[str, Any] = {"labels": {"disk": "nvme"}}
SATA: dict[str, Any] = {"labels": {"disk": "sata"}}


def rule(*entries: dict[str, Any], **more: Any) -> Prefer:
    return Prefer(entries=tuple(Preference(**entry) for entry in entries), **more)


def planned(whole: Fleet, *rules: Any, seconds: float = 5.0) -> Plan:
    plan = make_plan(whole, policy(*rules), Request(seconds=seconds, deterministic=True))
    assert verify(whole, policy(*rules), plan).findings == ()
    return plan


def moves(plan: Plan) -> list[tuple[str, str]]:
    return sorted((m.vm, m.target) for m in plan.moves)


def two(**more: Any) -> Fleet:
    """`a` stands on SATA."""
    return fleet(
        [host("h1", memory=100, **SATA), host("h2", memory=100, **NVME), host("h3", memory=100, rack="r1")],
        [vm("a", "h1", memory=10, **more), vm("b", "h2", memory=10)],
    )


ON_NVME = {"vms": ["a"], "host_labels": {"disk": "nvme"}}


# -- what is judged ----------------------------------------------------------------------------------------------------


def test_nothing_is_asked_of_others_nor_where_all_stand_well() -> None:
    given(rule({"vms": ["b"], "host_labels": {"disk": "nvme"}}), two()).is_content()
    given(rule(ON_NVME), two()).finished("a h2").is_content()


def test_a_vm_elsewhere_is_a_should_with_its_weight() -> None:
    case = given(rule(ON_NVME | {"weight": 3}, weight=2), two())
    case.penalizes_by(6000)
    assert (case.only.subject, case.only.hardness, case.only.reason) == ("a", Hardness.SHOULD, "entry_1")
    case.says("a: it is on h1 and prefers hosts with disk nvme", "1 host would do")


def test_a_strict_entry_is_a_must_and_refuses_other_hosts() -> None:
    case = given(rule(ON_NVME | {"strict": True, "name": "fast"}), two())
    case.penalizes_by(1000)
    assert case.only.hardness is Hardness.MUST
    case.says("it is on h1 and may stand only on hosts with disk nvme")
    case.under_way("a h3").refuses("fast")
    case.finished("a h2").is_content()
    given(rule({"vms": ["b"], "hosts": ["h2"], "strict": True}), two()).under_way("b h1").refuses("entry_1")


def test_in_flight_a_vm_is_at_both_ends() -> None:
    case = given(rule(ON_NVME), two())
    case.under_way("a h2").exceeds_by(1)
    case.finished("a h2").under_way("a h3").exceeds_by(1)


def test_every_way_to_name_vms_and_hosts() -> None:
    whole = fleet(
        [host("h1", memory=9, rack="r1", labels={"cpu": "epyc", "disk": "nvme"}), host("x1", memory=9, rack="r2")],
        [vm("db-1", "x1", owner="u", groups=["g"], labels={"tier": "gold", "os": "bsd"}), vm("web", "x1")],
    )
    vms: list[dict[str, Any]] = [
        {"vms": ["db-1"]},
        {"vms": ["db-*"]},
        {"groups": ["g"]},
        {"owners": ["u"]},
        {"vm_labels": {"tier": "gold"}},
        {"vm_labels": {"tier": ["lead", "gold"], "os": "bsd"}},
    ]
    hosts: list[dict[str, Any]] = [
        {"hosts": ["h1"]},
        {"hosts": ["h*"]},
        {"hosts": ["rack:r1"]},
        {"host_labels": {"cpu": "epyc"}},
        {"host_labels": {"cpu": ["xeon", "epyc"], "disk": "nvme"}},
    ]
    for some, where in product(vms, hosts):
        assert given(rule(some | where), whole).only.subject == "db-1"
    given(rule(vms[4] | {"vm_labels": {"tier": "gold", "os": "linux"}} | hosts[0]), whole).is_content()
    elsewhere = given(rule({"vms": ["*"], "host_labels": {"cpu": "epyc", "disk": "sata"}, "hosts": ["x1"]}), whole)
    elsewhere.is_content()


def test_entries_are_demands_of_their_own() -> None:
    """h2 before h3 before h1: what stands on the least liked is two violations with names that differ."""
    both = rule({"name": "good", "vms": ["a"], "hosts": ["h2", "h3"]}, {"name": "best", "vms": ["a"], "hosts": ["h2"]})
    case = given(both, two())
    case.penalizes_by(2000)
    assert sorted(v.reason for v in case.violations) == ["best", "good"]
    assert {str(a.reason) for a in both.lower(two()) if isinstance(a, Leave)} == {"best", "good"}
    case.finished("a h3").penalizes_by(1000)
    case.finished("a h2").is_content()


@pytest.mark.parametrize("state", ["down", "disabled", "draining"])
def test_while_no_preferred_host_is_active_a_should_asks_nothing(state: str) -> None:
    whole = fleet([host("h1", memory=9), host("h2", memory=9, state=state)], [vm("a", "h1", memory=1)])
    given(rule({"vms": ["a"], "hosts": ["h2"]}), whole).is_content()
    given(rule({"vms": ["a"], "hosts": ["h2"]}), whole).lacks(entries__entry_1=1)
    given(rule({"vms": ["a"], "hosts": ["h2"], "strict": True}), whole).exceeds_by(1)
    required = rule({"vms": ["a"], "hosts": ["h2"]}, require=("entries.entry_1",))
    assert [n.what for n in required.not_evaluated(whole)] == list(required.require)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hosts": ["h1"]}, "an entry names VMs by vms, groups, owners or vm_labels"),
        ({"vms": ["a"]}, "an entry names the hosts"),
        ({"vms": ["a"], "hosts": ["h1"], "weight": 0}, "at least 1"),
        ({"vms": ["a"], "host": ["h1"]}, "a field that is known here"),
    ],
)
def test_a_half_said_entry_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        policy({"rule": "prefer", "entries": [wrong]})


def test_two_entries_of_one_name_and_a_rule_without_any_are_refused() -> None:
    entry = {"vms": ["a"], "hosts": ["h1"]}
    with pytest.raises(InputError, match="two entries are called 'x'"):
        policy({"rule": "prefer", "entries": [entry | {"name": "x"}, entry | {"name": "x"}]})
    with pytest.raises(InputError, match="two entries are called 'entry_1'"):
        policy({"rule": "prefer", "entries": [entry, entry | {"name": "entry_1"}]})
    wrong: list[dict[str, Any]] = [{}, {"entries": []}, {"entries": [entry], "hardness": "must"}]
    for parameters in wrong:
        with pytest.raises(InputError):
            policy({"rule": "prefer"} | parameters)


SNAPSHOT: dict[str, Any] = {
    "format": "remora-fleet/1",
    "fleet": "f",
    "taken_at": "2026-01-01T00:00:00Z",
    "resources": [{"name": "memory_mib", "copied": True}],
    "levels": ["host", "rack"],
    "hosts": [
        {
            "id": f"hv0{i}.fra1",
            "domains": {"rack": f"rack-{i}"},
            "capacity": {"memory_mib": 9},
            "labels": {"disk": kind},
        }
        for i, kind in enumerate(("sata", "nvme"))
    ],
    "vms": [
        {"id": "db-1", "host": "hv00.fra1", "demand": {"memory_mib": 1}, "owner": "shop", "groups": ["stores"]}
        | {"labels": {"tier": "gold"}}
    ],
}


@pytest.mark.parametrize(
    ("entry", "field", "hint"),
    [
        ({"vms": ["db1"], "hosts": ["hv01.fra1"]}, "vms[0]", "did you mean db-1?"),
        ({"vms": ["dp-*"], "hosts": ["hv01.fra1"]}, "vms[0]", ""),
        ({"groups": ["store"], "hosts": ["hv01.fra1"]}, "groups[0]", "did you mean stores?"),
        ({"owners": ["shpo"], "hosts": ["hv01.fra1"]}, "owners[0]", "did you mean shop?"),
        ({"vm_labels": {"teir": "gold"}, "hosts": ["hv01.fra1"]}, "vm_labels.teir", "did you mean tier?"),
        ({"vm_labels": {"tier": ["gold", "glod"]}, "hosts": ["hv01.fra1"]}, "vm_labels.tier[1]", "did you mean gold?"),
        ({"vms": ["*"], "hosts": ["hv01"]}, "hosts[0]", "did you mean hv01.fra1?"),
        ({"vms": ["*"], "hosts": ["hw*"]}, "hosts[0]", ""),
        ({"vms": ["*"], "hosts": ["rack:rack-9"]}, "hosts[0]", ""),
        ({"vms": ["*"], "host_labels": {"disk": "nvm"}}, "host_labels.disk", "did you mean nvme?"),
    ],
)
def test_names_that_mean_nothing_are_refused(tmp_path: Path, entry: dict[str, Any], field: str, hint: str) -> None:
    wanted = {"format": "remora-policy/1", "rules": [{"rule": "prefer", "entries": [entry]}]}
    snapshot, file = write(tmp_path / "fleet.json", SNAPSHOT), write(tmp_path / "policy.yaml", wanted)
    said = refused("check", snapshot, "--policy", file)
    assert f"rules[0].entries[0].{field}" in said
    assert hint in said
    warned = run("check", snapshot, "--policy", write(tmp_path / "warn.yaml", wanted | {"unknown_names": "warn"}))
    assert warned.code in (0, 1)
    assert field in warned.err


# -- what is planned ---------------------------------------------------------------------------------------------------


def test_a_vm_moves_to_where_it_prefers_and_says_why() -> None:
    plan = planned(two(), "capacity", {"rule": "prefer", "entries": [ON_NVME]})
    assert (plan.status.value, moves(plan)) == ("optimal", [("a", "h2")])
    assert plan.moves[0].why.startswith("a: it is on h1 and prefers hosts with disk nvme")


def test_the_heavier_preference_wins_where_they_part() -> None:
    light, heavy = {"vms": ["a"], "hosts": ["h2"]}, {"vms": ["a"], "hosts": ["h3"], "weight": 2}
    plan = planned(two(), {"rule": "prefer", "entries": [light, heavy]})
    assert moves(plan) == [("a", "h3")]
    assert [(r.rule, r.subject, r.why.partition(" prefers ")[2]) for r in plan.remaining] == [
        ("prefer", "a", "h2; 1 host would do")
    ]


def test_entries_that_ask_the_same_are_told_apart() -> None:
    whole = two(mobility="none")
    entries: list[dict[str, Any]] = [ON_NVME, {**ON_NVME, "name": "again"}, {**ON_NVME, "strict": True, "name": "only"}]
    words = [rule(*entries).explain(v, whole) for v in given(rule(*entries), whole).violations]
    assert len(set(words)) == len(words) == 3
    assert sorted(text.rpartition("do")[2] for text in words) == ["", " (entry again)", " (entry entry_1)"]
    plan = planned(whole, "allowed", {"rule": "prefer", "entries": entries})
    assert len({left.why for left in plan.remaining}) == len(plan.remaining) == 3


def test_a_price_of_nothing_moves_nothing_and_the_price_is_said_to_be_the_cause() -> None:
    plan = planned(two(), "capacity", {"rule": "prefer", "entries": [ON_NVME], "price": 0})
    assert moves(plan) == []
    (left,) = plan.remaining
    assert left.cause is not None
    assert left.cause.kind == "price"
    assert moves(planned(two(), "capacity", {"rule": "prefer", "entries": [ON_NVME], "price": 2})) == [("a", "h2")]


def test_no_must_suffers_and_what_is_in_the_way_is_named() -> None:
    full = fleet(
        [host("h1", memory=100, **SATA), host("h2", memory=15, **NVME)],
        [vm("a", "h1", memory=10), vm("b", "h2", memory=10, mobility="none")],
    )
    plan = planned(full, "capacity", "allowed", {"rule": "prefer", "entries": [ON_NVME]})
    assert moves(plan) == []
    (left,) = plan.remaining
    assert left.cause is not None
    assert (left.cause.kind, left.cause.rule) == ("room", "capacity")
    strict = planned(full, "capacity", "allowed", {"rule": "prefer", "entries": [ON_NVME | {"strict": True}]})
    assert (moves(strict), [r.rule for r in strict.remaining]) == ([], ["prefer"])


def test_an_overloaded_host_gives_to_the_preferred_one() -> None:
    """Any of three hosts has room; the VMs that leave go where they prefer to be, at no move more."""
    hosts = [host("h0", memory=40), *(host(f"h{i}", memory=100) for i in range(1, 4))]
    whole = fleet(hosts, [vm(f"v{i}", "h0", memory=20) for i in range(4)])
    plan = planned(whole, "capacity", {"rule": "prefer", "entries": [{"vms": ["*"], "hosts": ["h0", "h2"]}]})
    assert [target for _, target in moves(plan)] == ["h2", "h2"]
    assert plan.status.value == "optimal"


def test_the_placement_stage_keeps_to_preferences() -> None:
    """The cooler host would be h3, but both VMs prefer h2."""
    hosts = [host("h1", memory=100, state="draining"), host("h2", memory=100), host("h3", memory=100)]
    whole = fleet(hosts, [vm("a", "h1", memory=40), vm("b", "h1", memory=40)])
    entries = [{"vms": ["*"], "hosts": ["h1", "h2"]}]
    assert moves(planned(whole, "capacity", "maintenance", {"rule": "prefer", "entries": entries})) == [
        ("a", "h2"),
        ("b", "h2"),
    ]


def test_strict_holds_on_the_way_too() -> None:
    """Two full hosts exchange VMs; the only spare host is none that `a` may stand on, so `b` makes the hop."""
    hosts = [host("h1", memory=10), host("h2", memory=10), host("h3", memory=10)]
    whole = fleet(hosts, [vm("a", "h1", memory=10), vm("b", "h2", memory=10)])
    entries = [{"vms": ["a"], "hosts": ["h2"], "strict": True}, {"vms": ["b"], "hosts": ["h1"]}]
    plan = planned(whole, "capacity", {"rule": "prefer", "entries": entries})
    assert [(m.vm, m.target) for m in plan.moves] == [("b", "h3"), ("a", "h2"), ("b", "h1")]


@pytest.mark.rotating
@pytest.mark.parametrize("seed", range(20))
def test_others_make_way_on_the_hosts_that_are_preferred(seed: int) -> None:
    """Preferred hosts are full of VMs that are content anywhere; sixty hosts are past the complete model's size."""
    rng = Random(f"way {seed}")
    count, liked = 60, rng.randint(3, 10)
    hosts = [host(f"h{i}", memory=100) for i in range(count)]
    vms = [vm(f"full-{h}-{n}", f"h{h}", memory=10) for h in range(liked) for n in range(10)]
    vms += [vm(f"half-{h}-{n}", f"h{h}", memory=10) for h in range(liked, count) for n in range(7)]
    keen = rng.randint(1, 6)
    vms += [vm(f"keen-{i}", f"h{rng.randrange(liked, count)}", memory=10) for i in range(keen)]
    entries = [{"vms": ["keen-*"], "hosts": [f"h{i}" for i in range(liked)]}]
    plan = planned(fleet(hosts, vms), "capacity", {"rule": "prefer", "entries": entries}, seconds=0.5)
    values = {s.stage: s.value for s in plan.objective}
    assert (values["should_harm"], values["moving"]) == (0, 2 * keen)


def test_explain_says_what_a_move_would_mean(tmp_path: Path) -> None:
    entry = {"name": "fast", "vms": ["db-*"], "host_labels": {"disk": "sata"}}
    wanted = {"format": "remora-policy/1", "rules": [{"rule": "prefer", "entries": [entry]}]}
    snapshot = write(tmp_path / "fleet.json", SNAPSHOT)
    soft = write(tmp_path / "soft.yaml", wanted)
    strict = write(
        tmp_path / "strict.yaml", wanted | {"rules": [{"rule": "prefer", "entries": [entry | {"strict": True}]}]}
    )
    ask = ("explain", snapshot, "db-1", "--to", "hv01.fra1", "--policy")
    assert (
        "allowed, but worse for prefer/fast: db-1: it would be elsewhere and prefers hosts with disk sata"
        in run(*ask, soft).out
    )
    assert "refused by prefer/fast" in run(*ask, strict).out
    assert "db-1 may stand only on hosts with disk sata" in run(*ask, strict).out


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(s, marks=pytest.mark.slow) for s in range(4, 40))])
def test_random_preferences_against_every_placement(seed: int) -> None:
    """Weights and capacity alone: the least weighed displeasure, and then the fewest moves, by enumeration."""
    rng = Random(f"prefer {seed}")
    names = [f"h{i}" for i in range(3)]
    amounts = {f"v{i}": rng.randint(1, 4) for i in range(rng.randint(2, 5))}
    at = {v: rng.choice(names) for v in amounts}
    room = {h: max(3, sum(a for v, a in amounts.items() if at[v] == h)) + rng.randint(0, 3) for h in names}
    entries: list[dict[str, Any]] = [
        {
            "vms": rng.sample(sorted(amounts), rng.randint(1, len(amounts))),
            "hosts": rng.sample(names, rng.choice((1, 1, 2))),
            "weight": rng.randint(1, 4),
        }
        for _ in range(rng.randint(1, 3))
    ]
    whole = fleet(
        [host(h, memory=room[h]) for h in names] + [host("spare", memory=9)],
        [vm(v, at[v], memory=amounts[v]) for v in amounts],
    )

    def worth(placed: dict[str, str]) -> tuple[int, int]:
        displeased = sum(e["weight"] for e in entries for v in e["vms"] if placed[v] not in e["hosts"])
        return 1000 * displeased, sum(placed[v] != at[v] for v in placed)

    every = (dict(zip(amounts, hosts, strict=True)) for hosts in product([*names, "spare"], repeat=len(amounts)))
    limits = room | {"spare": 9}
    fitting = [p for p in every if all(sum(amounts[v] for v in p if p[v] == h) <= limits[h] for h in limits)]
    plan = planned(whole, "capacity", {"rule": "prefer", "entries": entries})
    values = {s.stage: s.value for s in plan.objective}
    best = min(map(worth, fitting))
    assert values["should_harm"] == best[0]
    assert values["moving"] >= best[1]  # hops come on top where the order needs them
    assert plan.status.value in ("optimal", "nothing_to_do")
    placed = at | {m.vm: m.target for m in plan.moves}
    assert worth(placed) == (values["should_harm"], len({m.vm for m in plan.moves}))
    assert {(v.subject, v.reason) for v in check(whole, policy({"rule": "prefer", "entries": entries}))} == {
        (v, f"entry_{i}") for i, e in enumerate(entries, 1) for v in e["vms"] if at[v] not in e["hosts"]
    }
