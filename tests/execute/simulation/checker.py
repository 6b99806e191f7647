"""Judges a history offline; shares nothing with the executor, and imports none of it.

`history` says what a history is, and `Facts` what had to be kept. Every function yields what was broken.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.execute.simulation.history import ENDED, Event, Facts, decisions, lives_of
from tests.execute.simulation.limits import beyond_limits
from tests.execute.simulation.orders import disorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["violations"]

LAG_S = 10.0
"""Seconds by which the inventory may lag, with a poll."""

SLACK_S = 15.0
"""Seconds that may lie between the decision to start a move and its submit: readings are tried a few times."""


def violations(history: Sequence[Event], facts: Facts) -> list[str]:
    """Return everything that was broken."""
    found = [*_tokens(history), *_order(history), *_freed(history), *_after(history, facts)]
    return [
        *found,
        *beyond_limits(history, facts, lives_of(history)),
        *_stops(history, facts),
        *_attempts(history, facts),
        *_truth(history, facts),
        *_hooks(history),
        *_known(history, facts),
        *_others(history, facts),
        *_dead(history, facts),
        *_copies(history, facts),
        *disorder(history),
        *_foreign(history, facts),
    ]


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


def _stops(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Nothing is submitted between a stop's commit and its end."""
    stopped = False
    for event in history:
        if event["what"] in ("stop", "resume"):
            stopped = event["what"] == "stop"
        elif event["what"] in decisions(facts) and stopped:
            yield f"{event['token']} was submitted after the stop"


def _attempts(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """Retries are bounded."""
    tried = Counter((e["plan"], e["move"]) for e in history if e["what"] == "submit")
    for (plan, move), n in tried.items():
        if n > facts.most_submits_per_move:
            yield f"{plan}/{move} was submitted {n} times, {facts.most_submits_per_move} attempts allowed"


def _known(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit that knows of some host only from long ago; after a jump of the clock nobody can tell."""
    for event in history:
        if event["what"] == "clock":
            return
        if event["what"] == "submit" and event.get("known_s", 0.0) >= facts.known_s + SLACK_S + facts.blind_s:
            yield f"{event['token']} was submitted {event['known_s']:,.0f} s after the fleet was last known"


def _hooks(history: Sequence[Event]) -> Iterator[str]:
    """No submit of a move to which a hook has objected last."""
    said: dict[tuple[str, str], str] = {}
    for event in history:
        if event["what"] in ("hook agrees", "hook vetoes"):
            said[event["plan"], event["move"]] = event["what"]
        elif event["what"] == "submit" and said.get((event["plan"], event["move"])) == "hook vetoes":
            yield f"{event['token']} was submitted against a veto"


def _truth(history: Sequence[Event], facts: Facts) -> Iterator[str]:
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
            lag_s = LAG_S + facts.blind_s
            if asked is None or event.get("s", lag_s) < changed.get(asked["vm"], -lag_s) + lag_s:
                continue  # or others have changed it just now, and an inventory may lag
            there = where.get(asked["vm"], asked["source"]) == asked["target"]
            if there != (event["state"] == "done"):
                found = where.get(asked["vm"], asked["source"])
                yield f"{asked['token']} is {event['state']}, but the VM is on {found}"


def _others(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit of a VM that others have moved, deleted or resized."""
    changed: dict[str, tuple[str, float, str]] = {}
    for event in history:
        match event["what"]:
            case "moved" | "deleted":
                changed[event["vm"]] = event["what"], event["s"] + LAG_S + facts.blind_s, event.get("at", "")
            case "resized":
                changed.setdefault(event["vm"], ("resized", event["s"] + facts.blind_s, ""))
            case "takeover":
                changed.clear()
            case "end":
                changed.pop(event["vm"], None)
            case "submit":
                what, since, there = changed.get(event["vm"], ("", float("inf"), ""))
                if event.get("s", 0.0) > since and there != event["source"]:
                    yield f"{event['token']} was submitted although others had {what} its VM"


def _dead(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit from or to a dead host, once that can be seen."""
    down: dict[str, float] = {}
    for event in history:
        if event["what"] == "down":
            down[event["host"]] = event.get("s", 0.0) + facts.blind_s
        elif event["what"] == "up":
            down.pop(event["host"], None)
        elif event["what"] == "submit":
            seen = (down.get(event[end], float("inf")) for end in ("source", "target"))
            if min(seen) <= event.get("s", 0.0):
                yield f"{event['token']} was submitted although a host of it was dead"


def _copies(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """A VM of which two copies run is not moved, and its move is not done."""
    during: dict[str, tuple[float, float]] = {}
    vm_of: dict[tuple[str, str], str] = {}
    for event in history:
        if event["what"] == "doubled":
            during[event["vm"]] = event["s"] + facts.blind_s, event["s"] + event["for_s"] - 1  # noted within a second
        if event["what"] == "submit":
            vm_of[event["plan"], event["move"]] = event["vm"]
        if event["what"] == "submit" or (event["what"] == "state" and event["state"] == "done"):
            vm = event.get("vm") or vm_of.get((event["plan"], event["move"]), "")
            seen, over = during.get(vm, (0.0, 0.0))
            if seen <= event.get("s", 0.0) < over:
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
