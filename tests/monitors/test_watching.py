"""All monitors over fleets by chance: what hurts is what counting in the documents finds, from look to look."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from constraints import CATALOGUE
from constraints.headroom import Headroom
from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger import open_ledger
from optimizer.monitors.by_query import ByQuery
from optimizer.monitors.by_rule import ByRule
from optimizer.monitors.config import MonitorsPart, monitors_of
from optimizer.monitors.full_disk import FullDisk
from optimizer.monitors.machine import Hysteresis, Judged
from optimizer.monitors.pressure import Psi, VcpuWait
from optimizer.monitors.reading import Observation, Samples, Unclear
from optimizer.monitors.recording import record
from optimizer.monitors.watching import watch_once
from optimizer.sources.config_yaml import config_from_document
from optimizer.sources.fleet_json import fleet_from_document
from tests import build
from tests.monitors.fleets import START, at, bad_of, signalled
from tests.monitors.judge import opened_and_closed

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.execute.ledger.watch_records import Imbalance

POLICY = build.policy("capacity", "anti_affinity", "maintenance")
PART = MonitorsPart()
KINDS = {kind.value: kind for kind in Judged}


def observation(document, answers=None, policy=POLICY) -> Observation:
    fleet = fleet_from_document(document, "test")
    return Observation(fleet, fleet.taken_at, policy.rules, answers or {})


def usual(document, part: MonitorsPart = PART):
    return monitors_of(part, POLICY.rules, fleet_from_document(document, "test"))


@pytest.mark.parametrize("seed", range(25))
def test_from_look_to_look_what_is_open_is_what_counting_finds(seed: int) -> None:
    """An independent judge of the state machine, over the independent reading of each document."""
    random = Random(seed)
    live: tuple[Imbalance, ...] = ()
    history: dict[tuple[str, str], list[tuple[int, Judged]]] = {}
    for look in range(12):
        document = signalled(random, 5 * look)
        monitors = usual(document)
        watched = watch_once(monitors, PART, observation(document), live)
        live = watched.live
        hysteresis = {m.name: PART.hysteresis(m) for m in monitors}
        for key, kind in bad_of(document).items():
            readings = history.setdefault(key, [])
            if key[0] == "anti_affinity":  # a host with none of the group is well, too
                readings += [(300 * i, Judged.WELL) for i in range(len(readings), look)]
            readings.append((300 * look, KINDS[kind]))
        for readings in history.values():
            if len(readings) <= look:
                readings.append((300 * look, Judged.WELL))
        wanted = {k for k, seen in history.items() if len(opened_and_closed(seen, hysteresis[k[0]])) % 2}
        assert {(one.monitor, one.subject) for one in watched.open} == wanted


@pytest.mark.parametrize("seed", range(8))
def test_a_ledger_between_the_looks_changes_nothing(seed: int, tmp_path: Path) -> None:
    random = Random(1000 + seed)
    documents = [signalled(random, 5 * look) for look in range(10)]
    live: tuple[Imbalance, ...] = ()
    told: list[tuple[str, ...]] = []
    for document in documents:
        watched = watch_once(usual(document), PART, observation(document), live)
        live, told = watched.live, told + [(t.monitor, t.subject, t.before, t.after) for t in watched.changes]
    again = []
    for document in documents:
        for _ in range(1 + random.randrange(2)):  # the same snapshot may be looked at twice
            with open_ledger(str(tmp_path / "ledger")) as ledger:  # opened anew each time, as after a restart
                watched = record(ledger, usual(document), PART, observation(document), by="test")
                again += [(t.monitor, t.subject, t.before, t.after) for t in watched.changes]
    assert again == told
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        kept = {one.id: (one.state, one.since, one.evidence, one.machine) for one in ledger.imbalances("tiny")}
        assert kept == {one.id: (one.state, one.since, one.evidence, one.machine) for one in live}
        assert ledger.audit().faults == ()


def test_an_older_snapshot_is_refused(tmp_path: Path) -> None:
    random = Random(1)
    old, new = signalled(random, 0), signalled(random, 60)
    with open_ledger(str(tmp_path / "ledger")) as ledger:
        record(ledger, usual(new), PART, observation(new), by="test")
        before = ledger.events("tiny"), ledger.imbalances("tiny")
        with pytest.raises(SafetyStop, match="take a new snapshot; if that time is still to come, a clock was ahead"):
            record(ledger, usual(old), PART, observation(old), by="test")
        assert (ledger.events("tiny"), ledger.imbalances("tiny")) == before


def two_hosts(minutes: float = 0, **more):
    hosts = [build.host(f"h{i}", memory=100, disk=1000) for i in range(2)]
    vms = [build.vm(f"v{i}", f"h{more.get('where', 0)}", memory=10, groups=["g"]) for i in range(2)]
    return build.document(hosts, vms, taken_at=at(minutes).isoformat())


def test_a_rule_closes_when_it_was_well_for_a_while() -> None:
    monitors = (ByRule(rule="anti_affinity", close_after_s=300),)
    states: list[list[tuple[str, str]]] = []
    live: tuple[Imbalance, ...] = ()
    for minutes in range(4):
        document = two_hosts(2 * minutes)
        if minutes:
            document["vms"][1]["host"] = "h1"
        watched = watch_once(monitors, PART, observation(document), live)
        live = watched.live
        states.append([(one.subject, one.state) for one in live])
    assert states == [[("g host:h0", state)] for state in ("open", "closing", "closing", "closing")]
    document = two_hosts(8)
    document["vms"][1]["host"] = "h1"
    watched = watch_once(monitors, PART, observation(document), live)
    assert [(t.before, t.after) for t in watched.changes] == [("closing", "closed")]


def test_a_group_of_which_a_vm_is_missing_is_not_judged() -> None:
    """An inventory that misses a VM does not make its group well."""
    monitors = (ByRule(rule="anti_affinity", close_after_s=0),)
    live = watch_once(monitors, PART, observation(two_hosts()), ()).live
    document = two_hosts(5)
    del document["vms"][1]
    watched = watch_once(monitors, PART, observation(document), live)
    assert [(one.state, one.machine["unjudged"]) for one in watched.live] == [("open", "v1: it is not in the snapshot")]
    assert watched.unjudged[0].subjects == ("g host:h0",)
    document["taken_at"] = at(60 * 25).isoformat()  # a day later it is let go
    watched = watch_once(monitors, PART, observation(document), watched.live)
    assert [t.after for t in watched.changes] == ["closed"]


def test_vms_that_have_to_leave_are_one_subject_for_each_host() -> None:
    document = two_hosts()
    document["hosts"][0]["state"] = "draining"
    watched = watch_once((ByRule(rule="maintenance"),), PART, observation(document), ())
    (one,) = watched.open
    assert (one.subject, one.evidence["vms"], one.evidence["violations"]) == ("h0", ["v0", "v1"], 2)


def test_a_monitor_that_is_configured_no_more_lets_go_after_a_day() -> None:
    live = watch_once((ByRule(rule="anti_affinity"),), PART, observation(two_hosts()), ()).live
    watched = watch_once((), PART, observation(two_hosts(5)), live)
    assert [(u.monitor, u.why) for u in watched.unjudged] == [
        ("anti_affinity", "no monitor of this name is configured")
    ]
    assert [one.state for one in watched.live] == ["open"]
    watched = watch_once((), PART, observation(two_hosts(60 * 25)), watched.live)
    assert [t.after for t in watched.changes] == ["closed"]


ALERT = ByQuery(name="alert", query="up == 0", open_after_s=0, close_after_s=0)
HIGH = ByQuery(name="high", query="q", opens_above=10, closes_below=5, open_after_s=0, close_after_s=0)
LOW = ByQuery(name="low", query="q", opens_below=5, closes_above=10, open_after_s=0, close_after_s=0)


def asked(monitor: ByQuery, *answers) -> list[str]:
    live: tuple[Imbalance, ...] = ()
    out: list[str] = []
    for i, answer in enumerate(answers):
        given = {} if answer is None else {monitor.query: answer}
        watched = watch_once((monitor,), PART, observation(two_hosts(i), given), live)
        live = watched.live
        why = "/".join(u.why for u in watched.unjudged)
        out.append(" ".join(f"{one.subject}:{one.state}" for one in live) + (f" ({why})" if why else ""))
    return out


def series(**values: float) -> Samples:
    return Samples([({"instance": f"{name}:9100", "job": "node"}, value) for name, value in values.items()])


def test_an_alert_is_bad_while_its_series_comes_back() -> None:
    said = asked(ALERT, series(h0=0), series(h0=0, h1=0), Unclear("no answer within 10 s"), series(h1=0))
    why = " (no answer within 10 s)"
    assert said == ["h0:open", "h0:open h1:open", "h0:open h1:open" + why, "h1:open"]


def test_nobody_asked() -> None:
    assert asked(ALERT, None) == [" (nobody asked: there is no Prometheus in the configuration)"]


@pytest.mark.parametrize(
    ("monitor", "value", "state"),
    [
        (HIGH, 11, "open"),
        (HIGH, 7, "open"),
        (HIGH, 5, ""),
        (HIGH, float("nan"), "open"),
        (HIGH, float("inf"), "open"),
        (LOW, 4, "open"),
        (LOW, 7, "open"),
        (LOW, 10, ""),
        (LOW, float("nan"), "open"),
        (LOW, float("-inf"), "open"),
    ],
)
def test_a_number_has_two_levels(monitor: ByQuery, value: float, state: str) -> None:
    first = series(h0=11 if monitor is HIGH else 4)
    opened, then = asked(monitor, first, series(h0=value))
    assert opened == "h0:open"
    assert then.startswith(f"h0:{state}" if state else "")
    assert ("nan" in then) == (value != value)


def test_a_number_that_does_not_come_back_is_not_judged() -> None:
    assert asked(HIGH, series(h0=11), series(h1=1))[1] == "h0:open (the query has no such series)"


def test_of_two_series_of_one_subject_the_worse_counts() -> None:
    two = Samples([({"instance": "h0", "disk": d}, v) for d, v in (("a", 3.0), ("b", 11.0), ("c", 3.0))])
    assert asked(HIGH, two) == ["h0:open"]


def test_a_number_of_which_there_is_no_series_at_all_is_not_judged() -> None:
    """A name that is misspelt in a query would never be noticed."""
    assert asked(HIGH, series()) == [" (the query has no series)"]
    assert asked(ALERT, series()) == [""]  # of an alert that is all well


def test_a_series_without_labels_is_about_the_fleet_and_one_without_the_subject_is_not_judged() -> None:
    """Both were passed over without a word: an alert that sums opened nothing."""
    assert asked(ALERT, Samples([({}, 1.0)])) == ["tiny:open"]
    why = "its series have no label instance: they have host, job (`subject` says which name it)"
    other = Samples([({"host": "h0", "job": "node"}, 1.0)])
    assert asked(ALERT, other) == asked(HIGH, other) == [f" ({why})"]


def test_subjects_are_named_by_labels() -> None:
    monitor = replace(ALERT, subject=("instance", "device"))
    assert asked(monitor, Samples([({"instance": "h0:9100", "device": "sda"}, 1.0)])) == ["h0:9100 sda:open"]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"watch": [{"monitor": "psl"}]}, r"monitors.watch\[0\].monitor: 'psl': expected one of rule, .*psi"),
        ({"watch": [{"resource": "io"}]}, r"monitors.watch\[0\].monitor: nothing"),
        ({"watch": [{"monitor": "psi"}]}, r"monitors.watch\[0\].resource: nothing"),
        ({"watch": [{"monitor": "psi", "resource": "io", "opens_abov": 1}]}, "did you mean opens_above"),
        (
            {"watch": [{"monitor": "psi", "resource": "io", "opens_above": 0.1, "closes_below": 0.2}]},
            r"monitors.watch\[0\]: .*closes_below is 0.2",
        ),
        ({"watch": [{"monitor": "full_disk", "opens_above": 0.8}]}, "closes_below is 0.85"),
        (
            {"watch": [{"monitor": "full_disk", "opens_above": 90, "closes_below": 80}]},
            "opens_above: 90: .* at most 10",
        ),
        ({"watch": [{"monitor": "disk_filling", "opens_below_s": 200000}]}, "closes_above_s has to be more"),
        ({"watch": [{"monitor": "promql", "name": "a", "query": "up", "opens_above": 1}]}, "goes with closes_below"),
        ({"watch": [{"monitor": "promql", "query": "up"}]}, "name"),
        ({"watch": [{"monitor": "promql", "name": "a b", "query": "up"}]}, "letters, digits"),
        ({"watch": [{"monitor": "rule", "rule": "capacityy"}]}, "did you mean capacity"),
        ({"watch": [{"monitor": "vcpu_wait"}, {"monitor": "vcpu_wait"}]}, "a name for each monitor"),
        ({"and_watch": [{"monitor": "vcpu_wait"}]}, "a name for each monitor"),
        ({"gap_s": 0}, "monitors.gap_s"),
        ({"wach": []}, "did you mean watch"),
    ],
)
def test_a_section_that_is_wrong_is_refused_by_name(section, text: str) -> None:
    with pytest.raises(InputError, match=text) as error:
        part = config_from_document({"monitors": section}, "remora.yaml").section("monitors", MonitorsPart)
        monitors_of(part, POLICY.rules, fleet_from_document(two_hosts(), "test"), "remora.yaml")
    assert "remora.yaml" in str(error.value)


def test_the_usual_set_follows_from_policy_and_fleet() -> None:
    names = [monitor.name for monitor in usual(two_hosts())]
    assert names == [
        *("capacity", "anti_affinity", "maintenance"),
        *("full_disk", "disk_filling", "vcpu_wait", "psi_cpu", "psi_io", "psi_memory"),
    ]
    part = MonitorsPart(and_watch=(Psi(resource="io", of="vm"), VcpuWait(of="host", name="steal")))
    assert [m.name for m in usual(two_hosts(), part)][-2:] == ["psi_io_of_vms", "steal"]


def test_a_rule_that_is_called_as_a_usual_monitor_is_watched_under_a_name_of_its_own() -> None:
    """It is no fault of who wrote the policy: `headroom` of a disk is likely to be called so."""
    full = Headroom(name="full_disk", resource="disk_mib", alert=0.9, safe=0.85)
    names = [m.name for m in monitors_of(PART, (full,), fleet_from_document(two_hosts(), "test"))]
    assert names[:3] == ["full_disk_rule", "full_disk", "disk_filling"]


def test_levels_of_a_monitor_are_its_own() -> None:
    document = two_hosts()
    document["hosts"][0]["measured"] = {"disk_mib": 700}
    monitor = FullDisk(opens_above=0.6, closes_below=0.5, open_after_s=0)
    (one,) = watch_once((monitor,), PART, observation(document), ()).open
    assert one.evidence == {
        **{"value": 0.7, "opens_above": 0.6, "closes_below": 0.5},
        **{"resource": "disk_mib", "used": 700, "capacity": 1000},
    }


def test_every_kind_of_rule_that_is_watched_exists() -> None:
    from optimizer.monitors.config import WATCHED_RULES

    assert set(WATCHED_RULES) <= set(CATALOGUE)
    assert PART.hysteresis(ALERT) == Hysteresis(0, 0, 1500, 86400)
    assert START.tzinfo is not None
