"""Closes the loop: what the ledger knows of travels becomes part of a snapshot's history, before it is planned for.

A snapshot may have a history of its own (the platform's, or that of an earlier `apply`), so the same move can be known
twice. Two records are one move where VM, source, target and outcome agree and their times meet; each record stands for
one attempt at most. Where the snapshot has moves of a VM within the time in which the ledger only knows that others
moved it, the snapshot knows better. An attempt that we aborted is aborted, whatever the platform calls it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from pydantic.dataclasses import dataclass

from optimizer.execute.ledger.records import is_simulated
from optimizer.fleet import MoveOutcome, PastMove
from optimizer.problem.atoms import Fixed
from optimizer.sources.config_yaml import STRICT
from optimizer.sources.files import canonical_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.watch_records import Travel
    from optimizer.fleet import Fleet
    from optimizer.problem.rule import Rule

__all__ = [
    "LOOKS_BACK",
    "MEET_S",
    "JourneysPart",
    "as_remembered",
    "held_counts",
    "merged",
    "only_in",
    "past_of",
    "with_history",
]

LOOKS_BACK = timedelta(days=32)
"""How far back travels are read: further than any rule that ships looks."""

MEET_S = 120.0
"""Clocks of platform and ledger may be that far apart, and an end is seen that much later, for one move."""

_ALIKE = {MoveOutcome.FAILED, MoveOutcome.ABORTED}


def with_history(fleet: Fleet, ledger: Ledger, *, simulated: bool | None = None) -> Fleet:
    """Return the fleet with the ledger's travels in its history; the very fleet where there is nothing to add.

    Only what ended by the time of the snapshot counts, so the answer is the same whenever it is asked for; the digest
    becomes that of both, so a plan says which history it was made with.

    Parameters
    ----------
    simulated
        Whether moves of the simulated driver count; unless said, they do where the snapshot itself is simulated.
    """
    count = fleet.simulated if simulated is None else simulated
    travels = [
        travel
        for travel in ledger.travels(fleet.id, fleet.taken_at - LOOKS_BACK)
        if travel.ended_at <= fleet.taken_at and (count or not is_simulated(travel.driver))
    ]
    history = merged(fleet.history, travels)
    if history == fleet.history:
        return fleet
    added = [[m.vm, m.source, m.target, m.started_at, m.ended_at, m.outcome.value, m.by] for m in history]
    digest = canonical_digest({"snapshot": fleet.digest, "history": added})
    return replace(fleet, history=history, digest=digest)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JourneysPart:
    """The section `journeys` of `remora.yaml`.

    Parameters
    ----------
    from_ledger
        Whether the periodic run counts the ledger's travels as history.
    simulated
        Whether moves of the simulated driver count for a snapshot that is not simulated: in a rehearsal.
    """

    from_ledger: bool = True
    simulated: bool = False


def as_remembered(fleet: Fleet, ledger: Ledger, part: JourneysPart) -> Fleet:
    """Return the fleet with the ledger's travels in its history, as the section asks."""
    return with_history(fleet, ledger, simulated=part.simulated or fleet.simulated) if part.from_ledger else fleet


def held_counts(rules: Iterable[Rule], fleet: Fleet) -> dict[str, int]:
    """Return how many VMs each filter of the rules `journey` keeps where they are, by the word for its reason."""
    found: dict[str, set[int]] = {}
    for rule in rules:
        if getattr(rule, "kind", "") != "journey":
            continue
        for atom in rule.lower(fleet):
            if isinstance(atom, Fixed) and atom.vms is not None:
                found.setdefault(atom.reason.partition(":")[0], set()).update(np.asarray(atom.vms).tolist())
    return {reason: len(vms) for reason, vms in sorted(found.items())}


def merged(history: Sequence[PastMove], travels: Iterable[Travel]) -> tuple[PastMove, ...]:
    """Return a history with travels added that it does not have, in the order in which they ended.

    A history to which nothing is added and of which nothing is known better is returned as it is.
    """
    twins, more = _paired(history, travels)
    better = {i: MoveOutcome(t.outcome) for i, t in twins.items() if t.outcome != history[i].outcome.value}
    if not more and not better:
        return tuple(history)
    kept = [replace(move, outcome=better.get(i, move.outcome)) for i, move in enumerate(history)]
    return tuple(sorted([*kept, *more], key=lambda m: (m.ended_at, m.started_at, m.vm, m.source, m.target)))


def only_in(history: Sequence[PastMove], travels: Iterable[Travel]) -> tuple[PastMove, ...]:
    """Return the moves of a history that the ledger does not know as its own attempts."""
    twins, _ = _paired(history, travels)
    return tuple(move for i, move in enumerate(history) if i not in twins)


def _paired(history: Sequence[PastMove], travels: Iterable[Travel]) -> tuple[dict[int, Travel], list[PastMove]]:
    """Return which travel each move of a history is, and the travels that the history does not have."""
    by_vm: dict[str, list[int]] = {}
    for i, move in enumerate(history):
        by_vm.setdefault(move.vm, []).append(i)
    all_ = list(travels)
    pasts = [past_of(travel) for travel in all_]
    pairs = [
        (abs(history[i].ended_at - past.ended_at), i, j)
        for j, past in enumerate(pasts)
        if all_[j].by != "other"
        for i in by_vm.get(past.vm, ())
        if _same(history[i], past)
    ]
    twins: dict[int, Travel] = {}
    known: set[int] = set()
    for _, i, j in sorted(pairs):  # the nearest first
        if i not in twins and j not in known:
            twins[i] = all_[j]
            known.add(j)
    for j, past in enumerate(pasts):
        if all_[j].by == "other" and any(_within(history[i], past) for i in by_vm.get(past.vm, ())):
            known.add(j)
    return twins, [past for j, past in enumerate(pasts) if j not in known]


def past_of(travel: Travel) -> PastMove:
    """Return a travel as a history has it."""
    start, end = travel.started_at.timestamp(), travel.ended_at.timestamp()
    return PastMove(travel.vm, travel.source, travel.target, start, end, MoveOutcome(travel.outcome), travel.by)


def _same(known: PastMove, past: PastMove) -> bool:
    ends = (known.source, known.target) == (past.source, past.target)
    alike = known.outcome is past.outcome or {known.outcome, past.outcome} <= _ALIKE
    return ends and alike and known.started_at <= past.ended_at + MEET_S and known.ended_at >= past.started_at - MEET_S


def _within(known: PastMove, seen: PastMove) -> bool:
    """Whether a move of the history ended between the two sightings, so that it is what was seen, or a part of it."""
    done = known.outcome is MoveOutcome.DONE
    return done and seen.started_at - MEET_S <= known.ended_at <= seen.ended_at + MEET_S
