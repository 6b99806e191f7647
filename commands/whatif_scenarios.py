"""Scenarios of `remora whatif compare`: read one after the other, and measured each in its share of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from commands.common import (
    began_at,
    load_laid,
    load_policy,
    refuse_or_warn,
    seconds_left,
)
from commands.whatif_question import effort_of, request_of
from commands.whatif_reserve import with_reservations

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from optimizer.report.compare_page import CompareFacts, ScenarioFacts

__all__ = ["compared"]

Document = dict[str, Any]
NOW = "now"


def compared(
    fleet: Path, policy_name: str, overlay: Path | None, scenarios: Path, given: Document, interrupt: threading.Event
) -> CompareFacts:
    """Measure the fleet as it is, and each scenario of a file.

    Raises
    ------
    InputError
        The fleet, a policy, the scenarios or the new VMs are wrong; nothing has been solved then.
    """
    from optimizer.clock import SystemClock
    from optimizer.report.compare_page import CompareFacts
    from optimizer.report.whatif_facts import About
    from optimizer.sources.fleet_json import fleet_from_document
    from optimizer.sources.scenario import changed, read_scenarios

    clock = SystemClock()
    started = clock.monotonic()
    snapshot, _, document = load_laid(fleet, overlay)
    policy = load_policy(policy_name)
    refuse_or_warn(snapshot, policy)
    document = with_reservations(document, given["reserve"], policy, effort_of(given))
    cases = [(NOW, document, policy)]
    for scenario in read_scenarios(scenarios):
        where = f"{scenarios}: scenario {scenario['name']}"
        other = changed(document, scenario.get("changes", ()), where)
        named = _beside(scenarios, scenario["policy"]) if "policy" in scenario else None
        case = policy if named is None else load_policy(named)
        refuse_or_warn(fleet_from_document(other, where), case)
        cases.append((scenario["name"], other, case))
    asks = any(given[name] is not None for name in ("flavour", "like", "request"))
    until = clock.monotonic() + seconds_left(given["time_limit"], began_at(clock), clock, counted=False)
    found: list[ScenarioFacts] = []
    for i, (name, changed_document, case) in enumerate(cases):
        share = max(0.5, (until - clock.monotonic()) / (len(cases) - i))
        found.append(_measured(name, changed_document, case, share, given, asks, interrupt))
    about = About(snapshot.id, snapshot.digest, policy.name, policy.digest, round(clock.monotonic() - started, 3))
    return CompareFacts("compare", about, "VMs" if asks else "", tuple(found))


def _beside(scenarios: Path, policy: str) -> str:
    """Return a policy's name, or its path as it is beside the file of scenarios."""
    from constraints import SHIPPED

    return policy if policy in SHIPPED else str(scenarios.parent / policy)


def _measured(
    name: str, document: Document, policy: Any, seconds: float, given: Document, asks: bool, interrupt: threading.Event
) -> ScenarioFacts:
    from optimizer.clock import SystemClock
    from optimizer.pipeline import Request
    from optimizer.report.compare_page import describe_scenario
    from optimizer.sources.fleet_json import fleet_from_document
    from optimizer.sources.request import settled, with_request
    from optimizer.whatif.compare import measure, place_waiting
    from optimizer.whatif.effort import Effort

    clock = SystemClock()
    began = clock.monotonic()
    snapshot = fleet_from_document(document, f"scenario {name}")
    effort = Effort(clock, began + seconds, given["workers"], given["seed"], interrupt=interrupt)
    waiting = place_waiting(snapshot, policy, effort)
    asked = None
    if asks and len(waiting.created) == waiting.vms:
        ids = [(snapshot.vms.ids[vm], snapshot.hosts.ids[host]) for vm, host in waiting.created]
        full = settled(document, ids)
        at, request = request_of(full, given, 1)
        larger, new = with_request(full, request, at)
        asked = larger, [(one.vm, one.count) for one in new]
    plan = Request(seconds=seconds, workers=given["workers"], seed=given["seed"])
    outcome = measure(snapshot, policy, plan, effort, waiting, asked)
    return describe_scenario(name, policy.name, outcome, clock.monotonic() - began)
