"""What differs between two plans: VMs that move in one alone, or elsewhere; what each costs, and leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.charts.bars import Bar, bars
from optimizer.report.page import Page, Table, Tone
from optimizer.report.violations import measured
from optimizer.report.words import amount, count, duration, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.plan import Plan, PlannedMove, Remaining
    from optimizer.report.charts.drawing import Drawing

__all__ = ["PlanDiff", "Side", "Way", "describe_diff", "diff_chart", "diff_page"]

LEFT, RIGHT = "the first", "the second"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the plans: how it ended, and what it costs."""

    id: str
    status: str
    moves: int
    displaced: int
    staging: int
    copied_mib: int
    batches: int
    seconds: float
    remaining: int


@dataclass(frozen=True, slots=True)
class Way:
    """A VM that moves: from where to where by each plan (None where it stays), over which staging hops, and why."""

    vm: str
    source: str
    first: str | None
    second: str | None
    first_by: tuple[str, ...]
    second_by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Left:
    """A violation that one of the plans leaves."""

    rule: str
    subject: str
    resource: str | None
    excess: int
    why: str


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """What differs.

    `added` VMs move by the second plan alone, `dropped` by the first alone; `retargeted` end on other hosts; `rerouted`
    end on the same host by other hops; `same` VMs move alike. `one_fleet`, `one_policy` and `one_scope`: whether both
    plans are of the same snapshot, policy and switches.
    """

    fleet: str
    one_fleet: bool
    one_policy: bool
    one_scope: bool
    first: Side
    second: Side
    same: int
    added: tuple[Way, ...]
    dropped: tuple[Way, ...]
    retargeted: tuple[Way, ...]
    rerouted: tuple[Way, ...]
    left_by_first: tuple[Left, ...]
    left_by_second: tuple[Left, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both move the same VMs to the same hosts in the same way, and leave the same."""
        differ = (self.added, self.dropped, self.retargeted, self.rerouted, self.left_by_first, self.left_by_second)
        return not any(differ)


def describe_diff(first: Plan, second: Plan) -> PlanDiff:
    """Compare two plans, VM by VM."""
    a, b = _ways(first), _ways(second)
    ways = [_way(vm, a.get(vm, []), b.get(vm, [])) for vm in dict.fromkeys((*a, *b))]
    both = [way for way in ways if way.first is not None and way.second is not None]
    there = [way for way in both if way.first == way.second]
    left_a, left_b = _left(first), _left(second)
    return PlanDiff(
        fleet=first.fleet,
        one_fleet=(first.fleet, first.fleet_digest) == (second.fleet, second.fleet_digest),
        one_policy=first.policy_digest == second.policy_digest,
        one_scope=first.scope == second.scope,
        first=_side(first),
        second=_side(second),
        same=sum(way.first_by == way.second_by for way in there),
        added=tuple(way for way in ways if way.first is None),
        dropped=tuple(way for way in ways if way.second is None),
        retargeted=tuple(way for way in both if way.first != way.second),
        rerouted=tuple(way for way in there if way.first_by != way.second_by),
        left_by_first=tuple(one for key, one in left_a.items() if key not in left_b),
        left_by_second=tuple(one for key, one in left_b.items() if key not in left_a),
    )


def _ways(plan: Plan) -> dict[str, list[PlannedMove]]:
    """Return the moves of each VM, in their order."""
    out: dict[str, list[PlannedMove]] = {}
    for move in plan.moves:
        out.setdefault(move.vm, []).append(move)
    return out


def _way(vm: str, a: list[PlannedMove], b: list[PlannedMove]) -> Way:
    moves = a or b
    return Way(
        vm=vm,
        source=moves[0].source,
        first=a[-1].target if a else None,
        second=b[-1].target if b else None,
        first_by=tuple(m.target for m in a[:-1]),
        second_by=tuple(m.target for m in b[:-1]),
        why=next((m.why for m in (*a, *b) if m.why), ""),
    )


def _left(plan: Plan) -> Mapping[tuple[str, str, str | None, str | None, int], Left]:
    return {_key(r): Left(r.rule, r.subject, r.resource, r.excess, r.why) for r in plan.remaining}


def _key(r: Remaining) -> tuple[str, str, str | None, str | None, int]:
    return r.rule, r.subject, r.resource, r.domain, r.excess


def _side(plan: Plan) -> Side:
    return Side(
        id=plan.id,
        status=plan.status.value,
        moves=len(plan.moves),
        displaced=len({m.vm for m in plan.moves}),
        staging=sum(m.staging for m in plan.moves),
        copied_mib=sum(m.copied_mib for m in plan.moves),
        batches=len(plan.batches),
        seconds=round(sum(b.seconds for b in plan.batches), 1),
        remaining=len(plan.remaining),
    )


def diff_page(facts: PlanDiff) -> Page:
    """Lay out what differs."""
    page = Page()
    page.line(*_answer(facts))
    if not facts.one_fleet:
        page.line("the plans are of different snapshots: a VM may have been elsewhere", Tone.WARN)
    if not facts.one_policy:
        page.line("the plans are of different policies", Tone.WARN)
    if not facts.one_scope:
        page.line("the plans are restricted by different switches (--drain, --only, --max-moves, ...)", Tone.QUIET)
    page.table(_costs(facts))
    for title, ways in _lists(facts):
        if ways:
            page.heading(f"{title}: {len(ways):,}")
            page.table(_ways_table(ways))
    for side, left in ((LEFT, facts.left_by_first), (RIGHT, facts.left_by_second)):
        if left:
            page.heading(f"Left by {side} only: {len(left):,}")
            table = Table(("rule", "subject", ">excess", "~why"))
            for one in left:
                table.add(one.rule, one.subject, measured(one.resource, one.excess), one.why, tone=Tone.WARN)
            page.table(table)
    return page


def _answer(facts: PlanDiff) -> tuple[str, Tone]:
    if facts.is_empty:
        return f"both plans make the same {count(facts.first.moves, 'move')} and leave the same", Tone.GOOD
    parts = [
        f"{len(ways):,} {what}"
        for what, ways in (
            ("added", facts.added),
            ("dropped", facts.dropped),
            ("to another host", facts.retargeted),
            ("by another way", facts.rerouted),
        )
        if ways
    ]
    moved = ", ".join(parts) or "no VM moves differently"
    left = f"; violations left: {facts.first.remaining:,} by {LEFT}, {facts.second.remaining:,} by {RIGHT}"
    return f"{moved}, {facts.same:,} the same{left}", Tone.PLAIN


def _costs(facts: PlanDiff) -> Table:
    a, b = facts.first, facts.second
    table = Table(("", ">first", ">second"))
    for name, one, other in (
        ("plan", shortened(a.id, 24), shortened(b.id, 24)),
        ("status", a.status, b.status),
        ("moves", f"{a.moves:,}", f"{b.moves:,}"),
        ("staging hops", f"{a.staging:,}", f"{b.staging:,}"),
        ("VMs displaced", f"{a.displaced:,}", f"{b.displaced:,}"),
        ("copied", amount("copied_mib", a.copied_mib), amount("copied_mib", b.copied_mib)),
        ("batches", f"{a.batches:,}", f"{b.batches:,}"),
        ("takes about", duration(a.seconds), duration(b.seconds)),
        ("violations left", f"{a.remaining:,}", f"{b.remaining:,}"),
    ):
        table.add(name, one, other)
    return table


def _lists(facts: PlanDiff) -> tuple[tuple[str, tuple[Way, ...]], ...]:
    return (
        ("Added: they move by the second alone", facts.added),
        ("Dropped: they move by the first alone", facts.dropped),
        ("To another host", facts.retargeted),
        ("By another way to the same host", facts.rerouted),
    )


def _ways_table(ways: tuple[Way, ...]) -> Table:
    table = Table(("VM", "from", "first", "second", "~why"))
    for way in ways:
        table.add(way.vm, way.source, _to(way.first, way.first_by), _to(way.second, way.second_by), way.why or "-")
    return table


def _to(target: str | None, by: tuple[str, ...]) -> str:
    return "stays" if target is None else " > ".join((*by, target))


def diff_chart(facts: PlanDiff) -> Drawing:
    """Draw how many VMs move alike, elsewhere, or by one of the plans alone."""
    rows = [
        ("the same", facts.same, "soft"),
        ("to another host", len(facts.retargeted), "h3"),
        ("by another way", len(facts.rerouted), "h2"),
        ("added", len(facts.added), "h4"),
        ("dropped", len(facts.dropped), "quiet"),
    ]
    return bars(
        "VMs that move, from the first plan to the second", [Bar(n, ((k, p),), count(k, "VM")) for n, k, p in rows]
    )
