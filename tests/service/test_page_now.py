"""What the page shows of now: nothing old as if it were new, and never more than can be renewed each second."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from optimizer.execute.button import StopFile
from optimizer.execute.ledger import open_ledger
from optimizer.monitors.by_rule import ByRule
from optimizer.monitors.config import MonitorsPart
from optimizer.monitors.reading import Observation
from optimizer.monitors.recording import record
from optimizer.pipeline import Request, make_plan
from optimizer.service.page.facts import Patience, now_facts
from tests import build
from tests.service.pages import served
from tests.service.test_cycle import pair_on_one_host
from tests.service.test_page_safety import Asker

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = Patience(1800.0, 9600.0)
FLEET = pair_on_one_host()
AT = FLEET.taken_at


def facts(ledger: Any, at: Any, waiting: Any = None) -> dict[str, Any]:
    return now_facts(ledger, "tiny", StopFile.beside("nowhere"), waiting, at, PATIENCE)


@pytest.mark.parametrize(
    ("ended", "later_s", "said"),
    [
        (True, 1800, ""),
        (True, 1801, "no cycle was made since the last ended, 2026-"),
        (False, 9600, ""),
        (False, 9601, "cycle 1 has not ended since it began, 2026-"),
    ],
)
def test_a_periodic_run_of_which_nothing_is_heard(ended: bool, later_s: float, said: str, tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        assert facts(ledger, AT)["silent"] == ""
        ledger.begin_cycle("tiny", "time", AT, by="me")
        if ended:
            ledger.end_cycle("tiny", 1, "clean", AT)
        silent = facts(ledger, AT + timedelta(seconds=later_s))["silent"]
    assert silent.startswith(said) and bool(silent) == bool(said)


def test_a_plan_that_waits_and_has_expired() -> None:
    plan = make_plan(FLEET, build.policy(), Request(seconds=5, deterministic=True))
    assert not facts(None, AT, plan)["expired"]
    assert facts(None, plan.expires_at, plan)["expired"]


def test_the_page_says_both_and_shows_a_part_of_many_imbalances(tmp_path: Path) -> None:
    hosts = [build.host(f"h{i}", memory=5) for i in range(60)]
    crowded = build.fleet(hosts, [build.vm(f"v{i}", f"h{i}", memory=10) for i in range(60)])
    policy = build.policy()
    with open_ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        seen = Observation(crowded, crowded.taken_at, policy.rules, {})
        record(ledger, (ByRule(rule="capacity"),), MonitorsPart(), seen, by="me")
        ledger.begin_cycle("tiny", "time", AT, by="me")
        ledger.end_cycle("tiny", 1, "clean", AT)
    with served(tmp_path) as url:
        text = Asker(url, tmp_path)("/now").text
    assert "Open imbalances: 60" in text and text.count('class="imbalance"') == 50
    assert "Nothing is heard of the periodic run: no cycle was made since the last ended, 2026-" in text
