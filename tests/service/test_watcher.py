"""What the periodic run's watcher makes of a ledger: imbalances go on, and journeys hold VMs, as the sections say."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.clock import SystemClock
from optimizer.errors import InputError
from optimizer.execute.ledger import open_ledger
from optimizer.service.events import Seen
from optimizer.service.logs import LogPart, open_logs
from optimizer.service.record import Cycle
from optimizer.service.roles import Reading
from optimizer.service.watching import MonitorsWatcher
from optimizer.sources.config_yaml import config_from_document
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.monitors.fleets import START

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.ledger import Ledger
    from optimizer.service.roles import Watched

POLICY = build.policy("capacity", "anti_affinity", {"rule": "journey", "cool_down": {}})


def looks(ledger: Ledger, *hosts: str, **sections: Any) -> list[Watched]:
    """Look every ten minutes; v1 of group g is on these hosts, one after the other, and v0 on h0."""
    config = config_from_document(sections, "remora.yaml")
    watch = MonitorsWatcher(ledger, config, SystemClock(), {}, "test")
    found = []
    for number, host in enumerate(hosts):
        at = (START + timedelta(minutes=10 * number)).isoformat()
        vms = [build.vm("v0", "h0", memory=10, groups=["g"]), build.vm("v1", host, memory=10, groups=["g"])]
        listed = [build.host(f"h{i}", memory=100) for i in range(3)]
        fleet = fleet_from_document(build.document(listed, vms, taken_at=at), "test")
        found.append(watch(Reading(fleet), POLICY))
    return found


def test_imbalances_go_on_and_what_others_moved_is_cooling_down(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        first, second, third = looks(ledger, "h0", "h0", "h1")
    assert [(one.monitor, one.subject, one.text[:2]) for one in first.opened] == [("anti_affinity", "g host:h0", "g:")]
    assert second.opened == ()
    assert [one.id for one in second.imbalances] == [one.id for one in first.imbalances]
    assert (dict(second.journeys), dict(third.journeys)) == ({}, {"cool_down": 1})
    assert [(m.vm, m.source, m.target, m.by) for m in third.fleet.history] == [("v1", "h0", "h1", "other")]


def test_it_says_when_what_is_pending_may_open(tmp_path: Path) -> None:
    watched = {"watch": [{"monitor": "rule", "rule": "anti_affinity", "open_after_s": 1500}], "gap_s": 3600}
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        found = looks(ledger, "h0", "h0", "h1", "h0", monitors=watched)
    assert [one.again_s for one in found] == [1500.0, 900.0, None, 1500.0]


def test_what_no_monitor_can_judge_is_said(tmp_path: Path) -> None:
    """A query without a Prometheus to ask: in the log each time that it begins."""
    watched = {"watch": [{"monitor": "promql", "name": "raid", "query": "up == 0"}]}
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        first, second = looks(ledger, "h0", "h0", monitors=watched)
    assert [(one.monitor, one.subjects) for one in first.unjudged] == [("raid", ())]
    stream = io.StringIO()
    logs = open_logs(LogPart(format="json"), stream)
    cycle = Cycle("tiny", 1, "time", "me", START)
    for seen in (first, second, replace(second, unjudged=()), second):
        logs.tell(Seen(cycle, seen))
    lines = [json.loads(line) for line in stream.getvalue().splitlines() if "not judged" in line]
    assert [(line["monitor"], line["level"]) for line in lines] == [("raid", "warning")] * 2
    assert "there is no Prometheus" in lines[0]["detail"]


def test_the_ledger_is_left_aside_where_the_section_says_so(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        *_, last = looks(ledger, "h0", "h1", journeys={"from_ledger": False})
    assert (dict(last.journeys), last.fleet.history) == ({}, ())


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"journeys": {"from_ledgr": False}}, r"journeys.from_ledgr.*did you mean from_ledger"),
        ({"journeys": {"simulated": "perhaps"}}, r"journeys.simulated: 'perhaps': expected true or false"),
        ({"monitors": {"gap_s": "long"}}, r"monitors.gap_s: 'long': expected a whole number"),
    ],
)
def test_a_section_that_is_wrong_is_refused_before_the_first_cycle(tmp_path: Path, sections: Any, text: str) -> None:
    with open_ledger(str(tmp_path / "ledger")) as ledger, pytest.raises(InputError, match=text):
        looks(ledger, **sections)
