"""What-if answers about hosts that are emptied, in data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.plan import StageStatus
from optimizer.problem.problem import Least, Stage

if TYPE_CHECKING:
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan, Remaining
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.drain import Drained

__all__ = ["POSSIBLE", "DrainFacts", "MoveFacts", "Stuck", "describe_drain", "move_facts"]

POSSIBLE, IMPOSSIBLE, OPEN = "possible", "impossible", "open"
"""All leave, shown by the moves; not all can, proven; neither."""


@dataclass(frozen=True, slots=True)
class MoveFacts:
    """A move, in the batch in which it may start."""

    vm: str
    source: str
    target: str
    batch: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """What stays, why, and what would help."""

    subject: str
    why: str
    would_help: str


@dataclass(frozen=True, slots=True)
class DrainFacts:
    """What it takes to empty hosts.

    `left` VMs are still there after the moves. `pushed` VMs on other hosts make room. `bound` is the least that has to
    move (`counted` says in what), `moves_status` whether the moves meet it.
    """

    question: str
    about: About
    hosts: tuple[str, ...]
    vms: int
    status: str
    left: tuple[str, ...]
    moves: tuple[MoveFacts, ...]
    counted: str
    bound: int
    moves_status: str
    pushed: int
    batches: int
    seconds: float
    copied_mib: int
    blocks: tuple[Stuck, ...]


def describe_drain(fleet: Fleet, answer: Drained, least: Least, about: About) -> DrainFacts:
    """Say whether hosts can be emptied, with which moves, and what blocks."""
    moving = next((s for s in answer.plan.objective if s.stage == Stage.MOVING.value), None)
    status = POSSIBLE if answer.possible else IMPOSSIBLE if answer.harm_bound > 0 else OPEN
    return DrainFacts(
        question="drain",
        about=about,
        hosts=tuple(fleet.hosts.ids[h] for h in answer.hosts),
        vms=len(answer.vms),
        status=status,
        left=tuple(fleet.vms.ids[v] for v in answer.left.tolist()),
        moves=move_facts(answer.plan),
        counted=least.value,
        bound=answer.moves_bound,
        moves_status=StageStatus.OPTIMAL.value if moving is None else moving.status.value,
        pushed=answer.pushed,
        batches=len(answer.plan.batches),
        seconds=round(answer.seconds, 1),
        copied_mib=answer.copied_mib,
        blocks=tuple(_stuck(r) for r in answer.plan.remaining),
    )


def move_facts(plan: Plan) -> tuple[MoveFacts, ...]:
    """Return the moves of a plan, batch by batch."""
    return tuple(MoveFacts(m.vm, m.source, m.target, m.batch, m.seconds) for m in plan.moves)


def _stuck(remaining: Remaining) -> Stuck:
    return Stuck(remaining.subject, remaining.why, remaining.would_help)
