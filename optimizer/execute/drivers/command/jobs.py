"""What the platform says of migrations: a job is found by its name or token, or else by VM, hosts and time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.execute.drivers import JobReading, Unreadable
from optimizer.execute.drivers.command.outputs import looked_up, time_of
from optimizer.execute.states import ENDED, Failure, MoveState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.execute.drivers import Request
    from optimizer.execute.drivers.command.asking import Asker
    from optimizer.execute.drivers.command.inventory import Inventory
    from optimizer.execute.drivers.command.outputs import Row
    from optimizer.execute.drivers.command.template import Template

__all__ = ["Jobs"]

LATEST = 10
"""Jobs of a VM whose details are asked for, at most: the latest ones."""

FAILURES = {"temporary": Failure.TEMPORARY, "permanent": Failure.PERMANENT}


class Jobs:
    """Asks for migrations."""

    def __init__(self, template: Template, inventory: Inventory, asker: Asker, clock: Clock) -> None:
        self._template, self._inventory, self._asker, self._clock = template, inventory, asker, clock
        self._jobs = template.jobs

    def find(self, request: Request, values: Mapping[str, str]) -> JobReading | None:
        """Return the job of a move, None where there is no such job; `values` are those of the move.

        Raises
        ------
        Unreadable
            The platform cannot be asked, or says what nobody understands.
        """
        if self._jobs is None:
            return None
        (call,) = self._jobs.calls
        needs_vm = any(name.startswith("vm.") for name in call.arguments.names)
        if self._jobs.each == "move" and needs_vm and not any(name.startswith("vm.") for name in values):
            return None  # it is nowhere to be asked about
        rows = self._asker.rows(call, values if self._jobs.each == "move" else {}, "jobs")
        for row in self._candidates(rows, request, values):
            full = self._detailed(row, values)
            if self._is_for(full, request):
                return self._reading(full, request)
        return None

    def migrating(self) -> frozenset[str]:
        """Return the VMs of all jobs that have not ended, where the platform can be asked for all."""
        if self._jobs is None or self._jobs.each != "fleet":
            return frozenset()
        rows = self._asker.rows(self._jobs.calls[0], {}, "jobs")
        states = ((row, self._state(row)) for row in rows)
        return frozenset(
            self._vm(row) for row, state in states if state not in FAILURES and state not in ("done", "none")
        )

    def _candidates(self, rows: list[Row], request: Request, values: Mapping[str, str]) -> Iterator[Row]:
        """Yield the rows that may be this move's, the likeliest first."""
        mine = [row for row in rows if self._state(row) != "none" and self._fits(row, request, values)]
        named = [r for r in mine if r.get("token") == request.token or (request.job and r.get("job") == request.job)]
        if named:
            yield from named
            return
        of_time = [(began, row) for row in mine if self._is_young(began := self._began(row), request)]
        newest = sorted(range(len(of_time)), key=lambda i: (of_time[i][0] or self._clock.now(), i), reverse=True)
        yield from (of_time[i][1] for i in newest[:LATEST])

    def _fits(self, row: Row, request: Request, values: Mapping[str, str]) -> bool:
        vm = row.get("vm")
        if vm and vm not in {request.vm, *(v for k, v in values.items() if k.startswith("vm."))}:
            return False
        if row.get("token") and row["token"] != request.token:
            return False
        return not row.get("source") or self._inventory.host_id(row["source"]) == request.source

    def _is_young(self, began: datetime | None, request: Request) -> bool:
        slack = timedelta(seconds=self._template.clocks_apart_s)
        return began is None or request.since is None or began >= request.since - slack

    def _began(self, row: Row) -> datetime | None:
        if row.get("began"):
            at = time_of(row["began"])
            if at is None:
                raise Unreadable(f"jobs: {row['began'][:40]!a} is no time")
            return at
        elapsed = _number(row.get("elapsed_s", "")), _number(row.get("elapsed_ms", ""))
        if elapsed == (None, None):
            return None
        seconds = elapsed[0] if elapsed[0] is not None else (elapsed[1] or 0.0) / 1000
        return self._clock.now() - timedelta(seconds=seconds)

    def _detailed(self, row: Row, values: Mapping[str, str]) -> Row:
        assert self._jobs is not None
        if self._jobs.details is None:
            return row
        more = {**values, **{f"job.{name}": value for name, value in row.items()}, "job": row.get("job", "")}
        found = self._asker.rows(self._jobs.details, more, "jobs.details")
        for further in found:
            row = {**row, **{name: value for name, value in further.items() if value}}
        return row

    def _is_for(self, row: Row, request: Request) -> bool:
        """Say whether a job goes to the target; where it does not say so, the VM has to be arriving there."""
        assert self._jobs is not None
        if row.get("target"):
            return self._inventory.host_id(row["target"]) == request.target
        if self._jobs.has("target"):
            return bool(row.get("token")) and row["token"] == request.token
        there = self._inventory.at(request.vm, request.target)
        return there is not None and there.role == "arriving"

    def _state(self, row: Row) -> str:
        assert self._jobs is not None
        return looked_up(self._jobs.states, row.get("state", "")) or "unknown"

    def _vm(self, row: Row) -> str:
        said = row["vm"]
        return self._inventory.vm_of(said)

    def _reading(self, row: Row, request: Request) -> JobReading:
        state = self._state(row)
        detail, ended = row.get("detail", ""), time_of(row["ended"]) if row.get("ended") else None
        if state in FAILURES:
            return JobReading(row.get("job", ""), MoveState.FAILED, None, FAILURES[state], detail, ended)
        if state == "unknown":
            detail = f"the platform says {row.get('state', '')[:80]!a}"
        found = MoveState[state.upper()]
        left = _number(row.get("remaining_mib", ""))
        in_bytes = _number(row.get("remaining_bytes", ""))
        if left is None and in_bytes is not None:
            left = in_bytes / 2**20
        return JobReading(
            row.get("job", ""), found, None if found in ENDED else left, None, detail, ended if found in ENDED else None
        )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e18 else None
