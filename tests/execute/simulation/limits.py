"""How many at once, behind which gate and within what time: judged offline as `checker` does."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tests.execute.simulation.history import ENDED, Event, Facts, Lives, decisions, living

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["beyond_limits"]


def beyond_limits(history: Sequence[Event], facts: Facts, lives: Lives) -> Iterator[str]:
    """Yield each submit that came too many or too early."""
    yield from _at_once(history, facts, lives)
    yield from _gates(history, facts)
    yield from _canary(history, facts, lives)
    yield from _backoff(history, facts)
    yield from _windows(history, facts)


def _at_once(history: Sequence[Event], facts: Facts, lives: Lives) -> Iterator[str]:
    """At each submit: how many may be migrating, of all and at each cap; one of each VM."""
    limit = facts.fleet
    state: dict[tuple[str, str], str] = {}
    copying: set[str] = set()
    submits: dict[str, Event] = {}
    for event, living_now in living(history, lives):
        match event["what"]:
            case "state":
                state[event["plan"], event["move"]] = event["state"]
            case "copy":
                copying.add(event["token"])
            case "limit":
                limit = min(facts.fleet, event["most"]) if event["most"] is not None else facts.fleet
            case "submit":
                submits[event["token"]] = event
        if event["what"] not in decisions(facts):
            continue
        alive = list({**living_now, event["token"]: submits[event["token"]]}.values())
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


def _gates(history: Sequence[Event], facts: Facts) -> Iterator[str]:
    """No submit once the canary has ended, unless the gates were open since, and too few have ended since then."""
    if not facts.gate_every:
        return
    opened: int | None = None
    ended: Counter[str] = Counter()
    over: dict[str, set[str]] = defaultdict(set)
    for event in history:
        _take_over(over, event)
        if event["what"] in ("crash", "takeover"):
            opened = None
        elif event["what"].startswith("gate "):
            opened = ended[event["plan"]] if event["what"] == "gate open" else None
        elif event["what"] == "state" and event["state"] in ENDED:
            ended[event["plan"]] += 1
        elif event["what"] == "submit" and event["plan"] != facts.without_gates:
            n = len(over[event["plan"]])
            if n >= facts.canary and (opened is None or ended[event["plan"]] - opened >= facts.gate_every):
                yield f"{event['token']} was submitted behind a closed gate, {n} moves had ended"


def _take_over(over: dict[str, set[str]], event: Event) -> None:
    """Keep which moves of each plan are over now."""
    if event["what"] == "state":
        (over[event["plan"]].add if event["state"] in ENDED else over[event["plan"]].discard)(event["move"])


def _canary(history: Sequence[Event], facts: Facts, lives: Lives) -> Iterator[str]:
    """Until the canaries of a plan have ended there are no more than them; a restart counts moves, not attempts."""
    attempts: Counter[str] = Counter()
    over: dict[str, set[str]] = defaultdict(set)
    for event, living_now in living(history, lives):
        _take_over(over, event)
        if event["what"] == "state":
            attempts[event["plan"]] += event["state"] in ENDED
        if event["what"] != "submit" or attempts[event["plan"]] >= facts.canary:
            continue
        plan, token = event["plan"], event["token"]
        alive = sum(e["plan"] == plan and t != token for t, e in living_now.items()) + 1
        if alive + len(over[plan]) > facts.canary:
            yield f"{token} was submitted before {facts.canary} canaries had ended"


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
