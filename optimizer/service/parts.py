"""Everything that a service is made of, handed in as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.clock import Clock
    from optimizer.policy import Policy
    from optimizer.service.automation import Level
    from optimizer.service.events import Told
    from optimizer.service.keep import Keep
    from optimizer.service.record import CycleBook
    from optimizer.service.roles import Hands, Planner, Reader, Watcher

__all__ = ["Limits", "Parts"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines of the stages, in seconds."""

    read_s: float = 60.0
    plan_s: float = 60.0
    execute_s: float = 3600.0
    stop_s: float = 300.0


@dataclass(frozen=True)
class Parts:
    """Everything that a service is made of."""

    policy: Policy
    level: Level
    clock: Clock
    read: Reader
    watch: Watcher
    plan: Planner
    hands: Hands
    keep: Keep
    book: CycleBook
    told: Told
    limits: Limits = Limits()
    plan_when_open: bool = False
