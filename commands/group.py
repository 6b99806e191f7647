"""The group of all commands; each has its file beside this one."""

from __future__ import annotations

import os

import click

from commands import (
    agent,
    apply,
    bench,
    check,
    compiling,
    controls,
    cycles,
    diff,
    explain,
    gateway,
    generate,
    importing,
    interference,
    journey,
    ledger,
    plan,
    roadef,
    rules,
    run,
    schema,
    serve,
    show,
    signals_group,
    verify,
    watch,
    whatif,
)
from commands.boundary import Remora, print_version
from commands.debug import VARIABLE, log_to_stderr

__all__ = ["remora"]


@click.group(
    cls=Remora,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print it.")
@click.option("--debug", is_flag=True, help=f"Log each step to standard error as key=value ({VARIABLE}=1 does too).")
@click.pass_context
def remora(context: click.Context, debug: bool) -> None:
    """Keep a fleet of virtual machines well placed, with the fewest live migrations there can be, proven.

    Exit codes: 0 nothing wrong, 1 something needs attention, 2 the input or the command line is wrong (nothing was
    written), 3 no plan in time, 4 stopped by a safety, 70 an internal error, 130 interrupted.
    """
    if debug or os.environ.get(VARIABLE):
        context.with_resource(log_to_stderr())
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    plan.command,
    check.command,
    verify.command,
    diff.command,
    apply.command,
    controls.stop,
    controls.resume,
    controls.limit,
    controls.approve,
    ledger.status,
    ledger.command,
    run.command,
    cycles.command,
    watch.watch,
    watch.imbalances,
    watch.evidence,
    journey.command,
    serve.command,
    gateway.command,
    agent.command,
    explain.command,
    whatif.command,
    show.command,
    importing.command,
    signals_group.command,
    generate.command,
    interference.command,
    rules.command,
    schema.command,
    roadef.command,
    compiling.command,
    bench.command,
):
    remora.add_command(_command)
