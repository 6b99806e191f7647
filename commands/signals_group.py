"""`remora signals`: what is measured of a fleet, checked signal by signal, or joined with its inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import (
    NewFile,
    json_option,
    load_config,
    load_policy,
    say,
    say_json,
    tell_fleet_written,
    warn_of,
    with_warnings,
    write_json,
)
from commands.listing import Group
from commands.path_types import SETTINGS, InputName

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.policy import Policy
    from optimizer.signals.reading import FleetReading

__all__ = ["command", "config_option", "prometheus_option"]

config_option = click.option(
    "--config",
    type=SETTINGS,
    default="remora.yaml",
    show_default=True,
    metavar="FILE",
    help="The configuration (YAML).",
)
prometheus_option = click.option(
    "--prometheus",
    "url",
    envvar="REMORA_PROMETHEUS",
    metavar="URL",
    default="",
    help="Where queries go, instead of where the configuration says.",
)


@click.group("signals", cls=Group, no_args_is_help=False)
def command() -> None:
    """Check what is measured of a fleet, or join it with the inventory."""


@command.command("check")
@config_option
@prometheus_option
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Show each signal of this host; repeatable.")
@click.option(
    "--policy", type=InputName(lambda name: _path(name)), metavar="NAME|PATH", help="Name what its rules want."
)
@json_option
def check(config: Path, url: str, hosts: tuple[str, ...], policy: str | None, as_json: bool) -> Exit:
    """Say of each signal whether it is there, how old, in what scale, by which query; exits with 1 where one is not."""
    from dataclasses import asdict

    from optimizer.report.signals_page import signals_page

    asked = None if policy is None else load_policy(policy)
    reading = _read(config, url)
    report, fleet = reading.report, reading.fleet
    warn_of(fleet, asked)
    _known_hosts(hosts, fleet.hosts.ids)
    wants = _wants(asked, reading)
    facts: dict[str, Any] = {"fleet": fleet.id, **asdict(report), "notes": [*report.notes, *wants]}
    say(as_json, lambda: facts, lambda: signals_page(_with_notes(report, wants), fleet.id, hosts))
    return Exit.DONE if report.clean and not wants else Exit.ATTENTION


@command.command("read")
@config_option
@prometheus_option
@click.option("-o", "--output", type=NewFile(), required=True, metavar="FLEET", help="Output file.")
@json_option
def read(config: Path, url: str, output: Path, as_json: bool) -> Exit:
    """Write the inventory joined with its signals; exits with 1 where hosts or VMs are not observed."""
    from optimizer.report.words import clean, count

    reading = _read(config, url)
    fleet, report = reading.fleet, reading.report
    warn_of(fleet)
    for note in report.notes:
        click.echo(clean(f"remora: warning: {note}"), err=True)
    write_json(output, reading.document)
    if as_json:
        counts = {"hosts": len(fleet.hosts), "vms": len(fleet.vms)}
        said = {"hosts_unobserved": report.hosts, "vms_unobserved": report.vms, "notes": list(report.notes)}
        say_json(with_warnings({"output": str(output), "fleet": fleet.id, **counts, **said}))
    else:
        tell_fleet_written(output, fleet.id, len(fleet.hosts), len(fleet.vms), as_json)
        if not report.clean:
            closed = f"not observed: {count(len(report.hosts), 'host')} and {count(len(report.vms), 'VM')}"
            click.echo(f"{closed}; `remora signals check` says why", err=True)
    return Exit.DONE if report.clean else Exit.ATTENTION


def _path(name: str) -> Path:
    from commands.common import _policy_path

    return _policy_path(name)


def _read(config: Path, url: str) -> FleetReading:
    import os

    from optimizer.clock import SystemClock
    from optimizer.signals.reading import read_fleet
    from optimizer.sources.prometheus_part import prometheus_address

    address = prometheus_address("--prometheus", url) if url else ""
    return read_fleet(load_config(config), SystemClock(), os.environ, url=address)


def _known_hosts(hosts: tuple[str, ...], ids: tuple[str, ...]) -> None:
    from optimizer.errors import InputError
    from optimizer.similar import similar_or_some

    for host in hosts:
        if host not in ids:
            raise InputError("signals check", "--host", host, "a host of the fleet", similar_or_some(host, ids))


def _with_notes(report: Any, more: list[str]) -> Any:
    from dataclasses import replace

    return replace(report, notes=(*report.notes, *more))


def _wants(policy: Policy | None, reading: FleetReading) -> list[str]:
    """Return what the rules of a policy want and the joined snapshot lacks."""
    if policy is None:
        return []
    from optimizer.grammar import count
    from optimizer.signals.reading import ALWAYS_ZERO

    out = []
    for rule in policy.rules:
        for lack in rule.not_evaluated(reading.fleet):
            of = count(lack.vms, "VM") if lack.vms else count(lack.hosts, "host")
            steal = f": {ALWAYS_ZERO}" if lack.what.endswith("cpu_steal") else ""
            out.append(f"rule {lack.rule} wants {lack.what}, which is missing for {of}{steal}")
    return out
