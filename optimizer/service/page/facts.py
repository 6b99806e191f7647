"""What each page shows, gathered from the ledger and what the service wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.caution import said_in
from optimizer.execute.ledger.plain import utc_text
from optimizer.execute.states import RunState
from optimizer.plan_identity import digest_of
from optimizer.report.evidence_page import evidence_rows, evidence_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from optimizer.execute.button import StopFile
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Run
    from optimizer.execute.ledger.watch_records import Cycle
    from optimizer.plan import Plan

__all__ = ["Patience", "fleet_of", "ledger_facts", "now_facts", "plan_facts", "racks_of", "travels_of", "worst_of"]

CYCLES, RUNS, EVENTS, FLYING, WORST, PAIRS, IMBALANCES = 10, 50, 200, 50, 50, 50, 50
JOURNEYS = timedelta(days=30)


def fleet_of(view: dict[str, Any], ledger: Ledger | None) -> str:
    """Return which fleet is shown."""
    if view["fleet"] or ledger is None:
        return str(view["fleet"])
    known = ledger.fleets()
    return known[0] if known else ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long cycles may be apart, and how long one may last, until the page says that nothing is heard of them."""

    rests_s: float
    lasts_s: float

    def silent(self, cycles: Sequence[Cycle], now: datetime) -> str:
        """Say since when nothing is heard; empty where all is as it should be, or no cycle was ever made."""
        if not cycles:
            return ""
        last = cycles[0]
        at, most, what = (
            (last.started_at, self.lasts_s, f"cycle {last.number} has not ended since it began")
            if last.ended_at is None
            else (last.ended_at, self.rests_s, "no cycle was made since the last ended")
        )
        return f"{what}, {utc_text(at)}" if (now - at).total_seconds() > most else ""


def now_facts(
    ledger: Ledger | None, fleet: str, button: StopFile, waiting: Plan | None, now: datetime, patience: Patience
) -> dict[str, Any]:
    """Return what changes from second to second: the button, the run and its progress, imbalances, evidence, cycles."""
    facts: dict[str, Any] = {
        "stopped": button.reason(),
        "waiting": waiting,
        "approved": False,
        "expired": waiting is not None and now >= waiting.expires_at,
        "silent": "",
        "run": None,
        "flying": [],
        "imbalances": [],
        "open": 0,
        "evidence": [],
        "cycles": [],
    }
    if ledger is None or not fleet:
        return facts
    stop = ledger.controls.of(fleet).get("stop")
    if stop is not None:
        facts["stopped"] = f"{stop.by}, {stop.at.isoformat(timespec='seconds')}: {stop.reason}"
    if waiting is not None:
        approval = ledger.controls.approval(fleet, waiting.id)
        facts["approved"] = approval is not None and approval.digest == digest_of(waiting)
    runs = ledger.runs(fleet)
    if runs:
        facts["run"] = _run(ledger, runs[0])
    facts["flying"] = ledger.in_flight(fleet)[:FLYING]
    found = [i for i in ledger.imbalances(fleet) if i.state in ("open", "closing")]
    facts["imbalances"], facts["open"] = found[:IMBALANCES], len(found)
    facts["evidence"] = [(one, evidence_sentence(one)) for one in evidence_rows(ledger.evidence(fleet))[:PAIRS]]
    facts["cycles"] = ledger.cycles(fleet, CYCLES)
    facts["silent"] = patience.silent(facts["cycles"], now)
    return facts


def _run(ledger: Ledger, run: Run) -> dict[str, Any]:
    states = Counter(state.value for state in ledger.states(run.fleet, run.plan).values())
    over = sum(states[name] for name in ("done", "failed", "gone", "skipped"))
    going = run.state is RunState.RUNNING
    return {"run": run, "states": states, "over": over, "waiting": run.moves - sum(states.values()), "going": going}


def plan_facts(ledger: Ledger | None, plan: Plan) -> dict[str, Any]:
    """Return a plan with how each of its moves stands."""
    states: dict[str, Any] = {}
    run = approval = None
    if ledger is not None:
        states = {m.flying.move: m for m in ledger.moves(plan.fleet, plan.id)}
        run = ledger.run(plan.fleet, plan.id)
        approval = ledger.controls.approval(plan.fleet, plan.id)
    rows = [
        {
            "move": move,
            "state": states[move.id].flying.state.value if move.id in states else "",
            "detail": states[move.id].detail if move.id in states else "",
        }
        for move in plan.moves
    ]
    digest = digest_of(plan)
    approved = approval if approval is not None and approval.digest == digest else None
    doubts = said_in(plan.stats)
    return {"plan": plan, "rows": rows, "run": run, "approval": approved, "digest": digest, "doubts": doubts}


def ledger_facts(ledger: Ledger | None, fleet: str, before: int) -> dict[str, Any]:
    """Return the runs, and a part of the events, the latest first."""
    if ledger is None or not fleet:
        return {"runs": (), "events": [], "older": 0}
    events = [e for e in ledger.events(fleet, max(0, before - EVENTS - 1)) if e.number < before] if before else []
    if not before:
        events = list(ledger.last_events(fleet, EVENTS))
    older = events[0].number if events and events[0].number > 1 else 0
    return {"runs": ledger.runs(fleet)[:RUNS], "events": events[::-1], "older": older}


def travels_of(ledger: Ledger | None, fleet: str, vm: str, now: datetime) -> list[Any]:
    """Return where VMs have been within thirty days, the latest first; of one VM, or of all."""
    if ledger is None or not fleet:
        return []
    found = ledger.travels(fleet, now - JOURNEYS, vm=vm or None)
    return sorted(found, key=lambda t: t.ended_at, reverse=True)[: RUNS * 10]


def worst_of(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hosts that most is wrong with, and then those with the highest load."""
    order = sorted(hosts, key=lambda h: (-h["violations"], -max(h["load"], default=0), h["id"]))
    return order[:WORST]


def racks_of(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a rack: how many hosts, how many violations, the highest load."""
    racks: dict[str, dict[str, Any]] = {}
    for host in hosts:
        row = racks.setdefault(host["rack"], {"rack": host["rack"], "hosts": 0, "violations": 0, "load": 0})
        row["hosts"] += 1
        row["violations"] += host["violations"]
        row["load"] = max(row["load"], *host["load"], 0)
    return sorted(racks.values(), key=lambda r: (-r["violations"], -r["load"], r["rack"]))
