"""The worst that can happen: for every instance, over every state that carrying out a plan can reach.

Loads and counts are a maximum closure, so one minimum cut (Picard, Maximal closure of a graph and applications to
combinatorial problems, 1976). Where two counts or occupied domains are judged, every closed set of the few moves
concerned is looked at, or a small CP-SAT model searches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.reachability.closure_model import worst_by_model
from optimizer.reachability.contention import Contention
from optimizer.reachability.instance_monitor import Sum, bits
from optimizer.reachability.poset import closed_sets, closures, ready

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import networkx as nx

    from optimizer.fleet import Move
    from optimizer.problem.instance import Instance
    from optimizer.problem.problem import Problem
    from optimizer.reachability.instance_monitor import InstanceMonitor

__all__ = ["Witness", "witnesses", "worst_excess"]

ENUMERATED = 14
"""Moves of one instance whose closed sets are looked at one by one; more are searched by a model."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A reachable state in which an instance is worse than at the start: moves done and in flight (indices)."""

    instance: Instance
    excess: int
    allowed: int
    done: tuple[int, ...]
    in_flight: tuple[int, ...]


def worst_excess(problem: Problem, moves: Sequence[Move], after: Sequence[Collection[int]]) -> dict[Instance, int]:
    """Return the musts and guards that some reachable state makes worse than the start, with their worst excess.

    Parameters
    ----------
    moves
        The moves; of those of one VM, each waits for the one before it (at whatever remove).
    after
        For each move, the moves (indices) that it waits for.

    Raises
    ------
    ValueError
        If moves wait for one another.
    """
    return {w.instance: w.excess for w in witnesses(problem, moves, after)}


def witnesses(problem: Problem, moves: Sequence[Move], after: Sequence[Collection[int]]) -> list[Witness]:
    """Return, for each instance that some reachable state makes worse than the start, its worst state."""
    closure = closures(after)
    order = sorted(range(len(moves)), key=lambda m: (closure[m].bit_count(), m))
    place = {m: i for i, m in enumerate(order)}
    sorted_closure = [sum(1 << place[p] for p in bits(closure[m])) for m in order]
    found = []
    for monitor in Contention(problem).contended([moves[m] for m in order]):
        allowed = monitor.excess(0, 0)
        excess, done, flying = _worst(monitor, sorted_closure)
        if excess > allowed:
            done = _closed(done, flying, sorted_closure)
            found.append(
                Witness(
                    monitor.instance,
                    excess,
                    allowed,
                    tuple(order[m] for m in bits(done)),
                    tuple(order[m] for m in bits(flying)),
                )
            )
    return found


def _closed(done: int, flying: int, closure: Sequence[int]) -> int:
    """Complete a state of the moves of one instance to a state of all moves."""
    for m in [*bits(done), *bits(flying)]:
        done |= closure[m]
    return done


def _worst(monitor: InstanceMonitor, closure: Sequence[int]) -> tuple[int, int, int]:
    """Return the worst excess of an instance, and the state: its moves that are done, and in flight."""
    if isinstance(monitor, Sum):
        return _worst_sum(monitor, closure)
    moves = sorted(monitor.moves)
    if len(moves) > ENUMERATED:
        return worst_by_model(monitor, closure)
    worst = (monitor.excess(0, 0), 0, 0)
    for done in closed_sets(moves, closure):
        flying = ready(moves, closure, done)
        if (excess := monitor.excess(done, done | flying)) > worst[0]:
            worst = (excess, done, flying)
    return worst


def _worst_sum(monitor: Sum, closure: Sequence[int]) -> tuple[int, int, int]:
    """Maximum closure: starting an arrival gains its amount and needs what it waits for to have left."""
    among = sum(1 << m for m in monitor.moves)
    bound = {m: closure[m] & among for m in monitor.enter}
    started = sum(1 << m for m in monitor.enter if not bound[m])
    import networkx as nx  # only verify cuts, and it takes a tenth of a second to load

    graph: nx.DiGraph[object] = nx.DiGraph()
    for m, needs in bound.items():
        if not needs:
            continue
        graph.add_edge("source", ("started", m), capacity=monitor.enter[m])
        for p in bits(needs):
            graph.add_edge(("started", m), ("done", p))
            _add_done(graph, monitor, bound, p)
    if graph:
        graph.add_node("sink")
        _, (chosen, _) = nx.minimum_cut(graph, "source", "sink")
        started |= sum(1 << node[1] for node in chosen if isinstance(node, tuple) and node[0] == "started")
    done = 0
    for m in bits(started):
        done |= closure[m] & among
    return monitor.excess(done, started | done), done, started & ~done


def _add_done(graph: nx.DiGraph[object], monitor: Sum, bound: dict[int, int], p: int) -> None:
    """Name what follows from a move's having been done: that it had started, and that what it took away is gone."""
    if p in monitor.leave:
        graph.add_edge(("done", p), "sink", capacity=monitor.leave[p])
    if bound.get(p):
        graph.add_edge(("done", p), ("started", p))
