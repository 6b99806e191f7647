"""`remora whatif lose`: does everything restart elsewhere if hosts are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import Whole, say
from commands.interrupt import Interrupt
from commands.report import write_answer
from commands.whatif_question import Question, at_most_all, level_of, question_options
from commands.whatif_reserve import reserve_option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.whatif.loss import Loss

__all__ = ["lose_command"]


@click.command("lose")
@question_options
@reserve_option
@click.option(
    "--hosts",
    multiple=True,
    metavar="HOST",
    help="Lose these hosts at once, or all of LEVEL:ID; repeatable, globs and @FILE work.",
)
@click.option("--level", metavar="LEVEL", help="Lose each domain of this level in turn; host for each host.")
@click.option(
    "--any", "any_k", type=Whole(1, 1000), metavar="K", help="Lose any K hosts at once: each set of K in turn."
)
@click.option("--stopped", is_flag=True, help="VMs that are stopped need a host again too.")
def lose_command(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
    hosts: tuple[str, ...],
    level: str | None,
    any_k: int | None,
    reserve: tuple[Path, ...],
    stopped: bool,
    **given: Any,
) -> Exit:
    """Try the loss of hosts: whether everything restarts elsewhere under all rules, with nothing else moved.

    Without an option each host is lost in turn, and each domain of the levels between hosts and the highest. Restarts
    are packed, not summed, and each packing that lets all restart can be had with --json. Exits with 1 if something
    has no host after a loss, or that could not be found out in time.
    """
    from optimizer.report.whatif_loss_facts import describe_any, describe_losses
    from optimizer.report.whatif_loss_page import loss_page
    from optimizer.whatif.any_loss import lose_any
    from optimizer.whatif.lose import lose
    from optimizer.whatif.restart import Restarts
    from optimizer.whatif.spare import spares

    if sum(map(bool, (hosts, level, any_k))) > 1:
        raise click.UsageError("--hosts, --level and --any ask two questions: ask one", click.get_current_context())
    question = Question.read(fleet, policy_name, overlay, given, reserve)
    losses = _losses(question.fleet, hosts, level)
    at_most_all(question.fleet, "--any", any_k)
    with Interrupt() as interrupt:
        effort = question.effort(interrupt.event)
        restarts = Restarts(question.fleet, question.policy, stopped=stopped)
        if any_k:
            facts = describe_any(lose_any(restarts, any_k, effort), question.about())
        else:
            answer = lose(restarts, losses, effort)
            found = spares(restarts, [o for o in answer.outcomes if not o.survives], effort)
            facts = describe_losses(answer, found, question.about())
        say(as_json, lambda: facts, lambda: loss_page(facts))
        write_answer(given["report"], facts, lambda: loss_page(facts))
    if interrupt.asked:
        return Exit.INTERRUPTED
    all_of_them = facts.sets or len(losses)
    return Exit.DONE if facts.survived == all_of_them else Exit.ATTENTION


def _losses(fleet: Fleet, hosts: Sequence[str], level: str | None) -> list[Loss]:
    from optimizer.fleet.selection import named_hosts
    from optimizer.sources.scope_words import host_words
    from optimizer.whatif.loss import each_of, each_to_lose, together

    if hosts:
        words = host_words("--hosts", hosts, fleet)
        return [together(fleet, sorted({h for word in words for h in named_hosts(fleet, word)}))]
    if level:
        return each_of(fleet, level_of(fleet, "--level", level))
    return each_to_lose(fleet)
