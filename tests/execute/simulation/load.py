"""How much each host may hold at each instant, judged offline as `checker` does; imports nothing of the executor.

A VM that is migrating, or of which nobody can know, counts on both ends. Where a plan begins, the worst state that it
can reach is known for each host: with each move into it there may be what was there, but for what must have left
before, and what else may have come by then, whatever else has failed or lies open. No host ever holds more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Loads", "overloads"]

Event = dict[str, Any]
Planned = dict[str, tuple[str, str, str, list[str]]]


@dataclass
class Loads:
    """What has to be known: `mib` and `places` of VMs at first; of each plan its moves: VM, source, target, after."""

    mib: Mapping[str, int]
    places: Mapping[str, str | None]
    plans: dict[str, Planned] = field(default_factory=dict)


def overloads(history: Sequence[Event], facts: Loads, lives: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Yield each host that holds more than its plan lets it; `lives` says when each token may have been migrating.

    What others brought to a host counts from the next plan on, which knows of it.
    """
    place, ends = dict(facts.places), {e["token"]: e for e in history if e["what"] == "submit"}
    foreign: set[str] = set()
    most = _most(facts, "plan-1", _there(place, ()))
    for i, event in enumerate(history):
        alive = [ends[t] for t, (first, last) in lives.items() if first <= i < last]
        match event["what"]:
            case "takeover":
                foreign = set()
                most = _most(facts, event["plan"], _there(place, alive))
            case "end" | "moved" | "deleted":
                place[event["vm"]] = event.get("at")
                asked = ends.get(event.get("token", ""))
                if asked is None or event.get("at") not in (asked["source"], asked["target"]):
                    foreign.add(event["vm"])
        if event["what"] not in ("submit", "start", "end"):
            continue
        for host, vms in _there(place, alive).items():
            held, allowed = sum(facts.mib[vm] for vm in vms - foreign), most.get(host, 0)
            if held > allowed:
                yield f"{event['token']}: {host} holds {held:,} MiB, at most {allowed:,} by its plan"


def _there(place: Mapping[str, str | None], alive: Sequence[Event]) -> dict[str, set[str]]:
    """Return which VMs may be on each host."""
    there: dict[str, set[str]] = {}
    for vm, host in place.items():
        if host is not None:
            there.setdefault(host, set()).add(vm)
    for asked in alive:
        for host in (asked["source"], asked["target"]):
            there.setdefault(host, set()).add(asked["vm"])
    return there


def _most(facts: Loads, plan: str, there: Mapping[str, set[str]]) -> dict[str, int]:
    """Return what each host holds at most in a state that a plan can reach."""
    moves = facts.plans.get(plan, {})
    before: dict[str, set[str]] = {}
    for name, (*_, after) in moves.items():  # a plan names what a move follows before it
        before[name] = set(after).union(*(before[a] for a in after))
    most = {host: sum(facts.mib[vm] for vm in vms) for host, vms in there.items()}
    for name, (vm, _, host, _) in moves.items():
        held = {vm, *(v for v in there.get(host, ()) if not _has_left(v, host, moves, before[name], before))}
        for other, (v, _, target, _) in moves.items():
            if (
                target == host
                and name not in before[other]
                and not _has_left(v, host, moves, before[name], before, other)
            ):
                held.add(v)
        most[host] = max(most.get(host, 0), sum(facts.mib[v] for v in held))
    return most


def _has_left(
    vm: str, host: str, moves: Planned, done: set[str], before: Mapping[str, set[str]], since: str = ""
) -> bool:
    """Whether a VM has left a host for certain when these are done: `since` a move that brought it, if one did."""
    return any(moves[name][:2] == (vm, host) and (not since or since in before[name]) for name in done)
