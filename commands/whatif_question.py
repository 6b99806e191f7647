"""What the what-if questions about a fleet as it is share: their options, their limits, what an answer is about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.common import (
    began_at,
    fleet_argument,
    json_option,
    load_laid,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    seconds_left,
    seed_option,
    time_limit_option,
    workers_option,
)
from commands.report import report_option
from optimizer.grammar import count

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.report.whatif_facts import About
    from optimizer.whatif.effort import Effort

__all__ = ["Question", "at_most_all", "effort_of", "level_of", "pool_of", "question_options", "request_of"]

F = TypeVar("F", bound="Callable[..., Any]")
Document = dict[str, Any]

_OPTIONS = (policy_option, overlay_option, time_limit_option, workers_option, seed_option, report_option, json_option)


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
    def read(
        cls, fleet: Path, policy_name: str, overlay: Path | None, given: Document, reserve: Sequence[Path] = ()
    ) -> Question:
        """Read fleet and policy, with reserved VMs where there is room for them; refuse what means nothing."""
        from optimizer.clock import SystemClock

        started = SystemClock().monotonic()
        policy = load_policy(policy_name)
        snapshot, _, document = load_laid(fleet, overlay)
        refuse_or_warn(snapshot, policy)
        if reserve:
            from commands.whatif_reserve import with_reservations
            from optimizer.sources.fleet_json import fleet_from_document

            document = with_reservations(document, reserve, policy, effort_of(given))
            snapshot = replace(fleet_from_document(document, str(fleet)), digest=snapshot.digest)
        return cls(snapshot, policy, given, started)

    @property
    def seconds(self) -> float:
        """What is left of the time limit, which is for the whole process."""
        from optimizer.clock import SystemClock

        clock = SystemClock()
        return seconds_left(self.given["time_limit"], began_at(clock), clock, counted=False)

    def effort(self, interrupt: threading.Event | None) -> Effort:
        """Return what the answer may cost."""
        return effort_of(self.given, interrupt)

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


def at_most_all(fleet: Fleet, option: str, hosts: int | None) -> None:
    """Refuse a question about more hosts than there are.

    Raises
    ------
    InputError
        It is one.
    """
    from optimizer.errors import InputError

    if hosts is not None and hosts > len(fleet.hosts):
        raise InputError(option, "", hosts, f"at most the {count(len(fleet.hosts), 'host')} of fleet {fleet.id}")


def effort_of(given: Document, interrupt: threading.Event | None = None) -> Effort:
    """Return what an answer may cost, counted from the start of the process."""
    from optimizer.clock import SystemClock
    from optimizer.whatif.effort import Effort

    clock = SystemClock()
    left = seconds_left(given["time_limit"], began_at(clock), clock, counted=False)
    return Effort(clock, clock.monotonic() + left, given["workers"], given["seed"], interrupt=interrupt)


def request_of(document: Document, given: Document, many: int) -> tuple[str, Document]:
    """Return where the new VMs come from, and the request for them."""
    from optimizer.sources.request import copy_of, flavour, read_request

    named = [name for name in ("flavour", "like", "request") if given[name] is not None]
    if len(named) != 1:
        raise click.UsageError(
            "say which VMs: one of --flavour SIZE, --like VM, --request FILE", click.get_current_context()
        )
    if given["request"] is not None:
        return str(given["request"]), read_request(given["request"], document)
    where = f"--{named[0]}"
    request = (flavour if named[0] == "flavour" else copy_of)(given[named[0]], document, where, _unused(document))
    request["vms"][0]["count"] = many
    return where, request


def _unused(document: Document) -> str:
    taken = {vm["id"] for vm in document["vms"]}
    return next(name for name in ("new", *(f"new-{i}" for i in range(2, len(taken) + 3))) if name not in taken)


def pool_of(fleet: Fleet, by: str) -> str:
    """Return what to answer by; the level that no move leaves, if there is one and nothing else is asked."""
    from optimizer.errors import InputError
    from optimizer.similar import similar, similar_or_some

    if not by:
        return fleet.levels[fleet.move_within] if fleet.move_within else ""
    if by.startswith("label:"):
        keys = sorted({key for labels in fleet.hosts.labels for key in labels})
        key = by.removeprefix("label:")
        if key not in keys:
            raise InputError("--by", "", by, "a label of some host", similar_or_some(key, keys))
    elif by not in fleet.level_index:
        expected = f"a level ({', '.join(fleet.levels)}) or label:KEY"
        raise InputError("--by", "", by, expected, similar(by, fleet.levels))
    return by
