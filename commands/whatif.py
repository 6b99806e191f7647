"""`remora whatif`: questions of capacity. Reads only; every answer has its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    Whole,
    fleet_argument,
    json_option,
    load_laid,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
    seed_option,
    time_limit_option,
    warn_of_groups,
    workers_option,
)
from commands.interrupt import Interrupt
from commands.listing import Group
from commands.path_types import SETTINGS
from commands.report import report_option, write_answer
from commands.whatif_growth import grow_command, size_command
from commands.whatif_hosts import HOST_QUESTIONS
from commands.whatif_question import at_most_all, effort_of, level_of, pool_of, request_of
from commands.whatif_reserve import reserve_option, with_reservations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.policy import Policy
    from optimizer.report.whatif_facts import About

__all__ = ["command"]

F = TypeVar("F", bound="Callable[..., Any]")
Document = dict[str, Any]


@click.group("whatif", cls=Group, no_args_is_help=False)
def command() -> None:
    """Ask what would be: how many VMs more fit, where new ones go. Nothing is changed.

    Every answer says its bound: "proven" where no better answer exists, or how far off one could be at most. Rules of
    the policy bind as they bind a plan; preferences (should) only rank hosts.
    """


_OF_ALL = (
    fleet_argument,
    policy_option,
    overlay_option,
    reserve_option,
    time_limit_option,
    workers_option,
    seed_option,
    report_option,
    json_option,
)
_NEW_VMS = (
    click.option("--flavour", metavar="SIZE", help="VMs of one size, such as cpu=2,memory=8GiB,disk=100GiB."),
    click.option("--like", metavar="VM", help="VMs like this one: its size, owner, labels and needs, not its groups."),
    click.option("--request", type=FILE, metavar="FILE", help="A file of new VMs (remora-request/1, YAML or JSON)."),
)


def _with(options: tuple[Callable[[Any], Any], ...]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@command.command("fit")
@_with(_OF_ALL)
@_with(_NEW_VMS)
@click.option("--replicas", type=Whole(1, 10_000), metavar="N", help="Count groups of N such VMs.")
@click.option("--level", metavar="LEVEL", help="With --replicas: the level at which a group is spread; host if absent.")
@click.option(
    "--at-most",
    type=Whole(1, 10_000),
    default=1,
    show_default=True,
    metavar="K",
    help="With --replicas: at most K of a group in a domain of that level.",
)
@click.option("--moves", type=Whole(0, 200), metavar="K", help="Also how many fit after at most K moves, as a curve.")
@click.option(
    "--survive", type=Whole(1, 100), metavar="K", help="Also how many fit so that any K hosts may be lost (N+K)."
)
@click.option("--by", default="", metavar="POOL", help="Answer by pool: a level, or label:KEY.")
def fit_command(fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, by: str, **given: Any) -> Exit:
    """Count how many VMs more fit, without moving anything, and what stops the next one.

    A request with several entries asks for a mix: `count` of each in one unit. Groups that are counted with --replicas
    keep to their level; groups that a request names are one and the same for all its VMs.
    """
    from optimizer.check import check
    from optimizer.clock import SystemClock
    from optimizer.report.whatif_facts import describe_fit
    from optimizer.report.whatif_page import fit_page
    from optimizer.report.whatif_survive_page import describe_survival
    from optimizer.whatif.fit import fit
    from optimizer.whatif.survive import survive

    clock = SystemClock()
    started = clock.monotonic()
    asked = Asked.read(fleet, policy_name, overlay, given)
    at_most_all(asked.fleet, "--survive", given["survive"])
    replicas = _replicas(asked.fleet, len(asked.wanted), given)
    pool, steps = pool_of(asked.fleet, by), _steps(given, asked.wanted)
    with Interrupt() as interrupt:
        effort = effort_of(given, interrupt.event)
        answer = fit(asked.fleet, asked.policy, asked.wanted, effort, replicas, steps)
        survival = None
        if given["survive"] is not None:
            found = survive(answer.fleet, asked.policy, answer.new[0], answer.bound, given["survive"], effort)
            survival = describe_survival(answer.fleet, found)
        violations = check(asked.fleet, asked.policy)
        facts = describe_fit(answer, asked.about(clock.monotonic() - started), pool, violations, survival)
        say(as_json, lambda: facts, lambda: fit_page(facts))
        write_answer(given["report"], facts, lambda: fit_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE


@command.command("place")
@_with(_OF_ALL)
@_with(_NEW_VMS)
@click.option(
    "--count", type=Whole(1, 100_000), default=1, show_default=True, help="With --flavour or --like: how many."
)
@click.option(
    "--hosts", type=Whole(1, 1000), default=5, show_default=True, help="How many hosts to rank for each size."
)
def place_command(
    fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, count: int, hosts: int, **given: Any
) -> Exit:
    """Choose hosts for new VMs, together, without moving anything; say why the other hosts are skipped.

    Exits with 1 if not all of them have a host.
    """
    from optimizer.clock import SystemClock
    from optimizer.report.whatif_facts import describe_place
    from optimizer.report.whatif_page import place_page
    from optimizer.whatif.place import place

    clock = SystemClock()
    started = clock.monotonic()
    if given["request"] is not None and count != 1:
        raise click.UsageError(
            "--count is for --flavour and --like; a request says its own", click.get_current_context()
        )
    asked = Asked.read(fleet, policy_name, overlay, given, count)
    with Interrupt() as interrupt:
        answer = place(asked.fleet, asked.policy, asked.wanted, effort_of(given, interrupt.event), hosts)
        facts = describe_place(answer, asked.about(clock.monotonic() - started))
        say(as_json, lambda: facts, lambda: place_page(facts))
        write_answer(given["report"], facts, lambda: place_page(facts))
    if interrupt.asked:
        return Exit.INTERRUPTED
    return Exit.DONE if facts.placed == facts.asked else Exit.ATTENTION


@command.command("compare")
@_with(_OF_ALL)
@click.option(
    "--scenarios", type=SETTINGS, required=True, metavar="FILE", help="The scenarios (remora-scenarios/1, YAML)."
)
@_with(_NEW_VMS)
def compare_command(
    fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, scenarios: Path, **given: Any
) -> Exit:
    """Compare the fleet as it is with scenarios: hosts, sizes, overcommit, reserves or the policy changed.

    For each: what is wrong, the fewest moves that repair it, whether VMs without a host find one, and with --flavour,
    --like or --request how many more fit. The scenarios share the time limit.
    """
    from commands.whatif_scenarios import compared
    from optimizer.report.compare_page import compare_page

    with Interrupt() as interrupt:
        facts = compared(fleet, policy_name, overlay, scenarios, given, interrupt.event)
        say(as_json, lambda: facts, lambda: compare_page(facts))
        write_answer(given["report"], facts, lambda: compare_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE


class Asked:
    """A fleet with the VMs that a question is about, and the policy that binds them."""

    def __init__(self, fleet: Fleet, digest: str, policy: Policy, wanted: list[tuple[int, int]]) -> None:
        self.fleet, self.digest, self.policy, self.wanted = fleet, digest, policy, wanted

    @classmethod
    def read(cls, fleet: Path, policy_name: str, overlay: Path | None, given: Document, count: int = 1) -> Asked:
        """Read all that a question names; refuse what means nothing."""
        from optimizer.sources.request import with_request

        policy = load_policy(policy_name)
        snapshot, _, document = load_laid(fleet, overlay)
        refuse_or_warn(snapshot, policy)
        document = with_reservations(document, given["reserve"], policy, effort_of(given))
        where, request = request_of(document, given, count)
        larger, new = with_request(document, request, where)
        warn_of_groups(larger)
        return cls(larger, snapshot.digest, policy, [(one.vm, one.count) for one in new])

    def about(self, seconds: float) -> About:
        """Return what the answer is about."""
        from optimizer.report.whatif_facts import About

        return About(self.fleet.id, self.digest, self.policy.name, self.policy.digest, round(seconds, 3))


def _replicas(fleet: Fleet, entries: int, given: Document) -> Any:
    from optimizer.whatif.fit import Replicas

    context = click.get_current_context()
    if given["replicas"] is None:
        if given["level"] is not None or given["at_most"] != 1:
            raise click.UsageError("--level and --at-most are for --replicas", context)
        return None
    if entries != 1:
        raise click.UsageError("--replicas counts groups of one size: the request has several", context)
    level = level_of(fleet, "--level", given["level"] or "host")
    return Replicas(given["replicas"], level, given["at_most"])


def _steps(given: Document, wanted: list[tuple[int, int]]) -> list[int]:
    """Return the numbers of moves to answer for: few at first, then ever larger steps."""
    most = given["moves"]
    several = given["replicas"] is not None or len(wanted) > 1 or wanted[0][1] > 1
    if several and given["survive"] is not None:
        raise click.UsageError("--survive counts VMs of one size: no --replicas, no mix", click.get_current_context())
    if most is None:
        return []
    return sorted({n for n in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200) if n < most} | {most})


for _question in (*HOST_QUESTIONS, grow_command, size_command):
    command.add_command(_question)
