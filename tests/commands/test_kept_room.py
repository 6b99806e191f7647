"""Room that the ledger keeps for VMs to come counts in what is planned, verified and applied by hand with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.reservations import Reservation
from tests import build
from tests.command_line import Outcome, run

NOW = datetime.now(UTC).replace(microsecond=0)
LEDGER = ("--ledger", "book.sqlite")
HOSTS = [build.host("h0", memory=4096), build.host("h1", memory=4200), build.host("h2", memory=3000)]
VMS = [build.vm(name, host, memory=2048) for name, host in (("a", "h0"), ("b", "h0"), ("c", "h0"), ("d", "h1"))]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of three VMs has to leave h0; h1 and h2 have room for one, and h2 is as good."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.json").write_text(json.dumps(build.document(HOSTS, VMS, taken_at=NOW.isoformat())))
    (tmp_path / "rules.yaml").write_text("format: remora-policy/1\nrules: [{rule: capacity}]\n")
    open_ledger("book.sqlite").close()
    return tmp_path


def keep(vm: str, host: str, seconds: float = 7200, **more: Any) -> None:
    asked = [{"id": vm, "count": 1, "demand": {"memory_mib": 2048}, **more}]
    room = {"request": {"format": "remora-request/1", "vms": asked}, "placements": [[vm, host]]}
    with open_ledger("book.sqlite") as ledger:
        one = Reservation("tiny", vm, room, NOW, NOW + timedelta(seconds=seconds), "me")
        assert ledger.reservations.keep(one, {held.id for held in ledger.reservations.of("tiny", NOW)})


def asked(*words: object) -> Outcome:
    return run(*words, "--policy", "rules.yaml")


def targets(*words: object) -> list[str]:
    asked("plan", "fleet.json", *words, "-o", "plan.json")
    return [move["to"] for move in json.loads(Path("plan.json").read_text())["moves"]]


def test_a_plan_leaves_the_room_and_says_so(here: Path) -> None:
    keep("new", "h2")
    assert targets(*LEDGER) == ["h1"]
    keep("other", "h1")
    assert targets(*LEDGER) == []
    said = asked("plan", "fleet.json", *LEDGER).err
    assert "remora: room: 2 VMs to come, of 2 reservations, count as there by the ledger book.sqlite" in said
    assert targets() in (["h1"], ["h2"])


def test_it_is_verified_and_applied_with_the_same_ledger(here: Path) -> None:
    keep("new", "h2")
    assert targets(*LEDGER) == ["h1"]
    assert asked("verify", "fleet.json", "plan.json", *LEDGER).code == 0
    assert asked("verify", "fleet.json", "plan.json").code == 1
    done = asked("apply", "fleet.json", "plan.json", "--act", *LEDGER, "-o", "after.json")
    assert done.code == 0, done
    assert "remora: room: 1 VM to come, of 1 reservation, counts as there" in done.err
    assert [vm["id"] for vm in json.loads((here / "after.json").read_text())["vms"]] == ["a", "b", "c", "d"]


def test_a_plan_into_room_that_was_kept_since_is_refused(here: Path) -> None:
    (target,) = targets()
    keep("new", target)
    refused = asked("apply", "fleet.json", "plan.json", *LEDGER)
    assert refused.code == 4
    assert f"{target}" in refused.err
    assert "counts as there" in refused.err


def test_room_that_is_kept_elsewhere_does_not_stop_a_plan(here: Path) -> None:
    (target,) = targets(*LEDGER)
    keep("new", "h2" if target == "h1" else "h1")
    assert asked("apply", "fleet.json", "plan.json", "--act", *LEDGER).code == 0


def test_room_whose_time_is_over_is_that_of_the_plan_or_nobodys(here: Path) -> None:
    keep("new", "h2", seconds=0.0)
    assert targets(*LEDGER) in (["h1"], ["h2"])
    keep("late", "h2")
    assert targets(*LEDGER) == ["h1"]
    with open_ledger("book.sqlite") as ledger:
        assert ledger.reservations.release("tiny", "late", "me", NOW)
    assert asked("apply", "fleet.json", "plan.json", "--act", *LEDGER).code == 0


def test_room_for_more_is_made_beside_what_is_kept(here: Path) -> None:
    keep("new", "h2")
    asks = {"format": "remora-request/1", "vms": [{"id": "big", "demand": {"memory_mib": 2048}}]}
    (here / "request.json").write_text(json.dumps(asks))
    assert asked("plan", "fleet.json", *LEDGER, "--place", "request.json").code == 1
    assert asked("plan", "fleet.json", "--place", "request.json").code == 0


def test_a_reservation_that_cannot_be_counted_is_named(here: Path) -> None:
    keep("new", "h2")
    keep("odd", "h1", demand={"gpus": 1})
    said = asked("plan", "fleet.json", *LEDGER).err
    assert "reservation odd is not counted" in said
    assert "1 VM to come, of 1 reservation, counts as there" in said


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_ledger_of_the_environment_that_is_not_there_is_named(
    here: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be one that is still to be made, or a name with a slip in it: room that is kept would not count."""
    keep("new", "h2")
    words = [command, "fleet.json", *(["plan.json"] if command == "verify" else [])]
    targets(*LEDGER)
    monkeypatch.setenv("REMORA_LEDGER", "bok.sqlite")
    answer = asked(*words, "--json")
    text = "there is no ledger bok.sqlite: its kept room and history do not count"
    assert answer.err.count(f"remora: warning: REMORA_LEDGER: {text}\n") == 1
    if command == "verify":  # a plan has the warnings that it was made with
        assert {"code": "no_ledger", "where": "REMORA_LEDGER", "text": text} in answer.json["warnings"]
    assert not Path("bok.sqlite").exists()
    monkeypatch.setenv("REMORA_LEDGER", "book.sqlite")
    there = asked(*words)
    assert "REMORA_LEDGER" not in there.err
    assert "1 VM to come" in there.err
    monkeypatch.delenv("REMORA_LEDGER")
    assert "ledger" not in asked(*words).err


@pytest.mark.parametrize(("more", "code"), [(0, 0), (2048, 4)])
def test_a_plan_is_judged_on_a_later_snapshot(here: Path, more: int, code: int) -> None:
    """What it touches is the same; how full its target is has changed, or how full another host is."""
    (target,) = targets()
    grown = [build.vm("grown", target if more else "h1", memory=more or 100)]
    later = build.document(HOSTS, [*VMS, *grown], taken_at=(NOW + timedelta(seconds=1)).isoformat())
    (here / "later.json").write_text(json.dumps(later))
    came = asked("apply", "later.json", "plan.json", "--act")
    assert came.code == code, came
    if code:
        assert "is not safe here" in came.err
        assert target in came.err
