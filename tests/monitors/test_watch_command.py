"""`remora watch` and `remora imbalances`, as an operator calls them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from optimizer.execute.ledger import open_ledger
from tests import build
from tests.command_line import refused, run
from tests.monitors.fleets import at

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snapshot(place: Path, minutes: int, *, apart: bool = False, disk: int = 500) -> Path:
    hosts = [build.host(f"h{i}", memory=100, disk=1000, measured={"disk_mib": disk}) for i in range(2)]
    vms = [build.vm(f"v{i}", f"h{i * apart}", memory=10, groups=["g"]) for i in range(2)]
    path = place / "fleet.json"
    path.write_text(json.dumps(build.document(hosts, vms, taken_at=at(minutes).isoformat())))
    return path


def test_looking_writes_nothing(here: Path) -> None:
    outcome = run("watch", snapshot(here, 0))
    assert outcome.code == 1
    assert "1 imbalance open" in outcome.out
    assert "not recorded" in outcome.out
    assert sorted(p.name for p in here.iterdir()) == ["fleet.json"]
    assert "no file" in refused("imbalances")


def test_what_is_recorded_goes_on_and_closes(here: Path) -> None:
    assert run("watch", snapshot(here, 0), "--record").code == 1
    first = run("imbalances", "--json").json
    assert [(one["monitor"], one["subject"], one["state"]) for one in first] == [("anti_affinity", "g host:h0", "open")]
    assert first[0]["since"] == "2026-11-21T12:00:00Z"
    assert first[0]["evidence"]["vms"] == ["v0", "v1"]
    before = open_bytes(here)
    closing = run("watch", snapshot(here, 5, apart=True), "--json").json
    assert [(c["before"], c["after"]) for c in closing["changes"]] == [("open", "closing")]
    assert (closing["recorded"], open_bytes(here)) == (False, before)
    assert run("watch", snapshot(here, 5, apart=True), "--record").code == 1
    assert run("watch", snapshot(here, 15, apart=True), "--record").code == 0
    assert run("imbalances").code == 0
    (closed,) = run("imbalances", "--all", "--json").json
    assert (closed["id"], closed["state"], closed["closed_at"]) == (first[0]["id"], "closed", "2026-11-21T12:15:00Z")
    assert "imbalance closed" in run("ledger", "events").out
    assert run("ledger", "verify").code == 0


def test_a_disk_that_fills_is_pending_first(here: Path) -> None:
    assert run("watch", snapshot(here, 0, apart=True, disk=950), "--record").code == 0
    assert run("imbalances").code == 0
    document = run("watch", snapshot(here, 10, apart=True, disk=950), "--record", "--json").json
    assert [(one["monitor"], one["state"]) for one in document["imbalances"]] == [("full_disk", "open")] * 2
    assert "95.0 %" in run("imbalances").out
    assert "the snapshot has no value for it" in {one["why"] for one in document["not_judged"]}


def test_what_is_moved_by_others_is_seen(here: Path) -> None:
    run("watch", snapshot(here, 0), "--record", "--ledger", "book.sqlite")
    run("watch", snapshot(here, 5, apart=True), "--record", "--ledger", "book.sqlite")
    with open_ledger("book.sqlite") as book:
        assert [(t.vm, t.by) for t in book.travels("tiny", at(0))] == [("v1", "other")]


def test_monitors_are_configured(here: Path) -> None:
    (here / "remora.yaml").write_text("monitors: {watch: [{monitor: full_disk, opens_above: 0.4, closes_below: 0.3}]}")
    found = run("watch", snapshot(here, 0), "--config", "remora.yaml", "--json").json
    assert [(one["monitor"], one["state"]) for one in found["imbalances"]] == [("full_disk", "pending")] * 2


def test_a_query_without_a_prometheus_is_not_judged(here: Path) -> None:
    (here / "remora.yaml").write_text("monitors: {watch: [{monitor: promql, name: down, query: up == 0}]}")
    outcome = run("watch", snapshot(here, 0), "--config", "remora.yaml")
    assert outcome.code == 0
    assert "nobody asked" in outcome.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("monitors: {watch: [{monitor: psl}]}", "monitors.watch[0].monitor: 'psl': expected one of rule"),
        ("monitors: [1]", "monitors: a list"),
        ("monitor: {}", "did you mean monitors?"),
        ("monitors: {watch: [{monitor: rule, rule: anti_afinity}]}", "did you mean anti_affinity?"),
        ("monitors: {watch: [{monitor: full_disk, resource: dsk_mib}]}", "monitors.watch[0].resource: 'dsk_mib'"),
        ("monitors: {and_watch: [{monitor: disk_filling, resource: dsk_mib}]}", "did you mean disk_mib?"),
    ],
)
def test_a_wrong_section_is_refused(here: Path, text: str, words: str) -> None:
    (here / "remora.yaml").write_text(text)
    said = refused("watch", snapshot(here, 0), "--config", "remora.yaml")
    assert said.startswith("remora: remora.yaml: ")
    assert words.split(": ")[-1] in said


def test_an_older_snapshot_stops(here: Path) -> None:
    run("watch", snapshot(here, 5), "--record")
    outcome = run("watch", snapshot(here, 0), "--record")
    assert outcome.code == 4
    assert "take a new snapshot" in outcome.err


def open_bytes(here: Path) -> bytes:
    return (here / "remora-ledger.sqlite").read_bytes()
