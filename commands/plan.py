"""`remora plan`: the fewest moves that repairs the fleet, safe at every instant, with their proof."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    SHARE,
    NewFile,
    Whole,
    began_at,
    fleet_argument,
    json_option,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
    say_text,
    seconds_left,
    seed_option,
    tell_written,
    time_limit_option,
    warn,
    warned,
    workers_option,
    write_json,
    write_text,
)
from commands.interrupt import Interrupt
from commands.opening import Opening
from commands.plan_place import make_room
from commands.progress import Progress
from commands.remembered import with_ledger
from commands.report import report_option, write_report
from commands.switches import add_switches, scope_of, under_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from optimizer.caution import Caution
    from optimizer.engine import Engine
    from optimizer.fleet import Carrying, Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy
    from optimizer.report.loads import HostChange
    from optimizer.report.page import Page
    from optimizer.scope import Scope
    from optimizer.whatif.plan_place import Coming

    Export = Callable[[str, Plan], str]

__all__ = ["command", "exit_of", "rows_in_time"]

JSON, CSV, SHELL = "json", "csv", "shell"
TEMPLATES = ("virsh", "qm", "openstack")
LATE_ROWS = 1_000
"""Rows of a table that are printed where the limit has passed or would, or the user waits for the end."""

PRINTED_S = 3e-5
"""Seconds that it takes to print one row of a table, with what stands below it."""

LOCAL, PROCESS, DASK = "local", "process", "dask"


@click.command("plan")
@fleet_argument
@policy_option
@overlay_option
@add_switches
@click.option(
    "--place",
    type=FILE,
    metavar="FILE",
    help="Also make room for VMs to come (remora-request/1), on hosts chosen so that few migrations do.",
)
@click.option("-o", "--output", type=NewFile(), metavar="PLAN", help="Write the plan there, as --format says.")
@report_option
@click.option(
    "--format",
    "form",
    type=click.Choice([JSON, CSV, SHELL]),
    help="json (the plan itself), csv (its moves), shell (a script to review); without -o on standard output.",
)
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    help="What the script of --format shell migrates with: virsh (the default), qm (Proxmox) or openstack.",
)
@time_limit_option
@click.option(
    "--memory-limit",
    type=Whole(64, 10**7),
    default=4096,
    show_default=True,
    metavar="MIB",
    help="Memory of the solver.",
)
@click.option(
    "--gap",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="Stop as soon as the moving is proven within this share of the least, such as 0.05 for 5 %.",
    metavar="GAP",
)
@workers_option
@click.option(
    "--parts",
    type=Whole(1, 10_000),
    metavar="N",
    help="Split the fleet into N parts, solved apart and joined across their boundaries; by default 1 up to 50,000 "
    "hosts, and about 10,000 hosts a part beyond.",
)
@click.option(
    "--engine",
    type=click.Choice([LOCAL, PROCESS, DASK]),
    default=LOCAL,
    show_default=True,
    help="Who solves the parts: this process, --workers processes, or the workers of a dask scheduler.",
)
@click.option("--scheduler", metavar="ADDRESS", help="The dask scheduler's, such as tcp://10.0.0.5:8786.")
@seed_option
@click.option("--deterministic", is_flag=True, help="Limit work instead of time: the same plan on every machine.")
@click.option("--require-clean", is_flag=True, help="Impossible, rather than a plan that leaves something wrong.")
@click.option(
    "--exit-code",
    "tell_apart",
    is_flag=True,
    help="Exit with 0 if there is nothing to do, 10 if there are moves to make, 11 if something needs attention.",
)
@json_option
def command(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    place: Path | None,
    output: Path | None,
    form: str | None,
    as_json: bool,
    tell_apart: bool,
    **limits: Any,
) -> Exit:
    """Plan the smallest set of live migrations that repairs the fleet.

    Prints the plan for people; with -o writes it for `verify` and `apply`. Exits with 1 if something remains wrong.

    Options that take names can be given several times, and all that they name together is meant. A name is an id,
    LEVEL:ID for all hosts of a domain (rack:r12), a glob in quotes ('web-*'), or @FILE for a file with one name a line.
    """
    from optimizer.clock import SystemClock
    from optimizer.pipeline import Request
    from optimizer.scoped_plan import make_scoped_plan

    if as_json and output is None and form not in (None, JSON):
        raise click.UsageError(f"--json prints the plan as JSON: --format {form} needs -o", click.get_current_context())
    _agree(limits["engine"], limits["scheduler"])
    if limits["template"] is not None and form != SHELL:
        raise click.UsageError("--template is for --format shell", click.get_current_context())
    policy = load_policy(policy_name)
    clock = SystemClock()
    began, started = began_at(clock), clock.monotonic()
    opening = Opening(fleet, limits["time_limit"], began, clock, counted=limits["deterministic"])
    click.get_current_context().with_resource(opening)
    snapshot, document = with_ledger(fleet, overlay, limits["ledger"])
    of_inputs = warned()
    refuse_or_warn(snapshot, policy)
    exported = _exporter(snapshot, limits["template"])
    read_s = round(clock.monotonic() - started, 3)
    request = Request(
        seconds=seconds_left(limits["time_limit"], began, clock, counted=limits["deterministic"]),
        memory_mib=limits["memory_limit"],
        workers=limits["workers"],
        seed=limits["seed"],
        deterministic=limits["deterministic"],
        require_clean=limits["require_clean"],
        parts=limits["parts"],
        gap=limits["gap"],
    )
    scope = scope_of(snapshot, policy, limits)
    laid = _laid_once(policy, snapshot)
    engine = closing(_engine(limits["engine"], limits["workers"], limits["scheduler"]))
    with Interrupt(at_once=opening.large) as interrupt:
        with Progress("planning") as progress, engine as doer:

            def judged(violations: int, seconds: float) -> None:
                opening.judged(violations, seconds)
                interrupt.at_once = False

            def make(wanted: Scope, seconds: float) -> Plan:
                return make_scoped_plan(
                    snapshot,
                    wanted,
                    laid,
                    replace(request, seconds=seconds),
                    progress=progress.tell,
                    interrupt=interrupt.event,
                    engine=doer,
                    judged=judged,
                )

            coming = None
            if place is None:
                plan = make(scope, request.seconds)
            else:
                judged(0, 0.0)
                plan, coming = make_room(document, place, policy, scope, request, make, interrupt.event)
        policy = laid(plan.scope)
        plan = _with_reading(plan, read_s, of_inputs)
        if output is not None:
            _write(output, form or JSON, plan, exported)
        if limits["report"] is not None:
            write_report(limits["report"], plan, snapshot, policy, _page(plan, snapshot, policy, coming))
        left_s = inf if limits["deterministic"] else limits["time_limit"] - (clock.monotonic() - began)
        rows = rows_in_time(len(plan.moves) + len(plan.remaining), 0.0 if interrupt.asked else left_s)
        form = None if output is not None else form
        _say(plan, snapshot, policy, form, as_json, exported, coming, rows)
    if interrupt.asked:
        return Exit.INTERRUPTED
    lacking = coming is not None and bool(coming.without)
    return exit_of(plan, tell_apart=tell_apart, lacking=lacking)


def rows_in_time(rows: int, left_s: float) -> int | None:
    """Return how many rows of a table are printed at most; None: all, as there are few or there is time for them."""
    return None if PRINTED_S * rows <= left_s else LATE_ROWS


def _laid_once(policy: Policy, fleet: Fleet) -> Callable[[Scope], Policy]:
    """Return what lays a scope over the policy; the same one is looked into for all VMs once."""
    known: dict[Scope, Policy] = {}

    def laid(scope: Scope) -> Policy:
        if scope not in known:
            known[scope] = under_scope(policy, fleet, scope)
        return known[scope]

    return laid


def _agree(engine: str, scheduler: str | None) -> None:
    """Refuse an engine without what it needs, and a scheduler that nobody would ask."""
    context = click.get_current_context()
    if engine == DASK and not scheduler:
        raise click.UsageError("--engine dask needs --scheduler ADDRESS", context)
    if engine != DASK and scheduler:
        raise click.UsageError(f"--scheduler is for --engine dask, not for --engine {engine}", context)


def _engine(name: str, workers: int, scheduler: str | None) -> Engine:
    if name == DASK:
        from optimizer.engine.on_dask import OnDask

        return OnDask(str(scheduler))
    if name == PROCESS:
        from optimizer.engine.processes import Processes

        return Processes(workers)
    from optimizer.engine import LocalEngine

    return LocalEngine()


def _with_reading(plan: Plan, seconds: float, doubts: Sequence[Caution]) -> Plan:
    """Return the plan with what reading the fleet took, the first of the times in `stats`, and what was doubtful in it.

    `warnings` of the plan are those of snapshot and policy, which `verify` computes again; those of what is laid over
    the snapshot are said as they were when the plan was made, with those of how it was made, which are said here.
    """
    from optimizer.caution import Caution

    laps = plan.stats["seconds"]
    assert isinstance(laps, dict)
    stats = {**plan.stats, "seconds": {"read": seconds, **laps}}
    said = [{"code": one.code, "where": one.where, "text": one.text} for one in doubts]
    made = plan.stats.get("warnings", [])
    assert isinstance(made, list)
    warn(Caution(**one) for one in made)
    if said or made:
        stats["warnings"] = [*said, *made]
    return replace(plan, stats=stats)


def exit_of(plan: Plan, *, tell_apart: bool = False, lacking: bool = False) -> Exit:
    """Return what a plan's outcome is called as an exit code.

    Parameters
    ----------
    tell_apart
        As `--exit-code` asks.
    lacking
        Not all that was asked for beside the plan could be had.
    """
    from optimizer.plan import Status

    if plan.status is Status.NO_PLAN_IN_TIME:
        return Exit.NO_PLAN_IN_TIME
    left = bool(plan.remaining) or plan.status is Status.IMPOSSIBLE or lacking
    if not tell_apart:
        return Exit.ATTENTION if left else Exit.DONE
    waits = bool(plan.moves) and not lacking and all(r.deferred for r in plan.remaining)
    if left and not waits:
        return Exit.NEEDS_ATTENTION
    return Exit.MOVES_TO_MAKE if plan.moves else Exit.DONE


def _write(path: Path, form: str, plan: Plan, exported: Export) -> None:
    from optimizer.report.words import count

    if form == JSON:
        from optimizer.sources.plan_json import plan_document

        write_json(path, plan_document(plan))
    else:
        write_text(path, exported(form, plan))
    tell_written(path, count(len(plan.moves), "move"))


def _exporter(fleet: Fleet, template: str | None) -> Export:
    """Return what writes a plan in the form that was asked for."""

    def exported(form: str, plan: Plan) -> str:
        from optimizer.fleet import carrying
        from optimizer.report.export import Template, plan_csv, plan_shell

        def carried(vm: str) -> Carrying:
            return carrying(fleet, fleet.vm_index[vm])

        if form == CSV:
            return plan_csv(plan, carried)
        return plan_shell(plan, carried, Template(template or Template.VIRSH))

    return exported


def _say(
    plan: Plan,
    fleet: Fleet,
    policy: Policy,
    form: str | None,
    as_json: bool,
    exported: Export,
    coming: Coming | None = None,
    rows: int | None = None,
) -> None:
    """Print what was asked for: one document, one export, or the page, of no table more than some `rows`."""
    from optimizer.sources.plan_json import plan_document

    if form in (CSV, SHELL):
        say_text(exported(str(form), plan))
    else:
        page = partial(_page, plan, fleet, policy, coming, rows)
        say(as_json or form == JSON, lambda: plan_document(plan), page, rows)


def _page(plan: Plan, fleet: Fleet, policy: Policy, coming: Coming | None = None, rows: int | None = None) -> Page:
    from optimizer.report.called import Called
    from optimizer.report.explain_plan import moves_of
    from optimizer.report.loads import host_changes, linear_atoms
    from optimizer.report.plan_page import plan_page

    moves = moves_of(fleet, plan.moves)
    changes: Sequence[HostChange] | None = ()
    if moves:
        quick = rows is not None and len(moves) > rows
        changes = None if quick else host_changes(fleet, linear_atoms(fleet, policy.rules), moves)
    copied = [resource.name for resource in fleet.resources if resource.copied]
    nowhere = {fleet.vms.ids[vm] for vm in (fleet.vms.host < 0).nonzero()[0]} - fleet.awaited
    unplaced = 0 if coming is not None else len(nowhere)
    page = plan_page(plan, changes, policy.least, Called.of(fleet), copied, unplaced, rows)
    if coming is not None:
        from optimizer.report.coming_page import coming_page

        page.extend(coming_page(coming))
    return page
