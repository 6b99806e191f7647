"""`remora verify`: whether a plan is safe, and what it claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    Moment,
    fleet_argument,
    json_option,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
)
from commands.ledger_options import ledger_option
from commands.remembered import with_ledger
from commands.switches import under_scope

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from optimizer.plan import Plan

__all__ = ["command"]


@click.command("verify")
@fleet_argument
@click.argument("plan", type=FILE)
@policy_option
@overlay_option
@click.option(
    "--at",
    type=Moment(),
    metavar="TIME",
    help="Judge whether the plan has expired at this time, such as 2026-11-21T12:10:00Z; the default is now.",
)
@ledger_option
@json_option
def command(
    fleet: Path,
    plan: Path,
    policy_name: str,
    overlay: Path | None,
    at: datetime | None,
    ledger: Path | str,
    as_json: bool,
) -> Exit:
    """Verify a plan independently.

    Every state that carrying it out can reach, every claim, and every part of its proof. Exits with 1 if the plan is
    not safe, not what it claims, or expired. A plan made of a snapshot that was already too old is one to study: that
    it has expired is then a note. A plan that was made with --ledger is verified with it.
    """
    from optimizer.clock import SystemClock
    from optimizer.report.verify_page import describe_verdict, verify_page
    from optimizer.sources.plan_json import read_claims
    from optimizer.verify.verify import verify

    policy = load_policy(policy_name)
    answer, misfits = read_claims(plan)
    snapshot, _ = with_ledger(fleet, overlay, ledger, answer.made_at)
    refuse_or_warn(snapshot, policy)
    policy = under_scope(policy, snapshot, answer.scope)
    today = SystemClock().now()
    when, notes = _expiry(answer, at, today)
    verdict = verify(snapshot, policy, answer, now=when, latest=today)
    facts = describe_verdict(answer, verdict, misfits, notes)
    say(as_json, lambda: facts, lambda: verify_page(facts))
    return Exit.DONE if facts.holds else Exit.ATTENTION


def _expiry(plan: Plan, at: datetime | None, today: datetime) -> tuple[datetime | None, tuple[str, ...]]:
    """Return when the plan has to be alive (None: it never was), and what should be said of that."""
    if at is None and plan.made_at >= plan.expires_at and today >= plan.expires_at:
        told = f"expired: for study only, its snapshot of {plan.taken_at.isoformat()} was too old to act on"
        return None, (told,)
    return at or today, ()
