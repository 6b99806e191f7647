"""The documents that travel between executor, gateway and agents: their fields, and how large a body may be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.fleet_fields import AMOUNT, ID, PROSE
from optimizer.sources.kinds import check, choice, flag, real, shaped, text, whole
from optimizer.sources.shapes import Field, Listing, Maybe, Record, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BODIES", "CLAIM", "ENQUEUE", "FINISH", "LARGE", "SMALL", "WAIT_S", "parse"]

ENQUEUE, CLAIM, FINISH = "/v1/orders/enqueue", "/v1/agent/claim", "/v1/agent/finish"

SMALL, LARGE = 64 * 1024, 8 * 1024 * 1024
"""Most bytes of a body: of any, and of one that holds an inventory."""

WAIT_S = 60.0
"""The longest poll."""

MOST = 10_000
_SECONDS = real(0, 1e9)
_TOKEN = text(1024, what="plan/move/attempt")
_WHO = shaped(r"^[0-9a-f]{32}$", "an agent's own id: 32 hexadecimal digits")
_STATE = choice("preparing", "copying", "switching", "claimed", "unknown")
_DIGEST = shaped(r"^[0-9a-f]{64}$", "a SHA-256 in hexadecimal")
_AGO = Field(real(0, 1e6), "seconds since the host was looked at")
_FLEET = Field(ID, "the fleet")
_AGENT = {"fleet": _FLEET, "host": Field(ID, "the host"), "agent": Field(_WHO, "which agent this is")}
_LEADER = Field(whole(0, 2**31 - 1), "of the leader that asks: from then on an older one gives no orders", 0)
_CURRENT = Field(real(1, 3600), "seconds within which a host has to have reported")

_VM = Record(
    "VM",
    {
        "id": Field(ID, "the VM"),
        "host": Field(Maybe(ID), "where it runs"),
        "state": Field(choice("running", "paused", "stopped", "error", "unknown"), "its state"),
        "mobility": Field(choice("live", "cold", "none"), "how it may be migrated"),
        "demand": Field(Table(AMOUNT, ID), "its demand"),
        "moving_to": Field(Maybe(ID), "the other end of a migration", None),
        "copies": Field(Listing(ID, most=MOST), "further hosts on which it is seen", []),
    },
)
_HOST = Record(
    "host",
    {
        "id": Field(ID, "the host"),
        "state": Field(choice("active", "draining", "disabled", "down"), "its state"),
        "capacity": Field(Table(AMOUNT, ID), "its capacity"),
        "busy": Field(Listing(text(64), most=16), "what keeps it busy"),
        "vms": Field(Listing(ID, most=MOST), "the VMs that count on it"),
    },
)
_SEEN = Record(
    "inventory",
    {
        "simulated": Field(flag(), "whether nothing is moved"),
        "digest": Field(_DIGEST, "of the rest"),
        "ago_s": _AGO,
        "look": Field(whole(0, 2**62), "which look of its agent this is: a later one has a higher number", 0),
        "host": Field(_HOST, "the host"),
        "vms": Field(Listing(_VM, most=MOST), "its VMs"),
    },
)
_PROGRESS = Record(
    "progress",
    {
        "token": Field(_TOKEN, "the order"),
        "state": Field(_STATE, "how it stands"),
        "remaining_mib": Field(Maybe(_SECONDS), "what is left to copy", None),
        "detail": Field(PROSE, "why", ""),
    },
)
_INVENTORY = Field(Maybe(_SEEN), "what is on the host", None)

BODIES: Mapping[str, tuple[Record, int]] = {
    ENQUEUE: (
        Record(
            "order",
            {
                "fleet": _FLEET,
                "token": Field(_TOKEN, "the same for the same attempt, and for no other"),
                "plan": Field(text(), "the plan"),
                "move": Field(text(), "the move"),
                "attempt": Field(whole(1, 1_000_000), "which attempt"),
                "vm": Field(ID, "the VM"),
                "source": Field(ID, "where it is"),
                "target": Field(ID, "where it goes"),
                "copied_mib": Field(AMOUNT, "what has to be copied"),
                "seconds": Field(_SECONDS, "how long that takes, by the plan"),
                "epoch": Field(whole(0, 2**31 - 1), "of the leader"),
                "begin_within_s": Field(real(1, 3600), "seconds after which it may not begin any more"),
                "current_s": _CURRENT,
            },
        ),
        SMALL,
    ),
    "/v1/orders/find": (
        Record("search", {"fleet": _FLEET, "token": Field(_TOKEN, "the order"), "epoch": _LEADER}),
        SMALL,
    ),
    "/v1/orders/abort": (Record("abort", {"fleet": _FLEET, "token": Field(_TOKEN, "the order")}), SMALL),
    "/v1/read/vm": (Record("question", {"fleet": _FLEET, "vm": Field(ID, "the VM"), "current_s": _CURRENT}), SMALL),
    "/v1/read/host": (
        Record("question", {"fleet": _FLEET, "host": Field(ID, "the host"), "current_s": _CURRENT}),
        SMALL,
    ),
    "/v1/read/migrating": (Record("question", {"fleet": _FLEET}), SMALL),
    "/v1/read/fleet": (Record("question", {"fleet": _FLEET, "current_s": _CURRENT}), SMALL),
    CLAIM: (
        Record(
            "claim",
            {
                **_AGENT,
                "have": Field(Listing(_TOKEN, most=MOST), "orders in hand"),
                "digest": Field(_DIGEST, "of the inventory, which is still what was reported"),
                "ago_s": _AGO,
                "wait_s": Field(real(0, WAIT_S), "how long to wait for an order"),
            },
        ),
        LARGE,
    ),
    "/v1/agent/report": (
        Record(
            "report",
            {**_AGENT, "progress": Field(Listing(_PROGRESS, most=MOST), "orders in hand"), "inventory": _INVENTORY},
        ),
        LARGE,
    ),
    FINISH: (
        Record(
            "end",
            {
                **_AGENT,
                "token": Field(_TOKEN, "the order"),
                "state": Field(choice("done", "failed"), "how it ended"),
                "failure": Field(choice("", "temporary", "permanent"), "whether it may help to try again", ""),
                "detail": Field(PROSE, "why", ""),
                "inventory": _INVENTORY,
            },
        ),
        LARGE,
    ),
}
"""What is asked under each path, and how large it may be."""


def parse(path: str, body: bytes) -> dict[str, Any]:
    """Read a body.

    Raises
    ------
    InputError
        It is no JSON, or not what is asked under this path; the field is named.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(path, "", f"{len(body)} bytes", f"JSON ({error})") from error
    check(BODIES[path][0], document, path)
    found: dict[str, Any] = document
    return found
