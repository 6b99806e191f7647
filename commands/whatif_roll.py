"""`remora whatif roll`: maintenance of all hosts, in how few waves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import say
from commands.interrupt import Interrupt
from commands.report import write_answer
from commands.whatif_question import Question, level_of, question_options

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet

__all__ = ["refuse_unknown_pool", "roll_command"]


@click.command("roll")
@question_options
@click.option(
    "--by",
    default="host",
    show_default=True,
    metavar="UNIT",
    help="What is serviced as a whole: host, another level such as rack, or label:KEY.",
)
def roll_command(fleet: Path, policy_name: str, overlay: Path | None, as_json: bool, by: str, **given: Any) -> Exit:
    """Find the fewest waves in which all hosts can be emptied and serviced, while the rest runs.

    What leaves a host stays where it went. Exits with 1 if some hosts could not be emptied.
    """
    from optimizer.report.whatif_facts import pools_of
    from optimizer.report.whatif_roll_page import describe_roll, roll_page
    from optimizer.whatif.roll import roll

    question = Question.read(fleet, policy_name, overlay, given)
    refuse_unknown_pool(question.fleet, by)
    names, unit = pools_of(question.fleet, by)
    with Interrupt() as interrupt:
        answer = roll(question.fleet, question.policy, unit, question.effort(interrupt.event))
        facts = describe_roll(question.fleet, names, by.removeprefix("label:"), answer, question.about())
        say(as_json, lambda: facts, lambda: roll_page(facts))
        write_answer(given["report"], facts, lambda: roll_page(facts))
    if interrupt.asked:
        return Exit.INTERRUPTED
    return Exit.ATTENTION if answer.stuck else Exit.DONE


def refuse_unknown_pool(fleet: Fleet, by: str) -> None:
    """Refuse what is neither a level nor a label of some host."""
    from optimizer.errors import InputError
    from optimizer.similar import similar_or_some

    if not by.startswith("label:"):
        level_of(fleet, "--by", by)
        return
    keys = sorted({key for labels in fleet.hosts.labels for key in labels})
    key = by.removeprefix("label:")
    if key not in keys:
        raise InputError("--by", "", by, "a label of some host", similar_or_some(key, keys))
