"""Every field of `remora-plan/1`: the checker and the JSON Schema read this one table."""

from __future__ import annotations

from optimizer.fleet import AMOUNT_LIMIT
from optimizer.plan import StageStatus, Status
from optimizer.sources.kinds import choice, exactly, flag, real, shaped, text, when, whole
from optimizer.sources.shapes import Anything, Field, Listing, Maybe, Record, Table

__all__ = ["PLAN", "PLAN_FORMAT"]

PLAN_FORMAT = "remora-plan/1"

LARGEST = 2**62
ID = text(what="an id")
SUBJECT = text(1024, what="a subject")  # pairs are named by both ids
WORDS = text(100_000, 0, prose=True)
COUNT = whole(0, LARGEST)
DIGEST = shaped(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 hexadecimal digits")
DURATION = real(0, 1e18)
NUMBER = whole(1, 1_000_000)

_RESOURCE = Field(ID, "which resource, where a subject has several", None)
_DOMAIN = Field(SUBJECT, "which domain, as level:id, where a subject has several", None)
_RULE = Field(ID, "the rule's name in the policy")

STAGE = Record(
    "stage",
    {
        "stage": Field(ID, "harm, should_harm, priced, moving, placement, or cost"),
        "value": Field(COUNT, "what was reached"),
        "bound": Field(COUNT, "what no plan can go below, given the stages before"),
        "gap": Field(real(-1e19, 1), "(value - bound) / value"),
        "status": Field(choice(*(s.value for s in StageStatus)), "optimal where value and bound are equal"),
        "stopped_by": Field(Maybe(ID), "what ended the search for better; null if nothing was left to find", None),
    },
)

PART = Record(
    "part of a proof",
    {
        "hosts": Field(Listing(ID, unique=True), "where the part's VMs stand"),
        "vms": Field(Listing(ID, unique=True), "the VMs of which that much has to move; no VM is in two parts"),
        "at_least": Field(COUNT, "what the part adds to the bound"),
        "by": Field(WORDS, "the argument"),
        "curve": Field(Listing(Listing(COUNT, 2, 2)), "pairs (cost, least harm that is left at that cost)", []),
        "prices": Field(Listing(COUNT), "of the part's VMs, in millionths of a move", []),
    },
)

PROOF = Record(
    "proof",
    {
        "stage": Field(ID, "which stage"),
        "bound": Field(COUNT, "its bound"),
        "parts": Field(Listing(PART), "independent parts that add up to it"),
    },
)

REASON = Record(
    "reason",
    {
        "rule": _RULE,
        "subject": Field(SUBJECT, "the host, group, VM or pair that breaks it"),
        "value": Field(whole(-LARGEST, LARGEST), "as measured"),
        "limit": Field(whole(-LARGEST, LARGEST), "as allowed"),
        "resource": _RESOURCE,
        "domain": _DOMAIN,
    },
)

MOVE = Record(
    "move",
    {
        "id": Field(ID, "unique in the plan"),
        "vm": Field(ID, "which VM"),
        "from": Field(ID, "the host that it leaves"),
        "to": Field(ID, "the host that it goes to"),
        "after": Field(Listing(ID, unique=True), "moves that have to have succeeded before, and all that they need"),
        "batch": Field(NUMBER, "number of its batch"),
        "staging": Field(flag(), "a hop to a third host that only makes room"),
        "seconds": Field(DURATION, "how long it is expected to take"),
        "copied_mib": Field(COUNT, "how much travels"),
        "reasons": Field(Listing(REASON), "violations at the start that it helps to repair", []),
        "why": Field(WORDS, "the same in words", ""),
    },
)

BATCH = Record(
    "batch",
    {
        "batch": Field(NUMBER, "its number; batches run in this order"),
        "moves": Field(Listing(ID, unique=True), "its moves"),
        "seconds": Field(DURATION, "how long it is expected to take"),
    },
)

CAUSE = Record(
    "cause",
    {
        "kind": Field(
            ID, "budget, pinned, refused, group, leaving, room, price, trade, search, beyond, several, not_analysed"
        ),
        "rule": Field(text(1024, 0), "the rule's name in the policy", ""),
        "vm": Field(text(1024, 0), "the VM that it is lifted for", ""),
        "subject": Field(WORDS, "the group, the budget, or the reason", ""),
        "resource": Field(text(1024, 0), "the resource of which there is no room", ""),
        "hosts": Field(COUNT, "how many hosts it opens", 0),
        "host": Field(text(1024, 0), "one of them, on which it was tried", ""),
        "reason": Field(WORDS, "what no single rule or limit explains", ""),
    },
)

REMAINING = Record(
    "remaining violation",
    {
        "rule": _RULE,
        "subject": Field(SUBJECT, "what breaks it"),
        "excess": Field(COUNT, "by how much"),
        "why": Field(WORDS, "why it stays"),
        "would_help": Field(WORDS, "what was found to help, tried as one more move"),
        "resource": _RESOURCE,
        "domain": _DOMAIN,
        "cause": Field(Maybe(CAUSE), "the rule or limit that, lifted for one VM, opens hosts to it", None),
        "deferred": Field(WORDS, "the limit for which it waits, where it could be fixed without that", ""),
    },
)

UNEVALUATED = Record(
    "fact not evaluated",
    {
        "rule": _RULE,
        "what": Field(SUBJECT, "the field that it wanted"),
        "vms": Field(COUNT, "how many VMs do not have it", 0),
        "hosts": Field(COUNT, "how many hosts do not have it", 0),
    },
)

CAUTION = Record(
    "warning",
    {
        "code": Field(ID, "unknown_name, future_snapshot, unusual_amount or tolerance_too_fine"),
        "where": Field(SUBJECT, "the field of the policy or the snapshot"),
        "text": Field(WORDS, "what is doubtful about it"),
    },
)

_NAMES = Listing(ID, unique=True)

KEPT_ROOM = Record(
    "kept room",
    {
        "vm": Field(ID, "the VM to come"),
        "host": Field(ID, "where it will stand"),
        "demand": Field(Table(whole(0, AMOUNT_LIMIT)), "what it takes, by resource"),
    },
)

SCOPE = Record(
    "scope",
    {
        "drain": Field(_NAMES, "hosts to be emptied", []),
        "exclude": Field(_NAMES, "VMs that stay", []),
        "only": Field(_NAMES, "rules, groups and hosts that are fixed while the rest gets no worse", []),
        "from": Field(_NAMES, "hosts that VMs may leave", []),
        "to": Field(_NAMES, "hosts that may receive", []),
        "max_moves": Field(COUNT, "most moves", None),
        "max_gib": Field(COUNT, "most GiB copied", None),
        "balance": Field(_NAMES, "resources whose use is made as even as can be", []),
        "whole": Field(flag(), "hosts are emptied one after the other, each as a whole or not at all", False),
        "undo": Field(_NAMES, "VMs that go back to where a run took them from, as VM=HOST", []),
        "room": Field(Listing(KEPT_ROOM), "room that is made for VMs to come", []),
        "begun": Field(_NAMES, "hosts that are emptied as far as can be, though not all of it can", []),
    },
)

PLAN = Record(
    "plan",
    {
        "format": Field(exactly(PLAN_FORMAT), "the format's tag"),
        "id": Field(ID, "the plan's name"),
        "fleet": Field(ID, "the fleet that it was made for"),
        "taken_at": Field(when(), "when that fleet's snapshot was taken"),
        "fleet_digest": Field(DIGEST, "digest of the snapshot's canonical JSON"),
        "policy_digest": Field(DIGEST, "digest of the policy's canonical JSON"),
        "made_at": Field(when(), "when the plan was made"),
        "expires_at": Field(when(), "from then on it is not carried out"),
        "status": Field(choice(*(s.value for s in Status)), "what the plan claims"),
        "objective": Field(Listing(STAGE), "the stages in order, each with its own proof"),
        "proof": Field(Listing(PROOF), "why no plan can do better"),
        "moves": Field(Listing(MOVE), "every executable move, staging hops included"),
        "batches": Field(Listing(BATCH), "moves that may be in flight together"),
        "remaining": Field(Listing(REMAINING), "violations that stay"),
        "not_evaluated": Field(Listing(UNEVALUATED), "facts that rules wanted and the snapshot lacks"),
        "warnings": Field(Listing(CAUTION), "what is doubtful about the snapshot or the policy", []),
        "stats": Field(Anything(), "how the plan was made", {}),
        "reason": Field(WORDS, "why there is no plan, where there is none", ""),
        "scope": Field(SCOPE, "what the plan was restricted to; names as ids, level:id or globs", {}),
    },
)
