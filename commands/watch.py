"""`remora watch`, `imbalances` and `evidence`: what monitors and series show, and what the ledger remembers of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    fleet_argument,
    json_option,
    load_config,
    load_fleet,
    load_policy,
    overlay_option,
    policy_option,
    refuse_or_warn,
    say,
)
from commands.ledger_options import by_option, fleet_option, fleets_of, ledger_option, order_of, peek
from commands.path_types import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.monitors.config import MonitorsPart
    from optimizer.monitors.reading import Monitor, Observation
    from optimizer.monitors.watching import Watched

__all__ = ["evidence", "imbalances", "watch"]

config_option = click.option(
    "--config", type=SETTINGS, metavar="FILE", help="remora.yaml; its section `monitors` says what is watched."
)


@click.command("watch")
@fleet_argument
@policy_option
@overlay_option
@config_option
@click.option("--record", is_flag=True, help="Write to the ledger what changed; the default writes nothing.")
@click.option(
    "--prometheus",
    default="",
    envvar="REMORA_PROMETHEUS",
    metavar="URL",
    help="Where monitors by query ask, instead of where the configuration says (also REMORA_PROMETHEUS).",
)
@by_option
@ledger_option
@json_option
def watch(
    fleet: Path,
    policy_name: str,
    overlay: Path | None,
    config: Path | None,
    record: bool,
    prometheus: str,
    by: str | None,
    ledger: Path | str,
    as_json: bool,
) -> Exit:
    """Step every monitor once by this snapshot: what opens, what closes, what could not be judged.

    An imbalance opens when readings were bad for a while, and closes when they were well for a while, so looks have to
    follow one another, with --record: from a timer, say. Exits with 1 if an imbalance is open.
    """
    import os

    from optimizer.clock import SystemClock
    from optimizer.monitors.asking import answers_for
    from optimizer.monitors.config import MonitorsPart, monitors_of
    from optimizer.monitors.reading import Observation
    from optimizer.report.imbalances_page import watched_document, watched_page

    policy = load_policy(policy_name)
    snapshot = load_fleet(fleet, overlay)
    refuse_or_warn(snapshot, policy)
    said = load_config(config)
    part = said.section("monitors", MonitorsPart)
    monitors = monitors_of(part, policy.rules, snapshot, said.where)
    answers = answers_for(monitors, said, policy, SystemClock(), os.environ, part.ask_within_s, prometheus)
    seen = Observation(snapshot, snapshot.taken_at, policy.rules, answers)
    who = order_of(by, "watch").by
    found = _recorded(monitors, part, seen, ledger, who) if record else _looked(monitors, part, seen, ledger)
    at = snapshot.taken_at
    say(
        as_json,
        lambda: watched_document(snapshot.id, found, at, recorded=record),
        lambda: watched_page(snapshot.id, found, recorded=record),
    )
    return Exit.ATTENTION if found.open else Exit.DONE


@click.command("imbalances")
@click.option("--all", "every", is_flag=True, help="Also those that have closed.")
@fleet_option
@ledger_option
@json_option
def imbalances(every: bool, fleet: str | None, ledger: Path | str, as_json: bool) -> Exit:
    """List the imbalances that are open, with their evidence and since when. Exits with 1 if any is."""
    from optimizer.report.imbalances_page import OPEN, imbalances_page

    with peek(ledger) as book:
        found = [one for name in fleets_of(book, fleet) for one in book.imbalances(name, every=every)]
    shown = found if every else [one for one in found if one.state in OPEN]
    say(as_json, lambda: shown, lambda: imbalances_page(shown))
    return Exit.ATTENTION if any(one.state in OPEN for one in found) else Exit.DONE


@click.command("evidence")
@fleet_option
@ledger_option
@json_option
def evidence(fleet: str | None, ledger: Path | str, as_json: bool) -> Exit:
    """List the pairs of which the periodic run holds that one VM disturbs the other. Exits with 1 if any share a host.

    What they cost, since when they are in their state, and what came of separating them.
    """
    from optimizer.report.evidence_page import evidence_page, evidence_rows
    from optimizer.signals.interference.records import State

    with peek(ledger) as book:
        found = evidence_rows([one for name in fleets_of(book, fleet) for one in book.evidence(name)])
    say(as_json, lambda: found, lambda: evidence_page(found))
    return Exit.ATTENTION if any(one.state == State.EVIDENT.value for one in found) else Exit.DONE


def _looked(monitors: tuple[Monitor, ...], part: MonitorsPart, seen: Observation, ledger: Path | str) -> Watched:
    """Go on from what the ledger remembers, where there is one, and write nothing."""
    from optimizer.execute.ledger import peek_ledger
    from optimizer.monitors.watching import watch_once

    book = peek_ledger(str(ledger))
    if book is None:
        return watch_once(monitors, part, seen, ())
    with book:
        return watch_once(monitors, part, seen, book.imbalances(seen.fleet.id))


def _recorded(
    monitors: tuple[Monitor, ...], part: MonitorsPart, seen: Observation, ledger: Path | str, who: str
) -> Watched:
    from optimizer.execute.ledger import open_ledger
    from optimizer.monitors.recording import record

    with open_ledger(str(ledger)) as book:
        found = record(book, monitors, part, seen, by=who)
        book.see_placements(seen.fleet.id, _placements(seen.fleet), seen.at, by=who, simulated=seen.fleet.simulated)
        return found


def _placements(fleet: Fleet) -> dict[str, str]:
    from optimizer.fleet import ABSENT

    hosts = fleet.vms.host.tolist()
    return {vm: fleet.hosts.ids[h] for vm, h in zip(fleet.vms.ids, hosts, strict=True) if h != ABSENT}
