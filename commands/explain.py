"""`remora explain`: why it is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    SECONDS,
    Whole,
    fleet_argument,
    json_option,
    load_fleet,
    load_plan,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
    seed_option,
)
from commands.stops import asks_what_stops, say_what_stops
from commands.switches import MOST, under_scope

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.policy import Policy
    from optimizer.report.explain import Case
    from optimizer.report.subject import Subject

__all__ = ["command"]


@click.command("explain")
@fleet_argument
@click.argument("subject", required=False)
@click.option("--to", metavar="HOST", help="Ask every rule whether the VM may move to this host.")
@click.option("--plan", "plan_path", type=FILE, metavar="PLAN", help="Explain with this plan, or a move of it.")
@click.option("--stops", is_flag=True, help="Prove what stops SUBJECT: a VM from moving (to --to), a host's drain.")
@click.option("--blocked", metavar="VIOLATION", help="Prove what stops the repair of this violation, as RULE:SUBJECT.")
@click.option("--drain", multiple=True, metavar="HOST", help="Prove what stops emptying these hosts, as plan --drain.")
@click.option("--fewer", is_flag=True, help="Prove what stops a plan of fewer moves than --plan.")
@click.option("--max-moves", type=Whole(0, MOST), metavar="N", help="What is proven: with at most N moves.")
@click.option(
    "--time-limit", type=SECONDS, default=10.0, show_default=True, metavar="S", help="Seconds for what is proven."
)
@seed_option
@policy_option
@overlay_option
@json_option
def command(
    fleet: Path,
    subject: str | None,
    to: str | None,
    plan_path: Path | None,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
    **options: Any,
) -> Exit:
    """Say why a VM is where it is, what a host takes, why a plan makes a move, and prove what stops something.

    SUBJECT is the id of a VM or a host, or with --plan of a move; without SUBJECT the plan itself is explained.
    Where several things have one name, vm:NAME, host:NAME, move:NAME or plan:NAME settles it.

    With --stops, --blocked, --drain or --fewer it names the fewest rules, limits and VMs that stop it together, and
    the least that would help; it exits with 0 where nothing stops it, with 1 where something does.
    """
    from optimizer.check import check
    from optimizer.problem.exactness import check_exact
    from optimizer.problem.problem import build
    from optimizer.report.explain import Case
    from optimizer.report.subject import find_subject

    policy = load_policy(policy_name)
    snapshot = load_fleet(fleet, overlay)
    refuse_or_warn(snapshot, policy)
    plan = None if plan_path is None else load_plan(plan_path, snapshot)
    policy = policy if plan is None else under_scope(policy, snapshot, plan.scope)
    if asks_what_stops(options):
        return say_what_stops(snapshot, policy, plan, subject, {**options, "to": to}, as_json)
    what = find_subject(snapshot, plan, subject)
    problem = build(snapshot, policy.demands, policy.least)
    check_exact(problem, f"fleet {snapshot.id} with policy {policy.name}")
    case = Case(snapshot, policy.demands, problem, check(snapshot, policy), plan)
    if to is not None:
        _say_filters(case, what, to, as_json)
    else:
        _say_subject(case, what, policy, as_json)
    return Exit.DONE


def _say_filters(case: Case, what: Subject, to: str, as_json: bool) -> None:
    from optimizer.report.arrivals import arrival
    from optimizer.report.explain_page import filters_page
    from optimizer.report.subject import SubjectKind, find_host

    if what.kind is not SubjectKind.VM:
        raise click.UsageError("--to asks about a VM: SUBJECT has to be one", click.get_current_context())
    vm, host = case.fleet.vms.ids[what.index], find_host(case.fleet, to)
    words = arrival(case.fleet, case.rules, case.problem.atoms, what.index, host)
    say(as_json, lambda: {"vm": vm, "to": to, "filters": words}, lambda: filters_page(vm, to, words))


def _say_subject(case: Case, what: Subject, policy: Policy, as_json: bool) -> None:
    from optimizer.report import explain, explain_page, explain_plan
    from optimizer.report.called import Called
    from optimizer.report.subject import SubjectKind

    with_plan, called = case.plan is not None, Called.of(case.fleet)
    copied = [resource.name for resource in case.fleet.resources if resource.copied]
    match what.kind:
        case SubjectKind.VM:
            vm = explain.explain_vm(case, what.index)
            say(as_json, lambda: vm, lambda: explain_page.vm_page(vm, with_plan=with_plan, called=called))
        case SubjectKind.HOST:
            host = explain.explain_host(case, what.index)
            say(as_json, lambda: host, lambda: explain_page.host_page(host, with_plan=with_plan, called=called))
        case SubjectKind.MOVE if case.plan is not None:
            move = explain_plan.explain_move(case, case.plan, case.plan.moves[what.index])
            say(as_json, lambda: move, lambda: explain_plan.move_page(move))
        case _ if case.plan is not None:
            facts = explain_plan.explain_plan(case, case.plan)
            say(as_json, lambda: facts, lambda: explain_plan.explain_plan_page(facts, policy.least, called, copied))
