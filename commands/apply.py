"""`remora apply`: carry a plan out, or find out whether it would be."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from commands.common import (
    FILE,
    NewFile,
    fleet_argument,
    json_option,
    load_laid,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
    tell_written,
    write_json,
)
from commands.driver_options import driver_option, location_option
from commands.interrupt import Interrupt
from commands.ledger_options import by_option, ledger_option, open_button, order_of, stop_file_option
from commands.progress import Progress
from commands.remembered import as_planned
from commands.switches import under_scope

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from optimizer.execute.apply import Applied
    from optimizer.execute.button import StopFile
    from optimizer.execute.drivers import Driver
    from optimizer.execute.guards.guards import Guards
    from optimizer.execute.ledger import Ledger
    from optimizer.execute.ledger.records import Order
    from optimizer.fleet import Fleet
    from optimizer.plan import Plan
    from optimizer.policy import Policy

__all__ = ["command"]

SIMULATED = "simulated"


@click.command("apply")
@fleet_argument
@click.argument("plan", type=FILE)
@click.option("--act", is_flag=True, help="Execute; the default is a dry run, which writes nothing.")
@driver_option(SIMULATED)
@location_option
@click.option(
    "--guards", is_flag=True, help="Ask gates and call hooks for the simulated driver, too; others always do."
)
@click.option(
    "--prometheus",
    default="",
    envvar="REMORA_PROMETHEUS",
    metavar="URL",
    help="Where the policy's gates send queries, instead of where it says (also REMORA_PROMETHEUS).",
)
@click.option("--fail", multiple=True, metavar="MOVE", help="Let this move fail (simulated driver); repeat for more.")
@click.option("-o", "--output", type=NewFile(), metavar="AFTER", help="Write the fleet that results.")
@click.option("--reason", default="", metavar="TEXT", help="Why; needed to act, but for a simulation.")
@by_option
@ledger_option
@stop_file_option
@policy_option
@overlay_option
@json_option
def command(
    fleet: Path,
    plan: Path,
    act: bool,
    driver: str,
    where: str,
    guards: bool,
    prometheus: str,
    fail: tuple[str, ...],
    output: Path | None,
    reason: str,
    by: str | None,
    ledger: Path | str,
    stop_file: str | None,
    policy_name: str,
    overlay: Path | None,
    as_json: bool,
) -> int:
    """Carry a plan out; with the simulated driver, whose clock starts when the snapshot was taken, nothing moves.

    Read-only unless --act. A foreign or stale plan, one that is not safe here, and one that was applied before are
    refused with 4.
    """
    from optimizer.execute.guards.guards import has_guards
    from optimizer.report.apply_page import apply_page, describe_applied
    from optimizer.report.called import Called
    from optimizer.sources.fleet_after import after_document
    from optimizer.sources.plan_json import read_plan

    if not act and (fail or output):
        raise click.UsageError("--fail and -o need --act: without it nothing is done", click.get_current_context())
    policy = load_policy(policy_name)
    snapshot, document, laid = load_laid(fleet, overlay)
    refuse_or_warn(snapshot, policy)
    answer = read_plan(plan)
    snapshot = as_planned(snapshot, laid, answer, ledger, str(fleet))
    _check_failures(plan, answer, fail)
    policy = under_scope(policy, snapshot, answer.scope)
    hands = _open(driver, snapshot, where, fail)
    order = order_of(by, reason or ("simulated" if hands.simulated or not act else ""))
    button = open_button(stop_file, ledger)
    asked = _guards(policy, hands, prometheus_of(prometheus), wanted=guards)
    applied = _carry_out(snapshot, policy, answer, hands, ledger, button, asked, order, name=driver, act=act)
    if output is not None:
        write_json(output, after_document(document, applied.past, applied.ended_at, simulated=applied.simulated))
        tell_written(output, _what_is_written(applied))
    facts = describe_applied(answer, applied, guarded=asked.are_there or not has_guards(policy))
    say(as_json, lambda: facts, lambda: apply_page(facts, Called.of(snapshot)))
    return applied.exit_code


def _what_is_written(applied: Applied) -> str:
    """Say which fleet it is: only a move that is done has changed where a VM is."""
    from optimizer.report.words import count

    others = {"failed": len(applied.failed), "skipped": len(applied.skipped), "unknown": len(applied.unknown)}
    ends = ", ".join(f"{number:,} {name}" for name, number in others.items() if number)
    return f"the fleet after {count(len(applied.done), 'move')}" + (f" ({ends})" if ends else "")


def _check_failures(path: Path, plan: Plan, fail: tuple[str, ...]) -> None:
    from optimizer.errors import InputError
    from optimizer.sources.kinds import similar

    known = {move.id for move in plan.moves}
    for name in fail:
        if name not in known:
            raise InputError("apply", "--fail", name, f"a move of {path}", similar(name, known))


def _open(name: str, fleet: Fleet, where: str, fail: tuple[str, ...]) -> Driver:
    from optimizer.execute.drivers.registry import DRIVERS
    from optimizer.execute.drivers.settings import DriverSettings

    return DRIVERS.load(name)(fleet, DriverSettings(where, fail))


def _guards(policy: Policy, driver: Driver, url: str, *, wanted: bool) -> Guards:
    """Make the policy's guards ready; a simulation asks none, unless that is wanted."""
    import os

    from optimizer.execute.guards.guards import NO_GUARDS, has_guards, open_guards

    if (driver.simulated and not wanted) or not has_guards(policy):
        return NO_GUARDS
    return open_guards(policy, os.environ, url)


def prometheus_of(url: str) -> str:
    """Return the address of a Prometheus that was given, if one was; a wrong one is refused whoever would be asked."""
    from optimizer.sources.prometheus_part import prometheus_address

    return prometheus_address("--prometheus", url) if url else ""


def _carry_out(
    fleet: Fleet,
    policy: Policy,
    plan: Plan,
    driver: Driver,
    path: Path | str,
    button: StopFile,
    guards: Guards,
    order: Order,
    *,
    name: str,
    act: bool,
) -> Applied:
    from optimizer.execute.apply import apply
    from optimizer.execute.ledger.records import recorded_driver

    watched = Interrupt("no further move is started")
    with watched as interrupt, _opened(path, act=act) as ledger, Progress("applying") as progress:

        def tell(move: Any, state: Any, *_: Any) -> None:
            progress.tell(f"{move.id} {move.vm} {state.value}")

        return apply(
            fleet,
            policy,
            plan,
            driver,
            ledger,
            act=act,
            order=order,
            driver_name=recorded_driver(name, simulated=driver.simulated),
            button=button,
            guards=guards,
            progress=tell,
            interrupt=interrupt.event,
        )


def _opened(path: Path | str, *, act: bool) -> AbstractContextManager[Ledger | None]:
    from optimizer.execute.ledger import open_ledger, peek_ledger

    return (open_ledger(str(path)) if act else peek_ledger(str(path))) or nullcontext()
