"""From series to evidence, to a snapshot, to a plan that separates, to series of afterwards, to a confirmed pair."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.signals.interference.documents import series_document
from optimizer.sources.kinds import time_text
from tests.command_line import run, write
from tests.signals.interference import story
from tests.signals.interference.series import END

if TYPE_CHECKING:
    from pathlib import Path

POLICY = """
format: remora-policy/1
name: by-evidence
rules:
  - rule: capacity
  - {rule: noisy_neighbor, score_from: 0.05}
"""


def moved(fleet: dict[str, Any], plan: dict[str, Any], later: timedelta) -> dict[str, Any]:
    """Return the fleet with the moves of a plan done."""
    to = {move["vm"]: move["to"] for move in plan["moves"]}
    vms = [{**vm, "host": to.get(vm["id"], vm["host"])} for vm in fleet["vms"]]
    return {**fleet, "vms": vms, "taken_at": time_text(END + later)}


@pytest.mark.parametrize(("seed", "kind"), [(2, "cpu"), (3, "cpu"), (1, "io"), (2, "io")])
def test_from_series_to_a_confirmed_pair(tmp_path: Path, seed: int, kind: str) -> None:
    host, raw, without = story.story(seed, kind)
    (tmp_path / "policy.yaml").write_text(POLICY)
    records, out = tmp_path / "records.json", tmp_path / "out.json"
    fleet = write(tmp_path / "fleet.json", story.fleet())
    series = write(tmp_path / "before.json", series_document(story.before(host, raw)))

    first = run("interference", series, "--fleet", fleet, "-o", out, "--records", records, "--json")
    assert first.code == 1
    pairs = [p for p in first.json["pairs"] if p["state"] == "evident"]
    assert {p["noisy"] for p in pairs} == {"v0"}
    assert len(pairs) >= 3
    assert first.json["noisy"] == {"v0": len(pairs)}
    assert f"{len(json.loads(out.read_text())['interference'])}" == f"{len(pairs)}"

    assert run("check", fleet, "--policy", tmp_path / "policy.yaml").code == 0
    assert run("check", out, "--policy", tmp_path / "policy.yaml").code == 1
    planned = run("plan", out, "--policy", tmp_path / "policy.yaml", "--json", "--time-limit", 10)
    (move,) = planned.json["moves"]
    assert (move["vm"], move["to"]) == ("v0", "hv2")  # one move of the noisy one, not one of each victim

    for samples, state in [(40, "separated"), (75, "confirmed")]:
        later = timedelta(seconds=samples * story.INTERVAL_S)
        write(fleet, moved(story.fleet(), planned.json, later))
        write(series, series_document(story.after(host, raw, without, move["to"], samples)))
        done = run("interference", series, "--fleet", fleet, "-o", out, "--records", records, "--json")
        assert done.code == 0
        assert {p["state"] for p in done.json["pairs"]} == {state}
    assert run("check", out, "--policy", tmp_path / "policy.yaml").code == 0
    kept = json.loads(out.read_text())["interference"]
    assert {e["noisy"] for e in kept} == {"v0"}  # confirmed pairs are kept apart


def test_where_the_move_did_not_help_the_pairs_are_refuted(tmp_path: Path) -> None:
    host, raw, _ = story.story(2)
    records = tmp_path / "records.json"
    fleet = write(tmp_path / "fleet.json", story.fleet())
    series = write(tmp_path / "series.json", series_document(story.before(host, raw)))
    assert run("interference", series, "--fleet", fleet, "--records", records).code == 1
    for samples in (40, 75):
        write(fleet, moved(story.fleet(), {"moves": [{"vm": "v0", "to": "hv2"}]}, timedelta(0)))
        write(series, series_document(story.after(host, raw, raw, "hv2", samples)))  # as noisy as before
        last = run("interference", series, "--fleet", fleet, "--records", records, "--json")
    assert {p["state"] for p in last.json["pairs"]} <= {"refuted", "confirmed"}
    assert sum(p["state"] == "refuted" for p in last.json["pairs"]) >= len(last.json["pairs"]) - 1
