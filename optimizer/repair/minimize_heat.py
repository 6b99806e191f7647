"""CP-SAT over the targets of a few VMs that move: the least heat of the hottest host that receives one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.cp.model import Ended, Model
from optimizer.problem.atoms import UNLIMITED
from optimizer.problem.problem import Stage
from optimizer.problem.rule import Hardness

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from optimizer.limits import Deadline
    from optimizer.parameters import EvenOut
    from optimizer.repair.targets import Targets

__all__ = ["minimize_heat"]

STEPS = 10_000
"""Heat is counted in 1 / STEPS of a host's limit."""

EXACT = 2**45
"""Limits above this are not put into a model: products with `STEPS` would leave its range."""


def minimize_heat(
    targets: Targets,
    arrived: Collection[int],
    hottest: int,
    deadline: Deadline,
    seed: int,
    given: EvenOut,
    *,
    together: bool = False,
) -> bool:
    """Give the VMs of the hottest host, and a few others, targets of equal cost with a cooler hottest host.

    Parameters
    ----------
    together
        Whether it is enough that all of them together cost the same.

    Returns
    -------
    Whether the hottest host of those concerned became cooler.
    """
    if any(int(limit[limit < UNLIMITED].max(initial=0)) > EXACT for _, limit in targets.loads):
        return False
    placement = targets.work.placement
    now = {v: int(placement[v]) for v in _free(targets, arrived, hottest, given.model_vms)}
    _go_home(targets, now)
    choices = {v: _choices(targets, v, host, given.model_hosts, together) for v, host in now.items()}
    _go(targets, now)
    least = _least(targets, choices)
    hosts = np.unique(np.concatenate(list(choices.values())))
    if least >= _hottest(targets, now):
        return False
    found = _solved(targets, choices, now, hosts.tolist(), deadline, seed, given.model_work) if hosts.size > 1 else None
    if found is None:
        return False
    old = _hottest(targets, now)
    _go_home(targets, now)
    _go(targets, found)
    if _hottest(targets, found) < old:
        return True
    _go_home(targets, now)
    _go(targets, now)
    return False


def _hottest(targets: Targets, at: Mapping[int, int]) -> float:
    return float(targets.heat(np.unique(list(at.values()))).max())


def _go_home(targets: Targets, vms: Iterable[int]) -> None:
    for v in vms:
        targets.work.put(v, int(targets.work.problem.start[v]))


def _go(targets: Targets, to: Mapping[int, int]) -> None:
    for v, host in to.items():
        targets.work.put(v, host)


def _free(targets: Targets, arrived: Collection[int], hottest: int, most: int) -> list[int]:
    at = targets.work.placement
    here = sorted(v for v in arrived if at[v] == hottest)
    others = np.array(sorted(v for v in arrived if at[v] != hottest), np.int64)
    coolest = others[np.argsort(targets.heat(at[others].astype(np.int64)), kind="stable")] if others.size else others
    return [*here, *coolest.tolist()][:most]


def _choices(targets: Targets, vm: int, now: int, most: int, together: bool) -> NDArray[np.int64]:
    """Return the VM's present target, and the coolest others: of equal cost, if that is to be so for each alone."""
    hosts = targets.open(vm) if together else targets.equal(vm, now)
    hosts = hosts[hosts != now]
    coolest = hosts[np.argsort(targets.heat(hosts, vm), kind="stable")][: most - 1]
    return np.array([now, *coolest.tolist()], np.int64)


def _least(targets: Targets, choices: Mapping[int, NDArray[np.int64]]) -> float:
    """Return a heat that some host has whatever is chosen: each VM alone, on the host that it makes least hot."""
    homes = targets.work.problem.start
    least = 0.0
    for v, row in choices.items():
        heats = np.zeros(row.size)
        for tally, limit in targets.loads:
            settled = tally.load[row].astype(np.float64)
            for other in choices:  # they are still where they are now
                settled -= np.where(row == targets.work.placement[other], tally.atom.amount[other], 0)
            bounded = limit[row] < UNLIMITED
            share = np.where(bounded, (settled + int(tally.atom.amount[v])) / np.maximum(limit[row], 1), 0.0)
            heats = np.maximum(heats, share)
        least = max(least, float(heats[row != homes[v]].min(initial=np.inf)))
    return least if np.isfinite(least) else 0.0


def _solved(
    targets: Targets,
    choices: Mapping[int, NDArray[np.int64]],
    now: Mapping[int, int],
    hosts: Sequence[int],
    deadline: Deadline,
    seed: int,
    work: float,
) -> dict[int, int] | None:
    """Return the targets by which the hottest of `hosts` is coolest, within the values of all stages."""
    problem, placement = targets.work.problem, targets.work.placement
    homes = {v: int(problem.start[v]) for v in choices}
    model = Model(problem, placement, {v: np.unique([*row, homes[v]]) for v, row in choices.items()})
    for v, home in homes.items():
        model.cp.add(model.literal[v][home] == 0)
    values = targets.work.values()
    offset = targets.work.values(but_not=model.covered)
    for stage, value in values.items():
        if stage not in (Stage.MOVING, Stage.PRICED):
            model.cap(stage, value - offset[stage])
    _say_heat(model, targets, now, hosts)
    _say_no_wait(model, targets, now, hosts)
    found, ends = model.run([Stage.PLACEMENT], work=work, deadline=deadline, seed=seed)
    if found is None or not ends or ends[0].ended not in (Ended.OPTIMAL, Ended.FEASIBLE):
        return None
    return {v: int(found[v]) for v in choices}


def _say_heat(model: Model, targets: Targets, now: Mapping[int, int], hosts: Sequence[int]) -> None:
    """Minimize the highest share of a limit that is used on any of the hosts that receive."""
    heat = model.cp.new_int_var(0, 4 * STEPS, "heat")
    for h in hosts:
        receives = model.cp.new_bool_var("")
        for v in now:
            if (literal := model.literal[v].get(h)) is not None:
                model.cp.add_implication(literal, receives)
        for tally, limit in targets.loads:
            if limit[h] < UNLIMITED:
                settled = int(tally.load[h]) - _here(tally.atom.amount, now, h)
                load = sum(_terms(model, tally.atom.amount, now, h)) + settled
                model.cp.add(int(limit[h]) * heat >= STEPS * load).only_enforce_if(receives)
    model.objective[Stage.PLACEMENT] = [(heat, 1)]


def _say_no_wait(model: Model, targets: Targets, now: Mapping[int, int], hosts: Sequence[int]) -> None:
    """Demand room for all that come while those who leave are still there, so that no move waits for another."""
    for tally in targets.work.union.linears:
        if tally.atom.level or tally.atom.asked.hardness is Hardness.SHOULD:
            continue
        for h in hosts:
            if tally.ceiling[h] < UNLIMITED and (terms := _terms(model, tally.atom.amount, now, h)):
                here = _here(tally.atom.amount, now, h)
                settled = int(tally.load[h]) - here
                model.cp.add(sum(terms) + settled <= max(int(tally.ceiling[h]), int(tally.load[h])))


def _terms(model: Model, amount: NDArray[np.int64], now: Mapping[int, int], host: int) -> list[Any]:
    """Return what each free VM would put on the host."""
    rows = ((int(amount[v]), model.literal[v].get(host)) for v in now)
    return [a * literal for a, literal in rows if a and literal is not None]


def _here(amount: NDArray[np.int64], now: Mapping[int, int], host: int) -> int:
    return sum(int(amount[v]) for v, h in now.items() if h == host)
