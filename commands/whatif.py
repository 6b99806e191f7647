"""`remora whatif`: questions of capacity. Reads only; every answer has its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import Whole, say
from commands.interrupt import Interrupt
from commands.listing import Group
from commands.path_types import SETTINGS
from commands.report import write_answer
from commands.whatif_fit import fit_command
from commands.whatif_growth import grow_command, size_command
from commands.whatif_hosts import HOST_QUESTIONS
from commands.whatif_new_vms import Asked, new_vms_options
from commands.whatif_question import effort_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group("whatif", cls=Group, no_args_is_help=False)
def command() -> None:
    """Ask what would be: how many VMs more fit, where new ones go. Nothing is changed.

    Every answer says its bound: "proven" where no better answer exists, or how far off one could be at most. Rules of
    the policy bind as they bind a plan; preferences (should) only rank hosts.
    """


command.add_command(fit_command)


@command.command("place")
@new_vms_options()
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
@new_vms_options()
@click.option(
    "--scenarios", type=SETTINGS, required=True, metavar="FILE", help="The scenarios (remora-scenarios/1, YAML)."
)
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


for _question in (*HOST_QUESTIONS, grow_command, size_command):
    command.add_command(_question)
