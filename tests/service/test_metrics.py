"""Metrics, their endpoint, and the rules and the dashboard that are made of them."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from optimizer.cautions import NOT_COMPILED
from optimizer.check import check
from optimizer.clock import SimulatedClock
from optimizer.errors import InputError
from optimizer.monitors.watching import Unjudged
from optimizer.pipeline import Request, make_plan
from optimizer.service import events
from optimizer.service.endpoint import serving
from optimizer.service.metrics import Metrics
from optimizer.service.record import Cycle, Outcome
from optimizer.service.roles import Found, Watched
from tests import build
from tests.documents import ROOT
from tests.service.test_cycle import applied, pair_on_one_host
from tests.signals.real_prometheus import need_prometheus

FLEET = pair_on_one_host()
DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\bremora[_:][a-z0-9_:]+")


def metrics_after_a_cycle() -> Metrics:
    """Return metrics that have heard of everything."""
    clock = SimulatedClock(FLEET.taken_at)
    metrics = Metrics(clock, "1.2.3", "act")
    cycle = Cycle("tiny", 1, "time", "me", clock.now())
    plan = make_plan(FLEET, build.policy(), Request(seconds=5, deterministic=True))
    found = Found("i1", "anti_affinity", "g", clock.now(), "two on one host")
    watched = Watched(
        FLEET,
        tuple(check(FLEET, build.policy())),
        (found,),
        (found,),
        {"anti_affinity": {"open": 1, "pending": 2}},
        {"too_new": 3},
        {"confirmed": 1, "refuted": 2},
        unjudged=(Unjudged("raid", "nobody asked", ()), Unjudged("psi_io", "too old", ("h1", "h2"))),
    )
    counts = {"moves": 1, "remaining": 0, "gap_harm": 0.0, "seconds_read": 0.5, "seconds_plan": 2.0}
    done = applied(plan, done=("m0001",), failed=("m0002", "m0003"))
    for event in (
        events.LeadChanged("tiny", True),
        events.CycleBegan(cycle),
        events.FleetRead(cycle, ("h2 is blind", "two names are of no host")),
        events.Seen(cycle, watched),
        events.PlanMade(cycle, plan, "plan.json"),
        events.PlanWarned(cycle, (NOT_COMPILED,)),
        events.RunEnded(cycle, plan, done),
        events.RunEnded(cycle, plan, applied(plan, done=("m0001", "m0002"), simulated=True)),
        events.CycleEnded(replace(cycle, outcome=Outcome.PARTLY, ended_at=clock.now(), counts=counts)),
        events.CycleEnded(replace(cycle, number=2, outcome=Outcome.ERROR, ended_at=clock.now())),
        events.Standing(
            "tiny", "ann: no", {"copying": 2}, {("fleet", 3600, "moves"): 7.0, ("source", 600, "gib"): 1.5}, "plan-1"
        ),
        events.Notified("webhook", "http://x", False, "no answer"),
        events.Trouble("ledger", "away"),
    ):
        metrics.tell(event)
    clock.at += timedelta(seconds=90)
    return metrics


@pytest.fixture(scope="module")
def text() -> str:
    return metrics_after_a_cycle().text().decode()


@pytest.mark.parametrize(
    "line",
    [
        'remora_rebalance_created_total{fleet="tiny"} 2.0',
        'remora_rebalance_creation_failed_total{fleet="tiny",why="error"} 1.0',
        'remora_moves_total{fleet="tiny",outcome="done",simulated="false"} 1.0',
        'remora_reading_notes{fleet="tiny"} 2.0',
        'remora_moves_total{fleet="tiny",outcome="failed",simulated="false"} 2.0',
        'remora_moves_total{fleet="tiny",outcome="done",simulated="true"} 2.0',
        'remora_violations{fleet="tiny",hardness="must",rule="anti_affinity"} 1.0',
        'remora_plan_gap{fleet="tiny",stage="harm"} 0.0',
        'remora_solve_seconds_count{fleet="tiny"} 1.0',
        'remora_plan_warnings_total{code="not_compiled",fleet="tiny"} 1.0',
        'remora_stage_seconds_sum{fleet="tiny",stage="plan"} 2.0',
        'remora_budget_left{fleet="tiny",per="fleet",unit="moves",window_seconds="3600"} 7.0',
        'remora_budget_left{fleet="tiny",per="source",unit="gib",window_seconds="600"} 1.5',
        'remora_journeys_held{filter="too_new",fleet="tiny"} 3.0',
        'remora_imbalances{fleet="tiny",monitor="anti_affinity",state="pending"} 2.0',
        'remora_evidence_pairs{fleet="tiny",state="refuted"} 2.0',
        'remora_monitor_not_judged{fleet="tiny",monitor="raid"} 1.0',
        'remora_monitor_not_judged{fleet="tiny",monitor="psi_io"} 2.0',
        'remora_stopped{fleet="tiny"} 1.0',
        'remora_leader{fleet="tiny"} 1.0',
        'remora_plan_waiting{fleet="tiny"} 1.0',
        'remora_cycle_age_seconds{fleet="tiny"} 90.0',
        'remora_moves_open{fleet="tiny",state="copying"} 2.0',
        'remora_build_info{level="act",version="1.2.3"} 1.0',
        'remora_cycles_total{fleet="tiny",outcome="no_plan"} 0.0',
        'remora_rebalance_creation_failed_total{fleet="tiny",why="stopped"} 0.0',
        'remora_notifications_total{outcome="failed",receiver="webhook"} 1.0',
    ],
)
def test_what_is_told(text: str, line: str) -> None:
    assert line in text.splitlines()


def test_what_is_over_goes_to_zero() -> None:
    metrics = metrics_after_a_cycle()
    metrics.tell(events.Seen(Cycle("tiny", 3, "time", "me", FLEET.taken_at), Watched(FLEET)))
    lines = metrics.text().decode().splitlines()
    assert 'remora_violations{fleet="tiny",hardness="must",rule="anti_affinity"} 0.0' in lines
    assert 'remora_imbalances{fleet="tiny",monitor="anti_affinity",state="open"} 0.0' in lines


def test_a_stage_that_the_next_plan_does_not_have_has_no_gap_any_more() -> None:
    metrics = metrics_after_a_cycle()
    later = Cycle("tiny", 3, "time", "me", FLEET.taken_at, outcome=Outcome.DONE, ended_at=FLEET.taken_at)
    metrics.tell(events.CycleEnded(later))
    assert 'remora_plan_gap{fleet="tiny",stage="harm"} 0.0' in metrics.text().decode(), "it made no plan"
    metrics.tell(events.CycleEnded(replace(later, number=4, counts={"moves": 1, "gap_cost": 0.5})))
    gaps = [line for line in metrics.text().decode().splitlines() if line.startswith("remora_plan_gap{")]
    assert gaps == ['remora_plan_gap{fleet="tiny",stage="cost"} 0.5']


def test_the_registry_is_its_own(text: str) -> None:
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names
    assert all(name.startswith("remora_") for name in names)


def defined() -> set[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "remora-rules.yaml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    text = metrics_after_a_cycle().text().decode()
    return recorded | {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize(
    "path", ["prometheus/remora-rules.yaml", "prometheus/remora-rules.test.yaml", "grafana/remora.json"]
)
def test_every_metric_that_is_named_exists(path: str) -> None:
    text = (DEPLOY / path).read_text()
    named = set(NAME.findall(text)) - {"remora_"}
    assert len(named) > 5
    assert named - defined() == set()


def test_every_metric_has_a_place_on_the_dashboard_or_in_a_rule_or_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    for name in defined():
        base = re.sub(r"_(bucket|sum|count|created|total)$", "", name)
        assert base in page, f"docs/metrics.md does not name {base}"


@pytest.mark.parametrize(
    "words",
    [
        ["check", "rules", "remora-rules.yaml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "remora-rules.test.yaml"],
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing(words: list[str]) -> None:
    need_prometheus()
    done = subprocess.run(["promtool", *words], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_a_replica_that_makes_cycles_no_more_says_nothing_of_the_fleet() -> None:
    """What it saw last would hold an alert up for as long as it lives: another has repaired it by then."""
    metrics = metrics_after_a_cycle()
    metrics.tell(events.LeadChanged("tiny", False, "host b"))
    metrics.tell(events.Standing("tiny", "", {"copying": 2}, {}, "plan-1"))
    names = {line.partition("{")[0] for line in metrics.text().decode().splitlines() if not line.startswith("#")}
    own = {"remora_imbalances", "remora_violations", "remora_plan_waiting", "remora_hosts", "remora_plan_gap"}
    assert not own & names
    assert {"remora_leader", "remora_cycle_age_seconds", "remora_moves_open", "remora_stopped"} <= names
    metrics.tell(events.LeadChanged("tiny", True))
    metrics.tell(events.Standing("tiny", "", {}, {}, "plan-1"))
    assert 'remora_plan_waiting{fleet="tiny"} 1.0' in metrics.text().decode()


def test_every_alert_is_tested() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "remora-rules.yaml").read_text())
    tests = yaml.safe_load((DEPLOY / "prometheus" / "remora-rules.test.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    fired = {a["alertname"] for test in tests["tests"] for a in test["alert_rule_test"] if a["exp_alerts"]}
    assert alerts == fired


def test_the_dashboard_has_panels_of_one_size_that_do_not_overlap() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "remora.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(places) == len(set(places)) >= 12
    assert all(p["targets"] and p["title"] for p in dashboard["panels"])


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_endpoint() -> None:
    wanted: list[str] = []
    ill = [""]
    token = "t" * 20

    def want(trigger: str) -> str:
        wanted.append(trigger)
        return stands_by[0]

    stands_by = [""]
    with serving("127.0.0.1:0", metrics_after_a_cycle(), lambda: ill[0], want, token) as url:
        status, text = ask(f"{url}/metrics")
        assert (status, "remora_rebalance_created_total" in text) == (200, True)
        assert ask(f"{url}/metrics?collect=all")[0] == 200
        assert ask(f"{url}/healthz") == (200, "well\n")
        ill[0] = "nothing was done for 9 s"
        assert ask(f"{url}/readyz") == (503, "nothing was done for 9 s\n")
        assert ask(f"{url}/nothing")[0] == 404
        assert ask(f"{url}/cycle", "POST")[0] == 403
        assert ask(f"{url}/cycle", "POST", Authorization="Bearer wrong")[0] == 403
        assert wanted == []
        assert ask(f"{url}/cycle", "POST", Authorization=f"Bearer {token}")[0] == 202
        assert wanted == ["http"]
        stands_by[0] = "cycles of fleet tiny are made by another: host b"
        assert ask(f"{url}/cycle", "POST", Authorization=f"Bearer {token}") == (409, f"{stands_by[0]}\n")
    with serving("127.0.0.1:0", metrics_after_a_cycle(), str, want) as url:
        assert ask(f"{url}/cycle", "POST", Authorization="Bearer ")[0] == 403


@pytest.mark.parametrize("listen", ["", "nonsense", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "300.1.1.1:80"])
def test_an_address_that_cannot_be_bound(listen: str) -> None:
    metrics: Any = None
    with pytest.raises(InputError, match="listen"), serving(listen, metrics, str, str):
        pass
