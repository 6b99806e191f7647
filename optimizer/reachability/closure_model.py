"""The closed sets of many moves, searched by CP-SAT: for two counts (Pair) and for occupied domains (Occupancy)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from optimizer import cp_sat
from optimizer.reachability.instance_monitor import Occupancy, Pair, Sum, bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.reachability.instance_monitor import InstanceMonitor, VmPath

    Literal = cp_sat.IntVar

__all__ = ["worst_by_model"]

SECONDS = 60.0
"""After so long the model's bound stands for its value: never less than the truth."""


def worst_by_model(monitor: InstanceMonitor, closure: Sequence[int]) -> tuple[int, int, int]:
    """Return the worst excess of an instance over the closed sets of its moves, and the moves done and in flight."""
    return _Model(monitor, closure).worst()


class _Model:
    """`done` and `started` of each move; a move in flight may be taken to be at either end."""

    def __init__(self, monitor: InstanceMonitor, closure: Sequence[int]) -> None:
        self.monitor = monitor
        self.cp = cp_sat.CpModel()
        among = sum(1 << m for m in monitor.moves)
        self.done = {m: self.cp.new_bool_var(f"done{m}") for m in sorted(monitor.moves)}
        self.started = {m: self.cp.new_bool_var(f"started{m}") for m in sorted(monitor.moves)}
        for m in self.done:
            self.cp.add_implication(self.done[m], self.started[m])
            for p in bits(closure[m] & among):
                self.cp.add_implication(self.started[m], self.done[p])

    def worst(self) -> tuple[int, int, int]:
        """Search."""
        if isinstance(self.monitor, Pair):
            objective: cp_sat.LinearExpr | int = self._smaller(self.monitor)
        elif isinstance(self.monitor, Occupancy):
            objective = self._lone(self.monitor) if self.monitor.least is None else -self._occupied(self.monitor)
        else:
            raise TypeError(f"no model for {type(self.monitor).__name__}")
        self.cp.maximize(objective)
        solver = cp_sat.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.catch_sigint_signal = False
        solver.parameters.max_time_in_seconds = SECONDS
        if solver.solve(self.cp) not in (cp_sat.OPTIMAL, cp_sat.FEASIBLE):
            raise RuntimeError("a state without any move is always reachable")
        done = sum(1 << m for m, x in self.done.items() if solver.boolean_value(x))
        started = sum(1 << m for m, x in self.started.items() if solver.boolean_value(x))
        bound = round(solver.best_objective_bound)
        if isinstance(self.monitor, Occupancy) and self.monitor.least is not None:
            bound += self.monitor.least
        return max(0, bound), done, started & ~done

    def _level(self, sums: Sum) -> cp_sat.LinearExpr | int:
        arrived = [amount * self.started[m] for m, amount in sums.enter.items()]
        return sums.start + sum(arrived) - sum(amount * self.done[m] for m, amount in sums.leave.items())

    def _smaller(self, monitor: Pair) -> Literal:
        most = max(s.start + sum(s.enter.values()) for s in (monitor.left, monitor.right))
        value = self.cp.new_int_var(0, most, "smaller")
        self.cp.add(value <= self._level(monitor.left))
        self.cp.add(value <= self._level(monitor.right))
        return value

    # -- who stands where: in flight counts as done or not done, so `done` alone is enough --------------------------

    def _at(self, paths: Iterable[VmPath]) -> dict[int, list[list[Literal]]]:
        """For each domain, for each VM that may be there, the literals of which one is true if it is."""
        out: dict[int, list[list[Literal]]] = defaultdict(list)
        for path in paths:
            here: dict[int, list[Literal]] = defaultdict(list)
            for i, domain in enumerate(path.domains):
                is_at = self.cp.new_bool_var("")
                arrived = [self.done[path.moves[i - 1]]] if i else []
                left = [self.done[path.moves[i]].negated()] if i < len(path.moves) else []
                self.cp.add_bool_and([*arrived, *left]).only_enforce_if(is_at)
                self.cp.add_bool_or([is_at, *(x.negated() for x in [*arrived, *left])])
                here[domain].append(is_at)
            for domain, literals in here.items():
                out[domain].append(literals)
        return out

    def _floating(self, floats: Iterable[frozenset[int]]) -> dict[int, list[list[Literal]]]:
        out: dict[int, list[list[Literal]]] = defaultdict(list)
        for ends in floats:
            chosen = {d: self.cp.new_bool_var("") for d in sorted(ends)}
            self.cp.add_exactly_one(chosen.values())
            for d, literal in chosen.items():
                out[d].append([literal])
        return out

    def _side(self, monitor: Occupancy, side: int) -> dict[int, list[list[Literal]]]:
        out = self._at(monitor.paths[side])
        for d, more in self._floating(monitor.floating[side]).items():
            out[d].extend(more)
        return out

    def _held(self, there: dict[int, list[list[Literal]]]) -> dict[int, Literal]:
        held = {d: self.cp.new_bool_var(f"held{d}") for d in there}
        for d, vms in there.items():
            for literal in (x for vm in vms for x in vm):
                self.cp.add_implication(literal, held[d])
        return held

    def _occupied(self, monitor: Occupancy) -> cp_sat.LinearExpr | int:
        held = self._held(self._side(monitor, 0))
        return len(monitor.left) + sum(x for d, x in held.items() if d not in monitor.left)

    def _lone(self, monitor: Occupancy) -> cp_sat.LinearExpr | int:
        held = self._held(self._side(monitor, 1))
        terms: list[cp_sat.LinearExpr | int] = []
        for d, n in monitor.left.items():
            if d not in monitor.right:
                terms.append(n * (1 - held[d]) if d in held else n)
        for d, vms in self._side(monitor, 0).items():
            for literals in vms if d not in monitor.right else ():
                lone = self.cp.new_bool_var("")
                self.cp.add_bool_or(literals).only_enforce_if(lone)
                if d in held:
                    self.cp.add_implication(lone, held[d].negated())
                terms.append(lone)
        return sum(terms)
