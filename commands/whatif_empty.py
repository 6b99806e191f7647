"""`remora whatif empty`: consolidation: the most hosts that can be emptied, with the moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import Whole, say
from commands.interrupt import Interrupt
from commands.report import write_answer
from commands.whatif_drain import plan_option, write_plan
from commands.whatif_question import Question, question_options

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["empty_command"]

MOST = 10**9


@click.command("empty")
@question_options
@click.option("--hosts", type=Whole(0, MOST), metavar="N", help="Empty at most N hosts.")
@click.option("--moves", type=Whole(0, MOST), metavar="K", help="By at most K moves.")
@plan_option
def empty_command(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
    hosts: int | None,
    moves: int | None,
    output: Path | None,
    **given: Any,
) -> Exit:
    """Find the most hosts that can be emptied onto others in use, with a bound, and the moves that do it.

    The moves are a plan of the planner's, in a safe order; -o writes it. Hosts without VMs stay so.
    """
    from commands.switches import under_scope
    from optimizer.report.whatif_empty_page import describe_empty, empty_page
    from optimizer.whatif.empty import empty

    question = Question.read(fleet, policy_name, overlay, given)
    with Interrupt() as interrupt:
        answer = empty(
            question.fleet,
            question.policy,
            lambda scope: under_scope(question.policy, question.fleet, scope),
            question.effort(interrupt.event),
            hosts=hosts,
            moves=moves,
        )
        if output is not None and answer.drained is not None:
            write_plan(output, answer.drained.plan)
        elif output is not None:
            click.echo(f"{output}: not written: no host can be emptied", err=True)
        facts = describe_empty(question.fleet, answer, question.about())
        say(as_json, lambda: facts, lambda: empty_page(facts))
        write_answer(given["report"], facts, lambda: empty_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE
