"""`remora stop` from another process, at any instant of a run: no submit behind it, nothing undone.

Both processes run at once. The instant is one of the executor's messages to the hypervisors, also those within its
transactions; from then on it may go on as fast as it likes, but time does not pass before the stop has returned.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

from commands.group import remora
from optimizer.execute.ledger import peek_ledger
from optimizer.execute.probes import unwatched
from tests.execute.crashes.executor import Executor, start
from tests.execute.crashes.hypervisors import Hypervisors
from tests.execute.crashes.witness import Witness
from tests.execute.simulation.checker import violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.execute.crashes.places import Places

__all__ = ["MESSAGES", "Stopped", "instant"]

BEGUN, MESSAGES = 4, 260
"""A run has about that many messages, and has taken the lead after four; instants are spread over them."""


class Stopped:
    """One run that is stopped, after this many of its messages."""

    def __init__(self, seed: int, after: int, places: Places, *, abort: bool) -> None:
        self.witness = Witness(Hypervisors(seed), places.new())
        self.after, self.abort = after, abort
        self.was_running = False
        self.submits_before = 0

    def run(self) -> list[str]:
        """Carry the plan out and stop it; return what was broken."""
        executor = start(self.witness.hypervisors, self.witness.place, unwatched)
        for _ in range(self.after):
            if not self._attend(executor):
                break
        else:
            self.was_running = True
        stopper = self._stop()
        kept: tuple[str, tuple[Any, ...]] | None = None
        waits_on: list[Any] = [executor, stopper]
        while waits_on:
            for ready in select.select(waits_on, [], [])[0]:
                if ready is stopper:
                    self._stopped(stopper)
                    waits_on = [executor]
                    if kept is not None:
                        self.witness.attend(executor, *kept)
                        kept = None
                elif (asked := executor.hear()) is None:
                    waits_on.remove(executor)
                elif asked[0] == "sleep" and stopper in waits_on:
                    kept = asked
                else:
                    self.witness.attend(executor, *asked)
        executor.bury()
        return [*self.witness.broken, *self._judge(executor.said)]

    def _attend(self, executor: Executor) -> bool:
        asked = executor.hear()
        if asked is not None:
            self.witness.attend(executor, *asked)
        return asked is not None

    def _stop(self) -> Executor:
        """Fork a process that gives the command; it is heard of when that has returned."""
        self.submits_before = sum(e["what"] == "submit" for e in self.witness.hypervisors.history)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid:
            theirs.close()
            return Executor(pid, ours)
        try:
            words = ["stop", "--reason", "tried", "--by", "bob", "--fleet", self.witness.hypervisors.fleet]
            words += ["--ledger", self.witness.place, *(["--abort"] if self.abort else [])]
            try:
                with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                    remora.main(words, prog_name="remora")
            except SystemExit as end:
                theirs.send(b"failed" if end.code else b"stopped")
        finally:
            os._exit(0)

    def _stopped(self, stopper: Executor) -> None:
        said = stopper.socket.recv(100)
        self.witness.hypervisors.note("stop")
        if said != b"stopped" or stopper.bury():
            self.witness.broken.append("the stop itself failed")

    def _judge(self, said: str) -> Iterator[str]:
        it = self.witness.hypervisors
        yield from violations(it.history, it.facts)
        if not said.startswith(("over", "refused: stopped by")):
            yield f"the run said: {said or 'nothing'}"
        ledger = peek_ledger(self.witness.place)
        if ledger is None:
            yield "there is no ledger"
            return
        with ledger:
            states = [event.state for event in ledger.events(it.fleet)]
            behind = states[states.index("stop") :] if "stop" in states else ["no stop"]
            yield from (f"{state} behind the stop" for state in behind if state in ("intended", "accepted", "no stop"))
            yield from (f"{flight.move} keeps its slot" for flight in ledger.in_flight(it.fleet))
            yield from (f"the ledger: {where}: {what}" for where, what in ledger.audit().faults)
            run = ledger.run(it.fleet, it.plan.id)
            if run is not None and run.state.value == "running":
                yield "the run goes on"
        arrived = {e["vm"]: e["at"] for e in it.history if e["what"] == "end"}
        yield from (f"{vm} is not where it arrived" for vm, at in arrived.items() if it.world.place[vm] != at)


def instant(number: int, of: int) -> int:
    """Return after how many messages the n-th of so many stops is: evenly spread over a run."""
    return BEGUN + (MESSAGES - BEGUN) * number // of
