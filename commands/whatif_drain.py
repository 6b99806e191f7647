"""`remora whatif drain`: can hosts be emptied, with how many moves, how long does it take, what blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import NewFile, say, tell_written, write_json
from commands.interrupt import Interrupt
from commands.report import write_answer
from commands.whatif_question import Question, question_options

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.plan import Plan

__all__ = ["drain_command", "plan_option", "write_plan"]

plan_option = click.option(
    "-o", "--output", type=NewFile(), metavar="PLAN", help="Write the plan there, for `verify` and `apply`."
)


@click.command("drain")
@question_options
@click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
@plan_option
def drain_command(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
    hosts: tuple[str, ...],
    output: Path | None,
    **given: Any,
) -> Exit:
    """Say what it takes to empty hosts: moves, time, and what blocks.

    HOST is an id, LEVEL:ID for all hosts of a domain, a glob in quotes, or @FILE. What is wrong elsewhere stays and
    gets no worse: `plan --drain` repairs it as well. Exits with 1 if VMs stay.
    """
    from commands.switches import under_scope
    from optimizer.report.whatif_drain_facts import describe_drain
    from optimizer.report.whatif_drain_page import drain_page
    from optimizer.sources.scope_words import host_words
    from optimizer.whatif.drain import drain

    question = Question.read(fleet, policy_name, overlay, given)
    words = host_words("HOST", hosts, question.fleet)
    with Interrupt() as interrupt:
        answer = drain(
            question.fleet,
            words,
            lambda scope: under_scope(question.policy, question.fleet, scope),
            question.effort(interrupt.event),
        )
        if output is not None:
            write_plan(output, answer.plan)
        facts = describe_drain(question.fleet, answer, question.policy.least, question.about())
        say(as_json, lambda: facts, lambda: drain_page(facts))
        write_answer(given["report"], facts, lambda: drain_page(facts))
    if interrupt.asked:
        return Exit.INTERRUPTED
    return Exit.DONE if answer.possible else Exit.ATTENTION


def write_plan(output: Path, plan: Plan) -> None:
    """Write a plan, and say so."""
    from optimizer.report.words import count
    from optimizer.sources.plan_json import plan_document

    write_json(output, plan_document(plan))
    tell_written(output, count(len(plan.moves), "move"))
