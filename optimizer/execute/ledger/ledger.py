"""Everything that may be written or asked: each write is one transaction, with its events in the chain.

A leader writes with its `Lead`: the epoch is compared in the same transaction, so what an old leader still wants to
write (or to submit, since `submit` calls the driver within one) is refused. The button is a row that `intend` and
`submit` look at in their transactions: once a stop is committed, no submit follows.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.errors import SafetyStop
from optimizer.execute.ledger import queries
from optimizer.execute.ledger.audit import ABORT_ASKED, Audit, audit
from optimizer.execute.ledger.chain import append
from optimizer.execute.ledger.controls import Controls
from optimizer.execute.ledger.cycles import Cycles
from optimizer.execute.ledger.evidence import EvidenceTable
from optimizer.execute.ledger.imbalances import Imbalances
from optimizer.execute.ledger.lately import Lately
from optimizer.execute.ledger.leading import require_lead
from optimizer.execute.ledger.lease import CycleLease
from optimizer.execute.ledger.records import Change, FlyingMove, Key, Lead
from optimizer.execute.ledger.reservations import Reservations
from optimizer.execute.ledger.transitions import (
    Pressed,
    end_run,
    insert,
    pass_into,
    refuse_second,
    state_of,
    tell,
    unpressed,
    write_intent,
)
from optimizer.execute.ledger.travels import Travels
from optimizer.execute.probes import unwatched
from optimizer.execute.states import ENDED, OPEN, Failure, IllegalTransition, MoveState, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from optimizer.execute.ledger.database import Connection, Database
    from optimizer.execute.ledger.records import EventRecord, MoveRecord, Order, Run
    from optimizer.execute.probes import Probe
    from optimizer.plan import Plan

__all__ = ["Held", "Ledger", "Pressed", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the caps are held against, read in the transaction that writes the intent.

    Attributes
    ----------
    flying
        The open moves of the fleet, of whatever plan.
    recent
        The moves that were intended within a time, whatever became of them.
    limit
        The lowered number of moves at once, where somebody has lowered it.
    """

    flying: tuple[FlyingMove, ...]
    recent: Callable[[float], tuple[FlyingMove, ...]]
    limit: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """A move may not start now, for this limit.

    Attributes
    ----------
    by_others
        Only strangers' moves are in its way.
    passes, of_all
        The limit is one of a window, and time alone will let the move start; it lets no other move start now either.
    """

    reason: str
    by_others: bool = False
    passes: bool = False
    of_all: bool = False


class Ledger(Imbalances, Cycles, EvidenceTable, Travels, Lately):
    """A ledger in a database; use `open_ledger` or `peek_ledger`, and close it (it is a context manager).

    `probe` is told of the instants at which a test may let the process die.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.probe: Probe = unwatched
        self.controls = Controls(database)
        self.cycle_lease = CycleLease(database)
        self.reservations = Reservations(database)

    @property
    def where(self) -> str:
        """The place of the ledger, for messages."""
        return self._database.where

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a lead that it holds is given back."""
        self._database.close()

    def lead(self, fleet: str, holder: str, at: datetime) -> Lead:
        """Take the lead of a fleet, under a new epoch.

        Raises
        ------
        SafetyStop
            Somebody else has it.
        """
        with self._writing(fleet, "lead") as db:
            other = self._database.claim(db, fleet, holder)
            if other is not None:
                raise SafetyStop(f"a plan for fleet {fleet} is being applied by {other} (ledger {self.where})")
            (epoch,) = db.execute("SELECT epoch FROM leaders WHERE fleet = ?", (fleet,)).fetchone()
            append(db, fleet, at=at.isoformat(), state="leader", by=holder, epoch=epoch)
        return Lead(fleet, epoch, holder)

    def keep(self, lead: Lead) -> None:
        """Keep the lead; raises `LeaseLost` where somebody has taken it."""
        with self._leading(lead, "keep"):
            pass

    def release(self, lead: Lead) -> None:
        """Give the lead back."""
        self._database.release(lead.fleet, lead.epoch)

    def refuse_second(self, plan: Plan) -> None:
        """Refuse a plan that was carried out before; one that was cut off may go on.

        Raises
        ------
        AlreadyApplied
            The ledger has an ended run of this plan.
        """
        with self._database.reading() as db:
            refuse_second(db, plan)

    def begin(
        self, lead: Lead, plan: Plan, order: Order, at: datetime, *, driver: str = "", approved: str = ""
    ) -> bool:
        """Write down that the plan is being carried out; runs of the fleet that were cut off are superseded.

        Returns
        -------
        bool
            Whether this goes on with a run of the same plan that was cut off.

        Raises
        ------
        AlreadyApplied
            As `refuse_second` does.
        """
        with self._leading(lead, "begin") as db:
            refuse_second(db, plan)
            going_on = queries.run(db, plan.fleet, plan.id) is not None
            for run in queries.runs(db, plan.fleet):
                if run.state is RunState.RUNNING and run.plan != plan.id:
                    end_run(db, lead, run.plan, RunState.SUPERSEDED, at, f"by {plan.id}")
            if not going_on:
                digests = (plan.fleet_digest, plan.policy_digest, driver, len(plan.moves))
                who = (order.by or lead.holder, order.reason, approved, lead.epoch, at.isoformat(), None)
                values = (plan.fleet, plan.id, RunState.RUNNING.value, *digests, *who)
                db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(values))})", values)
            detail = "resumed" if going_on else order.reason
            tell(db, lead, plan.id, None, RunState.RUNNING.value, at, detail, order.by)
            return going_on

    def end(self, lead: Lead, plan: str, state: RunState, at: datetime, detail: str = "") -> None:
        """Write down how the run ended; one with an open move ends as `stopped` or not at all."""
        with self._leading(lead, "end") as db:
            open_ = any(f.plan == plan for f in queries.in_flight(db, lead.fleet))
            if state is RunState.RUNNING or (open_ and state is not RunState.STOPPED):
                raise IllegalTransition(f"run {plan} cannot become {state.value}")
            end_run(db, lead, plan, state, at, detail)

    def intend(
        self, lead: Lead, move: FlyingMove, at: datetime, refusal: Callable[[Usage], Held | None]
    ) -> Held | None:
        """Write down that a move is about to be submitted, unless something speaks against it.

        Parameters
        ----------
        refusal
            Holds the caps against what is used, in the same transaction: None, or why not now.

        Returns
        -------
        Held or None
            Why the move may not start now; None where the intent was written.

        Raises
        ------
        Pressed
            The button is pressed.
        """
        with self._leading(lead, "intend" if move.attempt == 1 else "retry") as db:
            limit = unpressed(db, lead.fleet)
            flying = queries.in_flight(db, lead.fleet)
            if any(f.vm == move.vm for f in flying):
                return Held(f"{move.vm} is in flight")

            def recent(seconds: float) -> tuple[FlyingMove, ...]:
                return queries.since(db, lead.fleet, at - timedelta(seconds=seconds))

            held = refusal(Usage(flying, recent, limit))
            if held is None:
                write_intent(db, lead, move, at)
            return held

    def submit(self, lead: Lead, key: Key, at: datetime, call: Callable[[], tuple[Change, str]]) -> tuple[Change, str]:
        """Call the driver, and write down what it answered, in one transaction that a stop or a new leader waits for.

        Parameters
        ----------
        call
            Submits the move; returns its new state, and the platform's name for the job.

        Raises
        ------
        Pressed
            The button was pressed before: the driver was not called.
        LeaseLost
            Somebody else leads: the driver was not called.
        """
        with self._leading(lead, "submit") as db:
            unpressed(db, lead.fleet)
            if state_of(db, lead.fleet, key) is not MoveState.INTENDED:
                raise IllegalTransition(f"{key} is not intended, and cannot be submitted")
            change, job = call()
            pass_into(db, lead, change, at)
            db.execute("UPDATE moves SET job = ? WHERE fleet = ? AND plan = ? AND move = ?", (job, lead.fleet, *key))
            return change, job

    def proceed(
        self,
        lead: Lead,
        key: Key,
        at: datetime,
        refusal: Callable[[FlyingMove, Usage], Held | None],
        call: Callable[[], Change | None],
    ) -> Held | Change | None:
        """Tell the driver that a prepared move is to copy, in one transaction, as `submit` does; `call` tells it.

        Returns
        -------
        Held, Change or None
            Which limit forbids it, by `refusal`; the move's new state; None where the platform refused.
        """
        with self._leading(lead, "submit") as db:
            limit = unpressed(db, lead.fleet)
            flying = queries.in_flight(db, lead.fleet)
            move = next((f for f in flying if f.key == key), None)
            if move is None or move.state is not MoveState.PREPARING:
                raise IllegalTransition(f"{key} is not prepared, and cannot be told to copy")
            held = refusal(move, Usage(flying, lambda _: (), limit))
            if held is not None:
                return held
            change = call()
            if change is not None:
                pass_into(db, lead, change, at)
            return change

    def withdraw(self, lead: Lead, key: Key, why: str, at: datetime) -> Change:
        """Take an intent back that was not submitted and will not be; returns how the move stands now.

        Raises
        ------
        IllegalTransition
            It is not intended (any more).
        """
        change = Change(key, MoveState.FAILED, f"not submitted: {why}", Failure.TEMPORARY)
        with self._leading(lead, "withdraw") as db:
            if state_of(db, lead.fleet, key) is not MoveState.INTENDED:
                raise IllegalTransition(f"{key} is not intended, and cannot be withdrawn")
            pass_into(db, lead, change, at)
        return change

    def abort(self, lead: Lead, key: Key, why: str, at: datetime, call: Callable[[], None]) -> None:
        """Call the driver to give a move up, and write down that it was asked to, in one transaction, as `submit` does.

        Raises
        ------
        LeaseLost
            Somebody else leads: the driver was not called.
        """
        with self._leading(lead, "abort") as db:
            if state_of(db, lead.fleet, key) not in OPEN:
                raise IllegalTransition(f"{key} is not open, and cannot be aborted")
            call()
            tell(db, lead, key.plan, key.move, ABORT_ASKED, at, why)

    def record(self, lead: Lead, changes: Sequence[Change], at: datetime) -> None:
        """Write down new states of moves, all or none.

        Raises
        ------
        IllegalTransition
            `LEGAL` does not allow one of them.
        """
        with self._leading(lead, "confirm" if any(c.state in ENDED for c in changes) else "progress") as db:
            for change in changes:
                if change.state in (MoveState.INTENDED, MoveState.SKIPPED):
                    raise IllegalTransition(f"{change.key}: {change.state.value} is written by `intend` and `skip`")
                pass_into(db, lead, change, at)

    def skip(self, lead: Lead, moves: Sequence[tuple[FlyingMove, str]], at: datetime) -> None:
        """Write down that moves will not start, with the reasons."""
        with self._leading(lead, "skip") as db:
            for move, why in moves:
                if state_of(db, lead.fleet, move.key) is None:
                    insert(db, lead, move, MoveState.SKIPPED, at, why)
                else:
                    pass_into(db, lead, Change(move.key, MoveState.SKIPPED, why), at)

    def note(self, lead: Lead, plan: str, what: str, detail: str, at: datetime) -> None:
        """Write down what happened to a run other than to its moves: `what` is one of `NOTES`."""
        with self._leading(lead, "note") as db:
            tell(db, lead, plan, None, what, at, detail)

    def last_note(self, fleet: str, plan: str) -> EventRecord | None:
        """Return what the gates of a run answered last; None where they were not asked."""
        with self._database.reading() as db:
            return queries.last_of_gates(db, fleet, plan)

    def in_flight(self, fleet: str) -> tuple[FlyingMove, ...]:
        """Return the open moves of a fleet, of whatever plan."""
        with self._database.reading() as db:
            return queries.in_flight(db, fleet)

    def moves(self, fleet: str, plan: str) -> tuple[MoveRecord, ...]:
        """Return every move of a run that the ledger has heard of."""
        with self._database.reading() as db:
            return queries.moves(db, fleet, plan)

    def states(self, fleet: str, plan: str) -> dict[str, MoveState]:
        """Return the state of each move of a run that the ledger has heard of."""
        return {m.flying.move: m.flying.state for m in self.moves(fleet, plan)}

    def run(self, fleet: str, plan: str) -> Run | None:
        """Return how a run stands; None where the ledger has none of this plan."""
        with self._database.reading() as db:
            return queries.run(db, fleet, plan)

    def runs(self, fleet: str | None = None) -> tuple[Run, ...]:
        """Return the runs of a fleet or of all, the latest first."""
        with self._database.reading() as db:
            return queries.runs(db, fleet)

    def fleets(self) -> tuple[str, ...]:
        """Return the fleets that the ledger has heard of."""
        with self._database.reading() as db:
            return queries.fleets(db)

    def events(self, fleet: str, after: int = 0) -> tuple[EventRecord, ...]:
        """Return what happened, in order."""
        with self._database.reading() as db:
            return tuple(queries.events(db, fleet, after))

    def audit(self) -> Audit:
        """Recompute every chain of events, and hold the tables against them."""
        with self._database.reading() as db:
            return audit(db)

    @contextmanager
    def _writing(self, fleet: str, step: str) -> Iterator[Connection]:
        """Open a transaction for a step of `STEPS`; whoever wants to is told of its three instants."""
        self.probe(f"before {step}")
        with self._database.writing(fleet) as db:
            yield db
            self.probe(f"within {step}")
        self.probe(f"after {step}")

    @contextmanager
    def _leading(self, lead: Lead, step: str) -> Iterator[Connection]:
        """Open a transaction of a leader, in which its epoch is still the fleet's."""
        with self._writing(lead.fleet, step) as db:
            require_lead(self._database, db, lead)
            yield db
