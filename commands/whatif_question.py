"""What the what-if questions about a fleet as it is share: their options, their limits, what an answer is about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from commands.common import (
    began_at,
    fleet_argument,
    json_option,
    load_fleet,
    load_fleet_and_document,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    seconds_left,
    seed_option,
    time_limit_option,
    workers_option,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.effort import Effort

__all__ = ["Question", "level_of", "question_options"]

F = TypeVar("F", bound="Callable[..., Any]")

_OPTIONS = (policy_option, overlay_option, time_limit_option, workers_option, seed_option, json_option)


def question_options(function: F) -> F:
    """Give a command the argument FLEET, and the options that every question has."""
    for option in reversed((fleet_argument, *_OPTIONS)):
        function = option(function)
    return function


class Question:
    """A fleet as it is, the policy that binds it, and the limits of the answer."""

    def __init__(self, fleet: Fleet, policy: Policy, given: dict[str, Any], started: float) -> None:
        self.fleet, self.policy, self.given, self.started = fleet, policy, given, started

    @classmethod
    def read(cls, fleet: Path, policy: str, overlay: Path | None, given: dict[str, Any]) -> Question:
        """Read fleet and policy; refuse what means nothing."""
        from optimizer.clock import SystemClock

        started = SystemClock().monotonic()
        wish = load_policy(policy)
        snapshot = load_fleet(fleet, overlay)
        refuse_or_warn(snapshot, wish)
        return cls(snapshot, wish, given, started)

    def with_reserved(self, fleet: Path, overlay: Path | None, files: Sequence[Path]) -> Question:
        """Return the question about the fleet in which reserved VMs stand where there is room for them."""
        if not files:
            return self
        from commands.whatif_reserve import with_reservations
        from optimizer.sources.fleet_json import fleet_from_document
        from optimizer.sources.overlay import apply_overlay

        _, document = load_fleet_and_document(fleet)
        document = document if overlay is None else apply_overlay(document, overlay)
        document = with_reservations(document, files, self.policy, self.effort(None))
        larger = replace(fleet_from_document(document, str(fleet)), digest=self.fleet.digest)
        return Question(larger, self.policy, self.given, self.started)

    @property
    def seconds(self) -> float:
        """What is left of the time limit, which is for the whole process."""
        from optimizer.clock import SystemClock

        clock = SystemClock()
        return seconds_left(self.given["time_limit"], began_at(clock), clock, counted=False)

    def effort(self, interrupt: threading.Event | None) -> Effort:
        """Return what the answer may cost."""
        from optimizer.clock import SystemClock
        from optimizer.whatif.effort import Effort

        clock = SystemClock()
        until = clock.monotonic() + self.seconds
        return Effort(clock, until, self.given["workers"], self.given["seed"], interrupt=interrupt)

    def about(self) -> About:
        """Return what the answer is about, and what it took until now."""
        from optimizer.clock import SystemClock
        from optimizer.report.whatif_facts import About

        seconds = round(SystemClock().monotonic() - self.started, 3)
        return About(self.fleet.id, self.fleet.digest, self.policy.name, self.policy.digest, seconds)


def level_of(fleet: Fleet, option: str, name: str) -> int:
    """Return the number of a level.

    Raises
    ------
    InputError
        There is no such level.
    """
    from optimizer.errors import InputError
    from optimizer.similar import similar

    if name not in fleet.level_index:
        raise InputError(option, "", name, f"a level ({', '.join(fleet.levels)})", similar(name, fleet.levels))
    return fleet.level_index[name]
