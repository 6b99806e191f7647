from __future__ import annotations

import csv
import io
from random import Random
from typing import TYPE_CHECKING

import pytest

from optimizer.report.export import plan_csv
from optimizer.sources.csv_formulas import defused, restored
from optimizer.sources.fleet_csv import import_csv
from tests import build
from tests.execute.plans import move, plan_of
from tests.report.test_export import live

if TYPE_CHECKING:
    from pathlib import Path

SIGNS = "=+-@\t\r＝＋－＠"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+41", "'+41"),
        ("-x", "'-x"),
        ("--help", "'--help"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\r=x", "'\r=x"),
        ("'=x", "''=x"),
        ("''-x", "'''-x"),
        ("db-1", "db-1"),
        ("'quoted'", "'quoted'"),
        ("", ""),
        ("5", "5"),
        (" =x", " =x"),
    ],
)
def test_what_begins_a_formula_gets_an_apostrophe(cell: str, written: str) -> None:
    assert defused(cell) == written
    assert restored(written) == cell


@pytest.mark.parametrize("seed", range(30))
def test_any_cell_comes_back_and_none_written_begins_a_formula(seed: int) -> None:
    rng = Random(seed)
    for _ in range(200):
        cell = "".join(rng.choice(SIGNS + "'a1 ") for _ in range(rng.randint(0, 5)))
        assert restored(defused(cell)) == cell
        assert not defused(cell).startswith(tuple(SIGNS))


NAMES = ["=cmd|' /C calc'!A0", "-x", "+1", "@a", "'=x", "--help", "5", "＝x", "a-b"]


def test_a_plan_as_csv_and_a_fleet_from_csv_name_the_same_vms(tmp_path: Path) -> None:
    fleet = build.fleet([build.host("=h1"), build.host("-h2")], [build.vm(name, "=h1") for name in NAMES])
    plan = plan_of(fleet, *(move(fleet, i, name, "=h1", "-h2") for i, name in enumerate(NAMES)))
    text = plan_csv(plan, live)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple(SIGNS))]
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["id", "host", "memory_mib"])
    writer.writerows((row["vm"], row["from"], 1) for row in rows)
    (tmp_path / "vms.csv").write_text(table.getvalue())
    (tmp_path / "hosts.csv").write_text("id,memory_mib\n'=h1,64\n'-h2,64\n")
    document = import_csv(tmp_path / "hosts.csv", tmp_path / "vms.csv", fleet_id="f", taken_at=fleet.taken_at)
    assert [(vm["id"], vm["host"]) for vm in document["vms"]] == [(name, "=h1") for name in NAMES]
