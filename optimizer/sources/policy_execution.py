"""The `execution` of a policy: how plans are carried out."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.execution import WEEKDAYS, Execution, TimeWindow, WindowBudget
from optimizer.sources.policy_guards import GatesPart, HooksPart
from optimizer.sources.prometheus_part import PrometheusPart

__all__ = ["ExecutionPart"]

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_DEFAULTS = Execution()

_Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Offset = Annotated[str, Field(pattern=r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$")]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Window:
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(default_factory=list)
    opens: _Clock
    closes: _Clock
    utc_offset: _Offset = "+00:00"

    def plain(self) -> TimeWindow:
        hours, minutes = self.utc_offset[1:].split(":")
        offset = (int(hours) * 60 + int(minutes)) * (-1 if self.utc_offset[0] == "-" else 1)
        days = frozenset(WEEKDAYS.index(day) for day in self.days)
        return TimeWindow(time.fromisoformat(self.opens), time.fromisoformat(self.closes), days, offset)


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class _Budget:
    hours: Annotated[int, Field(ge=1, le=8_760)]
    moves: _Count | None = None
    gib: _Count | None = None
    per: Literal["fleet", "source", "target"] = "fleet"

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.moves is None and self.gib is None:
            raise ValueError("moves or gib has to be given")
        return self


@dataclass(frozen=True, kw_only=True, config=_CONFIG)
class ExecutionPart:
    """The part of the document; `plain` returns it as the policy has it."""

    canary: _Count = _DEFAULTS.canary
    attempts: Annotated[int, Field(ge=1, le=10)] = _DEFAULTS.attempts
    stall_s: Annotated[int, Field(ge=10, le=86_400)] = _DEFAULTS.stall_s
    seconds_per_gib: Annotated[int, Field(ge=1, le=86_400)] = _DEFAULTS.seconds_per_gib
    patience_s: Annotated[int, Field(ge=10, le=604_800)] = _DEFAULTS.patience_s
    breaker_hosts: _Count = _DEFAULTS.breaker_hosts
    breaker_share: Annotated[float, Field(gt=0, le=1)] = _DEFAULTS.breaker_share
    approval: bool = _DEFAULTS.approval
    windows: list[_Window] = Field(default_factory=list, max_length=100)
    budgets: list[_Budget] = Field(default_factory=list, max_length=100)
    gates: GatesPart = Field(default_factory=GatesPart)
    hooks: HooksPart = Field(default_factory=HooksPart)
    prometheus: PrometheusPart = Field(default_factory=PrometheusPart)

    def plain(self) -> Execution:
        """Return it as plain data."""
        return Execution(
            canary=self.canary,
            attempts=self.attempts,
            stall_s=self.stall_s,
            seconds_per_gib=self.seconds_per_gib,
            patience_s=self.patience_s,
            breaker_hosts=self.breaker_hosts,
            breaker_share=self.breaker_share,
            approval=self.approval,
            windows=tuple(window.plain() for window in self.windows),
            budgets=tuple(WindowBudget(b.hours * 3600, b.moves, b.gib, b.per) for b in self.budgets),
            gates=self.gates.plain(),
            hooks=self.hooks.plain(),
            prometheus=self.prometheus.plain(),
        )
