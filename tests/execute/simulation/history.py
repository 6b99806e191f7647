"""What a history is: a list of plain dicts, in the order in which things happened; imports nothing of the executor.

    submit   token plan move attempt vm source target epoch    the driver was called (known_s: how long ago some host
                                                               was last looked at)
    refused  token                                             it said for certain that nothing started
    start    token vm source target                            the hypervisors really began
    copy     token                                             they were told to copy what was prepared, and do
    end      token vm at                                       they really ended; the VM is there
    state    plan move state                                   the executor wrote this down
    stop (abort), resume, limit (most), lead (epoch)           somebody decided, and it was committed
    moved (at), deleted, resized, doubled (at for_s)   vm      what others did to a VM, or a platform by itself
    down, up   host                                            a host died, or came back
    abort      token plan                                      the driver was asked to give a move up
    crash, restart, takeover (plan)
    handed, received, asked, known                             of agents: `orders` says what
    gate open, gate closed, gate hangs, gate nonsense          a gate was asked, and this is how it really is
    hook agrees, hook vetoes, hook after   plan move           a hook was called

Each has `s`, the seconds at which it happened.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ENDED", "Event", "Facts", "Lives", "decisions", "lives_of", "living"]

Event = dict[str, Any]
Lives = dict[str, tuple[int, int]]
ENDED = ("done", "failed", "gone")


@dataclass
class Facts:
    """What a history has to keep to; `after` by (plan, move), `racks` by host, `groups` by VM.

    A move that failed waits for `backoff_s`; within `window_s` at most `window_moves` begin, unless it is 0.
    `apart`: a move is submitted to be prepared, and copies when it is told to.
    `known_s` is how old the last look at all hosts may be at a submit.
    `blind_s` is how much longer than a driver's own inventory what is read may lag.
    `gate_every` is 0 where there are no gates; the plan `without_gates` has none.
    """

    fleet: int
    per_source: int
    per_target: int
    per_rack: int
    racks: dict[str, str]
    groups: dict[str, str]
    after: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    most_submits_per_move: int = 1
    canary: int = 0
    gate_every: int = 0
    without_gates: str = ""
    known_s: float = float("inf")
    backoff_s: float = 0.0
    window_s: float = 0.0
    window_moves: int = 0
    apart: bool = False
    blind_s: float = 0.0


def decisions(facts: Facts) -> tuple[str, ...]:
    """Return by which events an executor decides that something is to be migrated; agents copy when they are ready."""
    return ("submit", "copy") if facts.apart else ("submit",)


def lives_of(history: Sequence[Event]) -> Lives:
    """Return when each token may have been migrating: from its submit to its real end.

    Where nothing ever started, to the moment at which that was certain: the refusal, or the last look.
    """
    begun: dict[str, int] = {}
    ends: dict[str, int] = {}
    started: set[str] = set()
    for i, event in enumerate(history):
        match event["what"]:
            case "submit":
                begun[event["token"]] = i
            case "start":
                started.add(event["token"])
            case "end" | "refused":
                ends[event["token"]] = i
    return {t: (first, ends.get(t, len(history) if t in started else first)) for t, first in begun.items()}


def living(history: Sequence[Event], lives: Lives) -> Iterator[tuple[Event, Mapping[str, Event]]]:
    """Yield each event with the submits, by token, of all that may be migrating then: one mapping that changes."""
    over: dict[int, list[str]] = defaultdict(list)
    for token, (_, last) in lives.items():
        over[last].append(token)
    alive: dict[str, Event] = {}
    for i, event in enumerate(history):
        for token in over.get(i, ()):
            alive.pop(token, None)
        if event["what"] == "submit" and lives[event["token"]][0] == i < lives[event["token"]][1]:
            alive[event["token"]] = event
        yield event, alive
