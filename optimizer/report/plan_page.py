"""The page of a plan: what it achieves, its moves, the hosts it touches, what remains, and why not with less."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from optimizer.engine import LocalEngine
from optimizer.grammar import listed
from optimizer.plan import Status
from optimizer.planning.obstacles import Kind
from optimizer.problem.problem import Least, Stage
from optimizer.report.balance import balance_lines
from optimizer.report.called import NOBODY, Called
from optimizer.report.page import Page, Table, Tone, not_printed
from optimizer.report.scope import deferred_line, scope_line
from optimizer.report.violations import measured, not_evaluated
from optimizer.report.words import amount, count, duration, percent, shortened, spoken
from optimizer.scope import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optimizer.plan import Part, Plan, PlannedMove, Proof, Remaining, StageResult
    from optimizer.report.loads import HostChange, Load

__all__ = ["moves_table", "moves_with_causes", "plan_page", "proof_line", "remaining", "stage_value", "status_line"]

STAGES = {
    Stage.HARM.value: "violations left (must)",
    Stage.SHOULD_HARM.value: "violations left (should)",
    Stage.PRICED.value: "moves and priced shoulds",
    Stage.MOVING.value: "migration cost",
    Stage.PLACEMENT.value: "tie-break",
    Stage.COST.value: "cost",
}

TELLING = 9_500
"""From here on the tie-break says something: a move waits for another, or a host ends above 95 % of a limit."""

HARM = (
    "harm: 1,000 x the rule's weight for each VM or domain too many, too few or in the wrong place; for a load over "
    "its limit, the share of what the host has (all of it: 1,000)"
)

CURVE_WIDTH = 100
HOSTS_NAMED = 8

LESS = {
    Least.MOVES: "fewer moves",
    Least.GIB: "less copying",
    Least.SECONDS: "less time",
    Least.WEIGHTED: "less migration cost",
}
"""What an optimal plan is proven to be without, by what its policy counts."""


def plan_page(
    plan: Plan,
    changes: Sequence[HostChange] | None,
    least: Least,
    called: Called = NOBODY,
    copied: Iterable[str] = (),
    not_placed: int = 0,
    rows: int | None = None,
) -> Page:
    """Lay out a plan.

    Parameters
    ----------
    changes
        The hosts that it touches; None where there is no time to list them.
    least
        What its policy counts as moving.
    copied
        The resources that travel with a VM.
    not_placed
        How many VMs are on no host yet.
    rows
        How many violations that are left are listed at most, for lack of time; None: all.
    """
    page = Page()
    if said := scope_line(plan.scope):
        page.line(said)
    page.line(*status_line(plan, least))
    if outside := plan.stats.get("outside_scope"):
        page.line(f"outside the scope: {count(int(str(outside)), 'violation')}, left as found", Tone.QUIET)
    if waits := deferred_line(plan):
        page.line(waits, Tone.WARN)
    if not_placed:
        one = not_placed == 1
        page.line(
            f"{count(not_placed, 'VM')} {'is' if one else 'are'} on no host yet and left alone "
            "(`remora whatif place --like VM` says where such a VM fits)",
            Tone.WARN,
        )
    if plan.objective:
        page.table(_objective(plan.objective, least))
        balance_lines(page, plan)
        if any(s.value for s in plan.objective if s.stage in (Stage.HARM.value, Stage.SHOULD_HARM.value)):
            page.line(
                HARM + ("; for a host that could not be emptied, 1,000,000" if plan.scope.whole else ""), Tone.QUIET
            )
    if plan.moves:
        page.heading(f"Moves: {len(plan.moves):,}")
        moves_with_causes(page, plan.moves, called)
        _totals(page, plan, copied)
    _validity(page, plan)
    if plan.moves and changes is None:
        page.line("the hosts changed are not listed, for lack of time", Tone.WARN)
    elif plan.moves and changes is not None:
        page.heading(f"Hosts changed: {len(changes):,} (load before -> after, of the limit)")
        page.table(_hosts_table(changes, called))
    remaining(page, plan, called, rows)
    not_evaluated(page, plan.not_evaluated)
    _partition(page, plan)
    _proof(page, plan, least)
    return page


def status_line(plan: Plan, least: Least) -> tuple[str, Tone]:
    """Say the status so that an operator need not know the words of the format."""
    moves = count(len(plan.moves), "move")
    repairs = ("repairs" if len(plan.moves) == 1 else "repair") + (
        " every violation in scope" if plan.scope.only else " every violation"
    )
    if plan.scope.balance:
        repairs += f" and even{'s' if len(plan.moves) == 1 else ''} out {listed(map(spoken, plan.scope.balance))}"
    left = _left(plan)
    match plan.status:
        case Status.NOTHING_TO_DO:
            more = ", and no move was found that evens out more" if plan.scope.balance else ""
            return f"nothing to do: no violations{' in scope' if plan.scope.only else ''}{more}", Tone.GOOD
        case Status.NO_PLAN_IN_TIME:
            return "no plan in time: nothing better than staying was found, and it is not proven that there is none", (
                Tone.BAD
            )
        case Status.IMPOSSIBLE:
            return f"impossible: {plan.reason or 'what is demanded contradicts itself'}", Tone.BAD
        case Status.OPTIMAL if not plan.moves:
            fits = "fits within the limits" if any(r.deferred or _beyond(r) for r in plan.remaining) else "helps"
            return f"optimal: no move {fits}, proven{left}", Tone.WARN
        case Status.OPTIMAL:
            tone = Tone.WARN if left else Tone.GOOD
            return f"optimal: {moves}{left or f' {repairs}'}; no plan needs {LESS[least]}, proven", tone
        case Status.FEASIBLE:
            kept = f", {count(len(plan.remaining), 'violation')} left" if plan.remaining else f" {repairs}"
            return f"feasible: {moves}{kept}, not proven to be the best{_open_stage(plan, least)}", Tone.WARN
    raise AssertionError(plan.status)


def _left(plan: Plan) -> str:
    """Say how much remains: what waits for a limit, what no run within the limits repairs, and what no plan repairs."""
    waiting = [r.resource == WAITING for r in plan.remaining if r.deferred]
    hosts, others, beyond = sum(waiting), len(waiting) - sum(waiting), sum(map(_beyond, plan.remaining))
    never = len(plan.remaining) - len(waiting) - beyond
    parts = [
        f"{count(n, what)} {'is' if n == 1 else 'are'} deferred"
        for n, what in ((hosts, "host"), (others, "violation"))
        if n
    ]
    parts += [f"{count(beyond, 'violation')} {'takes' if beyond == 1 else 'take'} a larger limit"] * bool(beyond)
    parts += [f"{count(never, 'violation')} cannot be repaired"] * bool(never)
    return "".join(f", {part}" for part in parts[:-1]) + f", and {parts[-1]}" if parts else ""


def _beyond(left: Remaining) -> bool:
    """Whether only a limit on moves is in the way, and no later run has more of it."""
    return left.cause is not None and left.cause.kind == Kind.BUDGET.value and not left.deferred


def _open_stage(plan: Plan, least: Least) -> str:
    """Name the first stage whose value is above its bound: what could be better, and by how much at most."""
    for s in plan.objective:
        if s.value > s.bound and s.stage != Stage.PLACEMENT.value:
            value, bound = stage_value(s, s.value, least), stage_value(s, s.bound, least)
            return f" ({s.stage} is {value}, and cannot be below {bound})"
    return ""


def stage_value(stage: StageResult | Proof, value: int, least: Least) -> str:
    """Render a stage's value in the measure of the stage."""
    if stage.stage != Stage.MOVING.value:
        return f"{value:,}"
    match least:
        case Least.MOVES:
            return count(value, "move")
        case Least.GIB:
            return amount("copied_mib", value)
        case Least.SECONDS:
            return duration(value / 10)
        case Least.WEIGHTED:
            return f"{value / 1000:.3f} of move_cost"
    raise AssertionError(least)


def _objective(stages: Sequence[StageResult], least: Least) -> Table:
    table = Table(("stage", "", ">value", ">bound", "?>gap", "status", "stopped by"))
    for s in stages:
        if s.stage == Stage.PLACEMENT.value and s.value < TELLING:
            continue
        value, bound = stage_value(s, s.value, least), stage_value(s, s.bound, least)
        tone = Tone.GOOD if s.value == s.bound else Tone.PLAIN
        gap = f"{100 * s.gap:.1f} %"
        table.add(
            s.stage, STAGES.get(s.stage, ""), value, bound, gap, s.status.value, _stopped_by(s.stopped_by), tone=tone
        )
    return table


def moves_with_causes(page: Page, moves: Sequence[PlannedMove], called: Called = NOBODY) -> None:
    """Add the moves in their order, and below them each cause once, with the number that its moves have."""
    causes = {why: n for n, why in enumerate(dict.fromkeys(m.why for m in moves if m.why), 1)}
    page.table(moves_table(moves, causes, called))
    shared = Counter(m.why for m in moves)
    for why, n in causes.items():
        page.line(f"why {n}: {why}" + (f" ({shared[why]:,} moves)" if shared[why] > 1 else ""))


def moves_table(moves: Sequence[PlannedMove], causes: Mapping[str, int], called: Called = NOBODY) -> Table:
    """Tabulate moves in their order; a staging hop has ``hop`` beside the number of its cause."""
    table = Table(("move", "VM", "from", "to", "~after", ">batch", ">copied", ">takes", ">why"))
    for m in moves:
        why = " ".join(["hop"] * m.staging + [str(causes[m.why])] * bool(m.why)) or "-"
        after = ", ".join(m.after) or "-"
        times = (amount("copied_mib", m.copied_mib), duration(m.seconds))
        ends = (called.vm(m.vm), called.host(m.source), called.host(m.target))
        table.add(m.id, *ends, after, m.batch, *times, why)
    return table


def _totals(page: Page, plan: Plan, resources: Iterable[str]) -> None:
    displaced = len({m.vm for m in plan.moves})
    hops = sum(m.staging for m in plan.moves)
    copied = amount("copied_mib", sum(m.copied_mib for m in plan.moves))
    parts = f" ({listed(spoken(name) for name in resources)})" if resources else ""
    lasts = duration(sum(b.seconds for b in plan.batches))
    staged = f" ({count(hops, 'staging hop')} among them)" if hops else ""
    page.line(
        f"total: {count(len(plan.moves), 'move')}{staged}, {count(displaced, 'VM')} displaced, {copied} copied{parts}, "
        f"{count(len(plan.batches), 'batch', 'batches')}, about {lasts}"
    )


def _validity(page: Page, plan: Plan) -> None:
    """Say that a plan cannot be acted on, or not to its end in time."""
    lasts = timedelta(seconds=sum(b.seconds for b in plan.batches))
    if plan.made_at >= plan.expires_at:
        what = "too old to act on" if plan.moves else "old: the fleet may have changed since"
        page.line(f"for study only: the snapshot, of {plan.taken_at.isoformat()}, is {what}", Tone.WARN)
    elif plan.made_at + lasts > plan.expires_at:
        page.line(
            f"the plan expires at {plan.expires_at.isoformat()}, before its moves can have ended: an exported script "
            "starts no batch after that (policy: expires_after_s; the script: EXPIRED_OK=1)",
            Tone.WARN,
        )


def _hosts_table(changes: Sequence[HostChange], called: Called) -> Table:
    resources = sorted({load.resource for change in changes for load in change.loads})
    table = Table(("host", ">VMs", *(f">{spoken(name)} %" for name in resources)))
    for change in changes:
        by_name = {load.resource: load for load in change.loads}
        vms = f"{change.vms_before} -> {change.vms_after}"
        over = any(load.limit is not None and load.after > load.limit for load in change.loads)
        cells = [_change(by_name[name]) if name in by_name else "-" for name in resources]
        table.add(called.host(change.host), vms, *cells, tone=Tone.BAD if over else Tone.PLAIN)
    return table


def _change(load: Load) -> str:
    limit = load.limit or 0
    before, after = percent(load.before, limit), percent(load.after, limit)
    return f"{before.removesuffix(' %')} -> {after.removesuffix(' %')}"


def remaining(page: Page, plan: Plan, called: Called = NOBODY, rows: int | None = None) -> None:
    """List what the plan leaves wrong, and what would help; no more than `rows` of it where these are given."""
    if not plan.remaining:
        return
    page.heading(f"What remains: {len(plan.remaining):,}")
    table = Table(("rule", "subject", ">excess"))
    for (why, would_help), alike in _by_cause(plan.remaining[:rows]).items():
        helped = would_help and not any(_not_analysed(r) for r in alike)
        below = [f"why: {why}"] * bool(why) + [f"what would help: {would_help}"] * bool(helped)
        for r in alike:
            waits = [f"deferred: it waits for {r.deferred}"] * bool(r.deferred)
            subject, excess = called.subject(r.subject), measured(r.resource, r.excess)
            table.add(r.rule, subject, excess, tone=Tone.WARN, below=below + waits)
    page.table(table)
    if len(table.rows) < len(plan.remaining):
        page.line(not_printed(len(plan.remaining) - len(table.rows)), Tone.WARN)
    open_ = list(dict.fromkeys(called.subject(r.subject) for r in plan.remaining if _not_analysed(r)))
    if open_:
        page.line(
            f"what would help was not analysed, for lack of time, for {len(open_):,} of these: {_few(open_)}; "
            "a longer --time-limit, or --only with one of them, gives more",
            Tone.WARN,
        )


def _not_analysed(left: Remaining) -> bool:
    return left.cause is not None and left.cause.kind == Kind.NOT_ANALYSED.value


def _by_cause(left: Iterable[Remaining]) -> dict[tuple[str, str], list[Remaining]]:
    """Put together what stays for one reason, in order of first appearance: the reason is then said once."""
    found: dict[tuple[str, str], list[Remaining]] = {}
    for r in left:
        found.setdefault((r.why, r.would_help), []).append(r)
    return found


def _partition(page: Page, plan: Plan) -> None:
    """Say into how many parts the fleet was split, where it was, and who solved them; and if an engine had no part."""
    split = plan.stats.get("partition")
    if not isinstance(split, dict):
        return
    if split.get("parts") == 1 and split.get("engine") != LocalEngine.name:
        page.heading("Solved whole")
        page.line(f"the engine {split['engine']} had nothing to do: --parts N splits a fleet of this size")
    if not isinstance(split.get("done"), list):
        return
    given_up = sum(part["worker"] is None for part in split["done"])
    page.heading(f"Solved in {split['parts']:,} parts")
    page.line(f"by {count(split['workers'], 'worker')} (engine {split['engine']}), and repaired across the boundaries")
    if given_up:
        page.line(f"{count(given_up, 'part')} not done in time: nothing moved there but what the boundaries asked for")


def _proof(page: Page, plan: Plan, least: Least) -> None:
    lines = [proof_line(proof, least) for proof in plan.proof if proof.bound]
    clean = plan.stats.get("clean_displaces_at_least")
    if isinstance(clean, int):
        has = "has" if clean == 1 else "have"
        lines.append(f"to have nothing broken, at least {count(clean, 'VM')} {has} to be displaced")
    if lines:
        page.heading("Why not less")
        for line in lines:
            page.line(line)


def proof_line(proof: Proof, least: Least) -> str:
    """Say why a stage cannot be below its bound: how many parts need at least how much, and by which argument."""
    kinds = Counter((part.by, part.at_least) for part in proof.parts if not part.curve)
    curves = Counter(part.by for part in proof.parts if part.curve)
    said = [_kind_line(proof, by, least_each, n, least) for (by, least_each), n in sorted(kinds.items())]
    said += [
        f"{count(n, 'part')}, by the least harm that each keeps for what moves ({argument(by)})"
        for by, n in curves.items()
    ]
    hosts = len({h for part in proof.parts for h in part.hosts})
    where = f" on {count(hosts, 'host')}" if hosts else ""
    return f"{proof.stage} is at least {stage_value(proof, proof.bound, least)}{where}: " + (
        "; ".join(said) or "proven"
    )


def argument(by: str) -> str:
    """Render the name that the document gives to an argument, in words for people."""
    return "connected component's minimum" if by == "own minimum" else by


def _kind_line(proof: Proof, by: str, each: int, parts: int, least: Least) -> str:
    needs = stage_value(proof, each, least)
    if parts == 1:
        return f"1 part needs at least {needs} ({argument(by)})"
    return f"{parts:,} independent parts need at least {needs} each ({argument(by)})"


def parts_table(proof: Proof, least: Least) -> Table:
    """Tabulate the parts of a proof."""
    table = Table(("by", ">at least", ">VMs", "~hosts"))
    for part in proof.parts:
        table.add(argument(part.by), _least_of(proof, part, least), f"{len(part.vms):,}", _hosts_of(part))
    return table


def _least_of(proof: Proof, part: Part, least: Least) -> str:
    if not part.curve:
        return stage_value(proof, part.at_least, least)
    steps = ", ".join(f"{harm:,} for {stage_value(proof, cost, least)}" for cost, harm in part.curve)
    return shortened(f"harm {steps}", CURVE_WIDTH)


def _hosts_of(part: Part) -> str:
    return _few(part.hosts) or "-"


def _few(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - HOSTS_NAMED
    return ", ".join(names[:HOSTS_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _stopped_by(limit: str | None) -> str:
    """Return what ended a stage's search, in words."""
    return {None: "-", "work": "search finished", "work_limit": "work limit"}.get(limit, limit or "-")
