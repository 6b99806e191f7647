"""How much each host may hold at each instant, judged offline as `checker` does; imports nothing of the executor.

A VM that is migrating, or of which nobody can know, counts on both ends. Where a plan begins, the worst state that it
can reach is known for each host: with each move into it there may be what was there, but for what must have left
before, and what else may have come by then, whatever else has failed or lies open. No host ever holds more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.execute.simulation.history import Event, Lives, living

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["Loads", "overloads"]

Planned = dict[str, tuple[str, str, str, list[str]]]


@dataclass
class Loads:
    """What has to be known: `mib` and `places` of VMs at first; of each plan its moves: VM, source, target, after."""

    mib: Mapping[str, int]
    places: Mapping[str, str | None]
    plans: dict[str, Planned] = field(default_factory=dict)


def overloads(history: Sequence[Event], facts: Loads, lives: Lives) -> Iterator[str]:
    """Yield each host that holds more than its plan lets it; `lives` says when each token may have been migrating.

    What others brought to a host counts from the next plan on, which knows of it.
    """
    there = _There(facts.places)
    ends = {e["token"]: e for e in history if e["what"] == "submit"}
    foreign: set[str] = set()
    most = _most(facts, "plan-1", there.on)
    for event, alive in living(history, lives):
        if event["what"] in ("submit", "end", "refused"):
            there.follow(alive)
        match event["what"]:
            case "takeover":
                foreign = set()
                most = _most(facts, event["plan"], there.on)
            case "end" | "moved" | "deleted":
                there.put(event["vm"], event.get("at"))
                asked = ends.get(event.get("token", ""))
                if asked is None or event.get("at") not in (asked["source"], asked["target"]):
                    foreign.add(event["vm"])
        if event["what"] not in ("submit", "start", "end"):
            continue
        for host in sorted(there.changed):
            held, allowed = sum(facts.mib[vm] for vm in there.on[host] if vm not in foreign), most.get(host, 0)
            if held > allowed:
                yield f"{event['token']}: {host} holds {held:,} MiB, at most {allowed:,} by its plan"
        there.changed.clear()


class _There:
    """Which VMs may be on each host, each with how many times: placed there, or at an end of a live migration."""

    def __init__(self, places: Mapping[str, str | None]) -> None:
        self.on: dict[str, dict[str, int]] = defaultdict(dict)
        self.changed: set[str] = set()
        self._place: dict[str, str | None] = {}
        self._alive: dict[str, Event] = {}
        for vm, host in places.items():
            self.put(vm, host)

    def put(self, vm: str, host: str | None) -> None:
        """Place a VM; None: it is nowhere any more."""
        for where, more in ((self._place.get(vm), -1), (host, 1)):
            self._count(where, vm, more)
        self._place[vm] = host

    def follow(self, alive: Mapping[str, Event]) -> None:
        """Count what is migrating now at both ends, and what is not any more at none."""
        for token in self._alive.keys() - alive.keys():
            self._count_ends(self._alive.pop(token), -1)
        for token in alive.keys() - self._alive.keys():
            self._alive[token] = alive[token]
            self._count_ends(alive[token], 1)

    def _count_ends(self, asked: Event, more: int) -> None:
        for host in (asked["source"], asked["target"]):
            self._count(host, asked["vm"], more)

    def _count(self, host: str | None, vm: str, more: int) -> None:
        if host is None:
            return
        n = self.on[host].get(vm, 0) + more
        self.changed.add(host)
        if n:
            self.on[host][vm] = n
        else:
            self.on[host].pop(vm, None)


def _most(facts: Loads, plan: str, there: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return what each host holds at most in a state that a plan can reach."""
    moves = facts.plans.get(plan, {})
    before: dict[str, set[str]] = {}
    for name, (*_, after) in moves.items():  # a plan names what a move follows before it
        before[name] = set(after).union(*(before[a] for a in after))
    most = {host: sum(facts.mib[vm] for vm in vms) for host, vms in there.items()}
    into: dict[str, list[str]] = defaultdict(list)
    for name, (_, _, host, _) in moves.items():
        into[host].append(name)
    for name, (vm, _, host, _) in moves.items():
        held = {vm, *(v for v in there.get(host, ()) if not _has_left(v, host, moves, before[name], before))}
        for other in into[host]:
            v = moves[other][0]
            if name not in before[other] and not _has_left(v, host, moves, before[name], before, other):
                held.add(v)
        most[host] = max(most.get(host, 0), sum(facts.mib[v] for v in held))
    return most


def _has_left(
    vm: str, host: str, moves: Planned, done: set[str], before: Mapping[str, set[str]], since: str = ""
) -> bool:
    """Whether a VM has left a host for certain when these are done: `since` a move that brought it, if one did."""
    return any(moves[name][:2] == (vm, host) and (not since or since in before[name]) for name in done)
