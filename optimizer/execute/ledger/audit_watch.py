"""What the events say of imbalances, cycles and evidence, and where the tables say something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.execute.ledger.cycles import CYCLE_BEGUN, CYCLE_ENDED
from optimizer.execute.ledger.evidence import EVIDENCE, EVIDENCE_DROPPED
from optimizer.execute.ledger.imbalances import FOLLOWS, IMBALANCE
from optimizer.execute.ledger.plain import from_json, to_json
from optimizer.execute.ledger.watch_records import PENDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optimizer.execute.ledger.database import Connection
    from optimizer.execute.ledger.records import EventRecord

__all__ = ["MOVED_BY_OTHERS", "Watched", "is_watched"]

MOVED_BY_OTHERS = "moved by others"


def is_watched(event: EventRecord) -> bool:
    """Whether an event is about imbalances, cycles or evidence."""
    return event.state in (CYCLE_BEGUN, CYCLE_ENDED, MOVED_BY_OTHERS) or event.state.startswith((IMBALANCE, EVIDENCE))


class Watched:
    """What the events of a fleet say, row by row, as text."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def hear(self, event: EventRecord) -> Iterator[str]:
        """Take an event in; yield what it says that cannot be."""
        try:
            yield from self._hear(event, from_json(event.detail))
        except (ValueError, KeyError, TypeError):
            yield f"what it says of {event.state} cannot be read"

    def _hear(self, event: EventRecord, said: Any) -> Iterator[str]:
        if event.state.startswith(IMBALANCE):
            yield from self._imbalance(event, said, event.state.removeprefix(IMBALANCE))
        elif event.state == MOVED_BY_OTHERS:
            name = f"travel of {said['vm']} from {said['from']} to {said['to']} at {said['ended_at']}"
            self.rows[name] = {"started_at": said["started_at"]}
        elif event.state == EVIDENCE_DROPPED:
            self.rows.pop(_pair(said), None)
        elif event.state.startswith(EVIDENCE):
            state = event.state.removeprefix(EVIDENCE)
            self.rows[_pair(said)] = {"state": state, "record": to_json(said["record"]), "changed_at": event.at}
        else:
            yield from self._cycle(event, said)

    def _imbalance(self, event: EventRecord, said: dict[str, Any], state: str) -> Iterator[str]:
        name = f"imbalance {said['id']}"
        before = self.rows.get(name)
        was = before["state"] if before else PENDING
        if state == was or state not in FOLLOWS.get(was, frozenset()):
            yield f"{name} passes from {was} into {state}"
        row = {key: said[key] for key in ("monitor", "subject", "place", "since")}
        opened = before["opened_at"] if before else event.at
        closed = event.at if state == "closed" else None
        self.rows[name] = {**row, "state": state, "opened_at": opened, "closed_at": closed, "changed_at": event.at}

    def _cycle(self, event: EventRecord, said: dict[str, Any]) -> Iterator[str]:
        name = f"cycle {said['number']}"
        before = self.rows.get(name)
        if event.state == CYCLE_BEGUN:
            if before is not None:
                yield f"{name} begins twice"
            ended = {"ended_at": None, "outcome": "", "plan": None, "counts": "{}", "detail": ""}
            self.rows[name] = {"cause": said["trigger"], "by": event.by, "started_at": event.at, **ended}
        elif before is None or before["ended_at"] is not None:
            yield f"{name} ends, and has {'ended' if before else 'not begun'}"
        else:
            how = {key: said[key] for key in ("outcome", "plan", "detail")}
            self.rows[name] = {**before, **how, "ended_at": event.at, "counts": to_json(said["counts"])}

    def against(self, db: Connection, fleet: str) -> Iterator[tuple[str, str]]:
        """Yield where the tables say something else."""
        there = dict(_tables(db, fleet))
        for name in sorted(there.keys() | self.rows.keys()):
            here, said = there.get(name), self.rows.get(name)
            if here is None or said is None:
                yield name, "is missing, by its events it is there" if here is None else "is there without an event"
                continue
            for key, value in said.items():
                if here[key] != value:
                    yield name, f"{key} is {here[key]}, by its events {value}"


def _pair(said: dict[str, Any]) -> str:
    return f"evidence {said['noisy']} on {said['suffers']} ({said['kind']})"


_ROWS = {
    "imbalance": ("imbalances", "id", "monitor, subject, place, since, state, opened_at, closed_at, changed_at"),
    "cycle": ("cycles", "number", "cause, by, started_at, ended_at, outcome, plan, counts, detail"),
}


def _tables(db: Connection, fleet: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for what, (table, key, columns) in _ROWS.items():
        names = columns.split(", ")
        query = f"SELECT {key}, {columns} FROM {table} WHERE fleet = ?"
        for name, *values in db.execute(query, (fleet,)).fetchall():
            row = dict(zip(names, values, strict=True))
            if row.get("state") != PENDING:
                yield f"{what} {name}", row
    query = "SELECT vm, source, target, ended_at, started_at FROM travels WHERE fleet = ?"
    for vm, source, target, ended_at, started_at in db.execute(query, (fleet,)).fetchall():
        yield f"travel of {vm} from {source} to {target} at {ended_at}", {"started_at": started_at}
    query = "SELECT noisy, suffers, kind, state, record, changed_at FROM evidence WHERE fleet = ?"
    for noisy, suffers, kind, state, record, at in db.execute(query, (fleet,)).fetchall():
        pair = _pair({"noisy": noisy, "suffers": suffers, "kind": kind})
        yield pair, {"state": state, "record": record, "changed_at": at}
