"""The limits on moves at once and within a window, as they bind when a move is about to start.

A move takes a token of every cap that it counts on: of its source and its target, of each domain between and around
them (the uplink of a rack, a datastore), of each disruption budget of its VM. It takes them with its intent, since a
platform that was asked copies without asking again; where a driver holds back, it takes what lies between and its two
ends only when it is told to copy. Once it is seen switching, nothing travels any more: it gives back
what lies between, and keeps its hosts and its budgets until it is confirmed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from optimizer.disruption import Budgets
from optimizer.errors import shorten
from optimizer.execute.ledger.ledger import Held
from optimizer.execute.states import MoveState
from optimizer.fleet import ABSENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from optimizer.concurrency import Concurrency
    from optimizer.execute.ledger.ledger import Usage
    from optimizer.execute.ledger.records import FlyingMove
    from optimizer.execution import WindowBudget
    from optimizer.fleet import Fleet

__all__ = ["LINKS", "PREPARING_TOO", "WAITING", "Caps", "Token", "held_by"]

MIB_PER_GIB = 1024


class Token(NamedTuple):
    """One of what a cap has: of which cap, how many it has, and how it is called."""

    kind: str
    name: str
    limit: int
    text: str


LINKS = frozenset({"source", "target", "domain"})
"""Kinds of tokens of what copying goes over."""

WAITING = frozenset({MoveState.INTENDED, MoveState.ACCEPTED, MoveState.PREPARING})
"""States in which nothing is copied yet, where the platform waits to be told to."""

PREPARING_TOO = 2
"""How many times as many moves as may copy may be in flight, where preparing is a phase of its own."""


def held_by(tokens: Iterable[Token], state: MoveState, *, apart: bool = False) -> Iterator[Token]:
    """Yield the tokens that a move keeps in a state: switching, it gives back those of domains.

    `apart`: the platform prepares a move and copies only when it is told to; until then it takes no links.
    """
    for token in tokens:
        if apart and state in WAITING and token.kind in LINKS:
            continue
        if not (state is MoveState.SWITCHING and token.kind == "domain"):
            yield token


class Caps:
    """The limits of a policy on the moves of one fleet.

    `apart`: links are taken when a move is told to copy, not with its intent.
    """

    def __init__(
        self, fleet: Fleet, caps: Concurrency, windows: Sequence[WindowBudget] = (), *, apart: bool = False
    ) -> None:
        self._fleet, self._caps, self._windows, self._apart = fleet, caps, tuple(windows), apart
        self._budgets = Budgets(fleet, caps)
        self._known: dict[tuple[str, str, str], tuple[Token, ...]] = {}

    @property
    def fleet_cap(self) -> int:
        """Moves at once in the fleet."""
        return self._caps.fleet_cap(len(self._fleet.hosts.ids))

    def tokens(self, vm: str, source: str, target: str) -> tuple[Token, ...]:
        """Return what a move takes; a VM or a host that is gone counts by its name alone."""
        key = vm, source, target
        if key not in self._known:
            self._known[key] = (*self._of_ends(source, target), *self._of_budgets(vm))
        return self._known[key]

    def refusal(self, move: FlyingMove, migrating: Collection[str], usage: Usage) -> Held | None:
        """Say which limit a further move would break; None if it would break none.

        Parameters
        ----------
        migrating
            Ids of all VMs that are migrating now, whoever moves them: they count on disruption budgets.
        usage
            The moves that the ledger holds to be open, and those of a while ago.
        """
        most = self.fleet_cap if usage.limit is None else min(self.fleet_cap, usage.limit)
        if len(usage.flying) >= most * (PREPARING_TOO if self._apart else 1):
            return Held(f"{most} in the fleet", of_all=True)
        tokens = tuple(held_by(self.tokens(move.vm, move.source, move.target), move.state, apart=self._apart))
        if held := self._taken(tokens, usage.flying):
            return held
        strangers = sorted(set(migrating) - {f.vm for f in usage.flying} - {move.vm})
        others = Counter(t[:2] for vm in strangers for t in self._of_budgets(vm))
        taken = self._counted(usage.flying, tokens)
        for token in tokens:
            if taken[token[:2]] + others[token[:2]] >= token.limit and others[token[:2]]:
                return Held(self._with_names(token, strangers), by_others=True)
        return self._over_window(move, usage)

    def refusal_to_copy(self, move: FlyingMove, usage: Usage) -> Held | None:
        """Say which limit a prepared move would break if it were told to copy now; None if it would break none."""
        most = self.fleet_cap if usage.limit is None else min(self.fleet_cap, usage.limit)
        others = tuple(f for f in usage.flying if f.key != move.key)
        if sum(f.state not in WAITING for f in others) >= most:
            return Held(f"{most} in the fleet")
        links = (t for t in self.tokens(move.vm, move.source, move.target) if t.kind in LINKS)
        return self._taken(tuple(links), others)

    def _taken(self, tokens: Sequence[Token], flying: Sequence[FlyingMove]) -> Held | None:
        """Say of which of these tokens there is none left."""
        taken = self._counted(flying, tokens)
        over = next((token for token in tokens if taken[token[:2]] >= token.limit), None)
        return None if over is None else Held(self._with_names(over, (f.vm for f in flying)))

    def _counted(self, flying: Sequence[FlyingMove], tokens: Sequence[Token]) -> Counter[tuple[str, str]]:
        """Count how many of each of these tokens are taken."""
        wanted = {t[:2] for t in tokens}
        taken = Counter[tuple[str, str]]()
        for move in flying:
            held = [t for t in self.tokens(move.vm, move.source, move.target) if t[:2] in wanted]
            taken.update(t[:2] for t in held_by(held, move.state, apart=self._apart))
        return taken

    def _with_names(self, token: Token, vms: Iterable[str]) -> str:
        """Name a VM that is in the way of a disruption budget."""
        if token.kind in ("source", "target", "domain"):
            return token.text
        first = next((vm for vm in vms if any(t[:2] == token[:2] for t in self._of_budgets(vm))), None)
        return token.text if first is None else f"{token.text}; {shorten(first)} is migrating"

    def _over_window(self, move: FlyingMove, usage: Usage) -> Held | None:
        for window in self._windows:
            counted = [f for f in usage.recent(window.window_s) if _same(window.per, f, move)]
            most, room = window.moves, None if window.gib is None else window.gib * MIB_PER_GIB
            if most is not None and len(counted) >= most:
                return Held(str(window), passes=most > 0, of_all=window.per == "fleet")
            if room is not None and sum(f.copied_mib for f in counted) + move.copied_mib > room:
                return Held(str(window), passes=move.copied_mib <= room)
        return None

    def _of_ends(self, source: str, target: str) -> Iterator[Token]:
        caps = self._caps
        yield Token("source", source, caps.per_source, f"{caps.per_source} per source")
        yield Token("target", target, caps.per_target, f"{caps.per_target} per target")
        for level, most in caps.per_domain.items():
            number = self._fleet.level_index.get(level)
            if number is None:
                continue  # a level that this fleet does not have limits nothing
            for domain in sorted(self._domains(number, source, target)):
                yield Token("domain", f"{level}:{domain}", most, f"{most} per {level}")

    def _of_budgets(self, vm: str) -> Iterator[Token]:
        number = self._fleet.vm_index.get(vm)
        if number is not None:
            for budget in self._budgets.of(number):
                yield Token(budget.kind, budget.name, budget.limit, str(budget))

    def _domains(self, level: int, *hosts: str) -> set[int]:
        """Return the domains of a level that some of `hosts` are in; a host that is gone is in none."""
        numbers = (self._fleet.host_index.get(h, ABSENT) for h in hosts)
        return {int(self._fleet.hosts.domain[level, h]) for h in numbers if h != ABSENT}


def _same(per: str, one: FlyingMove, other: FlyingMove) -> bool:
    match per:
        case "source":
            return one.source == other.source
        case "target":
            return one.target == other.target
        case _:
            return True
