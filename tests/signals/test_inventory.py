"""Inventories: a file, a command, a database; what is wrong with one is one line, and nothing is changed there."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.signals.config import InventoryPart
from optimizer.signals.inventory import read_inventory
from optimizer.sources.config_yaml import config_from_document
from tests.build import TAKEN_AT, document, host, vm
from tests.sources.fake_proxmox import TOKEN, place_of, serving, small_cluster

if TYPE_CHECKING:
    from pathlib import Path

SNAPSHOT = document([host("h0", memory=100)], [vm("v0", "h0", memory=10)])
NOW = datetime.fromisoformat(TAKEN_AT)
SECRET = "hunter2"


def read(tmp_path: Path, inventory: dict[str, Any], environ: Any = None, at: datetime = NOW) -> dict[str, Any]:
    config = config_from_document({"inventory": inventory}, str(tmp_path / "remora.yaml"))
    part = config.section("inventory", InventoryPart)
    return read_inventory(config, part, SimulatedClock(at), environ if environ is not None else {}, lambda _: None)


def refused(tmp_path: Path, inventory: dict[str, Any], **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, inventory, **more)
    assert "\n" not in str(caught.value) and SECRET not in str(caught.value)
    return str(caught.value)


def test_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps(SNAPSHOT))
    assert read(tmp_path, {"file": "fleet.json"}) == SNAPSHOT


def test_an_overlay_is_laid_over_it(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps(SNAPSHOT))
    (tmp_path / "overlay.yaml").write_text("format: remora-overlay/1\nhosts: {h0: {state: draining}}\n")
    assert read(tmp_path, {"file": "fleet.json", "overlay": "overlay.yaml"})["hosts"][0]["state"] == "draining"


def test_another_source_is_read_at_its_location(tmp_path: Path) -> None:
    """The names of the files stand beside `remora.yaml`; the fleet's own name goes before `fleet`."""
    pve = small_cluster()
    pve.guest(100, "pve1")
    with serving(pve) as url:
        place_of(tmp_path, url)
        document = read(tmp_path, {"source": "proxmox", "location": "proxmox.yaml", "fleet": "other"})
        assert (document["fleet"], [one["id"] for one in document["vms"]]) == ("attic", ["100"])
        pve.errors["/cluster/resources"] = (401, "permission denied - invalid PVE ticket")
        said = refused(tmp_path, {"source": "proxmox", "location": "proxmox.yaml"})
    assert "proxmox.yaml: url: 'no whole answer'" in said and TOKEN.partition("=")[2] not in said


@pytest.mark.parametrize(("late_s", "said"), [(901, "901 s old"), (-61, "61 s from now")])
def test_a_time_that_is_too_old_or_has_not_come(late_s: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps(SNAPSHOT))
    assert said in refused(tmp_path, {"file": "fleet.json"}, at=NOW + timedelta(seconds=late_s))
    assert read(tmp_path, {"file": "fleet.json"}, at=NOW + timedelta(seconds=late_s - (1 if late_s > 0 else -1)))


# -- commands ----------------------------------------------------------------------------------------------------------


def command(text: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-c", text], "deadline_s": 20}


def test_a_command_is_run_where_the_configuration_is_and_sees_what_is_named(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text(json.dumps(SNAPSHOT))
    text = "import os; assert os.environ['A'] == '1' and 'B' not in os.environ; print(open('fleet.json').read())"
    asked = command(text) | {"environment": ["A"]}
    assert read(tmp_path, asked, {"A": "1", "B": SECRET, "PATH": "/usr/bin:/bin"}) == SNAPSHOT


def test_what_a_command_wrote_is_said_without_the_variables_that_it_was_given(tmp_path: Path) -> None:
    """It goes to the log, the ledger and the page."""
    asked = command("import os, sys; sys.exit(f'401 for {os.environ[\"A\"]}')") | {"environment": ["A"]}
    with pytest.raises(InputError) as caught:
        read(tmp_path, asked, {"A": SECRET})
    assert "it wrote '401 for ...'" in str(caught.value) and SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (command("import sys; sys.exit('no database')"), "it wrote 'no database'"),
        (command("raise SystemExit(3)"), "exited with 3"),
        (command("print('[1]')"), "a snapshot (remora-fleet/1)"),
        (command("print('{')"), "JSON"),
        (command('print(\'{"format": "remora-plan/1"}\')'), "format"),
        (command("pass"), "JSON"),
        ({"command": ["/no/such/program"]}, "a program that can be started"),
        ({}, "file, command, sql, or source with location"),
        ({"file": "a", "command": ["b"]}, "only one of file, command, sql and source"),
        ({"source": "libvirt"}, "source and location together"),
        ({"source": "libvrt", "location": "x"}, "libvrt"),
        ({"file": "none.json"}, "none.json"),
        ({"command": []}, "file, command, sql"),
        (command("pass") | {"environment": ["CMDB"]}, "inventory.environment[0]: 'CMDB'"),
        ({"file": "a", "environment": ["B"]}, "environment only with a command"),
    ],
)
def test_what_is_wrong_with_an_inventory_is_named(asked: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refused(tmp_path, asked)


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    text = "import subprocess; subprocess.run(['sleep', '60'])"
    assert "an answer within 0.5 s" in refused(
        tmp_path, command(text) | {"deadline_s": 0.5}, environ={"PATH": "/usr/bin:/bin"}
    )
    assert time.monotonic() - began < 5


# -- databases ---------------------------------------------------------------------------------------------------------

HOSTS = "SELECT name AS id, rack, ram_gib || 'GiB' AS memory_mib FROM hypervisors ORDER BY name"
VMS = "SELECT uuid AS id, node AS host, ram_gib || 'GiB' AS memory_mib, owner FROM servers ORDER BY uuid"


def database(tmp_path: Path, hosts: list[tuple[Any, ...]], vms: list[tuple[Any, ...]]) -> None:
    with sqlite3.connect(tmp_path / "cmdb.db") as book:
        book.execute("CREATE TABLE hypervisors (name TEXT, rack TEXT, ram_gib INTEGER)")
        book.execute("CREATE TABLE servers (uuid TEXT, node TEXT, ram_gib INTEGER, owner TEXT)")
        book.executemany("INSERT INTO hypervisors VALUES (?, ?, ?)", hosts)
        book.executemany("INSERT INTO servers VALUES (?, ?, ?, ?)", vms)
    book.close()


def sql(**more: Any) -> dict[str, Any]:
    return {"fleet": "nyc3", "sql": {"url": "sqlite:///cmdb.db", "hosts": HOSTS, "vms": VMS, **more}}


@pytest.mark.parametrize("seed", range(20))
def test_a_database_gives_what_its_rows_say(seed: int, tmp_path: Path) -> None:
    """Judged by the rows themselves; names have quotes, commas and letters of any script."""
    pytest.importorskip("sqlalchemy", reason="the extra sql is not installed")
    rng = random.Random(f"sql {seed}")
    names = ["h,1", 'h"2', "hôte", "h 4", "=h5", "-h6"]
    hosts = [(name, rng.choice(["r0", "r1"]), rng.randint(64, 512)) for name in rng.sample(names, rng.randint(1, 6))]
    vms = [
        (f"v{i}", rng.choice([*(h[0] for h in hosts), None]), rng.randint(0, 9), rng.choice(["u,1", None, "ü"]))
        for i in range(rng.randint(0, 8))
    ]
    database(tmp_path, hosts, vms)
    found = read(tmp_path, sql())
    assert found["fleet"] == "nyc3" and datetime.fromisoformat(found["taken_at"]) == NOW.astimezone(UTC)
    assert {(h["id"], h["domains"]["rack"], h["capacity"]["memory_mib"]) for h in found["hosts"]} == {
        (name, rack, gib * 1024) for name, rack, gib in hosts
    }
    assert {(v["id"], v["host"], v["demand"]["memory_mib"], v.get("owner")) for v in found["vms"]} == {
        (name, node, gib * 1024, owner) for name, node, gib, owner in vms
    }


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"hosts": "SELECT nothing FROM hypervisors"}, "inventory.sql.hosts"),
        ({"vms": "SELECT uuid AS id FROM servers"}, "a column host"),
        ({"vms": "SELECT uuid AS id, node AS host, 'much' AS memory_mib FROM servers"}, "row 1, column memory_mib"),
        ({"vms": "SELECT uuid AS id, 'h9' AS host FROM servers"}, "row 1, column host"),
        ({"hosts": "DROP TABLE servers"}, "a query that reads: SELECT, WITH or VALUES"),
        ({"hosts": "WITH x AS (SELECT 1) DELETE FROM servers"}, "inventory.sql.hosts"),
        ({"url": "sqlite:////no/such/directory/x.db"}, "inventory.sql"),
        ({"url": f"postgresql://reader:{SECRET}@db/cmdb"}, "without a password"),
        ({"url": "nonsense"}, "inventory.sql.url"),
        ({"url": "", "url_env": "GONE"}, "inventory.sql.url_env: 'GONE'"),
        ({"url": "", "url_file": "none"}, "none"),
        ({"url": ""}, "exactly one of url, url_env and url_file"),
        ({"url": "", "url_env": "BROKEN"}, "inventory.sql.url"),
    ],
)
def test_what_is_wrong_with_a_database_is_named(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the extra sql is not installed")
    database(tmp_path, [("h0", "r0", 64)], [("v0", "h0", 1, None)])
    environ = {"BROKEN": f"mysql+none://reader:{SECRET}@db/cmdb"}
    assert said in refused(tmp_path, sql(**more), environ=environ)
    with sqlite3.connect(tmp_path / "cmdb.db") as book:
        assert book.execute("SELECT count(*) FROM servers").fetchone() == (1,), "a query changes nothing"
    book.close()
