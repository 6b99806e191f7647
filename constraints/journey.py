"""Journey: VMs that have travelled enough, or badly, stay: too new, failed or moved too often, cooling down.

And hosts that a VM has left do not get it back for a while, or only where nothing else will do: load that comes and
goes would drive it to and fro.

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
from optimizer.fleet import ABSENT, MoveOutcome
from optimizer.problem.atoms import Asked, Enter, Fixed, Leave
from optimizer.problem.rule import Hardness, Hold, NotEvaluated, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Fleet, PastMove, State
    from optimizer.problem.atoms import Atom

__all__ = ["CoolDown", "Journey", "Within"]

HOUR_S = 3600
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Within:
    """That many `times` (or more) within the last `within_s` seconds."""

    times: int = Field(ge=1, le=1_000_000)
    within_s: int = Field(ge=1, le=31_536_000)


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class CoolDown:
    """How long a VM stays after a move: longer, the more often it was moved.

    Parameters
    ----------
    first_s
        After the first move; twice that after the second, four times that after the third, and so on.
    at_most_s
        The longest.
    within_s
        Moves that ended longer ago than this no longer count.
    """

    first_s: int = Field(default=900, ge=1, le=31_536_000)
    at_most_s: int = Field(default=21_600, ge=1, le=31_536_000)
    within_s: int = Field(default=2 * DAY_S, ge=1, le=31_536_000)

    def __post_init__(self) -> None:
        """Refuse one that is shorter at last than at first."""
        if self.at_most_s < self.first_s:
            raise ValueError(f"at_most_s is {self.at_most_s}, expected at least first_s {self.first_s}")
        if self.within_s < self.at_most_s:
            raise ValueError(f"within_s is {self.within_s}, expected at least at_most_s {self.at_most_s}")

    def after(self, moves: int) -> int:
        """Return how long it lasts after that many moves, in seconds."""
        doublings = min(moves - 1, 40)
        return min(self.first_s << doublings, self.at_most_s)


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
    cool_down
        A VM that was moved stays for a while, that doubles with each move.
    no_return_s
        A VM does not go back to a host that it left fewer seconds ago than this.
    avoid_return_s
        A VM rather goes elsewhere than back to such a host, with more moves if need be: a ``should`` with `weight`.
    """

    kind: ClassVar[str] = "journey"
    understands: ClassVar[frozenset[str]] = frozenset({"no_move_until"})
    facts: ClassVar[frozenset[str]] = frozenset({"created_at", "history"})

    baby_s: int | None = Field(default=None, ge=0, le=315_360_000)
    unmovable: Within | None = None
    bouncing: Within | None = None
    moves_per_hour: int | None = Field(default=None, ge=1, le=1_000_000)
    cool_down: CoolDown | None = None
    no_return_s: int | None = Field(default=None, ge=1, le=31_536_000)
    avoid_return_s: int | None = Field(default=None, ge=1, le=31_536_000)

    def __post_init__(self) -> None:
        """Refuse to avoid what is ruled out anyway."""
        super().__post_init__()
        if self.avoid_return_s is not None and self.avoid_return_s <= (self.no_return_s or 0):
            raise ValueError(
                f"avoid_return_s is {self.avoid_return_s}, expected more than no_return_s {self.no_return_s}"
            )

    def lower(self, fleet: Fleet) -> Iterable[Atom]:
        """Fix the VMs, one atom for each reason; `Enter` for hosts that are closed, `Leave` for those avoided."""
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
        if self.cool_down is not None:
            yield from self._stay(self._cooling(fleet, self.cool_down), "cool_down: it was moved, and is cooling down")
        if self.no_return_s is not None:
            yield from self._away(fleet, self.no_return_s)
        if self.avoid_return_s is not None:
            yield from self._rather_away(fleet, self.avoid_return_s)

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
            if self.cool_down is not None:
                yield from self._check_cool_down(self.cool_down, fleet.now, name, vm, past[name])
        yield from self._check_returns(state)

    def explain(self, violation: Violation, fleet: Fleet) -> str:
        """Say what the VM has been through, and when it may travel again."""
        v = violation
        if v.reason == "return":
            vm = fleet.vms.ids[v.vms[0]]
            return f"{v.subject}: {vm} left it {v.value} s ago; it may return in {v.limit - v.value} s"
        if v.reason == "back":
            return f"{v.subject}: back on a host that it left {v.value} s ago; for {v.limit} s others would be better"
        return f"{v.subject}: {self._text(v)}"

    def not_evaluated(self, fleet: Fleet) -> Iterable[NotEvaluated]:
        """Name VMs without an age, and a history that does not reach back far enough."""
        unborn = int(np.isnan(fleet.vms.created_at).sum())
        if unborn and (self.baby_s is not None or "created_at" in self.require):
            yield NotEvaluated(self.name, "created_at", vms=unborn)
        looks_back = [h.within_s for h in self._habits()] + [c.within_s for c in (self.cool_down,) if c]
        longest = max([*looks_back, self.no_return_s or 0, self.avoid_return_s or 0])
        if (longest or "history" in self.require) and not fleet.history_since <= fleet.now - longest:
            yield NotEvaluated(self.name, "history", vms=len(fleet.vms))

    def holds(self, fleet: Fleet, vm: int) -> list[Hold]:
        """Return what keeps a VM where it is now, and until when, as far as the history is known."""
        name, now = fleet.vms.ids[vm], fleet.now
        past = [p for p in fleet.history if p.vm == name]
        found: list[tuple[str, float, str]] = []
        created, wait = float(fleet.vms.created_at[vm]), float(fleet.vms.no_move_until[vm])
        if self.baby_s is not None and now - created < self.baby_s:
            found.append(("baby", created + self.baby_s, f"{math.floor(now - created)} s old, of {self.baby_s} s"))
        if wait > now:
            found.append(("no_move_until", wait, "the snapshot says so"))
        for habit in self._habits():
            ends = sorted((p.ended_at for p in past if p.outcome is habit.outcome), reverse=True)
            if len(ends) >= habit.times and ends[habit.times - 1] >= now - habit.within_s:
                times = sum(end >= now - habit.within_s for end in ends)
                happened = f"{counted(times, _WORDS[habit.outcome])} within {habit.within_s} s, of {habit.times}"
                found.append((habit.reason, ends[habit.times - 1] + habit.within_s, happened))
        if self.cool_down is not None:
            found += self._held_by_cool_down(self.cool_down, now, past)
        return [Hold(self.name, *one) for one in found]

    def _held_by_cool_down(
        self, rule: CoolDown, now: float, past: Iterable[PastMove]
    ) -> Iterator[tuple[str, float, str]]:
        ends = [p.ended_at for p in past if p.outcome is MoveOutcome.DONE and p.ended_at >= now - rule.within_s]
        if ends and now - max(ends) < rule.after(len(ends)):
            lasts = rule.after(len(ends))
            fewer = [max(ends) + rule.after(n) for n in range(1, len(ends) + 1)]  # old moves may fall out before
            times = [*fewer, *(end + rule.within_s for end in ends)]
            until = min(t for t in times if t > now and _cooled(rule, ends, t))
            text = f"{counted(len(ends), 'move')} within {rule.within_s} s: {lasts} s after the last"
            yield "cool_down", until, text

    def _check_cool_down(
        self, rule: CoolDown, now: float, name: str, vm: int, past: Iterable[PastMove]
    ) -> Iterator[Violation]:
        """Judge one VM: the moves that count, one by one, each doubling what stands after the one before."""
        lasts, last = 0, -math.inf
        for move in past:
            if move.outcome is MoveOutcome.DONE and now - move.ended_at <= rule.within_s:
                lasts = min(2 * lasts, rule.at_most_s) if lasts else rule.first_s
                last = max(last, move.ended_at)
        if now - last < lasts:
            yield self.refusal(name, "cool_down", math.floor(now - last), lasts, (vm,))

    def _cooling(self, fleet: Fleet, rule: CoolDown) -> NDArray[np.int32]:
        """int32 [n]: the VMs that are cooling down."""
        number: Counter[str] = Counter()
        last: dict[str, float] = {}
        for move in fleet.history:
            if move.outcome is MoveOutcome.DONE and move.ended_at >= fleet.now - rule.within_s:
                number[move.vm] += 1
                last[move.vm] = max(move.ended_at, last.get(move.vm, -math.inf))
        hot = [v for v, n in number.items() if fleet.now < last[v] + rule.after(n) and v in fleet.vm_index]
        return np.array(sorted(fleet.vm_index[v] for v in hot), np.int32)

    def _away(self, fleet: Fleet, seconds: int) -> Iterator[Enter]:
        """Close to each VM the hosts that it has left, one atom for those that left the same."""
        for vms, left in _by_hosts_left(fleet, seconds):
            yield Enter(self.name, vms, ~left, f"return: a VM that left it within {seconds} s")

    def _rather_away(self, fleet: Fleet, seconds: int) -> Iterator[Leave]:
        """Say the same as a demand; where a VM is now, or arrives, is no return."""
        asked = Asked(self.name, Hardness.SHOULD, self.weight)
        for vms, left in _by_hosts_left(fleet, seconds, but_present=True):
            yield Leave(asked, vms, left, "back")

    def _check_returns(self, state: State) -> Iterator[Violation]:
        """Judge every arrival, and where VMs are that moved: whether they left that host lately."""
        if self.no_return_s is None and self.avoid_return_s is None:
            return
        fleet, left = state.fleet, dict[tuple[int, int], float]()
        for p in fleet.history:
            vm, host = fleet.vm_index.get(p.vm, ABSENT), fleet.host_index.get(p.source, ABSENT)
            if p.outcome is MoveOutcome.DONE and ABSENT not in (vm, host):
                left[vm, host] = max(p.ended_at, left.get((vm, host), -math.inf))
        for vm, host in state.arrivals:
            since = fleet.now - left.get((vm, host), -math.inf)
            if self.no_return_s is not None and since <= self.no_return_s:
                yield self.refusal(fleet.hosts.ids[host], "return", math.floor(since), self.no_return_s, (vm,))
        if self.avoid_return_s is not None:
            yield from self._check_avoided(state, left, self.avoid_return_s)

    def _check_avoided(self, state: State, left: Mapping[tuple[int, int], float], seconds: int) -> Iterator[Violation]:
        """Judge where VMs are that were not there at the start; each once, by the host that it left last."""
        fleet, back = state.fleet, dict[int, float]()
        vms, hosts = state.presence
        known = np.isin(vms, [vm for vm, _ in left])
        for vm, host in zip(vms[known].tolist(), hosts[known].tolist(), strict=True):
            since = fleet.now - left.get((vm, host), -math.inf)
            if since <= seconds and host not in (fleet.vms.host[vm], fleet.also_at[vm]):
                back[vm] = min(since, back.get(vm, math.inf))
        for vm, since in back.items():
            yield Violation(
                rule=self.name,
                subject=fleet.vms.ids[vm],
                hardness=Hardness.SHOULD,
                value=math.floor(since),
                limit=seconds,
                excess=1,
                weight=self.weight,
                vms=(vm,),
                reason="back",
            )

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
        if v.reason == "cool_down":
            return f"moved {v.value} s ago, and cooling down for {v.limit} s: it may be moved in {v.limit - v.value} s"
        habit = next(h for h in self._habits() if h.reason == v.reason)
        happened = counted(v.value, _WORDS[habit.outcome])
        return f"{v.reason}: {happened} within {habit.within_s} s, stays from {v.limit} on; it is cooling down"


def _by_hosts_left(
    fleet: Fleet, seconds: int, *, but_present: bool = False
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """Yield VMs (int32 [n]) with the hosts (bool [H]) that all of them left within that time, maybe but their own."""
    left: dict[int, set[int]] = {}
    for move in fleet.history:
        vm, host = fleet.vm_index.get(move.vm, ABSENT), fleet.host_index.get(move.source, ABSENT)
        if move.outcome is MoveOutcome.DONE and move.ended_at >= fleet.now - seconds and ABSENT not in (vm, host):
            left.setdefault(vm, set()).add(host)
    alike: dict[tuple[int, ...], list[int]] = {}
    for vm, hosts in sorted(left.items()):
        own = {int(fleet.vms.host[vm]), int(fleet.also_at[vm])} if but_present else set()
        if hosts - own:
            alike.setdefault(tuple(sorted(hosts - own)), []).append(vm)
    for those, vms in alike.items():
        mask = np.zeros(len(fleet.hosts), np.bool_)
        mask[list(those)] = True
        yield np.array(vms, np.int32), mask


def _cooled(rule: CoolDown, ends: Iterable[float], at: float) -> bool:
    """Whether a VM with moves that ended then may be moved right after a time."""
    count = [end for end in ends if end > at - rule.within_s]
    return not count or at >= max(count) + rule.after(len(count))


_WORDS = {MoveOutcome.FAILED: "failed move", MoveOutcome.DONE: "move"}
