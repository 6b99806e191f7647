"""Journey: VMs that have travelled enough, or badly, stay: Baby, Unmovable, Bouncing, n moves an hour, no_move_until.

History counts by the snapshot's time. A history that is shorter than a rule looks back still counts for what it
shows, and is named as not evaluated.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from constraints.common import CONFIG
from constraints.hard import HardParameters, counted
from optimizer.fleet import MoveOutcome
from optimizer.problem.atoms import Fixed
from optimizer.problem.rule import NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optimizer.fleet import Fleet, PastMove, State
    from optimizer.problem.atoms import Atom

__all__ = ["Journey", "Within"]

HOUR_S = 3600


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Within:
    """That many `times` (or more) within the last `within_s` seconds."""

    times: int = Field(ge=1, le=1_000_000)
    within_s: int = Field(ge=1, le=31_536_000)


class _Habit(NamedTuple):
    """What makes a VM stay if it happened `times` within `within_s`."""

    reason: str
    outcome: MoveOutcome
    times: int
    within_s: int


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Journey(HardParameters):
    """What a VM has been through. `no_move_until` of a VM always counts; the others where they are given.

    Parameters
    ----------
    baby_s
        A VM younger than this stays (Baby).
    unmovable
        A VM whose moves failed so often stays (Unmovable).
    bouncing
        A VM that was moved so often stays (Bouncing).
    moves_per_hour
        A VM that was moved so often within the last hour stays.
    """

    kind: ClassVar[str] = "journey"
    understands: ClassVar[frozenset[str]] = frozenset({"no_move_until"})
    facts: ClassVar[frozenset[str]] = frozenset({"created_at", "history"})

    baby_s: int | None = Field(default=None, ge=0, le=315_360_000)
    unmovable: Within | None = None
    bouncing: Within | None = None
    moves_per_hour: int | None = Field(default=None, ge=1, le=1_000_000)

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Fix the VMs, one atom for each reason."""
        vms, now = fleet.vms, fleet.now
        if self.baby_s is not None:
            young = np.flatnonzero(now - vms.created_at < self.baby_s)
            yield from self._stay(young, f"baby: younger than {self.baby_s} s")
        yield from self._stay(np.flatnonzero(vms.no_move_until > now), "no_move_until: not to be moved yet")
        for habit in self._habits():
            seen = Counter(
                m.vm for m in fleet.history if m.outcome is habit.outcome and m.ended_at >= now - habit.within_s
            )
            often = [fleet.vm_index[v] for v, n in seen.items() if n >= habit.times and v in fleet.vm_index]
            text = f"{habit.reason}: {counted(habit.times, _WORDS[habit.outcome])} or more within {habit.within_s} s"
            yield from self._stay(np.array(sorted(often), np.int32), text)

    def check(self, state: State) -> Iterator[Violation]:
        """Judge every VM that was moved or is in flight."""
        fleet = state.fleet
        moved = dict.fromkeys(m.vm for m in state.moves)
        past: dict[str, list[PastMove]] = {fleet.vms.ids[vm]: [] for vm in moved}
        for p in fleet.history if moved else ():
            if p.vm in past:
                past[p.vm].append(p)
        for vm in moved:
            name = fleet.vms.ids[vm]
            age, wait = fleet.now - fleet.vms.created_at[vm], fleet.vms.no_move_until[vm] - fleet.now
            if self.baby_s is not None and not math.isnan(age) and age < self.baby_s:
                yield self.refusal(name, "baby", math.floor(age), self.baby_s, (vm,))
            if wait > 0:
                yield self.refusal(name, "no_move_until", math.ceil(wait), 0, (vm,))
            for habit in self._habits():
                since = fleet.now - habit.within_s
                times = sum(p.outcome is habit.outcome and p.ended_at >= since for p in past[name])
                if times >= habit.times:
                    yield self.refusal(name, habit.reason, times, habit.times, (vm,))

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say what the VM has been through, and when it may travel again."""
        v = violation
        return f"{v.subject}: {self._text(v)}"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name VMs without an age, and a history that does not reach back far enough."""
        unborn = int(np.isnan(fleet.vms.created_at).sum())
        if self.baby_s is not None and unborn:
            yield NotEvaluated(self.name, "created_at", vms=unborn)
        longest = max((h.within_s for h in self._habits()), default=0)
        if longest and not fleet.history_since <= fleet.now - longest:
            yield NotEvaluated(self.name, "history", vms=len(fleet.vms))

    def _habits(self) -> Iterator[_Habit]:
        if self.unmovable is not None:
            yield _Habit("unmovable", MoveOutcome.FAILED, self.unmovable.times, self.unmovable.within_s)
        if self.bouncing is not None:
            yield _Habit("bouncing", MoveOutcome.DONE, self.bouncing.times, self.bouncing.within_s)
        if self.moves_per_hour is not None:
            yield _Habit("hourly", MoveOutcome.DONE, self.moves_per_hour, HOUR_S)

    def _stay(self, vms: np.ndarray[tuple[int, ...], np.dtype[np.integer]], reason: str) -> Iterator[Fixed]:
        if vms.size:
            yield Fixed(self.name, vms.astype(np.int32), reason)

    def _text(self, v: Violation) -> str:
        if v.reason == "baby":
            return f"a baby, {v.value} s old; it may be moved from {v.limit} s on, in {v.limit - v.value} s"
        if v.reason == "no_move_until":
            return f"not to be moved for {v.value} s more (no_move_until)"
        habit = next(h for h in self._habits() if h.reason == v.reason)
        happened = counted(v.value, _WORDS[habit.outcome])
        return f"{v.reason}: {happened} within {habit.within_s} s, stays from {v.limit} on; it is cooling down"


_WORDS = {MoveOutcome.FAILED: "failed move", MoveOutcome.DONE: "move"}
