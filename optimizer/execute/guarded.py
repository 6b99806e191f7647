"""The guards of one run: what they are asked with, and which hooks after moves are still to be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.clock import SystemClock
from optimizer.errors import shorten
from optimizer.execute.guards.pending import every
from optimizer.execute.guards.reading import Standing, read_state, unforeseen
from optimizer.execute.states import MoveState
from optimizer.fleet import Move

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from optimizer.execute.core.events import Event
    from optimizer.execute.core.model import Flight, State, Task
    from optimizer.execute.drivers import Driver
    from optimizer.execute.guards.guards import Guards
    from optimizer.execute.ledger.records import FlyingMove, Key
    from optimizer.execute.recheck import Ends
    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Rule

__all__ = ["Guarded", "HeldUp"]


class HeldUp(Exception):
    """While a guard was waited for something happened that comes first."""

    def __init__(self, event: Event) -> None:
        super().__init__(type(event).__name__)
        self.event = event


class Guarded:
    """Asks the gates and calls the hooks of a run.

    The hooks after a move are called for each attempt that has ended, and for a move that will not start although the
    hooks before it were called.

    Parameters
    ----------
    rules
        By which the fleet is judged when it is read again.
    reason
        Why the run was ordered, for hooks.
    """

    def __init__(
        self, guards: Guards, fleet: Fleet, plan: str, driver: Driver, rules: Sequence[Rule], reason: str
    ) -> None:
        self._guards, self._fleet, self._plan, self._driver = guards, fleet, plan, driver
        self._rules, self._reason, self._clock = rules, reason, SystemClock()
        self._done: list[Move] = []
        self._called: dict[Key, Ends] = {}
        self._due: list[dict[str, str]] = []
        self.failures: list[tuple[str, str]] = []

    def land(self, move: Flight | FlyingMove, state: MoveState) -> None:
        """Keep in mind what a move of any plan has made of the fleet."""
        if state is MoveState.DONE:
            self._done += self._moves([move])

    def changed(self, state: State, meanwhile: Callable[[], None]) -> str:
        """Read the whole fleet, the VMs of hosts that are still to be used one by one, and judge it by every rule.

        Returns
        -------
        str
            What a rule that is a must or a guard finds beyond what is foreseen; empty where none does.

        Raises
        ------
        Unreadable
            The driver cannot tell.
        """
        standing = self._standing(state)
        still = {host for key in state.waiting for host in (state.tasks[key].source, state.tasks[key].target)}
        fresh = read_state(standing, self._driver, every(self._clock, meanwhile), closely=still)
        for rule in self._rules:
            found = unforeseen(rule, fresh, standing, binding=True)
            if found is not None:
                return shorten(rule.explain(found[0], fresh.fleet), 240)
        return ""

    def _standing(self, state: State) -> Standing:
        return Standing(self._fleet, tuple(self._done), tuple(self._moves(state.flying.values())))

    def ask(self, state: State, meanwhile: Callable[[], None]) -> tuple[str, ...]:
        """Ask the gates; return why some are closed."""
        if self._guards.gates is None:
            return ()
        return tuple(self._guards.gates.ask(self._standing(state), self._plan, self._driver, meanwhile))

    def before(self, task: Task, meanwhile: Callable[[], None]) -> str:
        """Call the hooks before a move; return why one objects."""
        if self._guards.hooks is None:
            return ""
        self._called[task.key] = task
        return self._guards.hooks.before(self._values(task.key, task, MoveState.INTENDED), meanwhile)

    def ended(self, key: Key, move: Ends, state: MoveState) -> None:
        """Let the hooks after a move be called soon."""
        called = self._called.pop(key, None)
        if self._guards.hooks is not None and (state is not MoveState.SKIPPED or called is not None):
            self._due.append(self._values(key, move, state))

    def over(self, state: State) -> None:
        """Let the hooks be called of all that will not start any more, since the run is over."""
        for key, move in tuple(self._called.items()):
            if key not in state.flying:
                self.ended(key, move, MoveState.SKIPPED)

    def call_after(self, meanwhile: Callable[[], None]) -> list[tuple[str, str]]:
        """Call the hooks after the moves that have ended; return (move, what went wrong) of those that failed."""
        if not self._due or self._guards.hooks is None:
            return []
        due, self._due = self._due, []
        failed = self._guards.hooks.after(due, meanwhile)
        self.failures += failed
        return failed

    def _values(self, key: Key, move: Ends, state: MoveState) -> dict[str, str]:
        ends = {"vm": move.vm, "source": move.source, "target": move.target}
        of = {"fleet": self._fleet.id, "plan": key.plan, "move": key.move}
        return {**of, **ends, "state": state.value, "reason": self._reason}

    def _moves(self, moves: Iterable[Ends]) -> list[Move]:
        vms, hosts = self._fleet.vm_index, self._fleet.host_index
        known = (m for m in moves if m.vm in vms and m.source in hosts and m.target in hosts)
        return [Move(vms[m.vm], hosts[m.source], hosts[m.target]) for m in known]
