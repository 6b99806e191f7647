"""Why this move: what it repairs, what it waits for, who waits for it, and what the filters say when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.fleet import Move, State
from optimizer.report.arrivals import Says, arrival
from optimizer.report.called import NOBODY, Called
from optimizer.report.loads import host_changes
from optimizer.report.page import Page, Tone
from optimizer.report.plan_page import parts_table, plan_page
from optimizer.report.violations import measured_pair
from optimizer.report.words import amount, duration, percent, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, PlannedMove
    from optimizer.problem.problem import Least
    from optimizer.report.arrivals import Filter
    from optimizer.report.explain import Case
    from optimizer.report.loads import HostChange

__all__ = ["MoveFacts", "PlanFacts", "explain_move", "explain_plan", "explain_plan_page", "move_page", "moves_of"]


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """A move of a plan.

    `waits_for` is the whole closure of `after`; `waited_for_by` all moves that have this one in theirs. `filters` are
    judged in the state in which exactly `waits_for` has succeeded. `hosts` are both ends, before the plan and after
    this move and those it waits for.
    """

    move: PlannedMove
    waits_for: tuple[str, ...]
    waited_for_by: tuple[str, ...]
    filters: tuple[Filter, ...]
    hosts: tuple[HostChange, ...]


def moves_of(fleet: Fleet, planned: Iterable[PlannedMove]) -> list[Move]:
    """Turn names into indices; the moves were checked against the fleet before."""
    vms, hosts = fleet.vm_index, fleet.host_index
    return [Move(vms[m.vm], hosts[m.source], hosts[m.target]) for m in planned]


def explain_move(case: Case, plan: Plan, move: PlannedMove) -> MoveFacts:
    """Gather what is known about one move."""
    by_id = {m.id: m for m in plan.moves}
    closures = {m.id: _closure(by_id, m) for m in plan.moves}
    before = [m for m in plan.moves if m.id in closures[move.id]]
    done = moves_of(case.fleet, before)
    state = State.start(case.fleet).finish(done)
    (itself,) = moves_of(case.fleet, [move])
    changes = host_changes(case.fleet, case.problem.atoms, [*done, itself])
    return MoveFacts(
        move=move,
        waits_for=tuple(m.id for m in before),
        waited_for_by=tuple(m.id for m in plan.moves if move.id in closures[m.id]),
        filters=arrival(case.fleet, case.rules, case.problem.atoms, itself.vm, itself.target, state),
        hosts=tuple(c for c in changes if c.host in (move.source, move.target)),
    )


def _closure(by_id: dict[str, PlannedMove], move: PlannedMove) -> frozenset[str]:
    """Everything that has to succeed before the move may start."""
    found: set[str] = set()
    waiting = list(move.after)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(by_id[name].after)
    return frozenset(found)


def move_page(facts: MoveFacts) -> Page:
    """Lay out a move."""
    page, move = Page(), facts.move
    hop = ", a staging hop" if move.staging else ""
    page.heading(f"Move {move.id}: {move.vm} from {move.source} to {move.target}{hop}")
    page.line(f"batch {move.batch}, {amount('copied_mib', move.copied_mib)} to copy, about {duration(move.seconds)}")
    page.line(f"why: {move.why or '-'}")
    for reason in move.reasons:
        at = f" ({reason.domain})" if reason.domain else ""
        value, limit = measured_pair(reason.resource, reason.value, reason.limit)
        what = f" {spoken(reason.resource)}" if reason.resource else ""
        page.line(f"  repairs {reason.rule} of {reason.subject}{at}:{what} {value}, limit {limit}")
    page.line("starts when these have succeeded: " + (", ".join(facts.waits_for) or "at once"))
    page.line("moves that wait for it: " + (", ".join(facts.waited_for_by) or "none"))
    page.heading("Its hosts, before the plan and after it and the moves it waits for")
    for host in facts.hosts:
        loads = ", ".join(
            f"{spoken(load.resource)} {percent(load.before, load.limit or 0)} -> {percent(load.after, load.limit or 0)}"
            for load in host.loads
        )
        page.line(f"{host.host}: VMs {host.vms_before} -> {host.vms_after}; {loads}")
    skips = [f for f in facts.filters if f.says is Says.SKIP]
    page.heading("Rule checks when it starts")
    for word in skips:
        page.line(f"refused by {word.rule}/{word.reason}: {word.text}", Tone.BAD)
    if not skips:
        page.line(f"all {len(facts.filters)} pass", Tone.GOOD)
    return page


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """A plan and what it does to the hosts that it touches."""

    plan: Plan
    hosts: tuple[HostChange, ...]


def explain_plan(case: Case, plan: Plan) -> PlanFacts:
    """Gather what is known about a plan."""
    return PlanFacts(plan, host_changes(case.fleet, case.problem.atoms, moves_of(case.fleet, plan.moves)))


def explain_plan_page(facts: PlanFacts, least: Least, called: Called = NOBODY, copied: Iterable[str] = ()) -> Page:
    """Lay out a plan with every part of its proof."""
    page = plan_page(facts.plan, facts.hosts, least, called, copied)
    for proof in facts.plan.proof:
        if proof.parts:
            page.heading(f"The proof of {proof.stage}, part by part")
            page.table(parts_table(proof, least))
    return page
