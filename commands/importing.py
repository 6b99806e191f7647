"""`remora import`: a fleet from CSV files, or from any other source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import FILE, NewFile, json_option, tell_fleet_written, warn, write_json
from commands.path_types import MayBeFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from optimizer.caution import Caution
    from optimizer.fleet import Fleet
    from optimizer.sources.settings import SourceSettings

__all__ = ["command"]

DATED = re.compile(r"[-_]?(19|20)\d\d[-_]?(0[1-9]|1[0-2])[-_]?[0-3]\d.*")
"""A date in a file's name, and what follows it."""

CSV_FILES = ("hosts", "vms", "groups", "mapping")


@click.command("import")
@click.option("--hosts", type=FILE, metavar="CSV", help="One host a line.")
@click.option("--vms", type=FILE, metavar="CSV", help="One VM a line.")
@click.option("--groups", type=FILE, metavar="CSV", help="The rules of groups, one a line.")
@click.option("--mapping", type=FILE, metavar="YAML", help="Names of columns, where yours differ.")
@click.option(
    "--source",
    metavar="NAME",
    help="What reads the fleet instead: csv (a directory), json, libvirt, proxmox, or what a package registers.",
)
@click.option(
    "--location",
    "where",
    type=MayBeFile(),
    metavar="WHERE",
    help="What the source reads: the path of a directory or file.",
)
@click.option(
    "--fleet",
    "fleet_id",
    metavar="ID",
    help="The fleet's id, always the same for one fleet; by default the name of FLEET without a date in it.",
)
@click.option("--shared-storage", is_flag=True, help="Disks are on storage that all hosts share: nothing copies them.")
@click.option("--taken-at", metavar="TIME", help="When this was so, such as 2026-11-21T12:00:00Z; now by default.")
@click.option("-o", "--output", type=NewFile(), required=True, metavar="FLEET", help="Output file.")
@json_option
def command(source: str | None, where: str | None, output: Path, as_json: bool, **asked: Any) -> Exit:
    """Make a fleet of CSV files, whose amounts may carry units such as 64GiB, or of what another source reads."""
    from optimizer.fleet.carrying import is_memory
    from optimizer.sources.fleet_json import fleet_from_document
    from optimizer.sources.settings import SourceSettings

    _agree(source, where, asked)
    name = asked["fleet_id"]
    settings = SourceSettings(
        where=where or "",
        fleet=_fleet_of(output) if name is None else name,
        taken_at=_time(asked["taken_at"]),
    )
    document = _document(source, settings, asked)
    if asked["shared_storage"]:
        resources = [{**r, "copied": r["copied"] and is_memory(r["name"])} for r in document["resources"]]
        document = {**document, "resources": resources}
    fleet = fleet_from_document(document, str(output))
    write_json(output, document)
    warn(_doubts(fleet))
    tell_fleet_written(output, fleet.id, len(fleet.hosts), len(fleet.vms), as_json)
    disks = [r.name for r in fleet.resources if r.copied and not is_memory(r.name)]
    if disks and source in (None, "csv"):
        click.echo(f"{', '.join(disks)}: copied when a VM moves; where hosts share storage, --shared-storage", err=True)
    return Exit.DONE


def _doubts(fleet: Fleet) -> Iterator[Caution]:
    """Yield what is odd about what was read: amounts and times far from any fleet's, groups that match nothing."""
    from optimizer.caution import Caution
    from optimizer.clock import SystemClock
    from optimizer.fleet.plausible import implausible, unmatched_groups

    groups = list(unmatched_groups(fleet))
    said = {doubt.code for doubt in groups}
    for doubt in (*groups, *(d for d in implausible(fleet, SystemClock().now()) if d.code not in said)):
        yield Caution(doubt.code, doubt.field, doubt.text)


def _fleet_of(output: Path) -> str:
    """Return the fleet's id by the name of its file: what is imported every day has one id, whatever the date."""
    name = output.name.partition(".")[0]
    return DATED.sub("", name) or name


def _agree(source: str | None, where: str | None, asked: dict[str, Any]) -> None:
    """Refuse what does not name one thing to read."""
    context = click.get_current_context()
    files = [name for name in CSV_FILES if asked[name] is not None]
    if (source is None) != (where is None):
        raise click.UsageError("--source and --location go together", context)
    if source is not None and files:
        raise click.UsageError(f"--{files[0]} is for CSV files, not for --source", context)
    missing = [name for name in ("hosts", "vms") if asked[name] is None]
    if source is None and missing:
        raise click.UsageError(f"missing option '--{missing[0]}' (or --source and --location)", context)


def _document(source: str | None, settings: SourceSettings, asked: dict[str, Any]) -> dict[str, Any]:
    if source is not None:
        from optimizer.sources.registry import SOURCES

        return SOURCES.load(source)(settings)
    from optimizer.sources.fleet_csv import import_csv

    return import_csv(*(asked[name] for name in CSV_FILES), fleet_id=settings.fleet, taken_at=settings.taken_at)


def _time(text: str | None) -> datetime:
    from optimizer.clock import SystemClock
    from optimizer.errors import InputError
    from optimizer.sources.kinds import parse_time

    if text is None:
        return SystemClock().now().replace(microsecond=0)
    time = parse_time(text)
    if time is None:
        raise InputError("import", "--taken-at", text, "a time with an offset, such as 2026-11-21T12:00:00Z")
    return time
