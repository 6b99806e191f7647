"""Structured logs: one line an event on standard error, with the ids of cycle, plan and move; no secret is ever in one.

What is logged is what happened in the service (`events`): names, numbers and reasons. Addresses, tokens and headers
are no part of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from pydantic import Field
from pydantic.dataclasses import dataclass

from optimizer.errors import InputError
from optimizer.service import events
from optimizer.service.causes import cause
from optimizer.service.record import BAD, Outcome
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.service.record import Cycle
    from optimizer.service.roles import Watched

__all__ = ["INSTALL", "LogPart", "Logs", "open_logs"]

INSTALL = "the service needs the extra `service`: pip install -e '.[service]' in the checkout"
Lowest = Literal["debug", "info", "warning", "error"]
NAMES = 5
"""How many subjects a line names."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LogPart:
    """How it is logged: for people (``console``) or for machines (``json``), and from which level on."""

    format: Literal["console", "json"] = "console"
    level: Annotated[Lowest, Field()] = "info"


def open_logs(part: LogPart, stream: TextIO) -> Logs:
    """Return what logs to a stream.

    Raises
    ------
    InputError
        structlog is not installed.
    """
    try:
        import structlog
    except ImportError as error:
        raise InputError("run", "", "no structlog", "an installed extra", INSTALL) from error
    if part.format == "json":
        last: Any = structlog.processors.JSONRenderer(sort_keys=False)
    else:
        last = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _fit,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(part.level),
    )
    return Logs(logger)


def _fit(_logger: object, _name: str, fields: Any) -> Mapping[str, Any]:
    """Escape what could steer a terminal: names come from elsewhere."""
    from optimizer.errors import printable

    return {key: printable(value) if isinstance(value, str) else value for key, value in fields.items()}


class Logs:
    """Logs events; `logger` is one of structlog's."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self._unjudged: dict[tuple[str, str], set[str]] = {}
        self._notes: set[str] = set()

    def tell(self, event: events.Event) -> None:
        """Log an event."""
        match event:
            case events.CycleBegan(cycle):
                self.logger.info("cycle begun", **_of(cycle), trigger=cycle.trigger)
            case events.CycleEnded(cycle):
                self._ended(cycle)
            case events.FleetRead(cycle, notes):
                self._read(cycle, notes)
            case events.Seen(cycle, watched):
                for found in watched.opened:
                    at = {"monitor": found.monitor, "subject": found.subject, "imbalance": found.id}
                    self.logger.warning("imbalance opened", **_of(cycle), **at, detail=found.text)
                self._not_judged(cycle, watched)
            case events.LeadChanged(fleet, leads, detail):
                self.logger.info("leads" if leads else "stands by", fleet=fleet, detail=detail)
            case events.Trouble(where, detail):
                self.logger.error("problem", where=where, detail=detail)
            case events.PairChanged(fleet, noisy, suffers, kind, _, after, detail):
                pair = {"noisy": noisy, "suffers": suffers, "kind": kind}
                self.logger.info(f"evidence {after or 'forgotten'}", fleet=fleet, **pair, detail=detail)
            case _:
                self._of_plan(event)

    def _read(self, cycle: Cycle, notes: tuple[str, ...]) -> None:
        """Say of what is doubtful about a reading what begins: what the last one did not have."""
        for note in notes:
            if cause(note) not in self._notes:
                self.logger.warning("reading", **_of(cycle), detail=note)
        self._notes = set(map(cause, notes))

    def _not_judged(self, cycle: Cycle, watched: Watched) -> None:
        """Say of what monitors could not judge what begins: subjects, or a cause, that the last look did not have."""
        now: dict[tuple[str, str], set[str]] = {}
        for one in watched.unjudged:
            why = one.monitor, cause(one.why)
            now.setdefault(why, set()).update(one.subjects)
            before = self._unjudged.get(why, set())
            new = [subject for subject in one.subjects if subject not in before]
            if new or why not in self._unjudged:
                names = ", ".join(new[:NAMES]) + (", ..." if len(new) > NAMES else "")
                at = {"monitor": one.monitor, "subjects": len(new)}
                self.logger.warning(
                    "not judged", **_of(cycle), **at, detail=f"{one.why}: {names}" if names else one.why
                )
        self._unjudged = now

    def _of_plan(self, event: events.Event) -> None:
        match event:
            case events.PlanMade(cycle, plan, path):
                self.logger.info("plan made", **_of(cycle), plan=plan.id, moves=len(plan.moves), path=path)
            case events.PlanWarned(cycle, warnings):
                for caution in warnings:
                    about = {"code": caution.code, "detail": str(caution)}
                    self.logger.warning("plan doubtful", **_of(cycle), **about)
            case events.PlanWaits(cycle, plan, path):
                self.logger.warning("plan waits for approval", **_of(cycle), plan=plan.id, path=path)
            case events.MoveChanged(fleet, plan, move, state, _, detail):
                ends = {"vm": move.vm, "source": move.source, "target": move.target}
                why = {"detail": detail} if detail else {}
                self.logger.info(f"move {state.value}", fleet=fleet, plan=plan, move=move.id, **ends, **why)
            case events.Notified(receiver, address, delivered, detail):
                say = self.logger.debug if delivered else self.logger.error
                said = "notified" if delivered else "not notified"
                say(said, receiver=receiver, address=address, detail=detail)
            case events.Stopped(cycle, reason):
                self.logger.warning("stopped", **_of(cycle), detail=reason)
            case events.RunEnded(cycle, plan, applied):
                came = {name: len(getattr(applied, name)) for name in ("done", "failed", "skipped", "unknown")}
                simulated = {"simulated": "no VM was migrated"} if applied.simulated else {}
                self.logger.info("plan carried out", **_of(cycle), plan=plan.id, **came, **simulated)

    def _ended(self, cycle: Cycle) -> None:
        fields: dict[str, Any] = {**_of(cycle), "outcome": cycle.outcome.value}
        if cycle.plan:
            fields["plan"] = cycle.plan
        if cycle.detail:
            fields["detail"] = cycle.detail
        fields |= cycle.counts
        say = self.logger.error if cycle.outcome in BAD else self.logger.info
        if cycle.outcome in (Outcome.STOPPED, Outcome.PARTLY):
            say = self.logger.warning
        say("cycle ended", **fields)


def _of(cycle: Cycle) -> dict[str, Any]:
    return {"fleet": cycle.fleet, "cycle": cycle.number}
