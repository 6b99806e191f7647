"""The driver: it runs the programs of a template, and remembers what it has asked for until that has ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.execute.drivers import HostReading, JobReading, MoveRefused, NotAborted, ReplyLost, Unreadable, VmReading
from optimizer.execute.drivers.command.arguments import Unfit
from optimizer.execute.drivers.command.asking import Asker, said_of, text_of
from optimizer.execute.drivers.command.inventory import Inventory
from optimizer.execute.drivers.command.jobs import FAILURES, Jobs
from optimizer.execute.drivers.command.outputs import looked_up
from optimizer.execute.drivers.command.processes import NotAnswered, NotStarted, run, start
from optimizer.execute.readings import host_reading, vm_reading
from optimizer.execute.states import ENDED, MoveState
from optimizer.fleet import ABSENT, Carrying, HostState, How, Mobility, VmState, carrying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.clock import Clock
    from optimizer.execute.drivers import Request
    from optimizer.execute.drivers.command.inventory import Sighting
    from optimizer.execute.drivers.command.location import Location
    from optimizer.execute.drivers.command.processes import Waiting
    from optimizer.fleet import Fleet

__all__ = ["CommandDriver"]

NOBODY_KNOWS = "an unknown host"


@dataclass(slots=True)
class _Flight:
    """A move that was asked for: it counts on both hosts until it is seen to have ended, or never to have begun."""

    request: Request
    at: float
    process: Waiting | None = None
    state: MoveState = MoveState.ACCEPTED
    job: str = ""
    seen: bool = False
    ended: JobReading | None = None


class CommandDriver:
    """Migrates the VMs of a fleet by programs.

    Parameters
    ----------
    fleet
        The snapshot: its ids, and what the programs do not tell.
    location
        The template, and what it is filled with.
    clock
        The time; the machine's own by default.
    """

    simulated = False

    def __init__(self, fleet: Fleet, location: Location, clock: Clock | None = None) -> None:
        self.fleet: str = location.fleet or fleet.id
        self.clock: Clock = clock or SystemClock()
        self.settles_s: float = location.template.settles_s
        self._snapshot, self._location, self._template = fleet, location, location.template
        self._asker = Asker(location, self.clock)
        self._inventory = Inventory(fleet, location, self._asker)
        self._jobs = Jobs(location.template, self._inventory, self._asker, self.clock)
        self._flights: dict[str, _Flight] = {}

    def read_vm(self, vm: str) -> VmReading | None:
        """Return the VM as the inventory has it now, and at both ends while it is on its way."""
        flight = self._flying().get(vm)
        found = self._inventory.of(vm)
        if not found and flight is None:
            return None
        return self._vm_as_it_is(vm, found, flight.request if flight else None)

    def read_host(self, host: str) -> HostReading | None:
        """Return the host with all VMs on it now, and all that are on their way from or to it."""
        if host not in self._location.hosts:
            return None
        known = self._snapshot.host_index.get(host)
        up = self._is_up(host)
        if up is None:
            return None
        vms = {s.vm for s in self._inventory.on(host)}
        vms |= {vm for vm, f in self._flying().items() if host in (f.request.source, f.request.target)}
        if known is None:
            return HostReading(host, HostState.ACTIVE if up else HostState.DOWN, {}, (), frozenset(vms))
        reading = host_reading(self._snapshot, known, vms)
        if not up:
            return replace(reading, state=HostState.DOWN)
        told = self._template.hosts is not None and reading.state is HostState.DOWN
        return replace(reading, state=HostState.ACTIVE) if told else reading

    def migrating(self) -> frozenset[str]:
        """Return the VMs that are on their way by inventory, by the platform's jobs, or asked for by this process."""
        return frozenset({*self._inventory.moving(), *self._jobs.migrating(), *self._flying()})

    def submit(self, request: Request) -> str:
        """Run the program that starts the migration; where it waits for the end, in the background."""
        sighting, how = self._may_go(request)
        call = self._template.submit
        try:
            words = self._asker.words(call, self._values(request, sighting, how))
        except Unfit as error:
            raise MoveRefused(f"submit: {error}") from error
        self._asker.forget()
        environment, limit = self._location.environment, self._location.output_limit
        flight = _Flight(request, self.clock.monotonic())
        try:
            if self._template.waits:
                flight.process, flight.job = start(words, environment, call.deadline_s, limit), request.token
                self._flights[request.token] = flight
                return flight.job
            ended = run(words, environment, call.deadline_s, limit)
        except NotStarted as error:
            raise MoveRefused(f"submit: {words[0]}: {error}") from error
        except NotAnswered as error:
            self._lose(flight)
            raise ReplyLost(f"submit: {words[0]}: {error}") from error
        finally:
            self._asker.forget()
        said = f"submit: {words[0]}: {said_of(ended, self._location)}"
        outcome = call.outcome(ended.code, text_of(ended))
        if outcome in FAILURES:
            raise MoveRefused(said, temporary=outcome == "temporary")
        if outcome == "unknown":
            self._lose(flight)
            raise ReplyLost(said)
        flight.job = self._job_of(ended.out)
        self._flights[request.token] = flight
        return flight.job

    def observe(self, request: Request) -> JobReading | None:
        """Return how a move stands: by the program that waits for it, by the platform's jobs, or by neither."""
        self._inventory.expect(request.vm, request.source, request.target)
        flight = self._flights.get(request.token)
        if flight is None or (flight.request.vm, flight.request.target) != (request.vm, request.target):
            found = self._find(request)
            if found is not None and found.state not in ENDED:
                self._flights[request.token] = _Flight(
                    request, self.clock.monotonic(), state=found.state, job=found.id, seen=True
                )
            return found
        self._poll(flight)
        if flight.ended is not None:
            return flight.ended
        return self._going_on(flight, self._find(replace(request, job=request.job or flight.job)))

    def abort(self, request: Request) -> None:
        """Run the program that gives a migration up; what became of it is observed."""
        call = self._template.abort
        if call is None:
            raise NotAborted(f"{self._template.where} has no abort")
        try:
            found = self._find(request)
            if found is not None and found.state in ENDED:
                raise NotAborted(f"{request.vm}: its job has ended")
            job = (found.id if found else "") or request.job
            if "job" in call.arguments.names and not job:
                raise NotAborted(f"{request.vm}: no job of it is found")
            sighting = self._at_source(request)
            if sighting is None:
                raise NotAborted(f"{request.vm} is not on {request.source}")
            words = self._asker.words(call, self._values(replace(request, job=job), sighting))
            ended = run(words, self._location.environment, call.deadline_s, self._location.output_limit)
        except (Unreadable, Unfit, NotStarted, NotAnswered) as error:
            raise NotAborted(f"abort: {error}") from error
        finally:
            self._asker.forget()
        if call.outcome(ended.code, text_of(ended)) != "ok":
            raise NotAborted(f"abort: {words[0]}: {said_of(ended, self._location)}")

    # moves that were asked for

    def _lose(self, flight: _Flight) -> None:
        flight.state = MoveState.UNKNOWN
        self._flights[flight.request.token] = flight

    def _poll(self, flight: _Flight) -> None:
        """Look whether the program that waits has ended, and what that says."""
        if flight.process is None or flight.ended is not None:
            return
        ended = flight.process.ended()
        if ended is None:
            return
        call, overdue, token = self._template.submit, flight.process.overdue, flight.request.token
        flight.process, flight.at = None, self.clock.monotonic()
        self._asker.forget()
        outcome = "unknown" if overdue else call.outcome(ended.code, text_of(ended))
        if outcome == "ok":
            flight.ended = JobReading(token, MoveState.DONE, ended_at=self.clock.now())
        elif outcome in FAILURES:
            said = said_of(ended, self._location)
            flight.ended = JobReading(token, MoveState.FAILED, None, FAILURES[outcome], said, self.clock.now())
        else:
            flight.state = MoveState.UNKNOWN

    def _going_on(self, flight: _Flight, found: JobReading | None) -> JobReading | None:
        """Return the state of a move whose end is not known, by the job that the platform shows."""
        if found is not None:
            if found.state not in ENDED:
                flight.seen, flight.state, flight.job = True, found.state, flight.job or found.id
                return replace(found, id=flight.job or found.id)
            if flight.process is None:
                flight.ended = replace(found, id=flight.job or found.id)
                return flight.ended
        if flight.process is not None:  # it is about to end, or has hardly begun
            before = flight.state
            state = MoveState.SWITCHING if before is MoveState.COPYING and flight.seen else before
            return JobReading(flight.job, MoveState.ACCEPTED if state is MoveState.UNKNOWN else state)
        if self._is_flying(flight) and not flight.seen and flight.state is not MoveState.UNKNOWN:
            return JobReading(flight.job, flight.state)
        if flight.seen or not self._is_flying(flight):
            del self._flights[flight.request.token]  # what became of it, the inventory shows
        return None

    def _is_flying(self, flight: _Flight) -> bool:
        if flight.ended is not None:
            return False
        waited = self.clock.monotonic() - flight.at
        return flight.process is not None or flight.seen or waited < self.settles_s

    def _flying(self) -> dict[str, _Flight]:
        for flight in self._flights.values():
            self._poll(flight)
        return {f.request.vm: f for f in self._flights.values() if self._is_flying(f)}

    def _find(self, request: Request) -> JobReading | None:
        return self._jobs.find(request, self._values(request, self._at_source(request)))

    def _at_source(self, request: Request) -> Sighting | None:
        """Return the VM as its source has it; where all hosts are asked at once, as any of them has it."""
        if self._template.vms.each == "host":
            return self._inventory.at(request.vm, request.source) if request.source in self._location.hosts else None
        found = self._inventory.of(request.vm)
        return next((s for s in found if s.host == request.source), found[0] if found else None)

    def _job_of(self, raw: bytes) -> str:
        """Return the platform's name for a job that was just started; empty where it gives none."""
        from optimizer.execute.drivers.command.outputs import Garbage

        output = self._template.submit.output
        try:
            rows = output.read(raw) if output is not None else []
        except Garbage:
            return ""  # it was started: it is found by VM, target and time
        return next((row["job"] for row in rows if row.get("job")), "")

    # before a move, and what it is asked with

    def _may_go(self, request: Request) -> tuple[Sighting, Carrying]:
        """Look at both ends; refuse what could not be migrated, before anything is run that changes something."""
        v = self._snapshot.vm_index.get(request.vm)
        for host in (request.source, request.target):
            if host not in self._location.hosts:
                raise MoveRefused(f"there is no host {host} in {self._location.where}")
        if v is None:
            raise MoveRefused(f"there is no VM {request.vm} in the fleet")
        self._inventory.expect(request.vm, request.source, request.target)
        try:
            found = self._inventory.of(request.vm)
        except Unreadable as error:
            raise MoveRefused(str(error), temporary=True) from error
        source = next((s for s in found if s.host == request.source), None)
        if source is None:
            raise MoveRefused(f"{request.vm} is not on {request.source}")
        if request.vm in self._flying() or source.role != "resting":
            raise MoveRefused(f"{request.vm} is migrating already", temporary=True)
        if any(s.host == request.target for s in found):
            raise MoveRefused(f"there is a {request.vm} on {request.target} already")
        known = carrying(self._snapshot, v)
        how = Carrying(source.state or known.state, known.mobility, known.copied)
        if how.how in (How.NOT, How.COLD):
            why = "it cannot be migrated" if how.how is How.NOT else "it would have to be shut down: mobility cold"
            raise MoveRefused(f"{request.vm}: {why}")
        return source, how

    def _values(self, request: Request, sighting: Sighting | None, how: Carrying | None = None) -> dict[str, str]:
        v = self._snapshot.vm_index.get(request.vm)
        how = how or (carrying(self._snapshot, v) if v is not None else None)
        asked = ("vm", "source", "target", "token", "plan", "move", "attempt", "epoch", "copied_mib", "job")
        values = {name: str(getattr(request, name)) for name in asked}
        values["seconds"] = f"{request.seconds:.0f}"
        values["since"] = request.since.isoformat() if request.since else ""
        if how is not None:
            values |= {"how": how.how.value, "storage": how.storage, "copied": "yes" if how.copied else ""}
        for end in ("source", "target"):
            own = self._location.hosts.get(values[end], {})
            values |= {f"{end}.{name}": value for name, value in own.items()}
        if sighting is not None:
            values |= {f"vm.{name}": value for name, value in sighting.row.items() if value}
        return values

    # readings

    def _is_up(self, host: str) -> bool | None:
        """Say whether a host is up, None where there is none; up where the template does not ask."""
        hosts = self._template.hosts
        if hosts is None:
            return True
        rows = self._asker.rows(hosts.calls[0], {}, "hosts")
        said = {looked_up(hosts.states, row["state"]) for row in rows if self._inventory.host_id(row["host"]) == host}
        if not said:
            return None
        if None in said:
            raise Unreadable(f"hosts: the state of {host} is in no row of the template's table")
        return said == {"up"}

    def _vm_as_it_is(self, vm: str, found: Sequence[Sighting], flying: Request | None) -> VmReading:
        v = self._snapshot.vm_index.get(vm)
        known = vm_reading(self._snapshot, v, ABSENT) if v is not None else None
        by_role = {role: [s for s in found if s.role == role] for role in ("leaving", "resting", "arriving")}
        if flying is not None:
            host: str | None = flying.source
            moving_to: str | None = flying.target
        else:
            at = [*by_role["leaving"], *by_role["resting"]]
            arriving = by_role["arriving"]
            if not at and len(arriving) > 1:  # both are paused, at the moment when it goes over
                at, arriving = arriving[:1], arriving[1:]
            host = at[0].host if at else None
            moving_to = arriving[0].host if arriving else NOBODY_KNOWS if by_role["leaving"] else None
        one = next((s for s in found if s.host == host), found[0] if found else None)
        state = (one.state if one else None) or (known.state if known else VmState.UNKNOWN)
        return VmReading(
            id=vm,
            host=host,
            state=state,
            mobility=known.mobility if known else Mobility.LIVE,
            demand=known.demand if known else {},
            moving_to=moving_to,
            copies=frozenset(s.host for s in found if s.host and s.host not in {host, moving_to}),
        )
