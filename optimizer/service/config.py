"""What the sections of `remora.yaml` say that are the service's: each a dataclass with its defaults."""

from __future__ import annotations

from dataclasses import dataclass as plain
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from optimizer.service.automation import Level
from optimizer.sources.config_yaml import STRICT

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.sources.config_yaml import Config

__all__ = ["AutomationPart", "CyclePart", "DriverPart", "LedgerPart", "PolicyPart", "ServiceConfig", "service_config"]

FIRST = {"policy": "name", "ledger": "place", "driver": "name"}
"""Sections that may be one text alone, and the field that it is the value of."""

HOLDS = 3.0
"""An alert holds for this many times the time between two cycles."""

Part = TypeVar("Part")
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Text = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PolicyPart:
    """Which policy: the name of one that ships, or a file."""

    name: Name = "default"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LedgerPart:
    """Where the ledger is; the stop file is LEDGER.stop unless named."""

    place: Name = "remora-ledger.sqlite"
    stop_file: Text = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DriverPart:
    """What migrates the VMs, and what it reaches, as `apply` has it in --driver and --location."""

    name: Name = "simulated"
    location: Text = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CyclePart:
    """When cycles are made, and how long they may take.

    Parameters
    ----------
    fleet
        The fleet that is looked after; empty: the one that is read first. Another one that is read is an error.
    every_s, jitter
        A cycle every `every_s`, give or take a share `jitter` of it.
    watch_every_s
        How often the fleet is read and watched in between, and as soon as what is pending may open; a plan is made then
        only if an imbalance has opened. None: not at all. Where it is said it may not be longer than `every_s`.
    plan_when
        ``always``, or only where an imbalance is ``open``.
    read_s, plan_s, execute_s
        Deadlines of the stages. After the last nothing more is submitted.
    stop_s
        How long moves in flight are awaited when the service is told to end.
    backoff_s, backoff_most_s
        After the n-th bad cycle in a row the next is tried in ``backoff_s x 2^(n - 1)``, at most the second.
    lease_again_s
        How often a replica that does not lead tries to.
    workers, seed, memory_mib, gap
        As the options of `plan`.
    state
        A directory for plans, and for what the page shows.
    keep_plans
        How many plans are kept there.
    """

    fleet: Text = ""
    every_s: Seconds = 600.0
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    watch_every_s: Seconds | None = 300.0
    plan_when: Literal["always", "open"] = "always"
    read_s: Seconds = 60.0
    plan_s: Seconds = 60.0
    execute_s: Seconds = 3600.0
    stop_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    backoff_s: Seconds = 60.0
    backoff_most_s: Seconds = 3600.0
    lease_again_s: Seconds = 10.0
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    memory_mib: Annotated[int, Field(ge=64, le=10**7)] = 4096
    gap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    state: Name = "remora-state"
    keep_plans: Annotated[int, Field(ge=1, le=100_000)] = 100

    @model_validator(mode="before")
    @classmethod
    def _watched_within_a_cycle(cls, said: Any) -> Any:
        """Refuse a look in between that comes later than the cycle; the default is for longer cycles alone."""
        watch_s = said.get("watch_every_s") if isinstance(said, dict) else None
        every_s = said.get("every_s", cls.every_s) if isinstance(said, dict) else None
        if isinstance(watch_s, int | float) and isinstance(every_s, int | float) and watch_s > every_s:
            raise ValueError(f"watch_every_s ({watch_s:g}) of at most every_s ({every_s:g}), or null")
        return said

    @model_validator(mode="after")
    def _begins_below_the_most(self) -> Self:
        if self.backoff_s > self.backoff_most_s:
            raise ValueError(f"backoff_s ({self.backoff_s:g}) of at most backoff_most_s ({self.backoff_most_s:g})")
        return self

    @property
    def alert_holds_s(self) -> float:
        """How long an alert holds that is not sent again: longer than any rest between two cycles."""
        return HOLDS * (max(self.every_s, self.backoff_most_s) if self.watch_every_s is None else self.every_s)

    @property
    def longest_s(self) -> float:
        """How long one stage may last, of those with a deadline here."""
        return max(self.read_s, self.plan_s, self.execute_s + self.stop_s)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AutomationPart:
    """How far the service goes by itself, and what the ledger has as who ordered it, and why."""

    level: Level = Level.OBSERVE
    by: Text = ""
    reason: Name = "periodic run"


@plain(frozen=True, slots=True)
class ServiceConfig:
    """The sections that a service needs, checked; paths are relative to the file's own directory."""

    config: Config
    policy: str
    ledger: str
    stop_file: str
    driver: DriverPart
    cycle: CyclePart
    automation: AutomationPart
    state: Path

    def field(self, name: str) -> str:
        """Return the path of the field that says `policy`, `ledger` or `driver`: the section, if that is one text."""
        return name if isinstance(self.config.sections.get(name), str) else f"{name}.{FIRST[name]}"


def service_config(config: Config) -> ServiceConfig:
    """Check the sections that every service needs.

    `policy`, `ledger` and `driver` may be a text alone: a name, a place, a name.

    Raises
    ------
    InputError
        With the path of the field that is wrong.
    """
    policy = _named(config, "policy", PolicyPart).name
    ledger = _named(config, "ledger", LedgerPart)
    cycle = config.section("cycle", CyclePart)
    place = ledger.place if "://" in ledger.place else str(config.beside(ledger.place))
    return ServiceConfig(
        config=config,
        policy=str(config.beside(policy)) if "/" in policy or policy.endswith((".yaml", ".yml")) else policy,
        ledger=place,
        stop_file=str(config.beside(ledger.stop_file)) if ledger.stop_file else "",
        driver=_named(config, "driver", DriverPart),
        cycle=cycle,
        automation=config.section("automation", AutomationPart),
        state=config.beside(cycle.state),
    )


def _named(config: Config, name: str, kind: type[Part]) -> Part:
    """Return a section that may be one text alone: the value of its first field."""
    said = config.sections.get(name)
    if isinstance(said, str):
        config = replace(config, sections={**config.sections, name: {FIRST[name]: said}})
    return config.section(name, kind)
