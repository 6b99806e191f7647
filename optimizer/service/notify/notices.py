"""What is said to receivers, from what happened in the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from optimizer.service import events
from optimizer.service.causes import cause
from optimizer.service.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.service.events import Told
    from optimizer.service.notify.receiver import Receiver
    from optimizer.service.notify.remembered import Remembered
    from optimizer.service.record import Cycle

__all__ = ["Alerts", "Notice", "Webhooks", "is_over", "notices"]

FORMAT = "remora-notice/1"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know.

    Attributes
    ----------
    what
        ``imbalance``, ``approval`` or ``stop``.
    key
        The same for the same thing: what is told once.
    labels
        What it is about, by name.
    """

    what: str
    key: str
    text: str
    at: datetime
    labels: dict[str, str] = field(default_factory=dict)


def notices(event: events.Event, now: datetime) -> list[Notice]:
    """Return what people should know of an event."""
    match event:
        case events.Seen(cycle, watched):
            return [
                Notice(
                    "imbalance",
                    f"imbalance {found.id}",
                    f"{cycle.fleet}: {found.monitor}: {found.subject}: {found.text}",
                    found.since,
                    {"fleet": cycle.fleet, "monitor": found.monitor, "subject": found.subject, "imbalance": found.id},
                )
                for found in watched.imbalances
            ]
        case events.PlanWaits(cycle, plan, path):
            moves = f"{len(plan.moves)} move{'s' * (len(plan.moves) != 1)}"
            text = f"{cycle.fleet}: plan {plan.id} ({moves}) waits for approval: remora approve {path} --reason TEXT"
            return [Notice("approval", f"approval {plan.id}", text, now, {"fleet": cycle.fleet, "plan": plan.id})]
        case events.Stopped(cycle, reason):
            text = f"{cycle.fleet}: stopped: {reason}"
            return [Notice("stop", f"stop {cause(reason)}", text, now, {"fleet": cycle.fleet})]
    return []


def is_over(what: str, cycle: Cycle) -> bool:
    """Whether a cycle that ended shows that a stop, or a wait for approval, is over.

    A cycle that failed, or in which no plan was due, says nothing of either. A plan that was begun, or refused when it
    was to begin, waits no longer.
    """
    if cycle.outcome in (Outcome.ERROR, Outcome.LOST):
        return what == "approval" and bool(cycle.plan)
    if what == "approval":
        return cycle.outcome is not Outcome.WAITING and (cycle.outcome is not Outcome.STOPPED or bool(cycle.plan))
    looked = cycle.trigger == "watch" and cycle.outcome in (Outcome.WATCHED, Outcome.CLEAN)
    return cycle.outcome is not Outcome.STOPPED and not looked


class Webhooks:
    """Tells each thing once until it is over: one JSON document to each receiver that wants to know of it.

    What could not be delivered is told again with the next cycle, while it holds.
    """

    def __init__(
        self, receivers: Sequence[tuple[Receiver, frozenset[str]]], clock: Clock, remembered: Remembered, told: Told
    ) -> None:
        self._receivers, self._clock, self._remembered, self._told = receivers, clock, remembered, told

    def tell(self, event: events.Event) -> None:
        """Send what is new."""
        found = notices(event, self._clock.now())
        keys = {notice.key for notice in found}
        match event:
            case events.LeadChanged(_, True, _):
                self._remembered.read()
            case events.Seen():
                self._remembered.keep("imbalance", keys)
            case events.PlanWaits():
                self._remembered.keep("approval", keys)
            case events.Stopped():
                self._remembered.keep("stop", keys)
        for notice in found:
            self._send(notice)
        if isinstance(event, events.CycleEnded):
            for what in ("stop", "approval"):
                if is_over(what, event.cycle):
                    self._remembered.keep(what)
            self.save()

    def save(self) -> None:
        """Write down what was told."""
        if why := self._remembered.save():
            self._told.tell(events.Trouble("notify", why))

    def _send(self, notice: Notice) -> None:
        document = {
            "format": FORMAT,
            "what": notice.what,
            "text": notice.text,
            "at": notice.at.isoformat().replace("+00:00", "Z"),
            **notice.labels,
        }
        for receiver, wanted in self._receivers:
            later = notice.what == "imbalance" and not receiver.has_room  # of thousands, the rest with the next look
            if notice.what in wanted and not later and self._remembered.is_new(receiver.name, notice.key):
                receiver.put(document, partial(self._remembered.came, receiver.name, notice.key))


NAMES = {"imbalance": "RemoraImbalance", "approval": "RemoraPlanWaits", "stop": "RemoraStopped"}


class Alerts:
    """Keeps an Alertmanager up to date: alerts that hold are sent again each cycle, those that are over are ended.

    Parameters
    ----------
    holds_s
        How long an alert holds unless it is sent again: a service that dies leaves none behind.
    run_s
        How much longer it holds while a plan is carried out, so that it does not end in the middle of that.
    """

    def __init__(
        self, receivers: Sequence[tuple[Receiver, frozenset[str]]], clock: Clock, holds_s: float, run_s: float
    ) -> None:
        self._receivers, self._clock = receivers, clock
        self._holds, self._run = timedelta(seconds=holds_s), timedelta(seconds=run_s)
        self._active: dict[str, Notice] = {}
        self._running = False

    def tell(self, event: events.Event) -> None:
        """Send what holds now, and what no longer does."""
        now = self._clock.now()
        found = {notice.key: notice for notice in notices(event, now)}
        over: list[Notice] = []
        match event:
            case events.Seen():
                over = self._drop("imbalance", found.keys())
            case events.PlanWaits():
                over = self._drop("approval", found.keys())
            case events.Stopped():
                over = self._drop("stop", found.keys())
            case events.MoveChanged() if not self._running:
                self._running = True
                self._send([(n, now + self._holds + self._run) for n in self._active.values()])
            case events.CycleEnded(cycle):
                self._running = False
                for what in ("approval", "stop"):
                    over += self._drop(what, ()) if is_over(what, cycle) else []
                self._send([(n, now + self._holds) for n in self._active.values()])
        self._active |= {key: notice for key, notice in found.items() if key not in self._active}
        self._send([(notice, now) for notice in over] + [(n, now + self._holds) for n in found.values()])

    def _drop(self, what: str, still: Any) -> list[Notice]:
        gone = [key for key, notice in self._active.items() if notice.what == what and key not in still]
        return [self._active.pop(key) for key in gone]

    def _send(self, alerts: list[tuple[Notice, datetime]]) -> None:
        for receiver, wanted in self._receivers:
            document = [_alert(notice, until) for notice, until in alerts if notice.what in wanted]
            if document:
                receiver.put(document)


def _alert(notice: Notice, until: datetime) -> dict[str, Any]:
    """Return an alert as Alertmanager's v2 API takes it."""
    severity = "warning" if notice.what != "approval" else "info"
    return {
        "labels": {"alertname": NAMES[notice.what], "severity": severity, **notice.labels},
        "annotations": {"summary": notice.text},
        "startsAt": notice.at.isoformat(),
        "endsAt": until.isoformat(),
    }
