"""`remora roadef`: files of the ROADEF/EURO challenge 2012."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    NewFile,
    json_option,
    say,
    seed_option,
    time_limit_option,
    workers_option,
)
from commands.interrupt import Interrupt
from commands.listing import Group
from commands.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.group("roadef", cls=Group, no_args_is_help=False)
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
    from optimizer.clock import SystemClock
    from optimizer.limits import Limits
    from optimizer.reassignment.search import solve_cost
    from optimizer.report.cost_page import cost_page, describe_cost
    from optimizer.sources.roadef import read_roadef, write_solution

    clock = SystemClock()
    began = clock.monotonic()
    problem = read_roadef(model, assignment)
    left = time_limit if deterministic else max(0.0, time_limit - (clock.monotonic() - began))
    limits = Limits(seconds=left, workers=workers, seed=seed, deterministic=deterministic)
    with Interrupt() as interrupt, Progress("solving") as progress:
        outcome = solve_cost(problem, limits, progress.tell, interrupt=interrupt.event)
    write_solution(output, problem, outcome.placement)
    facts = describe_cost(problem, outcome)
    say(as_json, lambda: facts, lambda: cost_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE


@command.command("bound")
@click.argument("model", type=FILE)
@click.argument("assignment", type=FILE)
@time_limit_option
@seed_option
@click.option("--deterministic", is_flag=True, help="Limit work instead of time: the same bound on every machine.")
@json_option
def bound(model: Path, assignment: Path, time_limit: float, seed: int, deterministic: bool, as_json: bool) -> Exit:
    """Print what no assignment can cost less than, and by which argument; the more time, the higher."""
    from optimizer.clock import SystemClock
    from optimizer.limits import Deadline, Limits
    from optimizer.reassignment.cost_arrays import lowered
    from optimizer.reassignment.cost_bound import aggregate_bound, cost_bound
    from optimizer.report.cost_page import BoundFacts, bound_page
    from optimizer.sources.roadef import read_roadef

    problem = read_roadef(model, assignment)
    limits = Limits(seconds=time_limit, seed=seed, deterministic=deterministic)
    with Interrupt() as interrupt:
        fixed, start = lowered(problem)
        deadline = Deadline.of(limits, SystemClock(), interrupt.event)
        proven = cost_bound(problem, fixed, start, deadline, seed)
    facts = BoundFacts(
        bound=proven.value,
        bound_by=proven.by.value,
        aggregate=aggregate_bound(problem),
        initial_cost=int(start.total[0]),
        processes=problem.vms,
        machines=problem.hosts,
    )
    say(as_json, lambda: facts, lambda: bound_page(facts))
    return Exit.INTERRUPTED if interrupt.asked else Exit.DONE
