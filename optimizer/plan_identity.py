"""The id of a plan: the digest of what it says, by which a change of any word of it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from optimizer.plan import Plan

__all__ = ["altered", "digest_of", "identify"]

OWN_ID = re.compile(r"plan-[0-9a-f]{16}")


def identify(plan: Plan) -> Plan:
    """Return the plan with its id: the digest of all that it says, but statistics, warnings and the time of making.

    Fields that were added to the format count where they say something, so that older plans keep their ids.
    """
    return replace(plan, id="plan-" + sha256(_said(plan)).hexdigest()[:16])


def digest_of(plan: Plan) -> str:
    """Return the digest of all that a plan says, its id apart: what an approval is bound to."""
    return "sha256:" + sha256(_said(plan)).hexdigest()


def _said(plan: Plan) -> bytes:
    said = orjson.loads(orjson.dumps(replace(plan, id="", made_at=plan.taken_at, stats={}, warnings=(), remaining=())))
    if not plan.scope:
        del said["scope"]
    else:
        for added in ("undo", "room", "balance"):
            if not said["scope"][added]:
                del said["scope"][added]
    # there may be very many; quotes within a text are escaped, so what is cut out is a field and nothing else
    said["remaining"] = orjson.Fragment(orjson.dumps(plan.remaining).replace(b',"deferred":""', b""))
    for part in (part for proof in said["proof"] for part in proof["parts"]):
        if not part["prices"]:
            del part["prices"]
    return orjson.dumps(said)


def altered(plan: Plan) -> str:
    """Return the id that a plan of Remora's should have, where it has another; other programs name theirs freely."""
    own = identify(plan).id
    return own if OWN_ID.fullmatch(plan.id) and plan.id != own else ""
