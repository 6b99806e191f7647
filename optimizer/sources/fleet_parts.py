"""What a snapshot says beside hosts and VMs: groups, evidence of interference, moves in flight, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import InputError
from optimizer.fleet import Group, GroupRule, InFlight, Interference, MoveOutcome, PastMove
from optimizer.sources.fleet_columns import index_of, refer, seconds
from optimizer.sources.kinds import similar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from optimizer.fleet import Vms
    from optimizer.sources.fleet_columns import Names, Records

__all__ = ["check_group_rules", "read_groups", "read_history", "read_in_flight", "read_interference"]

UNDECLARED = (GroupRule("anti_affinity", "host", True, 1, at_most=1),)
"""What is asked of a group that only VMs name (FORMATS)."""


def read_groups(declared: Records, vms: Records, names: Names) -> tuple[Group, ...]:
    """Return the declared groups in their order, then the undeclared ones as VMs first name them."""
    members: dict[str, list[int]] = {group["id"]: [] for group in declared}
    index_of([group["id"] for group in declared], names.where, "groups")
    for v, vm in enumerate(vms):
        for name in vm.get("groups", ()):
            members.setdefault(name, []).append(v)
    check_group_rules(declared, names.levels, members, names.where)
    rules = {group["id"]: tuple(_rule(rule) for rule in group.get("rules", ())) for group in declared}
    return tuple(
        Group(name, np.array(who, np.int32), rules.get(name, UNDECLARED), name in rules)
        for name, who in members.items()
    )


def check_group_rules(declared: Records, levels: Mapping[str, int], known: Mapping[str, Any], where: str) -> None:
    """Judge what the rules of groups refer to.

    Raises
    ------
    InputError
        If a rule names a level or a group that there is not, or its own group.
    """
    for g, group in enumerate(declared):
        for i, rule in enumerate(group.get("rules", ())):
            path = f"groups[{g}].rules[{i}]"
            level, other = rule.get("level", "host"), rule.get("with")
            if level not in levels:
                raise InputError(
                    where, f"{path}.level", level, f"a level ({', '.join(levels)})", similar(level, levels)
                )
            if other is not None and other not in known:
                raise InputError(
                    where, f"{path}.with", other, "a group that is declared or has VMs", similar(other, known)
                )
            if other == group["id"]:
                raise InputError(where, f"{path}.with", other, "another group than its own")


def _rule(rule: dict[str, Any]) -> GroupRule:
    at_most = rule.get("at_most", 1) if rule["rule"] == "anti_affinity" else None
    return GroupRule(
        rule=rule["rule"],
        level=rule.get("level", "host"),
        must=rule.get("hardness", "must") == "must",
        weight=rule.get("weight", 1),
        at_most=at_most,
        at_least=rule.get("at_least"),
        other=rule.get("with"),
    )


def read_interference(records: Records, vm_index: Mapping[str, int], where: str) -> tuple[Interference, ...]:
    """Return the evidence, with VMs as indices."""
    noisy = _vms(records, "interference", "noisy", vm_index, where)
    suffers = _vms(records, "interference", "suffers", vm_index, where)
    for i in np.flatnonzero(noisy == suffers).tolist():
        raise InputError(where, f"interference[{i}].suffers", records[i]["suffers"], "another VM than the noisy one")
    ends = zip(noisy.tolist(), suffers.tolist(), records, strict=True)
    return tuple(Interference(n, s, record["kind"], float(record["score"])) for n, s, record in ends)


def read_in_flight(records: Records, vm_index: Mapping[str, int], vms: Vms, names: Names) -> tuple[InFlight, ...]:
    """Return the moves that others have in flight, with VMs and hosts as indices."""
    where = names.where
    index_of([record["id"] for record in records], where, "in_flight")
    moving = _vms(records, "in_flight", "vm", vm_index, where)
    ends = [
        refer(
            [record[end] for record in records],
            names.hosts,
            where,
            f"in_flight[{{}}].{end}".format,
            "a host of the fleet",
        )
        for end in ("from", "to")
    ]
    seen: dict[int, int] = {}
    moves = []
    for i, record in enumerate(records):
        vm, source, target = int(moving[i]), int(ends[0][i]), int(ends[1][i])
        if source == target:
            raise InputError(where, f"in_flight[{i}].to", record["to"], "another host than the one it leaves")
        if seen.setdefault(vm, i) != i:
            hint = f"in_flight[{seen[vm]}] moves it too"
            raise InputError(where, f"in_flight[{i}].vm", record["vm"], "each VM at most once in flight", hint)
        if vms.host[vm] not in (source, target):
            expected = f"a VM that stands at one end: on {record['from']} or {record['to']}"
            raise InputError(where, f"in_flight[{i}].vm", record["vm"], expected)
        moves.append(
            InFlight(record["id"], vm, source, target, seconds(record["started_at"]), record.get("by", "other"))
        )
    return tuple(moves)


def read_history(records: Records, where: str) -> tuple[PastMove, ...]:
    """Return the past moves; their VMs and hosts may be gone, so nothing is looked up."""
    past = tuple(
        PastMove(
            vm=record["vm"],
            source=record["from"],
            target=record["to"],
            started_at=seconds(record["started_at"]),
            ended_at=seconds(record["ended_at"]),
            outcome=MoveOutcome(record["outcome"]),
            by=record.get("by", "other"),
        )
        for record in records
    )
    for i, move in enumerate(past):
        if move.ended_at < move.started_at:
            raise InputError(where, f"history[{i}].ended_at", records[i]["ended_at"], "a time not before started_at")
    return past


def _vms(records: Records, path: str, name: str, index: Mapping[str, int], where: str) -> NDArray[np.int32]:
    return refer([record[name] for record in records], index, where, f"{path}[{{}}].{name}".format, "a VM of the fleet")
