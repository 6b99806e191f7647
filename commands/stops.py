"""What `remora explain` asks of `optimizer.explain`: questions of what stops something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import began_at, say, seconds_left
from commands.switches import under_scope
from optimizer.grammar import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from optimizer.explain.goals import Goal
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.problem.problem import Problem

__all__ = ["asks_what_stops", "refuse_mixed", "say_what_stops"]

QUESTIONS = {"blocked": "--blocked", "drain": "--drain", "fewer": "--fewer", "stops": "--stops"}


def asks_what_stops(options: dict[str, Any]) -> bool:
    """Whether the options ask what stops something."""
    return any(_asks(options[name]) for name in QUESTIONS)


def _asks(given: Any) -> bool:
    """Whether an option was given: a name may be empty, which is an error for whoever reads it."""
    return bool(given) or given == ""


def refuse_mixed(subject: str | None, plan: Plan | None, options: dict[str, Any]) -> None:
    """Refuse questions that do not go together, or lack what they are about.

    Raises
    ------
    click.UsageError
        If they do.
    """
    asked = [option for name, option in QUESTIONS.items() if _asks(options[name])]
    wrong = ""
    if len(asked) > 1:
        wrong = f"{listed(asked)} are different questions: ask one"
    elif subject is not None and not options["stops"]:
        wrong = f"{asked[0]} says itself what it is about: leave out SUBJECT"
    elif options["stops"] and subject is None:
        wrong = "--stops asks about a VM or a host: name it as SUBJECT"
    elif options["fewer"] and plan is None:
        wrong = "--fewer asks about a plan: give it with --plan"
    elif options["to"] is not None and not options["stops"]:
        wrong = "--to asks about a VM: name it as SUBJECT"
    if wrong:
        raise click.UsageError(wrong, click.get_current_context())


def say_what_stops(
    fleet: Fleet, policy: Policy, plan: Plan | None, subject: str | None, options: dict[str, Any], as_json: bool
) -> Exit:
    """Answer, print, and return 0 where nothing stops it, 1 where something does, 3 where that is not known."""
    from optimizer.clock import SystemClock
    from optimizer.explain.stops import Proven, what_stops
    from optimizer.limits import Deadline, Limits
    from optimizer.problem.exactness import check_exact
    from optimizer.problem.problem import build
    from optimizer.report.stops_page import stops_facts, stops_page

    refuse_mixed(subject, plan, options)
    clock = SystemClock()
    seconds = seconds_left(options["time_limit"], began_at(clock), clock, counted=False)
    limits = Limits(seconds=seconds, seed=options["seed"])
    deadline = Deadline.of(limits, clock)
    policy, ask = _question(fleet, policy, plan, subject, options)
    problem = build(fleet, policy.rules, policy.least)
    check_exact(problem, f"fleet {fleet.id} with policy {policy.name}")
    stops = what_stops(problem, ask(problem), limits, deadline, clock.monotonic)
    facts = stops_facts(fleet, policy.name, problem, stops)
    say(as_json, lambda: facts, lambda: stops_page(facts))
    return {
        Proven.STOPPED: Exit.ATTENTION,
        Proven.NO_ORDER: Exit.ATTENTION,
        Proven.POSSIBLE: Exit.DONE,
        Proven.UNKNOWN: Exit.NO_PLAN_IN_TIME,
    }[stops.verdict]


def _question(
    fleet: Fleet, policy: Policy, plan: Plan | None, subject: str | None, options: dict[str, Any]
) -> tuple[Policy, Callable[[Problem], Goal]]:
    """Return the policy under which it is asked, and how the goal is made from the problem."""
    from optimizer.explain.questions import to_move_less, to_repair
    from optimizer.report.subject import SubjectKind, find_subject

    if options["blocked"] is not None:
        return _limited(fleet, policy, options), lambda p: to_repair(p, options["blocked"], fleet, plan)
    if options["fewer"] and plan is not None:
        return policy, lambda p: to_move_less(p, fleet, plan)
    if options["drain"]:
        return _emptied(fleet, policy, options, options["drain"])
    what = find_subject(fleet, None, subject)
    if what.kind is SubjectKind.HOST:
        return _emptied(fleet, policy, options, (fleet.hosts.ids[what.index],))
    return _limited(fleet, policy, options), _of_vm(fleet, what.index, options["to"])


def _of_vm(fleet: Fleet, vm: int, to: str | None) -> Callable[[Problem], Goal]:
    from optimizer.errors import InputError
    from optimizer.explain.questions import to_leave, to_place
    from optimizer.fleet import ABSENT
    from optimizer.report.subject import find_host

    if fleet.vms.host[vm] == ABSENT:
        raise InputError("explain", "SUBJECT", fleet.vms.ids[vm], "a VM that is placed: a plan leaves others alone")
    if to is None:
        return lambda problem: to_leave(problem, vm)
    host = find_host(fleet, to)
    return lambda problem: to_place(problem, vm, host)


def _limited(fleet: Fleet, policy: Policy, options: dict[str, Any]) -> Policy:
    from optimizer.scope import Scope

    most = options["max_moves"]
    return policy if most is None else under_scope(policy, fleet, Scope(max_moves=most))


def _emptied(
    fleet: Fleet, policy: Policy, options: dict[str, Any], names: tuple[str, ...]
) -> tuple[Policy, Callable[[Problem], Goal]]:
    from optimizer.explain.questions import to_empty
    from optimizer.fleet.selection import host_mask
    from optimizer.scope import Scope
    from optimizer.sources.scope_words import host_words

    words = host_words("--drain", names, fleet)
    scope = Scope(drain=words, max_moves=options["max_moves"])
    return under_scope(policy, fleet, scope), lambda problem: to_empty(problem, host_mask(fleet, words))
