"""`remora check`: what is wrong with a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    fleet_argument,
    json_option,
    load_fleet,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
)
from commands.report import report_option, write_check_report

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("check")
@fleet_argument
@policy_option
@overlay_option
@report_option
@json_option
def command(fleet: Path, policy_name: str, overlay: Path | None, report: Path | None, as_json: bool) -> Exit:
    """List what is wrong with a fleet, rule by rule. Exits with 1 if anything is."""
    from optimizer.check import check
    from optimizer.report.called import Called
    from optimizer.report.violations import check_page, describe_check

    policy = load_policy(policy_name)
    snapshot = load_fleet(fleet, overlay)
    refuse_or_warn(snapshot, policy)
    facts = describe_check(snapshot, policy.name, policy.rules, check(snapshot, policy))
    say(as_json, lambda: facts, lambda: check_page(facts, Called.of(snapshot)))
    write_check_report(report, snapshot, policy, facts, check_page(facts, Called.of(snapshot)))
    return Exit.DONE if facts.clean else Exit.ATTENTION
