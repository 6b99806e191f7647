"""What-if answers in data and in words: names instead of indices, reasons counted, bounds beside values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optimizer.grammar import listed
from optimizer.problem.rule import Hardness
from optimizer.report.words import amount, count, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Violation
    from optimizer.whatif.fit import Fit
    from optimizer.whatif.making_room import Step
    from optimizer.whatif.obstacles import Obstacle, Unlock
    from optimizer.whatif.place import Placed

__all__ = [
    "About",
    "FitFacts",
    "HostChoice",
    "KindPlaced",
    "PlaceFacts",
    "PoolFacts",
    "Reason",
    "StepFacts",
    "SurvivalFacts",
    "describe_fit",
    "describe_place",
    "plural",
    "pools_of",
    "units",
]

PROVEN, GAP = "proven", "gap"


@dataclass(frozen=True, slots=True)
class About:
    """What an answer is about, and what it cost."""

    fleet: str
    fleet_digest: str
    policy: str
    policy_digest: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why hosts take no VM more: `hosts` of them for this reason, `alone` of these for no other."""

    rules: tuple[str, ...]
    what: str
    level: str | None
    hosts: int
    alone: int
    example: str
    text: str


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """One pool of hosts: how many VMs more it takes, and what is broken in it already."""

    pool: str
    hosts: int
    vms: int
    violations: int


@dataclass(frozen=True, slots=True)
class StepFacts:
    """How many fit after at most `moves` moves, each as (VM, from, to); `capped` and `hosts` as in `FitFacts`."""

    moves: int
    value: int
    bound: int
    status: str
    capped: bool
    made: tuple[tuple[str, str, str], ...]
    hosts: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class SurvivalFacts:
    """How many fit so that any `k` hosts may be lost afterwards, `hosts` says where.

    `tried` of `sets` sets of k hosts were packed, `checked` of them held against every rule's check. `broken` names
    losses after which VMs have no host already, and how many.
    """

    k: int
    value: int
    bound: int
    status: str
    hosts: dict[str, int]
    sets: int
    tried: int
    checked: int
    tightest: str
    broken: dict[str, int]


@dataclass(frozen=True, slots=True)
class FitFacts:
    """How many fit; `hosts` says how many of each kind each host gets."""

    question: str
    about: About
    unit: str
    each: dict[str, int]
    value: int
    bound: int
    status: str
    capped: bool
    by: str
    pools: tuple[PoolFacts, ...]
    stopped_by: tuple[Reason, ...]
    would_help: str
    hosts: dict[str, dict[str, int]]
    after_moves: tuple[StepFacts, ...]
    survive: SurvivalFacts | None = None


@dataclass(frozen=True, slots=True)
class HostChoice:
    """A host for a VM, and how full it is with it where it is fullest."""

    host: str
    fullest: float
    preferences_broken: int


@dataclass(frozen=True, slots=True)
class KindPlaced:
    """What became of the VMs of one entry of a request."""

    vm: str
    asked: int
    placed: int
    hosts: dict[str, int]
    ranking: tuple[HostChoice, ...]
    skipped: tuple[Reason, ...]
    missing: tuple[Reason, ...]
    would_help: str


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """Where new VMs go."""

    question: str
    about: About
    hosts: int
    asked: int
    placed: int
    bound: int
    status: str
    kinds: tuple[KindPlaced, ...]
    placements: tuple[tuple[str, str], ...]


def pools_of(fleet: Fleet, by: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of pools, and the pool of each host; `by` is a level, ``label:KEY``, or empty for one pool."""
    if not by:
        return ("all hosts",), np.zeros(len(fleet.hosts), np.int64)
    if by.startswith("label:"):
        values = [labels.get(by.removeprefix("label:"), "(none)") for labels in fleet.hosts.labels]
        names = sorted(set(values))
        number = {name: i for i, name in enumerate(names)}
        return tuple(names), np.array([number[v] for v in values], np.int64)
    level = fleet.level_index[by]
    return fleet.domain_ids[level], fleet.hosts.domain[level].astype(np.int64)


def describe_fit(
    answer: Fit, about: About, by: str, violations: Iterable[Violation], survival: SurvivalFacts | None = None
) -> FitFacts:
    """Say how many fit, pool by pool, and what stops the next."""
    fleet = answer.fleet
    names, pool = pools_of(fleet, by)
    made = np.bincount(pool, weights=answer.numbers.sum(axis=0), minlength=len(names)).astype(np.int64)
    broken = _broken(fleet, pool, len(names), violations)
    each = dict(zip(answer.kinds, answer.each, strict=True))
    return FitFacts(
        question="fit",
        about=about,
        unit=_unit(answer),
        each=each,
        value=answer.value,
        bound=answer.bound,
        status=PROVEN if answer.proven else GAP,
        capped=answer.capped,
        by=by,
        pools=tuple(
            PoolFacts(name, int((pool == i).sum()), int(made[i]), int(broken[i])) for i, name in enumerate(names)
        ),
        stopped_by=reasons(fleet, answer.stopped_by),
        would_help=helped(fleet, answer.cheapest),
        hosts=_by_host(answer, answer.numbers),
        after_moves=tuple(_step(answer, step) for step in answer.steps),
        survive=survival,
    )


def _step(answer: Fit, step: Step) -> StepFacts:
    fleet = answer.fleet
    return StepFacts(
        step.moves,
        step.value,
        step.bound,
        PROVEN if step.proven else GAP,
        step.capped,
        tuple((fleet.vms.ids[m.vm], fleet.hosts.ids[m.source], fleet.hosts.ids[m.target]) for m in step.made),
        _by_host(answer, step.numbers),
    )


def _by_host(answer: Fit, numbers: NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """Return how many VMs of each kind, int64 [K, H], each host that has some gets."""
    return {
        answer.fleet.hosts.ids[h]: {answer.kinds[k]: int(numbers[k, h]) for k in np.flatnonzero(numbers[:, h]).tolist()}
        for h in np.flatnonzero(numbers.sum(axis=0)).tolist()
    }


def _unit(answer: Fit) -> str:
    if len(answer.each) == 1 and answer.each[0] == 1:
        return "VM"
    if len(answer.each) == 1:
        return f"group of {answer.each[0]}"
    return "mix of " + ", ".join(f"{n} {kind}" for kind, n in zip(answer.kinds, answer.each, strict=True))


def _broken(fleet: Fleet, pool: NDArray[np.int64], pools: int, violations: Iterable[Violation]) -> NDArray[np.int64]:
    """Count what is wrong in each pool already: where its host, its domain or its VMs are."""
    out = np.zeros(pools, np.int64)
    for violation in violations:
        if violation.hardness is Hardness.MUST:
            out[sorted({int(pool[h]) for h in _hosts_of(fleet, violation)})] += 1
    return out


def _hosts_of(fleet: Fleet, violation: Violation) -> list[int]:
    if violation.subject in fleet.host_index:
        return [fleet.host_index[violation.subject]]
    level, found, name = (violation.domain or "").partition(":")
    if found and level in fleet.level_index and name in fleet.domain_ids[fleet.level_index[level]]:
        number = fleet.domain_ids[fleet.level_index[level]].index(name)
        return np.flatnonzero(fleet.hosts.domain[fleet.level_index[level]] == number).tolist()
    return [int(fleet.vms.host[vm]) for vm in violation.vms if fleet.vms.host[vm] >= 0]


def reasons(fleet: Fleet, found: Sequence[Obstacle]) -> tuple[Reason, ...]:
    """Say why hosts take no VM more."""
    return tuple(
        Reason(
            o.rules,
            o.what,
            None if o.level is None else fleet.levels[o.level],
            o.hosts,
            o.alone,
            fleet.hosts.ids[o.example],
            _reason_text(fleet, o),
        )
        for o in found
    )


def _reason_text(fleet: Fleet, o: Obstacle) -> str:
    if o.level is None:
        host = fleet.hosts.ids[o.example]
        return o.what or o.said or f"closed to this VM by rule {listed(o.rules)}, as {host} is"
    at = fleet.domain_ids[o.level][int(fleet.hosts.domain[o.level, o.example])]
    where = at if o.level == 0 else f"{fleet.levels[o.level]} {at}"
    if o.counts:
        return f"{where} has its {o.limit} of {o.what}"
    if not o.needs:
        verb = "does" if len(o.rules) == 1 else "do"
        return f"{listed(o.rules)} of {o.what} {verb} not allow it on {where}, by where others are"
    return f"needs {amount(o.what, o.needs)}, {amount(o.what, o.left)} left of {amount(o.what, o.limit)} on {where}"


def helped(fleet: Fleet, found: Unlock | None) -> str:
    """Say the smallest single amount that lets one more in."""
    if found is None:
        return ""
    at = fleet.domain_ids[found.level][int(fleet.hosts.domain[found.level, found.host])]
    where = f"host {at}" if found.level == 0 else f"{fleet.levels[found.level]} {at}"
    if found.counts:
        return f"a limit higher by {found.missing} for {found.what} on {where} lets one more in"
    return f"{amount(found.what, found.missing)} more {spoken(found.what)} on {where} lets one more in"


def describe_place(answer: Placed, about: About) -> PlaceFacts:
    """Say where new VMs go, and why others have no host."""
    fleet = answer.fleet
    placements = tuple((fleet.vms.ids[vm], fleet.hosts.ids[host]) for vm, host in answer.created)
    at = dict(answer.created)
    kinds = []
    for choice in answer.choices:
        here = Counter(fleet.hosts.ids[at[vm]] for vm in choice.kind.vms.tolist() if vm in at)
        kinds.append(
            KindPlaced(
                choice.kind.name,
                choice.kind.wanted,
                choice.placed,
                dict(here.most_common()),
                tuple(HostChoice(fleet.hosts.ids[r.host], round(r.fullest, 4), r.broken) for r in choice.ranking),
                reasons(fleet, choice.skipped),
                reasons(fleet, choice.missing),
                helped(fleet, choice.cheapest),
            )
        )
    return PlaceFacts(
        question="place",
        about=about,
        hosts=len(fleet.hosts),
        asked=answer.asked,
        placed=len(answer.created),
        bound=answer.bound,
        status=PROVEN if answer.proven else GAP,
        kinds=tuple(kinds),
        placements=placements,
    )


def units(unit: str) -> str:
    """Return what is counted, without its numbers: ``VMs``, ``groups``, ``mixes``."""
    return plural(2, unit.partition(" ")[0]).partition(" ")[2]


def plural(number: int, unit: str) -> str:
    """Return a number of units: ``3 VMs``, ``2 groups of 3``."""
    head, _, tail = unit.partition(" ")
    return count(number, head, "mixes" if head == "mix" else "") + (f" {tail}" if tail else "")
