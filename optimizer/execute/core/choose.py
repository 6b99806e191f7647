"""Which moves start now: by priority, those whose predecessors are done and for which tokens are free.

Evacuation before repair before balance, then the longest chain of moves that wait for it, then the plan's order. What
an urgent move waits for is as urgent. There are no batches here: `after` alone carries safety.
"""

from __future__ import annotations

from collections import Counter
from graphlib import TopologicalSorter
from math import inf, isnan
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from optimizer.execute.caps import held_by
from optimizer.execute.core.loads import by_load
from optimizer.execute.core.look import is_hopeless
from optimizer.execute.core.model import Task
from optimizer.execute.core.order import Order
from optimizer.execute.core.pace import allowed
from optimizer.execute.core.speeds import INTO, OUT, Link
from optimizer.execute.ledger.records import Key
from optimizer.execute.states import MoveState
from optimizer.execution import is_open
from optimizer.fleet import HostState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optimizer.execute.caps import Caps, Token
    from optimizer.execute.core.model import Moment, State
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove

__all__ = ["blocked_by", "fit", "is_ready", "next_round", "taken_now", "tasks_of"]

EVACUATION, REPAIR, BALANCE = 0, 1, 2
EVACUATING = frozenset({"maintenance", "--drain"})
BALANCING = frozenset({"balance"})
NO_KINDS: Mapping[str, str] = MappingProxyType({})


def tasks_of(plan: Plan, fleet: Fleet, caps: Caps, kinds: Mapping[str, str] = NO_KINDS) -> dict[Key, Task]:
    """Return the moves of a plan, ranked; `kinds` says of which kind the rules are that a policy gives other names."""
    later: dict[str, list[PlannedMove]] = {m.id: [] for m in plan.moves}
    for move in plan.moves:
        for before in move.after:
            later[before].append(move)
    urgency: dict[str, int] = {}
    chain: dict[str, float] = {}
    by_id = {m.id: m for m in plan.moves}
    for name in reversed(tuple(TopologicalSorter({m.id: m.after for m in plan.moves}).static_order())):
        waits = later[name]
        urgency[name] = min((_urgency(fleet, by_id[name], kinds), *(urgency[m.id] for m in waits)))
        chain[name] = by_id[name].seconds + max((chain[m.id] for m in waits), default=0.0)
    return {
        Key(plan.id, m.id): Task(
            key=Key(plan.id, m.id),
            vm=m.vm,
            source=m.source,
            target=m.target,
            after=tuple(Key(plan.id, a) for a in m.after),
            seconds=m.seconds,
            copied_mib=m.copied_mib,
            rank=(urgency[m.id], -chain[m.id], number),
            tokens=caps.tokens(m.vm, m.source, m.target),
            **_of_link(fleet, m),
        )
        for number, m in enumerate(plan.moves)
    }


def _of_link(fleet: Fleet, move: PlannedMove) -> dict[str, Any]:
    """Return what the snapshot knows of how fast a move is copied; nothing where it lacks the VM or a host."""
    vm = fleet.vm_index.get(move.vm)
    source, target = fleet.host_index.get(move.source), fleet.host_index.get(move.target)
    if vm is None or source is None or target is None:
        return {}
    dirty, speed = float(fleet.vms.dirty_mib_per_s[vm]), fleet.hosts.migration_mib_per_s
    links = [Link(OUT, move.source, _known(speed[source])), Link(INTO, move.target, _known(speed[target]))]
    for number, level in enumerate(fleet.levels[1:], 1):
        one, other = (int(fleet.hosts.domain[number, h]) for h in (source, target))
        if one != other:
            links += [Link(f"{OUT} {level}", str(one)), Link(f"{INTO} {level}", str(other))]
    return {"links": tuple(links), "dirties_mib_s": None if isnan(dirty) else dirty}


def _known(speed: float) -> float:
    return inf if isnan(speed) else float(speed)


def _urgency(fleet: Fleet, move: PlannedMove, kinds: Mapping[str, str]) -> int:
    rules = {kinds.get(reason.rule, reason.rule) for reason in move.reasons}
    source = fleet.host_index.get(move.source)
    if rules & EVACUATING or (source is not None and fleet.hosts.state[source] == HostState.DRAINING):
        return EVACUATION
    return BALANCE if rules and rules <= BALANCING else REPAIR


def is_ready(state: State, task: Task, now: Moment) -> bool:
    """Whether all that the move has to follow is done, and its time has come."""
    done = all(a in state.ended and state.ended[a].state is MoveState.DONE for a in task.after)
    return done and state.not_before.get(task.key, now.seconds) <= now.seconds


def next_round(state: State, now: Moment) -> tuple[Key, ...]:
    """Return the moves to start now, in order, as far as tokens and the pace go; the ledger has the last word."""
    room = allowed(state)
    if state.stopped or state.unreconciled or not room or not is_open(state.settings.windows, now.at):
        return ()
    taken, apart = taken_now(state), state.settings.apart
    busy = {f.vm for f in state.flying.values()}
    ready = (task for key in state.waiting if is_ready(state, task := state.tasks[key], now))
    wants = {task.key: _tokens(task, apart=apart) for task in ready if task.vm not in busy}
    can = [state.tasks[key] for key, tokens in wants.items() if fit(tokens, taken)]
    if not can:
        return ()
    order = Order(state, now) if state.settings.adapts and not apart else None
    if order is not None:
        urgent = min(task.rank[0] for task in can)
        for task in order.longest(t for t in _kept_out(state, wants, taken, now) if t.rank[0] <= urgent):
            taken.update(t[:2] for t in wants[task.key])
    chosen: list[Key] = []
    for task in _in_turn(state, can, order):
        if len(chosen) >= room:
            break
        tokens = wants[task.key]
        if task.vm in busy or not fit(tokens, taken) or (order is not None and not order.lets(task)):
            continue
        chosen.append(task.key)
        busy.add(task.vm)
        taken.update(t[:2] for t in tokens)
    return tuple(chosen)


def _tokens(task: Task, *, apart: bool) -> tuple[Token, ...]:
    """Return what a move takes with its intent."""
    return tuple(held_by(task.tokens, MoveState.INTENDED, apart=True)) if apart else task.tokens


def _kept_out(
    state: State, wants: Mapping[Key, Sequence[Token]], taken: Mapping[tuple[str, str], int], now: Moment
) -> list[Task]:
    """Return the moves that wait for tokens which are sure to come free; none while no end is seen of some flight."""
    if any(f.is_unknown or f.inherited or is_hopeless(f, state.settings, now) for f in state.flying.values()):
        return []
    out = (state.tasks[key] for key, tokens in wants.items() if not fit(tokens, taken))
    return [task for task in out if not blocked_by([task])]


def _in_turn(state: State, can: Sequence[Task], order: Order | None) -> Iterable[Task]:
    """Return what can start by rank; until the canaries have ended the quickest of the most urgent go first."""
    if order is not None:
        return order.in_turn(can)
    if state.finished >= state.settings.canary:
        return by_load(state, can)
    return sorted(can, key=lambda task: (task.rank[:1], task.seconds, task.rank))


def taken_now(state: State) -> Counter[tuple[str, str]]:
    """Return how many of each token are taken."""
    held = (held_by(f.tokens, f.state, apart=state.settings.apart) for f in state.flying.values())
    return Counter(t[:2] for tokens in held for t in tokens)


def fit(tokens: Sequence[Token], taken: Mapping[tuple[str, str], int]) -> bool:
    """Whether there is one left of each token."""
    return all(taken.get(t[:2], 0) < t.limit for t in tokens)


def blocked_by(tasks: Sequence[Task]) -> str:
    """Name a limit that lets a move never start, however empty the fleet is; empty if there is none."""
    return next((t.text for task in tasks for t in task.tokens if t.limit < 1), "")
