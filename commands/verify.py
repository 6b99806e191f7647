"""`remora verify`: whether a plan is safe, and what it claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    fleet_argument,
    json_option,
    load_fleet,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("verify")
@fleet_argument
@click.argument("plan", type=FILE)
@policy_option
@overlay_option
@json_option
def command(fleet: Path, plan: Path, policy: str, overlay: Path | None, as_json: bool) -> Exit:
    """Judge a plan again, knowing nothing of how it was made.

    Every state that carrying it out can reach, every claim, and every part of its proof. Leaves with 1 if the plan
    is not safe or not what it claims.
    """
    from optimizer.report.verify_page import describe_verdict, verify_page
    from optimizer.sources.plan_json import read_claims
    from optimizer.verify.verify import verify

    wish = load_policy(policy)
    snapshot = load_fleet(fleet, overlay)
    refuse_or_warn(snapshot, wish)
    answer, misfits = read_claims(plan)
    facts = describe_verdict(answer, verify(snapshot, wish, answer), misfits)
    say(as_json, lambda: facts, lambda: verify_page(facts))
    return Exit.DONE if facts.holds else Exit.ATTENTION
