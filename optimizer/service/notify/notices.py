"""What is said to receivers, from what happened in the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.service import events
from optimizer.service.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.service.notify.receiver import Receiver

__all__ = ["Alerts", "Notice", "Webhooks", "notices"]

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
            return [Notice("stop", f"stop {reason}", text, now, {"fleet": cycle.fleet})]
    return []


class Webhooks:
    """Tells each thing once: one JSON document to each receiver that wants to know of it."""

    def __init__(self, receivers: Sequence[tuple[Receiver, frozenset[str]]], clock: Clock) -> None:
        self._receivers, self._clock = receivers, clock
        self._told: dict[str, set[str]] = {"imbalance": set(), "approval": set(), "stop": set()}

    def tell(self, event: events.Event) -> None:
        """Send what is new."""
        found = notices(event, self._clock.now())
        if isinstance(event, events.Seen):
            self._told["imbalance"] &= {notice.key for notice in found}
        if isinstance(event, events.CycleEnded) and event.cycle.outcome is not Outcome.STOPPED:
            self._told["stop"].clear()
        for notice in found:
            if notice.key in self._told[notice.what]:
                continue
            if notice.what != "imbalance":
                self._told[notice.what].clear()
            self._told[notice.what].add(notice.key)
            self._send(notice)

    def _send(self, notice: Notice) -> None:
        document = {
            "format": FORMAT,
            "what": notice.what,
            "text": notice.text,
            "at": notice.at.isoformat().replace("+00:00", "Z"),
            **notice.labels,
        }
        for receiver, wanted in self._receivers:
            if notice.what in wanted:
                receiver.put(document)


NAMES = {"imbalance": "RemoraImbalance", "approval": "RemoraPlanWaits", "stop": "RemoraStopped"}


class Alerts:
    """Keeps an Alertmanager up to date: alerts that hold are sent again each cycle, those that are over are ended.

    Parameters
    ----------
    holds_s
        How long an alert holds unless it is sent again: a service that dies leaves none behind.
    """

    def __init__(self, receivers: Sequence[tuple[Receiver, frozenset[str]]], clock: Clock, holds_s: float) -> None:
        self._receivers, self._clock, self._holds = receivers, clock, timedelta(seconds=holds_s)
        self._active: dict[str, Notice] = {}
        self._stopped = ""

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
            case events.CycleEnded(cycle):
                over += self._drop("approval", ()) if cycle.outcome is not Outcome.WAITING else []
                over += self._drop("stop", ()) if cycle.outcome is not Outcome.STOPPED else []
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
