"""`remora run` and `remora cycles` as commands."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SimulatedClock
from optimizer.service.config import service_config
from optimizer.service.ending import Ending
from optimizer.service.events import Everybody
from optimizer.service.sections import read_checked
from optimizer.service.service import Service
from tests import build
from tests.command_line import refused, run
from tests.documents import ROOT

if TYPE_CHECKING:
    from optimizer.service.roles import Reading

OLD = 31_536_000
FOUR = ROOT / "docs" / "examples" / "four.json"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copy(FOUR, tmp_path / "four.json")
    return tmp_path


def config(place: Path, **sections: Any) -> Path:
    document = {"inventory": {"file": "four.json", "max_age_s": OLD}, "ledger": "ledger.sqlite", **sections}
    path = place / "remora.yaml"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("level", "code", "outcome"),
    [
        (None, 1, "watched"),
        ("observe", 1, "watched"),
        ("propose", 1, "proposed"),
        ("approve", 1, "waiting"),
        ("act", 0, "done"),
    ],
)
def test_one_cycle_at_each_level(place: Path, level: str | None, code: int, outcome: str) -> None:
    more: dict[str, Any] = {"automation": {"level": level}} if level else {}
    came = run("run", "--once", "--json", "--config", config(place, **more))
    assert came.code == code
    assert (came.json["outcome"], came.json["number"]) == (outcome, 1)
    cycles = run("cycles", "--ledger", place / "ledger.sqlite", "--json").json
    assert [(c["number"], c["outcome"], c["trigger"]) for c in cycles] == [(1, outcome, "once")]
    runs = run("ledger", "runs", "--ledger", place / "ledger.sqlite", "--json").json
    assert [r["state"] for r in runs] == (["done"] if level == "act" else [])


def test_a_plan_that_waits_is_approved_and_carried_out(place: Path) -> None:
    path = config(place, automation={"level": "approve"})
    first = run("run", "--once", "--json", "--config", path).json
    plan = place / "remora-state" / "plans" / f"{first['plan']}.json"
    assert run("approve", plan, "--reason", "fine", "--ledger", place / "ledger.sqlite").code == 0
    second = run("run", "--once", "--json", "--config", path)
    assert (second.code, second.json["outcome"], second.json["plan"]) == (0, "done", first["plan"])


def test_the_button_stops_a_cycle(place: Path) -> None:
    run("run", "--once", "--config", config(place))
    path = config(place, automation={"level": "act"})
    assert run("stop", "--reason", "no", "--ledger", place / "ledger.sqlite").code == 0
    came = run("run", "--once", "--json", "--config", path)
    assert (came.code, came.json["outcome"]) == (4, "stopped")
    run("resume", "--reason", "yes", "--ledger", place / "ledger.sqlite")
    assert run("run", "--once", "--config", path).code == 0


def test_evidence_that_is_asked_for_and_never_looked_for_is_said(place: Path) -> None:
    came = run("run", "--once", "--config", config(place, interference={}))
    assert "section signals is not: no evidence of interference is looked for" in came.err


def test_a_page_of_cycles(place: Path) -> None:
    path = config(place, automation={"level": "act"})
    run("run", "--once", "--config", path)
    page = run("run", "--once", "--config", path)
    assert "was already applied" in page.out
    assert "SIMULATED" not in page.out, "nothing was done in this one"
    assert "SIMULATED: no VM was migrated in 1 cycle of these" in run("cycles", "--ledger", place / "ledger.sqlite").out
    listed = run("cycles", "--ledger", place / "ledger.sqlite", "--last", "1")
    assert "stopped" in listed.out and "done  " not in listed.out.split("\n")[1]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"inventory": {}}, "inventory"),
        ({"inventory": {"file": "a.json", "command": ["b"]}}, "inventory"),
        ({"inventory": {"fil": "a"}}, "inventory"),
        ({"cycle": {"every_s": 0}}, "cycle.every_s"),
        ({"cycle": {"every_s": "soon"}}, "cycle.every_s"),
        ({"cycle": {"evry_s": 5}}, "cycle.evry_s"),
        ({"cycle": {"jitter": 0.9}}, "cycle.jitter"),
        ({"cycle": {"plan_when": "never"}}, "cycle.plan_when"),
        ({"automation": {"level": "all"}}, "automation.level"),
        ({"driver": "magic"}, "magic"),
        ({"driver": {"nme": "simulated"}}, "driver.nme"),
        ({"policy": "no-such"}, "no-such"),
        ({"ledger": "no/such/directory/l.sqlite"}, "no/such"),
        ({"log": {"format": "xml"}}, "log.format"),
        ({"nonsense": {}}, "nonsense"),
        ({"inventory": {"file": "none.json"}}, "none.json"),
        ({"inventory": {"command": ["/no/such/program"]}}, "/no/such/program"),
        ({"inventory": {"command": ["false"]}}, "false exited with 1"),
        ({"inventory": {"command": ["echo", "hello"]}}, "inventory.command"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_is_wrong_is_named(place: Path, sections: dict[str, Any], said: str) -> None:
    came = run("run", "--once", "--config", config(place, **sections))
    assert came.code == 2
    last = came.err.strip().split("\n")[-1]
    assert last.startswith("remora: ")
    assert said in last


def test_no_configuration(place: Path) -> None:
    assert "none.yaml" in refused("run", "--config", place / "none.yaml")
    assert "--once" in refused("run", "--json", "--config", config(place))


def test_cycles_wants_a_ledger(place: Path) -> None:
    refused("cycles", "--ledger", place / "none.sqlite")


def test_paths_are_relative_to_the_file(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("run", "--once", "--config", config(place)).code == 1
    assert (place / "ledger.sqlite").exists()
    assert list(Path.cwd().iterdir()) == []


def test_it_is_well_for_as_long_as_a_stage_may_last(place: Path) -> None:
    """A run that goes on after a long look at what was left open is no hang, and a stage that lasts too long is one."""
    clock = SimulatedClock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    config_file = config(place, cycle={"execute_s": 600, "stop_s": 100}, metrics={})
    settings = service_config(read_checked(config_file))
    ending = Ending(clock)
    edges: dict[str, Any] = {"clock": clock, "rng": Random(1), "environment": {}, "machine": "m"}

    def read() -> Reading:
        raise OSError("never asked")

    with Service(settings, build.policy(), read, ending, Everybody([]), **edges) as service:
        for stage in ("settle", "execute"):
            ending.begin(stage, 600)
            clock.sleep(700)
            assert service.ill() == ""
        clock.sleep(61)
        assert service.ill() == "nothing was done for 761 s"
        ending.begin("")
        assert service.ill() == ""
