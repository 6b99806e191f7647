"""Orders to agents, judged offline as `checker` does: handed out once, begun once, never for an old leader.

What agents report is judged here, too: nothing takes the place of what was seen after it.

handed     token agent epoch   the gateway gave an order to an agent
received   token host epoch    the agent of a host heard of it
asked      token host epoch    the agent asked its hypervisor for the move
known      host look           the gateway knows what the host's agent saw in this look: numbers that rise
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.execute.simulation.history import ENDED, Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["disorder"]


def disorder(history: Sequence[Event]) -> Iterator[str]:
    """Yield everything that was broken."""
    yield from _claims(history)
    yield from _begun(history)
    yield from _epochs(history)
    yield from _known(history)


def _claims(history: Sequence[Event]) -> Iterator[str]:
    """An order is handed to one agent only, first while nothing is stopped, and never once its end was written down."""
    holder: dict[str, str] = {}
    submitted: set[str] = set()
    latest: dict[tuple[str, str], str] = {}
    over: dict[str, str] = {}
    stopped = False
    for event in history:
        match event["what"]:
            case "stop" | "resume":
                stopped = event["what"] == "stop"
            case "submit":
                submitted.add(event["token"])
                latest[event["plan"], event["move"]] = event["token"]
            case "state" if event["state"] in ENDED:
                over[latest.get((event["plan"], event["move"]), "")] = event["state"]
            case "handed":
                token, agent = event["token"], event["agent"]
                if token not in submitted:
                    yield f"{token} was handed out, and nobody had submitted it"
                elif token not in holder and token in over:
                    yield f"{token} was handed out after it was written down as {over[token]}"
                if token not in holder and stopped:
                    yield f"{token} was handed out after the stop"
                if holder.setdefault(token, agent) != agent:
                    yield f"{token} was handed out twice, to {holder[token]} and to {agent}"


def _begun(history: Sequence[Event]) -> Iterator[str]:
    """A hypervisor is asked once for an order, by the agent that heard of it."""
    heard: set[tuple[str, str]] = set()
    asked: Counter[str] = Counter()
    for event in history:
        if event["what"] == "received":
            heard.add((event["token"], event["host"]))
        elif event["what"] == "asked":
            asked[event["token"]] += 1
            if asked[event["token"]] > 1:
                yield f"{event['token']} was asked for {asked[event['token']]} times"
            if (event["token"], event["host"]) not in heard:
                yield f"{event['token']} was asked for by {event['host']}, which had not heard of it"


def _epochs(history: Sequence[Event]) -> Iterator[str]:
    """What an agent hears of after an order of a later leader is never begun."""
    highest: dict[str, int] = {}
    old: dict[tuple[str, str], int] = {}
    known: set[tuple[str, str]] = set()
    for event in history:
        if event["what"] == "received":
            key, host = (event["token"], event["host"]), event["host"]
            if key not in known and event["epoch"] < highest.get(host, 0):
                old[key] = highest[host]
            known.add(key)
            highest[host] = max(highest.get(host, 0), event["epoch"])
        elif event["what"] == "asked" and (event["token"], event["host"]) in old:
            later = old[event["token"], event["host"]]
            yield f"{event['token']} of epoch {event['epoch']} was begun, and {event['host']} knew epoch {later}"


def _known(history: Sequence[Event]) -> Iterator[str]:
    """What is known of a host is what its agent saw last, of all that has come."""
    latest: dict[str, int] = {}
    for event in history:
        if event["what"] == "known":
            host, look = event["host"], event["look"]
            if look < latest.get(host, 0):
                yield f"look {look} of {host} took the place of look {latest[host]}"
            latest[host] = max(look, latest.get(host, 0))
