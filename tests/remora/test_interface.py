"""The Python interface means what the commands mean, and refuses what they refuse."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

import remora
from tests.command_line import run, write
from tests.documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLEET = ROOT / "docs" / "examples" / "quickstart.json"


@pytest.fixture(scope="module")
def fleet() -> remora.Fleet:
    return remora.read_fleet(FLEET)


@pytest.fixture(scope="module")
def policy() -> remora.Policy:
    return remora.read_policy()


def test_check_says_what_the_command_says(fleet: remora.Fleet, policy: remora.Policy) -> None:
    said = run("check", str(FLEET), "--json").json
    assert [v["why"] for v in said["violations"]] == [v.why for v in remora.check(fleet, policy).violations]


def test_a_plan_is_one_that_the_command_verifies(fleet: remora.Fleet, policy: remora.Policy, tmp_path: Path) -> None:
    plan = remora.plan(fleet, policy, seconds=60, drain=["h1"], max_moves=20)
    assert remora.verify(fleet, policy, plan).findings == ()
    path = tmp_path / "plan.json"
    remora.write_plan(path, plan)
    assert remora.read_plan(path) == plan
    assert run("verify", FLEET, path).code == 0


def test_what_if_says_what_the_command_says(fleet: remora.Fleet, policy: remora.Policy) -> None:
    said = run("whatif", "fit", str(FLEET), "--like", "v7", "--json").json
    found = remora.whatif.fit(fleet, policy, like="v7")
    assert (found.value, found.bound, found.hosts) == (said["value"], said["bound"], said["hosts"])
    request = {"format": "remora-request/1", "vms": [{"id": "n", "count": 2, "demand": {"memory_mib": "8GiB"}}]}
    placed = remora.whatif.place(fleet, policy, request=request)
    assert (placed.placed, placed.asked) == (2, 2)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda f, p: remora.plan(f, p, drain=["h01"]), "did you mean h1?"),
        (lambda f, p: remora.plan(f, p, exclude=["vm"]), "a VM of fleet"),
        (lambda f, p: remora.whatif.fit(f, p), "one of size, like and request"),
        (lambda f, p: remora.whatif.fit(f, p, size="cpu=two"), "an amount"),
        (lambda f, p: remora.whatif.fit(f, p, size="memory=8"), "an amount with its unit"),
        (lambda f, p: remora.whatif.fit(f, p, like="v7", replicas=2, level="row"), "a level (host, rack, zone)"),
        (lambda f, p: remora.whatif.fit(f, p, like="v7", by="row"), "a level (host, rack, zone)"),
        (lambda f, p: remora.whatif.fit(f, p, like="v7", survive=41), "from 1 to 40 (all hosts)"),
        (lambda f, p: remora.whatif.fit(f, p, like="v7", survive=1, replicas=2), "no replicas, no mix"),
        (lambda f, p: remora.whatif.place(f, p, request={"format": "remora-request/2"}), "remora-request/1"),
        (lambda f, p: remora.fleet_from({"format": "remora-fleet/1"}), "missing"),
        (lambda f, p: remora.policy_from({"format": "remora-policy/1", "rules": [{"rule": "none"}]}), "none"),
    ],
)
def test_what_means_nothing_is_refused(
    ask: Callable[[remora.Fleet, remora.Policy], object], told: str, fleet: remora.Fleet, policy: remora.Policy
) -> None:
    with pytest.raises(remora.InputError) as error:
        ask(fleet, policy)
    assert told in str(error.value)


@pytest.fixture
def laid(tmp_path: Path) -> remora.Fleet:
    """A fleet with an overlay that names a VM in vain, and a group that is empty."""
    overlay = {"format": "remora-overlay/1", "unknown_names": "warn", "vms": {"v9999": {}}, "groups": [{"id": "none"}]}
    with pytest.warns(remora.InputWarning) as told:
        fleet = remora.read_fleet(FLEET, write(tmp_path / "overlay.yaml", overlay))
    assert [str(one.message) for one in told] == [str(one) for one in fleet.warnings]
    return fleet


def test_what_an_overlay_names_in_vain_is_warned_of_and_kept(laid: remora.Fleet, policy: remora.Policy) -> None:
    assert [one.code for one in laid.warnings] == ["unknown_name", "empty_group"]
    assert remora.cautions(laid, policy) == laid.warnings
    assert remora.read_fleet(FLEET).warnings == ()


ASKED: list[Callable[[remora.Fleet, remora.Policy, remora.Plan], object]] = [
    lambda fleet, policy, plan: remora.check(fleet, policy),
    lambda fleet, policy, plan: remora.plan(fleet, policy, seconds=5),
    lambda fleet, policy, plan: remora.verify(fleet, policy, plan),
    lambda fleet, policy, plan: remora.whatif.fit(fleet, policy, size="cpu=1"),
    lambda fleet, policy, plan: remora.whatif.place(fleet, policy, size="cpu=1"),
]


@pytest.mark.parametrize("asked", ASKED)
def test_every_question_holds_the_policy_against_the_fleet(
    fleet: remora.Fleet, asked: Callable[[remora.Fleet, remora.Policy, remora.Plan], object]
) -> None:
    plan = remora.plan(fleet, remora.read_policy(), seconds=5)

    def of(rule: dict[str, Any], **more: Any) -> remora.Policy:
        rules = [{"rule": "capacity"}, rule]
        return remora.policy_from({"format": "remora-policy/1", "rules": rules, **more})

    drained = {"rule": "maintenance", "hosts": ["h01"]}
    with pytest.raises(remora.InputError, match="did you mean h1"):
        asked(fleet, of(drained), plan)
    hosts = [{k: v for k, v in host.items() if k != "error_count"} for host in fleet.document["hosts"]]
    less = remora.fleet_from({**fleet.document, "hosts": hosts})
    with pytest.raises(remora.InputError, match="require"):
        asked(less, of({"rule": "eligible", "errors": 3, "require": ["error_count"]}), plan)
    with pytest.warns(remora.InputWarning, match=r"rules\[1\].hosts\[0\]: 'h01' is not a host of fleet quickstart"):
        asked(fleet, of(drained, unknown_names="warn"), plan)


def test_one_cause_is_told_once_whoever_asks(fleet: remora.Fleet) -> None:
    rules = [{"rule": "maintenance", "hosts": ["h01"]}]
    policy = remora.policy_from({"format": "remora-policy/1", "rules": rules, "unknown_names": "warn"})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        remora.check(fleet, policy)
        remora.check(fleet, policy)
        remora.whatif.place(fleet, policy, size="cpu=1")
    assert [one.category for one in told] == [remora.InputWarning]
