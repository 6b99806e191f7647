"""What Prometheus is told, from what happened in the service: a registry of its own, no metric of the process's.

Names start with ``remora_``, as exporters' names do; what follows are the words of the design: a rebalance is the
execution of a plan, a move is a migration.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import TYPE_CHECKING, Any

from optimizer.cautions import PLAN_CODES
from optimizer.errors import InputError
from optimizer.service import events
from optimizer.service.logs import INSTALL
from optimizer.service.record import Cycle, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from optimizer.clock import Clock
    from optimizer.service.roles import Watched

__all__ = ["Metrics"]

SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
ENDS = ("done", "failed", "skipped", "unknown")
SIMULATED = {False: "false", True: "true"}
"""Values of the label of moves that only a simulation made, and of real ones."""

STAGES = ("read", "settle", "watch", "plan", "execute")
NOT_CREATED = frozenset({Outcome.NO_PLAN, Outcome.ERROR, Outcome.STOPPED})


class Metrics:
    """Hears events, and keeps the numbers; `text` is what an endpoint answers.

    Raises
    ------
    InputError
        prometheus-client is not installed.
    """

    def __init__(self, clock: Clock, version: str, level: str) -> None:
        try:
            import prometheus_client as client
        except ImportError as error:
            raise InputError("metrics", "", "no prometheus-client", "an installed extra", INSTALL) from error
        self._clock, self._client = clock, client
        self.registry = client.CollectorRegistry()
        self._rebalances()
        self._fleet_gauges()
        self._service_gauges()
        self._gauge("build_info", "The version that runs, and how far it goes by itself.", "version", "level").labels(
            version, level
        ).set(1)
        self._created: set[int] = set()
        self._led: set[str] = set()

    def _counter(self, name: str, what: str, *labels: str) -> Any:
        return self._client.Counter(f"remora_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Any:
        return self._client.Gauge(f"remora_{name}", what, labels, registry=self.registry)

    def _rebalances(self) -> None:
        self.created = self._counter("rebalance_created", "Plans that were begun to be carried out.", "fleet")
        self.not_created = self._counter(
            "rebalance_creation_failed",
            "Cycles that should have begun a plan and did not.",
            "fleet",
            "why",
        )
        self.moves = self._counter("moves", "Moves of plans, by how they ended.", "fleet", "outcome", "simulated")
        self.cycles = self._counter("cycles", "Cycles, by how they ended.", "fleet", "outcome")
        self.notified = self._counter("notifications", "What receivers were told.", "receiver", "outcome")
        self.problems = self._counter("problems", "What went wrong beside the cycles.", "where")
        self.warned = self._counter("plan_warnings", "What made plans doubtful, by code.", "fleet", "code")
        self.opened = self._counter("imbalances_opened", "Imbalances that opened.", "fleet", "monitor")
        self.stages = self._client.Histogram(
            "remora_stage_seconds",
            "How long the stages of cycles took.",
            ("fleet", "stage"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.solve = self._client.Histogram(
            "remora_solve_seconds",
            "How long the solver took for a plan.",
            ("fleet",),
            buckets=SECONDS,
            registry=self.registry,
        )

    def _fleet_gauges(self) -> None:
        self.hosts = self._gauge("hosts", "Hosts of the fleet, when it was read last.", "fleet")
        self.vms = self._gauge("vms", "VMs of the fleet, when it was read last.", "fleet")
        self.taken_at = self._gauge("snapshot_timestamp_seconds", "When the last snapshot was taken.", "fleet")
        self.notes = self._gauge("reading_notes", "What was doubtful about the last reading, in lines.", "fleet")
        self.violations = self._gauge("violations", "What the rules of the policy find.", "fleet", "rule", "hardness")
        self.imbalances = self._gauge("imbalances", "Imbalances by monitor and state.", "fleet", "monitor", "state")
        self.unjudged = self._gauge(
            "monitor_not_judged", "Subjects that a monitor could not judge.", "fleet", "monitor"
        )
        self.journeys = self._gauge("journeys_held", "VMs that a filter of journeys keeps.", "fleet", "filter")
        self.evidence = self._gauge("evidence_pairs", "Pairs with evidence of interference.", "fleet", "state")

    def _service_gauges(self) -> None:
        self.plan_moves = self._gauge("plan_moves", "Moves of the last plan.", "fleet")
        self.remaining = self._gauge("plan_remaining", "Violations that the last plan leaves.", "fleet")
        self.gap = self._gauge("plan_gap", "(value - bound) / value of a stage of the last plan.", "fleet", "stage")
        self.waiting = self._gauge("plan_waiting", "1 while a plan waits for its approval.", "fleet")
        self.open_moves = self._gauge("moves_open", "Open moves of the ledger, by state.", "fleet", "state")
        self.stopped = self._gauge("stopped", "1 while the button is pressed.", "fleet")
        self.leads = self._gauge("leader", "1 where this process makes the cycles.", "fleet")
        what = "What is left of a budget; of one for each source or target, the least of any host's."
        self.budget = self._gauge("budget_left", what, "fleet", "per", "window_seconds", "unit")
        self.begun_at = self._gauge("cycle_start_timestamp_seconds", "When the last cycle began.", "fleet")
        self.ended_at = self._gauge("cycle_end_timestamp_seconds", "When the last cycle ended.", "fleet")
        self.age = self._gauge("cycle_age_seconds", "How long ago the last cycle ended.", "fleet")

    def text(self) -> bytes:
        """Return the exposition."""
        return bytes(self._client.generate_latest(self.registry))

    @property
    def content_type(self) -> str:
        """What kind of document `text` is."""
        return str(self._client.CONTENT_TYPE_LATEST)

    def tell(self, event: events.Event) -> None:
        """Take an event in."""
        match event:
            case events.CycleBegan(cycle):
                self.begun_at.labels(cycle.fleet).set(cycle.started_at.timestamp())
            case events.FleetRead(cycle, notes):
                self.notes.labels(cycle.fleet).set(len(notes))
            case events.Seen(cycle, watched):
                self._seen(cycle.fleet, watched)
            case events.CycleEnded(cycle):
                self._ended(cycle)
            case events.LeadChanged(fleet, leads, _):
                self.leads.labels(fleet).set(leads)
                self._led.add(fleet)
                if leads:
                    self._begin(fleet)
                else:
                    self._forget(fleet)
            case events.Standing():
                self._stands(event)
            case _:
                self._tell_of_plan(event)

    def _tell_of_plan(self, event: events.Event) -> None:
        match event:
            case events.PlanMade(cycle, plan, _):
                laps = plan.stats.get("seconds")
                if isinstance(laps, dict):
                    self.solve.labels(cycle.fleet).observe(float(laps.get("solve", 0.0)))
            case events.PlanWarned(cycle, warnings):
                for caution in warnings:
                    self.warned.labels(cycle.fleet, caution.code).inc()
            case events.RunEnded(cycle, _, applied):
                self._created.add(cycle.number)
                self.created.labels(cycle.fleet).inc()
                for name in ENDS:
                    self.moves.labels(cycle.fleet, name, SIMULATED[applied.simulated]).inc(len(getattr(applied, name)))
            case events.Notified(receiver, _, delivered, _):
                self.notified.labels(receiver, "delivered" if delivered else "failed").inc()
            case events.Trouble(where, _):
                self.problems.labels(where).inc()

    def _begin(self, fleet: str) -> None:
        """Let counters of what may go wrong begin at 0: of one that begins at 1, `increase` does not see the first."""
        for outcome in Outcome:
            if outcome is not Outcome.RUNNING:
                self.cycles.labels(fleet, outcome.value)
        for code in PLAN_CODES:
            self.warned.labels(fleet, code)
        for outcome in NOT_CREATED:
            self.not_created.labels(fleet, outcome.value)
        for name in ENDS:
            for simulated in SIMULATED.values():
                self.moves.labels(fleet, name, simulated)

    def _forget(self, fleet: str) -> None:
        """Say no longer what whoever makes the cycles knows: another does so by now."""
        self._led.discard(fleet)
        seen = (self.hosts, self.vms, self.taken_at, self.notes, self.violations, self.imbalances, self.unjudged)
        of_plan = (self.plan_moves, self.remaining, self.gap, self.waiting, self.journeys, self.evidence)
        for gauge in (*seen, *of_plan):
            _drop(gauge, fleet)

    def _seen(self, fleet: str, watched: Watched) -> None:
        self.hosts.labels(fleet).set(len(watched.fleet.hosts))
        self.vms.labels(fleet).set(len(watched.fleet.vms))
        self.taken_at.labels(fleet).set(watched.fleet.now)
        found = Tally((v.rule, v.hardness.name.lower()) for v in watched.violations)
        _replace(self.violations, fleet, found)
        _replace(self.imbalances, fleet, _states(watched))
        unjudged = Tally[tuple[str, ...]]()
        for one in watched.unjudged:
            unjudged[(one.monitor,)] += max(1, len(one.subjects))
        _replace(self.unjudged, fleet, unjudged)
        _replace(self.journeys, fleet, {(name,): n for name, n in watched.journeys.items()})
        _replace(self.evidence, fleet, {(name,): n for name, n in watched.evidence.items()})
        for imbalance in watched.opened:
            self.opened.labels(fleet, imbalance.monitor).inc()

    def _ended(self, cycle: Cycle) -> None:
        fleet = cycle.fleet
        self.cycles.labels(fleet, cycle.outcome.value).inc()
        if cycle.ended_at is not None:
            end = cycle.ended_at.timestamp()
            self.ended_at.labels(fleet).set(end)
            self.age.labels(fleet).set_function(lambda: self._clock.now().timestamp() - end)
        for stage in STAGES:
            if f"seconds_{stage}" in cycle.counts:
                self.stages.labels(fleet, stage).observe(cycle.counts[f"seconds_{stage}"])
        for name, gauge in (("moves", self.plan_moves), ("remaining", self.remaining)):
            if name in cycle.counts:
                gauge.labels(fleet).set(cycle.counts[name])
        if "moves" in cycle.counts:  # a plan was made: a stage that only the one before had has no gap any more
            gaps = {name.removeprefix("gap_"): v for name, v in cycle.counts.items() if name.startswith("gap_")}
            _drop(self.gap, fleet, {(stage,) for stage in gaps})
            for stage, gap in gaps.items():
                self.gap.labels(fleet, stage).set(gap)
        if cycle.outcome in NOT_CREATED and cycle.number not in self._created:
            self.not_created.labels(fleet, cycle.outcome.value).inc()
        self._created.clear()

    def _stands(self, event: events.Standing) -> None:
        fleet = event.fleet
        self.stopped.labels(fleet).set(bool(event.stopped))
        if fleet in self._led:
            self.waiting.labels(fleet).set(bool(event.waiting))
        _replace(self.open_moves, fleet, {(state,): n for state, n in event.open_moves.items()})
        for (per, window, unit), left in event.budget.items():
            self.budget.labels(fleet, per, str(window), unit).set(left)


def _states(watched: Watched) -> Mapping[tuple[str, ...], int]:
    """Return how many imbalances of each monitor are in each state; without states, those that are open."""
    if watched.states:
        return {(monitor, state): n for monitor, states in watched.states.items() for state, n in states.items()}
    return Tally((found.monitor, "open") for found in watched.imbalances)


def _labels(gauge: Any, fleet: str) -> list[tuple[str, ...]]:
    """Return the labels beside the fleet's that a gauge has."""
    return [labels[1:] for labels in list(gauge._metrics) if labels[0] == fleet]


def _replace(gauge: Any, fleet: str, values: Mapping[Any, float]) -> None:
    """Set a gauge for each of these labels, and to 0 for those that it had before."""
    for labels in {*_labels(gauge, fleet), *values}:
        gauge.labels(fleet, *labels).set(values.get(labels, 0))


def _drop(gauge: Any, fleet: str, but: Collection[tuple[str, ...]] = ()) -> None:
    """Let a gauge say nothing any more of a fleet, but for these labels."""
    for labels in _labels(gauge, fleet):
        if labels not in but:
            gauge.remove(fleet, *labels)
