"""`remora interference`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from optimizer.signals.interference.documents import series_document
from tests import build
from tests.command_line import refused, run, write
from tests.signals.interference.series import V, hog, observation
from tests.signals.interference.test_documents import as_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write(tmp_path / "series.json", series_document(observation(hog(1))))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    vms = [build.vm(f"v{i}", "h0") for i in range(V)]
    return write(tmp_path / "fleet.json", build.document([build.host("h0"), build.host("h1")], vms))


@pytest.mark.slow
def test_it_says_who_costs_whom_how_much(series: Path) -> None:
    said = run("interference", series)
    assert said.code == 1
    assert "v0 costs v1 " in said.out
    assert " % of its time, p 0.0002, 5 of 5 windows" in said.out
    assert "Evidence of interference: 2 pairs" in said.out
    assert "read: 1 host, 8 VMs (cpu), 5 windows of 30 samples, 15 s each" in said.out


@pytest.mark.slow
def test_json_and_csv_give_the_same_answer(series: Path, tmp_path: Path) -> None:
    rows = tmp_path / "series.csv"
    rows.write_text(as_csv(observation(hog(1))))
    a, b = (run("interference", path, "--json").json for path in (series, rows))
    assert [p["text"] for p in a["pairs"]] == [p["text"] for p in b["pairs"]]
    assert len(a["pairs"]) == 2


@pytest.mark.slow
def test_where_there_is_nothing_it_says_so_and_exits_with_0(tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.json", series_document(observation(hog(1, victims=()))))
    said = run("interference", silent)
    assert said.code == 0
    assert "no VM costs another enough" in said.out


def test_short_series_are_said_to_be_short(tmp_path: Path) -> None:
    document = series_document(observation(hog(1)))
    for host in document["hosts"]:
        del host["total"]
        for vm in host["vms"]:
            vm["stall"], vm["use"] = vm["stall"][:20], vm["use"][:20]
    said = run("interference", write(tmp_path / "short.json", document))
    assert said.code == 0
    assert "1 series too short" in said.out


def test_the_section_of_the_configuration_is_read(series: Path, tmp_path: Path) -> None:
    config = tmp_path / "remora.yaml"
    config.write_text("interference: {score_from: 0.5}\n")
    assert run("interference", series, "--config", config).code == 0
    config.write_text("interference: {score_form: 0.5}\n")
    assert "interference.score_form" in refused("interference", series, "--config", config)
    config.write_text("interference: {lasts: 7}\n")
    assert "more than the 5 windows" in refused("interference", series, "--config", config)


def test_the_snapshot_gets_the_evidence_and_the_old_one_is_untouched(series: Path, fleet: Path, tmp_path: Path) -> None:
    was = fleet.read_bytes()
    assert run("interference", series, "--fleet", fleet, "-o", tmp_path / "out.json").code == 1
    assert len(json.loads((tmp_path / "out.json").read_text())["interference"]) == 2
    assert fleet.read_bytes() == was
    assert "evidence of interference: 2 pairs" in run("show", tmp_path / "out.json").out


def test_the_schema_of_series_names_every_field(series: Path) -> None:
    schema, document = run("schema", "series").json, json.loads(series.read_text())
    assert set(document) == set(schema["required"]) <= set(schema["properties"])
    of_host = schema["properties"]["hosts"]["items"]
    host = document["hosts"][0]
    assert set(of_host["required"]) <= set(host) <= set(of_host["properties"])
    of_vm = of_host["properties"]["vms"]["items"]
    assert set(of_vm["required"]) <= set(host["vms"][0]) <= set(of_vm["properties"])


def test_records_are_read_and_written_anew(series: Path, tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    first = run("interference", series, "--records", records, "--json").json
    again = run("interference", series, "--records", records, "--json").json
    assert [c["after"] for c in first["changes"]] == ["evident", "evident"]
    assert again["changes"] == []
    assert len(json.loads(records.read_text())["pairs"]) == 2


def test_what_is_wrong_is_refused_and_nothing_is_written(series: Path, fleet: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert "--fleet" in refused("interference", series, "-o", out)
    assert "must not be an input" in refused("interference", series, "--fleet", fleet, "-o", fleet)
    assert "must not be an input" in refused("interference", series, "--records", series)
    assert "remora-series/1" in refused("interference", fleet)
    assert "can be read" in refused("interference", tmp_path / "none.json")
    strangers = build.document([build.host("h0")], [build.vm("x", "h0")])
    other = write(tmp_path / "other.json", strangers)
    assert "at least one VM of the fleet" in refused("interference", series, "--fleet", other, "-o", out)
    broken = write(tmp_path / "broken.json", {"format": "remora-interference/1", "pairs": [1]})
    assert "pairs[0]" in refused("interference", series, "--records", broken)
    rows = tmp_path / "bad.csv"
    rows.write_bytes(b"time\xff")
    assert "CSV in UTF-8" in refused("interference", rows)
    assert not out.exists()
