"""Was anything lost, repeated or leaked? Asked once a run is over, of the truth and of the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.execute.crashes.hypervisors import BUDGET, LAST, STARTS
from tests.execute.simulation.checker import violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import EventRecord
    from tests.execute.crashes.hypervisors import Hypervisors

__all__ = ["faults_of"]

SLACK_S = 10.0
"""How much later a move may have begun than it was intended: its executor waited while another let time pass."""

WITHIN_S = 1200.0
"""Seconds of the hypervisors' within which a run has to be over."""


def faults_of(hypervisors: Hypervisors, ledger: Ledger, *, audited: bool = True) -> list[str]:
    """Return everything that is not as planned, once the run of the plan is over."""
    found = violations(hypervisors.history, hypervisors.facts)
    found += _window(hypervisors.history, ledger.events(hypervisors.fleet))
    found += _as_planned(hypervisors, ledger)
    found += [f"{flight.move} keeps its slot" for flight in ledger.in_flight(hypervisors.fleet)]
    found += [f"{job.request.token} still runs" for job in hypervisors.world.running()]
    if audited:
        found += [f"the ledger: {where}: {what}" for where, what in ledger.audit().faults]
    return found


def _window(history: Sequence[dict[str, Any]], events: Iterable[EventRecord]) -> Iterator[str]:
    """The budget of the window holds for every intent, exactly, and for what really began, whoever counted it."""
    intended = [datetime.fromisoformat(event.at).timestamp() for event in events if event.state == "intended"]
    began = [event["seconds"] for event in history if event["what"] == "start"]
    for what, times, within in (
        ("were intended", intended, BUDGET.window_s),
        ("began", began, BUDGET.window_s - SLACK_S),
    ):
        for at in times:
            n = sum(at - within < other <= at for other in times)
            if n > (BUDGET.moves or 0):
                yield f"{n} moves {what} within {within:g} s, {BUDGET.moves} are allowed in {BUDGET.window_s} s"


def _as_planned(hypervisors: Hypervisors, ledger: Ledger) -> Iterator[str]:
    plan = hypervisors.plan
    run = ledger.run(plan.fleet, plan.id)
    states = {move: state.value for move, state in ledger.states(plan.fleet, plan.id).items()}
    last = states.get(LAST)
    wanted = {move.id: "done" for move in plan.moves} | {"m0004": "failed", "m0005": "skipped"}
    wanted[LAST] = "done" if last == "done" else "failed"  # done where the run went on after the button was lifted
    if states != wanted:
        yield f"the moves are {states}"
    if run is None or run.state.value != ("failed" if last == "done" else "stopped"):
        yield f"the run is {run.state.value if run else 'missing'}, and {LAST} {last}"
    starts = Counter(
        e["token"].split("/")[1] for e in hypervisors.history if e["what"] == "start" and e["token"].startswith(plan.id)
    )
    for move in plan.moves:
        most = STARTS.get(move.id, int(last == "done"))
        if starts[move.id] != most:
            yield f"{move.id} began {starts[move.id]} times, {most} wanted"
        there = move.target if wanted[move.id] == "done" else move.source
        if hypervisors.world.place[move.vm] != there:
            yield f"{move.vm} is on {hypervisors.world.place[move.vm]}, not on {there}"
    if hypervisors.clock.monotonic() > WITHIN_S:
        yield f"it took {hypervisors.clock.monotonic():,.0f} s"
