"""Hosts for new VMs, by request: answers one after the other, and keeps the room of each until its time is over.

The room is kept in the ledger, and written only if nobody has kept any since it was looked at; otherwise the answer is
worked out again. So two requests never get the same room, in one process or in several.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optimizer.cautions import cautions, refuse_unknown_names
from optimizer.errors import InputError, SafetyStop
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.reservations import Reservation
from optimizer.report.document import as_document
from optimizer.report.whatif_facts import About, describe_place
from optimizer.service.reserved import room_of
from optimizer.sources.files import canonical_digest
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.policy_yaml import missing_required
from optimizer.sources.request import checked_request, ids_of
from optimizer.whatif.effort import Effort
from optimizer.whatif.place_request import kept_of, place_request, with_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.caution import Caution
    from optimizer.clock import Clock
    from optimizer.policy import Policy
    from optimizer.sources.overlay import Warn

__all__ = ["MOST_HELD_S", "Answer", "Placer"]

Document = dict[str, Any]
MOST_HELD_S = 86_400
WHERE = "request"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; `reservation` is None where nothing is kept."""

    complete: bool
    facts: Document
    reservation: Reservation | None


class Placer:
    """Places requests.

    Parameters
    ----------
    read
        Returns the snapshot, as a document that was checked; what it is given is told what is doubtful about it.
    ledger
        Where reservations are kept.
    random_text
        Returns a name that nobody else gives.
    seconds
        What an answer may take; to wait for others and to begin again, as much once more.
    """

    def __init__(
        self,
        read: Callable[[Warn], Document],
        policy: Policy,
        ledger: str,
        clock: Clock,
        random_text: Callable[[], str],
        seconds: float = 10.0,
    ) -> None:
        self._read, self._policy, self._ledger, self._clock = read, policy, ledger, clock
        self._random, self._seconds = random_text, seconds
        self._turn = threading.Lock()

    def place(self, request: object, hold_s: int, by: str, ranked: int = 5) -> Answer:
        """Find hosts, and keep their room for `hold_s` seconds (0: not at all). Where not all fit, nothing is kept.

        Raises
        ------
        InputError
            The request is wrong, the inventory cannot be read, or the policy names what it does not have.
        SafetyStop
            Others were before it, again and again, until its time was over.
        """
        until = self._clock.monotonic() + 2 * self._seconds
        laid: list[Caution] = []
        document = self._read(laid.append)
        missing_required(self._policy, fleet_from_document(document, "inventory"))
        checked = checked_request(request, document, WHERE)
        while (left := until - self._clock.monotonic()) > 0 and self._turn.acquire(timeout=left):
            try:  # those of this process one after the other: each would only have to begin again
                answer = self._try(document, laid, checked, hold_s, by, ranked)
            finally:
                self._turn.release()
            if answer is not None:
                return answer
        raise SafetyStop("others reserve room faster than an answer is worked out: try again")

    def kept(self) -> tuple[Reservation, ...]:
        """Return what is kept of the fleet now."""
        fleet = self._read(_unheard)["fleet"]
        with open_ledger(self._ledger) as ledger:
            return ledger.reservations.of(fleet, self._clock.now())

    def release(self, name: str, by: str) -> bool:
        """Keep a reservation no longer; returns whether there was one."""
        fleet = self._read(_unheard)["fleet"]
        with open_ledger(self._ledger) as ledger:
            return ledger.reservations.release(fleet, name, by, self._clock.now())

    def _try(
        self, document: Document, laid: Sequence[Caution], request: Document, hold_s: int, by: str, ranked: int
    ) -> Answer | None:
        """Answer by what is kept now; None where others have kept more before this could be."""
        started, fleet = self._clock.monotonic(), document["fleet"]
        with open_ledger(self._ledger) as ledger:
            held = ledger.reservations.of(fleet, self._clock.now())
            _refuse_kept(request, held)
            known = with_kept(document, [room_of(one) for one in held], "reservations")
            effort = Effort(self._clock, started + self._seconds, 1)
            placed = place_request(known, request, WHERE, self._policy, effort, ranked)
            refuse_unknown_names(placed.fleet, self._policy)
            about = About(
                fleet,
                canonical_digest(document, "inventory"),
                self._policy.name,
                self._policy.digest,
                round(self._clock.monotonic() - started, 3),
            )
            facts = as_document(describe_place(placed, about))
            if doubts := (*laid, *cautions(placed.fleet, self._policy, self._clock.now())):
                facts["warnings"] = as_document(doubts)
            complete = len(placed.created) == placed.asked
            if not complete or not hold_s:
                return Answer(complete, facts, None)
            kept, now = kept_of(known, request, WHERE, placed), self._clock.now()
            facts["placements"] = [list(pair) for pair in kept.placements]
            room = {"request": dict(kept.request), "placements": [list(pair) for pair in kept.placements]}
            one = Reservation(fleet, self._random(), room, now, now + timedelta(seconds=hold_s), by)
            written = ledger.reservations.keep(one, {r.id for r in held})
        return Answer(True, facts, one) if written else None


def _unheard(_: Caution) -> None:
    """Take no notice: who asks what is kept, or gives it back, has only the fleet's name from the snapshot."""


def _refuse_kept(request: Document, held: Sequence[Reservation]) -> None:
    """Refuse an id that room is kept for: the same request again, or another that has the name."""
    kept = {vm: one for one in held for vm, _ in room_of(one).placements}
    for i, vm in enumerate(request["vms"]):
        for name in ids_of(vm):
            if name in kept:
                one = kept[name]
                until = one.until.isoformat(timespec="seconds")
                expected = f"an id for which no room is kept (reservation {one.id} keeps some until {until})"
                raise InputError(WHERE, f"vms[{i}].id", name, expected)
