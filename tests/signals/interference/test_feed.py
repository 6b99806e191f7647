"""What a snapshot says after evidence was written into it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.fleet import Pressure
from optimizer.signals.interference import Record, Settings, State, decided, noisy_ones, update, with_evidence
from optimizer.signals.interference.feed import fleet_with_evidence, pressure_of
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.signals.interference.series import END, V, hog, observation

SETTINGS = Settings()


def record(noisy: str, suffers: str, score: float = 0.1, state: State = State.EVIDENT, kind: str = "cpu") -> Record:
    return Record(
        noisy=noisy, suffers=suffers, kind=kind, state=state, since=END, seen_at=END, host="h0", score=score, p=0.001,
        lasted=4, windows=5, stall_before=0.3,
    )  # fmt: skip


def snapshot(**more: object) -> build.Document:
    return build.document([build.host("h0"), build.host("h1")], [build.vm(f"v{i}", "h0") for i in range(V)], **more)


def outcome(*records: Record) -> object:
    return replace(update((), observation(hog(1, victims=())), SETTINGS), records=records)


def test_pairs_noise_and_pressure_are_in_the_snapshot() -> None:
    found = update((), observation(hog(1)), SETTINGS, dict.fromkeys((f"v{i}" for i in range(V)), "h0"))
    document = with_evidence(snapshot(), found, SETTINGS)
    fleet = fleet_from_document(document, "test")
    ids = fleet.vms.ids
    assert {(ids[e.noisy], ids[e.suffers], e.kind) for e in fleet.interference} == {
        ("v0", "v1", "cpu"),
        ("v0", "v2", "cpu"),
    }
    scores = {r.suffers: r.score for r in found.records}
    noise, pressure = fleet.vms.noise[:, Pressure.CPU], fleet.vms.pressure[:, Pressure.CPU]
    assert noise[0] == pytest.approx(sum(scores.values()), abs=1e-5)
    assert (noise[1:] == 0).all()
    assert pressure[1] == pytest.approx(found.attributions[0].stall[1], abs=1e-5)
    assert pressure[1] > 0.1 > pressure[3]


def test_what_the_snapshot_had_stays_but_for_what_is_judged() -> None:
    had = [
        {"noisy": "v3", "suffers": "v4", "kind": "io", "score": 0.8},
        {"noisy": "v0", "suffers": "v1", "kind": "cpu", "score": 0.9},
        {"noisy": "v5", "suffers": "v6", "kind": "cpu", "score": 0.9},
    ]
    records = (record("v0", "v1", 0.2), record("v5", "v6", state=State.REFUTED), record("v0", "gone"))
    document = with_evidence(snapshot(interference=had), outcome(*records), SETTINGS)  # type: ignore[arg-type]
    assert document["interference"] == [had[0], {"noisy": "v0", "suffers": "v1", "kind": "cpu", "score": 0.2}]


def test_separated_and_confirmed_pairs_stay_apart() -> None:
    records = (record("v0", "v1", state=State.SEPARATED), record("v0", "v2", state=State.CONFIRMED))
    document = with_evidence(snapshot(), outcome(*records), SETTINGS)  # type: ignore[arg-type]
    assert [e["suffers"] for e in document["interference"]] == ["v1", "v2"]


def test_who_disturbs_three_is_the_noisy_one_and_is_not_its_victims_victim() -> None:
    three = [record("v0", f"v{i}") for i in (1, 2, 3)]
    back = record("v1", "v0", 0.5)
    other = record("v1", "v4")
    assert noisy_ones([*three, back, other], SETTINGS) == {"v0": 3}
    assert decided([*three, back, other], SETTINGS) == [*three, other]
    assert decided([*three[:2], back, other], SETTINGS) == [*three[:2], back, other]  # two are not enough
    alone = record("v5", "v0")
    assert alone in decided([*three, alone], SETTINGS)  # it is not disturbed by v0: both may be true


def test_other_facts_of_vms_are_untouched() -> None:
    document = snapshot()
    document["vms"][0] |= {"noise": {"io": 0.5, "cpu": 9.0}, "pressure": {"memory": 0.1}, "x_mine": 1}
    made = with_evidence(document, outcome(record("v0", "v1", 0.2)), SETTINGS)  # type: ignore[arg-type]
    assert made["vms"][0]["noise"] == {"io": 0.5, "cpu": 0.2}
    assert made["vms"][0]["pressure"].keys() == {"memory", "cpu"}
    assert made["vms"][0]["x_mine"] == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_fleet_gets_what_its_snapshot_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = {(f"v{a}", f"v{b}") for a, b in rng.integers(0, V + 1, (9, 2)).tolist() if a != b}
    records = [
        record(*pair, float(rng.uniform(0.05, 0.5)), State(rng.choice([s.value for s in State])))
        for pair in sorted(pairs)
    ]
    had = [
        {"noisy": f"v{a}", "suffers": f"v{b}", "kind": "cpu", "score": 0.9}
        for a, b in sorted({(int(a), int(b)) for a, b in rng.integers(0, V, (4, 2)) if a != b})
    ]
    found = replace(update((), observation(hog(seed)), SETTINGS), records=tuple(records))
    written = fleet_from_document(with_evidence(snapshot(interference=had), found, SETTINGS), "test")
    plain = fleet_from_document(snapshot(interference=had), "test")
    laid = fleet_with_evidence(plain, records, pressure_of(found), SETTINGS)
    assert laid.interference == written.interference
    np.testing.assert_array_equal(laid.vms.noise, written.vms.noise)
    np.testing.assert_array_equal(laid.vms.pressure, written.vms.pressure)
    assert (plain.interference == ()) == (not had)  # the one that was given is as it was
