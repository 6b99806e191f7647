"""Judges a history offline; shares nothing with the executor, and imports none of it.

A history is a list of plain dicts, in the order in which things happened:

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
    gate open, gate closed, gate hangs, gate nonsense          a gate was asked, and this is how it really is
    hook agrees, hook vetoes, hook after   plan move           a hook was called

Each has `s`, the seconds at which it happened. `Facts` says what had to be kept. Every function yields what was broken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Facts", "lives_of", "violations"]

Event = dict[str, Any]
ENDED = ("done", "failed", "gone")
LAG_S = 10.0
"""Seconds by which the inventory may lag, with a poll."""

SLACK_S = 15.0
"""Seconds that may lie between the decision to start a move and its submit: readings are tried a few times."""


@dataclass
class Facts:
    """What a history has to keep to; `after` by (plan, move), `racks` by host, `groups` by VM.

    A move that failed waits for `backoff_s`; within `window_s` at most `window_moves` begin, unless it is 0.
    `apart`: a move is submitted to be prepared, and copies when it is told to.
    `known_s` is how old the last look at all hosts may be at a submit.
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


def violations(history: Sequence[Event], facts: Facts) -> list[str]:
    """Return everything that was broken."""
    found = [*_tokens(history), *_order(history), *_freed(history), *_after(history, facts), *_loads(history, facts)]
    return [
        *found,
        *_stops(history),
        *_attempts(history, facts),
        *_truth(history),
        *_gates(history, facts),
        *_hooks(history),
        *_known(history, facts),
        *_others(history),
        *_dead(history),
        *_copies(history),
        *_foreign(history, facts),
        *_canary(history, facts),
        *_backoff(history, facts),
        *_windows(history, facts),
    ]


def lives_of(history: Sequence[Event]) -> dict[str, tuple[int, int]]:
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


def _tokens(history: Sequence[Event]) -> Iterator[str]:
    """One submit for an intent, and an intent before each submit."""
    submits = Counter(e["token"] for e in history if e["what"] == "submit")
    for token, n in submits.items():
        if n > 1:
            yield f"{token} was submitted {n} times"
    intents: Counter[tuple[str, str]] = Counter()
    for event in history:
        if event["what"] == "state" and event["state"] == "intended":
            intents[event["plan"], event["move"]] += 1
        if event["what"] == "submit" and intents[event["plan"], event["move"]] < event["attempt"]:
            yield f"{event['token']} was submitted before it was intended"


def _order(history: Sequence[Event]) -> Iterator[str]:
    """Epochs never fall, and nothing is submitted in one behind another leader's."""
    highest = 0
    for event in history:
        if event["what"] == "lead":
            highest = max(highest, event["epoch"])
        if event["what"] == "submit":
            if event["epoch"] < highest:
                yield f"{event['token']} was submitted in epoch {event['epoch']} after {highest}"
            highest = max(highest, event["epoch"])


def _freed(history: Sequence[Event]) -> Iterator[str]:
    """No slot is freed while its move may run: nothing of a token happens after its end was written down."""
    latest: dict[tuple[str, str], str] = {}
    closed: dict[str, tuple[str, int]] = {}
    for i, event in enumerate(history):
        if event["what"] == "submit":
            latest[event["plan"], event["move"]] = event["token"]
        elif event["what"] == "state" and event["state"] in ENDED:
            token = latest.get((event["plan"], event["move"]))
            if token is not None:
                closed[token] = event["state"], i
        elif event["what"] in ("start", "end") and event["token"] in closed:
            state, _ = closed[event["token"]]
            yield f"{event['token']} was written down as {state}, and then there was its {event['what']}"


def _after(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """A move is submitted only when all that it follows really are on their targets."""
    arrived: set[tuple[str, str]] = set()
    named: dict[str, tuple[tuple[str, str], str]] = {}
    for event in history:
        if event["what"] == "submit":
            key = event["plan"], event["move"]
            named[event["token"]] = key, event["target"]
            for before in facts.after.get(key, []):
                if (event["plan"], before) not in arrived:
                    yield f"{event['token']} was submitted before {before} was done"
        elif event["what"] == "end":
            key, target = named[event["token"]]
            if event["at"] == target:
                arrived.add(key)


def _loads(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """At each submit: how many may be migrating, of all and at each cap; one of each VM."""
    lives, limit = lives_of(history), facts.fleet
    facts_of = {e["token"]: e for e in history if e["what"] == "submit"}
    state: dict[tuple[str, str], str] = {}
    copying: set[str] = set()
    for i, event in enumerate(history):
        match event["what"]:
            case "state":
                state[event["plan"], event["move"]] = event["state"]
            case "copy":
                copying.add(event["token"])
            case "limit":
                limit = min(facts.fleet, event["most"]) if event["most"] is not None else facts.fleet
        if event["what"] not in ("submit", "copy"):
            continue
        alive = [facts_of[t] for t, (a, b) in lives.items() if a <= i < b or t == event["token"]]
        most = max(limit, 0)
        if facts.apart and event["what"] == "submit":
            most *= 2  # as many again may be prepared
        elif facts.apart:
            alive = [e for e in alive if e["token"] in copying]
        if len(alive) > most:
            yield f"{event['token']}: {len(alive)} at once, {most} allowed in the fleet"
        switching = sum(state.get((e["plan"], e["move"])) == "switching" for e in alive)
        yield from _contended(event, alive, switching, facts)


def _contended(event: Event, alive: Sequence[Event], switching: int, facts: Facts) -> Iterator[str]:
    """Count on each cap; links only of what copies, where a move is told when; what switches gives the rack's back."""
    if not facts.apart or event["what"] == "copy":
        yield from _over("source", Counter(e["source"] for e in alive), facts.per_source, event)
        yield from _over("target", Counter(e["target"] for e in alive), facts.per_target, event)
        racks = Counter(r for e in alive for r in {facts.racks[e["source"]], facts.racks[e["target"]]})
        yield from _over("rack", racks, facts.per_rack + switching, event)
    groups = Counter(facts.groups[e["vm"]] for e in alive if e["vm"] in facts.groups)
    yield from _over("group", groups, 1, event)
    yield from _over("VM", Counter(e["vm"] for e in alive), 1, event)


def _over(what: str, counted: Counter[str], most: int, event: Event) -> Iterator[str]:
    for name, n in counted.items():
        if n > most:
            yield f"{event['token']}: {n} at once for {what} {name}, {most} allowed"


def _stops(history: Sequence[Event]) -> Iterator[str]:
    """Nothing is submitted between a stop's commit and its end."""
    stopped = False
    for event in history:
        if event["what"] in ("stop", "resume"):
            stopped = event["what"] == "stop"
        elif event["what"] in ("submit", "copy") and stopped:
            yield f"{event['token']} was submitted after the stop"


def _attempts(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Retries are bounded."""
    tried = Counter((e["plan"], e["move"]) for e in history if e["what"] == "submit")
    for (plan, move), n in tried.items():
        if n > facts.most_submits_per_move:
            yield f"{plan}/{move} was submitted {n} times, {facts.most_submits_per_move} attempts allowed"


def _gates(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit once the canary has ended, unless the gates were open since, and too few have ended since then."""
    opened: int | None = None
    ended: Counter[str] = Counter()
    states: dict[tuple[str, str], str] = {}
    for event in history:
        if event["what"] == "state":
            states[event["plan"], event["move"]] = event["state"]
        if event["what"] in ("crash", "takeover"):
            opened = None
        elif event["what"].startswith("gate "):
            opened = ended[event["plan"]] if event["what"] == "gate open" else None
        elif event["what"] == "state" and event["state"] in ENDED:
            ended[event["plan"]] += 1
        elif event["what"] == "submit" and event["plan"] != facts.without_gates and facts.gate_every:
            n = sum(plan == event["plan"] and state in ENDED for (plan, _), state in states.items())
            if n >= facts.canary and (opened is None or ended[event["plan"]] - opened >= facts.gate_every):
                yield f"{event['token']} was submitted behind a closed gate, {n} moves had ended"


def _known(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit that knows of some host only from long ago; after a jump of the clock nobody can tell."""
    for event in history:
        if event["what"] == "clock":
            return
        if event["what"] == "submit" and event.get("known_s", 0.0) >= facts.known_s + SLACK_S:
            yield f"{event['token']} was submitted {event['known_s']:,.0f} s after the fleet was last known"


def _hooks(history: Sequence[Event]) -> Iterator[str]:
    """No submit of a move to which a hook has objected last."""
    said: dict[tuple[str, str], str] = {}
    for event in history:
        if event["what"] in ("hook agrees", "hook vetoes"):
            said[event["plan"], event["move"]] = event["what"]
        elif event["what"] == "submit" and said.get((event["plan"], event["move"])) == "hook vetoes":
            yield f"{event['token']} was submitted against a veto"


def _truth(history: Sequence[Event]) -> Iterator[str]:
    """What is written down as done is on its target; as failed, is not."""
    token_of: dict[tuple[str, str], Event] = {}
    where: dict[str, str | None] = {}
    changed: dict[str, float] = {}
    for event in history:
        if event["what"] == "submit":
            token_of[event["plan"], event["move"]] = event
        elif event["what"] in ("end", "moved", "deleted"):
            where[event["vm"]] = event.get("at")
            if event["what"] != "end":
                changed[event["vm"]] = event.get("s", 0.0)
        elif event["what"] == "state" and event["state"] in ENDED:
            asked = token_of.get((event["plan"], event["move"]))
            if asked is None or event.get("s", LAG_S) < changed.get(asked["vm"], -LAG_S) + LAG_S:
                continue  # or others have changed it just now, and an inventory may lag
            there = where.get(asked["vm"], asked["source"]) == asked["target"]
            if there != (event["state"] == "done"):
                found = where.get(asked["vm"], asked["source"])
                yield f"{asked['token']} is {event['state']}, but the VM is on {found}"


def _others(history: Sequence[Event]) -> Iterator[str]:
    """No submit of a VM that others have moved, deleted or resized."""
    changed: dict[str, tuple[str, float, str]] = {}
    for event in history:
        match event["what"]:
            case "moved" | "deleted":
                changed[event["vm"]] = event["what"], event["s"] + LAG_S, event.get("at", "")
            case "resized":
                changed.setdefault(event["vm"], ("resized", event["s"], ""))
            case "takeover":
                changed.clear()
            case "end":
                changed.pop(event["vm"], None)
            case "submit":
                what, since, there = changed.get(event["vm"], ("", float("inf"), ""))
                if event.get("s", 0.0) > since and there != event["source"]:
                    yield f"{event['token']} was submitted although others had {what} its VM"


def _dead(history: Sequence[Event]) -> Iterator[str]:
    """No submit from or to a dead host."""
    down: set[str] = set()
    for event in history:
        if event["what"] in ("down", "up"):
            (down.add if event["what"] == "down" else down.discard)(event["host"])
        if event["what"] == "submit" and down & {event["source"], event["target"]}:
            yield f"{event['token']} was submitted although a host of it was dead"


def _copies(history: Sequence[Event]) -> Iterator[str]:
    """A VM of which two copies run is not moved, and its move is not done."""
    until: dict[str, float] = {}
    vm_of: dict[tuple[str, str], str] = {}
    for event in history:
        if event["what"] == "doubled":
            until[event["vm"]] = event["s"] + event["for_s"] - 1  # it is noted within a second
        if event["what"] == "submit":
            vm_of[event["plan"], event["move"]] = event["vm"]
        if event["what"] == "submit" or (event["what"] == "state" and event["state"] == "done"):
            vm = event.get("vm") or vm_of.get((event["plan"], event["move"]), "")
            if event.get("s", 0.0) < until.get(vm, 0.0):
                yield f"{event['plan']}/{event['move']}: {event['what']}, while two copies of {vm} ran"


def _foreign(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Nobody gives up the moves of another plan, unless somebody asked for just that, or they only wait to copy."""
    plan, asked = "plan-1", False
    copying: set[str] = set()
    for event in history:
        match event["what"]:
            case "takeover":
                plan = event.get("plan", "")
            case "stop":
                asked = event.get("abort", False)
            case "resume":
                asked = False
            case "copy":
                copying.add(event["token"])
            case "abort" if plan and event.get("plan", plan) != plan and not asked:
                if not facts.apart or event["token"] in copying:
                    yield f"{event['token']} was to be given up by {plan}"


def _canary(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Until the canaries of a plan have ended there are no more than them; a restart counts moves, not attempts."""
    lives = lives_of(history)
    attempts: Counter[str] = Counter()
    state: dict[tuple[str, str], str] = {}
    plans = {e["token"]: e["plan"] for e in history if e["what"] == "submit"}
    for i, event in enumerate(history):
        if event["what"] == "state":
            state[event["plan"], event["move"]] = event["state"]
            attempts[event["plan"]] += event["state"] in ENDED
        if event["what"] != "submit" or attempts[event["plan"]] >= facts.canary:
            continue
        alive = sum(plans[t] == event["plan"] and a < i < b for t, (a, b) in lives.items()) + 1
        ended = sum(plan == event["plan"] and how in ENDED for (plan, _), how in state.items())
        if alive + ended > facts.canary:
            yield f"{event['token']} was submitted before {facts.canary} canaries had ended"


def _backoff(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """A move that failed is not tried again at once."""
    failed: dict[tuple[str, str], float] = {}
    for event in history:
        if event["what"] == "state" and event["state"] == "failed":
            failed[event["plan"], event["move"]] = event.get("s", 0.0)
        if event["what"] == "submit" and (event["plan"], event["move"]) in failed:
            waited = event.get("s", 0.0) - failed[event["plan"], event["move"]]
            if waited < facts.backoff_s - 1:
                yield f"{event['token']} was tried again after {waited:g} s"


def _windows(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Within a window only so many moves begin, whoever was restarted meanwhile; no rule where the clock has jumped."""
    begun: dict[tuple[str, str], float] = {}
    for event in history:
        if event["what"] == "clock" or not facts.window_moves:
            return
        if event["what"] == "state" and event["state"] == "intended":
            begun[event["plan"], event["move"]] = event["s"]
            n = sum(s > event["s"] - facts.window_s + 1 for s in begun.values())
            if n > facts.window_moves:
                yield f"{event['plan']}/{event['move']}: {n} began within {facts.window_s:g} s"
