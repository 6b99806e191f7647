"""The Python interface means what the commands mean, and refuses what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import remora
from tests.command_line import run
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
