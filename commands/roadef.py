"""`remora roadef`: files of the ROADEF/EURO challenge 2012."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    NewFile,
    json_option,
    not_an_input,
    say,
    seed_option,
    time_limit_option,
    workers_option,
)
from commands.interrupt import Interrupt
from commands.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group("roadef", no_args_is_help=False)
def command() -> None:
    """Solve instances of the ROADEF/EURO challenge 2012 (machine reassignment)."""


@command.command("solve")
@click.argument("model", type=FILE)
@click.argument("assignment", type=FILE)
@click.option("-o", "--output", type=NewFile(), required=True, metavar="OUT", help="Where the solution goes.")
@time_limit_option
@workers_option
@seed_option
@click.option("--deterministic", is_flag=True, help="Limit work instead of time: the same solution on every machine.")
@json_option
def solve(
    model: Path,
    assignment: Path,
    output: Path,
    time_limit: float,
    workers: int,
    seed: int,
    deterministic: bool,
    as_json: bool,
) -> Exit:
    """Find a cheap assignment, write it in the challenge's format, and print its cost, bound and gap."""
    from optimizer.report.cost_page import cost_page, describe_cost
    from optimizer.solve.limits import Limits
    from optimizer.solve.roadef import solve_cost
    from optimizer.sources.roadef import read_roadef, write_solution

    not_an_input("-o", output, model, assignment)
    problem = read_roadef(model, assignment)
    limits = Limits(seconds=time_limit, workers=workers, seed=seed, deterministic=deterministic)
    with Interrupt() as interrupt, Progress("solving") as progress:
        outcome = solve_cost(problem, limits, progress.tell, interrupt=interrupt.event)
    write_solution(output, problem, outcome.placement)
    facts = describe_cost(problem, outcome)
    say(as_json, lambda: facts, lambda: cost_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE
