"""`remora-plan/1` written and read, field for field.

Reading judges the structure: types, unique ids, `after` that refers to moves of earlier batches and never in a circle,
a gap and a status that follow from value and bound. What the plan means is for `optimizer.verify.verify` to judge.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from optimizer.caution import Caution
from optimizer.plan import (
    Batch,
    Cause,
    Part,
    Plan,
    PlannedMove,
    Proof,
    Reason,
    Remaining,
    StageResult,
    Status,
    Unevaluated,
)
from optimizer.sources.files import json_bytes, parse_json, read_bytes, write_whole
from optimizer.sources.fleet_json import check_format
from optimizer.sources.kinds import check, parse_time, time_text
from optimizer.sources.plan_fields import PLAN, PLAN_FORMAT
from optimizer.sources.plan_structure import Misfit, check_structure, stage_misfits
from optimizer.sources.scope_words import scope_document, scope_from_document

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["claims_from_document", "plan_document", "plan_from_document", "read_claims", "read_plan", "write_plan"]

Document = dict[str, Any]


def write_plan(path: Path | str, plan: Plan) -> None:
    """Write a plan as JSON; the file is whole or not there."""
    write_whole(path, json_bytes(plan_document(plan)))


def read_plan(path: Path | str) -> Plan:
    """Read a plan from a JSON file (gzip or xz by its ending).

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    return plan_from_document(parse_json(read_bytes(path), str(path)), str(path))


def read_claims(path: Path | str) -> tuple[Plan, tuple[Misfit, ...]]:
    """Read a plan that is to be judged: how its parts fit together is not checked.

    What the stages say and a `Plan` cannot hold, because it follows from their values and bounds, comes beside it.

    Raises
    ------
    InputError
        If it is no document of this kind.
    """
    return claims_from_document(parse_json(read_bytes(path), str(path)), str(path))


def claims_from_document(document: object, where: str) -> tuple[Plan, tuple[Misfit, ...]]:
    """Return what `read_claims` does, of a parsed document."""
    checked = _checked(document, where)
    return _plan(checked), tuple(stage_misfits(checked))


def plan_document(plan: Plan) -> Document:
    """Return the plan as the document that FORMATS describes; optional members that are not known are left out."""
    return {
        "format": PLAN_FORMAT,
        "id": plan.id,
        "fleet": plan.fleet,
        "taken_at": time_text(plan.taken_at),
        "fleet_digest": plan.fleet_digest,
        "policy_digest": plan.policy_digest,
        "made_at": time_text(plan.made_at),
        "expires_at": time_text(plan.expires_at),
        "status": plan.status.value,
        **({"reason": plan.reason} if plan.reason else {}),
        **({"scope": scope_document(plan.scope)} if plan.scope else {}),
        "objective": [_stage_document(stage) for stage in plan.objective],
        "proof": [_proof_document(proof) for proof in plan.proof],
        "moves": [_move_document(move) for move in plan.moves],
        "batches": [{"batch": b.batch, "moves": list(b.moves), "seconds": b.seconds} for b in plan.batches],
        "remaining": [_remaining_document(remaining) for remaining in plan.remaining],
        "not_evaluated": [_unevaluated_document(fact) for fact in plan.not_evaluated],
        **({"warnings": [_caution_document(caution) for caution in plan.warnings]} if plan.warnings else {}),
        "stats": dict(plan.stats),
    }


def plan_from_document(document: object, where: str) -> Plan:
    """Check a parsed document and make a `Plan` of it; `where` names its origin in messages.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    checked = _checked(document, where)
    check_structure(checked, where)
    return _plan(checked)


def _checked(document: object, where: str) -> Document:
    checked = check_format(document, PLAN_FORMAT, where)
    check(PLAN, checked, where)
    return checked


def _plan(checked: Document) -> Plan:
    return Plan(
        id=checked["id"],
        fleet=checked["fleet"],
        taken_at=_time(checked["taken_at"]),
        fleet_digest=checked["fleet_digest"],
        policy_digest=checked["policy_digest"],
        made_at=_time(checked["made_at"]),
        expires_at=_time(checked["expires_at"]),
        status=Status(checked["status"]),
        objective=tuple(
            StageResult(s["stage"], s["value"], s["bound"], s.get("stopped_by")) for s in checked["objective"]
        ),
        proof=tuple(Proof(p["stage"], p["bound"], tuple(map(_part, p["parts"]))) for p in checked["proof"]),
        moves=tuple(map(_move, checked["moves"])),
        batches=tuple(Batch(b["batch"], tuple(b["moves"]), float(b["seconds"])) for b in checked["batches"]),
        remaining=tuple(map(_remaining, checked["remaining"])),
        not_evaluated=tuple(
            Unevaluated(u["rule"], u["what"], u.get("vms", 0), u.get("hosts", 0)) for u in checked["not_evaluated"]
        ),
        stats=checked.get("stats", {}),
        reason=checked.get("reason", ""),
        warnings=tuple(Caution(w["code"], w["where"], w["text"]) for w in checked.get("warnings", ())),
        scope=scope_from_document(checked.get("scope", {})),
    )


def _stage_document(stage: StageResult) -> Document:
    return {
        "stage": stage.stage,
        "value": stage.value,
        "bound": stage.bound,
        "gap": stage.gap,
        "status": stage.status.value,
        "stopped_by": stage.stopped_by,
    }


def _proof_document(proof: Proof) -> Document:
    return {"stage": proof.stage, "bound": proof.bound, "parts": [_part_document(part) for part in proof.parts]}


def _part_document(part: Part) -> Document:
    curve = {"curve": [list(point) for point in part.curve]} if part.curve else {}
    prices = {"prices": list(part.prices)} if part.prices else {}
    named = {"hosts": list(part.hosts), "vms": list(part.vms), "at_least": part.at_least, "by": part.by}
    return {**named, **curve, **prices}


def _move_document(move: PlannedMove) -> Document:
    return {
        "id": move.id,
        "vm": move.vm,
        "from": move.source,
        "to": move.target,
        "after": list(move.after),
        "batch": move.batch,
        "staging": move.staging,
        "seconds": move.seconds,
        "copied_mib": move.copied_mib,
        "reasons": [_reason_document(reason) for reason in move.reasons],
        "why": move.why,
    }


def _reason_document(reason: Reason) -> Document:
    return {
        "rule": reason.rule,
        "subject": reason.subject,
        **_known(resource=reason.resource, domain=reason.domain),
        "value": reason.value,
        "limit": reason.limit,
    }


def _remaining_document(remaining: Remaining) -> Document:
    return {
        "rule": remaining.rule,
        "subject": remaining.subject,
        **_known(resource=remaining.resource, domain=remaining.domain),
        "excess": remaining.excess,
        "why": remaining.why,
        "would_help": remaining.would_help,
        **_known(cause=_cause_document(remaining.cause), deferred=remaining.deferred or None),
    }


def _cause_document(cause: Cause | None) -> Document | None:
    if cause is None:
        return None
    texts = {"rule": cause.rule, "vm": cause.vm, "subject": cause.subject, "resource": cause.resource}
    rest = {"hosts": cause.hosts, "host": cause.host, "reason": cause.reason}
    return {"kind": cause.kind, **{name: value for name, value in (texts | rest).items() if value}}


def _unevaluated_document(fact: Unevaluated) -> Document:
    return {"rule": fact.rule, "what": fact.what, "vms": fact.vms, **_known(hosts=fact.hosts or None)}


def _caution_document(caution: Caution) -> Document:
    return {"code": caution.code, "where": caution.where, "text": caution.text}


def _known(**members: object) -> Document:
    return {name: value for name, value in members.items() if value is not None}


def _time(text: str) -> datetime:
    at = parse_time(text)
    assert at is not None  # the table of fields has checked it
    return at


def _part(record: Document) -> Part:
    curve = tuple((cost, harm) for cost, harm in record.get("curve", ()))
    prices = tuple(record.get("prices", ()))
    return Part(tuple(record["hosts"]), tuple(record["vms"]), record["at_least"], record["by"], curve, prices)


def _move(record: Document) -> PlannedMove:
    return PlannedMove(
        id=record["id"],
        vm=record["vm"],
        source=record["from"],
        target=record["to"],
        after=tuple(record["after"]),
        batch=record["batch"],
        staging=record["staging"],
        seconds=float(record["seconds"]),
        copied_mib=record["copied_mib"],
        reasons=tuple(map(_reason, record.get("reasons", ()))),
        why=record.get("why", ""),
    )


def _reason(record: Document) -> Reason:
    subject, resource, domain = record["subject"], record.get("resource"), record.get("domain")
    return Reason(record["rule"], subject, record["value"], record["limit"], resource, domain)


def _remaining(record: Document) -> Remaining:
    return Remaining(
        rule=record["rule"],
        subject=record["subject"],
        excess=record["excess"],
        why=record["why"],
        would_help=record["would_help"],
        resource=record.get("resource"),
        domain=record.get("domain"),
        cause=_cause(record.get("cause")),
        deferred=record.get("deferred", ""),
    )


def _cause(record: Document | None) -> Cause | None:
    return None if record is None else Cause(**{f.name: record[f.name] for f in fields(Cause) if f.name in record})
