"""`remora diff`: what differs between two plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import FILE, json_option, say
from commands.report import report_option, write_diff_report

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("diff")
@click.argument("first", type=FILE, metavar="PLAN")
@click.argument("second", type=FILE, metavar="OTHER")
@report_option
@json_option
def command(first: Path, second: Path, report: Path | None, as_json: bool) -> Exit:
    """Say what differs between two plans: VMs that one moves and the other does not, or to another host.

    Both may be of one snapshot (another policy, another limit), or of two. With what each costs, and what each leaves.
    """
    from optimizer.report.plan_diff import describe_diff, diff_page
    from optimizer.sources.plan_json import read_plan

    facts = describe_diff(read_plan(first), read_plan(second))
    say(as_json, lambda: facts, lambda: diff_page(facts))
    write_diff_report(report, facts)
    return Exit.DONE
