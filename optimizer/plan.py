"""The answer: a plan as the document `remora-plan/1` says it, in names rather than indices.

Only data; `optimizer.sources.plan_json` reads and writes it, `optimizer.sequence` makes its moves and verifies it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from optimizer.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.caution import Caution

__all__ = [
    "STOPPED_BY",
    "Advice",
    "Batch",
    "Cause",
    "Part",
    "Plan",
    "PlannedMove",
    "Proof",
    "Reason",
    "Remaining",
    "StageResult",
    "StageStatus",
    "Status",
    "Unevaluated",
    "impossible_because",
]


STOPPED_BY = frozenset({"error", "gap", "interrupt", "memory", "time", "work", "work_limit"})
"""What may have ended the search for better."""


def impossible_because(harm: int) -> str:
    """Return the reason of a plan that is `impossible`: what is proven to remain, and was not to."""
    return f"a clean fleet was required, but harm {harm} is proven to remain, whatever moves"


class Status(Enum):
    """What a plan claims; see FORMATS."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    NOTHING_TO_DO = "nothing_to_do"
    NO_PLAN_IN_TIME = "no_plan_in_time"
    IMPOSSIBLE = "impossible"


class StageStatus(Enum):
    """Whether a stage's value meets its bound."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage of the objective: its value, a true lower bound, and what ended the search for better."""

    stage: str
    value: int
    bound: int
    stopped_by: str | None = None

    @property
    def gap(self) -> float:
        """(value - bound) / value; 0 where both are 0."""
        return round((self.value - self.bound) / self.value, 6) if self.value else 0.0

    @property
    def status(self) -> StageStatus:
        """Optimal where the value meets the bound."""
        return StageStatus.OPTIMAL if self.value == self.bound else StageStatus.FEASIBLE


@dataclass(frozen=True, slots=True)
class Part:
    """An independent piece of a proof: of `vms`, all on `hosts`, at least that much must move.

    `at_least` is in the stage's own measure. `curve[m]`, where given, is the least harm that the part's instances keep
    if at most `m` of the measure is spent on it (the last entry holds for more as well). `by` names the argument.
    `prices`, where given, are those of `vms`, in millionths of a move.
    """

    hosts: tuple[str, ...]
    vms: tuple[str, ...]
    at_least: int
    by: str
    curve: tuple[tuple[int, int], ...] = ()
    prices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a stage's value cannot be below `bound`: the parts' minima add up, since no VM is in two parts."""

    stage: str
    bound: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """A violation at the start that a move helps to repair."""

    rule: str
    subject: str
    value: int
    limit: int
    resource: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One live migration. `after` alone carries safety: it starts only when the whole closure of `after` succeeded."""

    id: str
    vm: str
    source: str
    target: str
    after: tuple[str, ...]
    batch: int
    staging: bool
    seconds: float
    copied_mib: int
    reasons: tuple[Reason, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Moves that may be in flight together; batches throttle, they do not carry safety."""

    batch: int
    moves: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a violation remains: the rule or limit which, lifted for `vm`, opens `hosts` hosts to it.

    `kind` is a word of `optimizer.planning.obstacles.Kind`; `host` is one of the hosts, that on which it was tried;
    `reason` is for what no single rule or limit explains, and for the plan's moves in place of which `vm` would move.
    """

    kind: str
    rule: str = ""
    vm: str = ""
    subject: str = ""
    resource: str = ""
    hosts: int = 0
    host: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """The cause of what remains, and in words what was found to help; `deferred` where only a budget is in the way."""

    cause: Cause
    would_help: str
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Remaining:
    """A violation that the plan leaves; `deferred` names the limit that makes it wait, where one does."""

    rule: str
    subject: str
    excess: int
    why: str
    would_help: str
    resource: str | None = None
    domain: str | None = None
    cause: Cause | None = None
    deferred: str = ""


@dataclass(frozen=True, slots=True)
class Unevaluated:
    """A fact that a rule wanted and that many VMs or hosts do not have."""

    rule: str
    what: str
    vms: int = 0
    hosts: int = 0


@dataclass(frozen=True)
class Plan:
    """A plan; field for field the document, with `from` and `to` called source and target."""

    id: str
    fleet: str
    taken_at: datetime
    fleet_digest: str
    policy_digest: str
    made_at: datetime
    expires_at: datetime
    status: Status
    objective: tuple[StageResult, ...]
    proof: tuple[Proof, ...]
    moves: tuple[PlannedMove, ...]
    batches: tuple[Batch, ...]
    remaining: tuple[Remaining, ...]
    not_evaluated: tuple[Unevaluated, ...]
    stats: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[Caution, ...] = ()
    scope: Scope = EVERYTHING
