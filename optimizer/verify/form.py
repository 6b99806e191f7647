"""The form of a plan: whose it is, whether its moves can be followed, what each says of itself, its batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.disruption import Budgets
from optimizer.fleet import ABSENT, Move, copied_mib, move_seconds
from optimizer.reachability.poset import closures
from optimizer.verify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.policy import Policy

__all__ = ["Script", "judge_batches", "judge_identity", "judge_moves", "read_moves"]

TENTH = 0.05
"""Seconds are said in tenths: a difference of half a tenth is none."""


@dataclass
class Script:
    """A plan's moves as indices; `order` names them so that each comes after those it waits for.

    `depth`: moves in the longest chain that ends with each. `chains`: the moves of each VM, in their order.
    `readable`: every name is known and no moves wait for one another. `connected`: the moves of each VM follow one
    another from where it is.
    """

    moves: list[Move] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    chains: dict[int, list[int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    readable: bool = True
    connected: bool = True

    @property
    def in_order(self) -> list[Move]:
        """The moves in an order in which they may be made."""
        return [self.moves[m] for m in self.order]


def judge_identity(fleet: Fleet, policy: Policy, plan: Plan, now: datetime | None) -> Iterator[Finding]:
    """Yield what says that the plan was made for something else, or is too old."""
    if plan.fleet != fleet.id:
        yield Finding("foreign", "fleet", f"the plan is for fleet {plan.fleet}, this is {fleet.id}")
    if plan.taken_at != fleet.taken_at:
        yield Finding(
            "taken_at", "taken_at", f"{plan.taken_at.isoformat()}: the snapshot says {fleet.taken_at.isoformat()}"
        )
    if plan.fleet_digest != fleet.digest:
        yield Finding("fleet_digest", "fleet_digest", "the plan was made from another snapshot of this fleet")
    if plan.policy_digest != policy.digest:
        yield Finding("policy_digest", "policy_digest", "the plan was made under another policy")
    if plan.scope != policy.scope:
        yield Finding("scope", "scope", "the plan was restricted otherwise than it is judged")
    expires = plan.taken_at + timedelta(seconds=policy.expires_after_s)
    if plan.expires_at != expires:
        yield Finding(
            "expiry",
            "expires_at",
            f"{plan.expires_at.isoformat()}: {policy.expires_after_s} s after the snapshot is {expires.isoformat()}",
        )
    if now is not None and now >= plan.expires_at:
        yield Finding("expired", "expires_at", f"the plan expired at {plan.expires_at.isoformat()}")


# -- moves ---------------------------------------------------------------------------------------------------------


def read_moves(fleet: Fleet, plan: Plan) -> Script:
    """Turn the plan's moves into indices, and say what keeps them from being followed."""
    script = Script()
    script.findings.extend(_unknown(fleet, plan))
    if script.findings:
        script.readable = False
        return script
    number = {move.id: i for i, move in enumerate(plan.moves)}
    for move in plan.moves:
        vm, source, target = fleet.vm_index[move.vm], fleet.host_index[move.source], fleet.host_index[move.target]
        script.moves.append(Move(vm, source, target))
        script.after.append([number[p] for p in move.after])
    try:
        closure = closures(script.after)
    except ValueError:
        script.findings.append(
            Finding("after_cycle", "moves", "moves wait for one another, so none of them ever starts")
        )
        script.readable = False
        return script
    script.depth = [0] * len(plan.moves)
    for m in sorted(range(len(plan.moves)), key=lambda m: closure[m].bit_count()):
        script.depth[m] = 1 + max((script.depth[p] for p in script.after[m]), default=0)
    script.order = sorted(range(len(plan.moves)), key=lambda m: (script.depth[m], m))
    for m in script.order:
        script.chains.setdefault(script.moves[m].vm, []).append(m)
    broken = [f for chain in script.chains.values() for f in _broken_chain(fleet, plan, script, chain, closure)]
    script.findings.extend(broken)
    script.connected = not broken
    return script


def _unknown(fleet: Fleet, plan: Plan) -> Iterator[Finding]:
    ids = Counter(move.id for move in plan.moves)
    for name, times in ids.items():
        if times > 1:
            yield Finding("move_id", f"moves[{name}]", f"{times} moves are called {name}")
    for move in plan.moves:
        if move.vm not in fleet.vm_index:
            yield Finding("unknown_vm", f"moves[{move.id}].vm", f"the fleet has no VM {move.vm}")
        for end, host in (("from", move.source), ("to", move.target)):
            if host not in fleet.host_index:
                yield Finding("unknown_host", f"moves[{move.id}].{end}", f"the fleet has no host {host}")
        for p in move.after:
            if p not in ids:
                yield Finding("after_unknown", f"moves[{move.id}].after", f"the plan has no move {p}")


def _broken_chain(
    fleet: Fleet, plan: Plan, script: Script, chain: Sequence[int], closure: Sequence[int]
) -> Iterator[Finding]:
    """Follow one VM: each of its moves starts where the one before ended, and waits for it."""
    at = int(fleet.vms.host[script.moves[chain[0]].vm])
    for i, m in enumerate(chain):
        move, said = script.moves[m], plan.moves[m]
        if move.source != at:
            stands = "nowhere" if at == ABSENT else f"on {fleet.hosts.ids[at]}"
            yield Finding("source", f"moves[{said.id}].from", f"{said.vm} is {stands} then, not on {said.source}")
        if move.source == move.target:
            yield Finding("no_move", f"moves[{said.id}].to", f"{said.vm} is to move from {said.source} to itself")
        if i and not closure[m] >> chain[i - 1] & 1:
            before = plan.moves[chain[i - 1]].id
            yield Finding(
                "chain", f"moves[{said.id}].after", f"it does not wait for {before}, which moves {said.vm} too"
            )
        at = move.target


def judge_moves(fleet: Fleet, plan: Plan, script: Script) -> Iterator[Finding]:
    """Yield what moves say of themselves and is not so."""
    copied = copied_mib(fleet)
    last = {chain[-1] for chain in script.chains.values()}
    for m, said in enumerate(plan.moves):
        move = script.moves[m]
        amount = int(copied[move.vm])
        seconds = move_seconds(fleet, move.vm, move.source, move.target, amount)
        if said.staging != (m not in last):
            ends = "moves on from there" if m not in last else "stays there"
            yield Finding("staging", f"moves[{said.id}].staging", f"says {said.staging}, but {said.vm} {ends}")
        if said.copied_mib != amount:
            yield Finding("copied_mib", f"moves[{said.id}].copied_mib", f"says {said.copied_mib}, it is {amount}")
        if abs(said.seconds - seconds) > TENTH:
            yield Finding("seconds", f"moves[{said.id}].seconds", f"says {said.seconds}, it is {seconds}")


# -- batches -------------------------------------------------------------------------------------------------------


def judge_batches(fleet: Fleet, policy: Policy, plan: Plan, script: Script) -> Iterator[Finding]:
    """Yield where the batches do not hold every move once, in order, and within the limits."""
    by_id = {move.id: move for move in plan.moves}
    number = {move.id: i for i, move in enumerate(plan.moves)}
    budgets = Budgets(fleet, policy.concurrency)
    listed = Counter(name for batch in plan.batches for name in batch.moves)
    if [b.batch for b in plan.batches] != list(range(1, len(plan.batches) + 1)):
        yield Finding("batch", "batches", "batches are not numbered 1, 2, 3, ...")
    for name in listed.keys() | by_id.keys():
        if listed[name] != 1 or name not in by_id:
            yield Finding("batch", "batches", f"move {name} is in {listed[name]} batches, and has to be in one")
    for batch in plan.batches:
        members = [by_id[name] for name in batch.moves if name in by_id]
        for move in members:
            if move.batch != batch.batch:
                yield Finding(
                    "batch", f"moves[{move.id}].batch", f"says {move.batch}, but batch {batch.batch} lists it"
                )
        longest = max((move.seconds for move in members), default=0.0)
        if abs(batch.seconds - longest) > TENTH:
            yield Finding("batch_seconds", f"batches[{batch.batch}].seconds", f"says {batch.seconds}, it is {longest}")
        at_once = [script.moves[number[move.id]] for move in members]
        yield from _over_limits(fleet, policy, budgets, batch.batch, at_once)
    yield from _too_early(plan.moves, by_id)


def _too_early(moves: Sequence[PlannedMove], by_id: dict[str, PlannedMove]) -> Iterator[Finding]:
    for move in moves:
        for p in move.after:
            if by_id[p].batch >= move.batch:
                yield Finding(
                    "batch_order",
                    f"moves[{move.id}].batch",
                    f"{move.id} is in batch {move.batch}, and waits for {p} of batch {by_id[p].batch}",
                )


def _over_limits(
    fleet: Fleet, policy: Policy, budgets: Budgets, batch: int, moves: Sequence[Move]
) -> Iterator[Finding]:
    allowed = policy.concurrency
    taken: Counter[tuple[str, str]] = Counter()
    limit = {
        "fleet": allowed.fleet_cap(len(fleet.hosts.ids)),
        "source": allowed.per_source,
        "target": allowed.per_target,
        "vm": 1,
    }
    limit |= {level: n for level, n in allowed.per_domain.items() if level in fleet.level_index}
    for move in moves:
        taken["fleet", fleet.id] += 1
        taken["vm", fleet.vms.ids[move.vm]] += 1
        taken["source", fleet.hosts.ids[move.source]] += 1
        taken["target", fleet.hosts.ids[move.target]] += 1
        for level in allowed.per_domain.keys() & fleet.level_index.keys():
            number = fleet.level_index[level]
            for d in {fleet.hosts.domain[number, h] for h in (move.source, move.target)}:
                taken[f"{level}", fleet.domain_ids[number][d]] += 1
    disrupted = Counter(budget for move in moves for budget in budgets.of(move.vm))
    for budget, n in sorted(disrupted.items()):
        others = len(budgets.strangers.get(budget, ()))
        if n + others > budget.limit:
            what = f"{budget.kind} {budget.name}" + (f" ({others} by others)" if others else "")
            message = f"{n + others} moves at once of {what}, {budget.limit} allowed"
            yield Finding("batch_limit", f"batches[{batch}]", message)
    for (kind, name), n in sorted(taken.items()):
        if n > max(1, limit[kind]):
            yield Finding(
                "batch_limit", f"batches[{batch}]", f"{n} moves at once for {kind} {name}, {limit[kind]} allowed"
            )
