"""`remora import`: a fleet from CSV files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import FILE, NewFile, json_option, tell_fleet_written, write_json

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = ["command"]


@click.command("import")
@click.option("--hosts", type=FILE, required=True, metavar="CSV", help="One host a line.")
@click.option("--vms", type=FILE, required=True, metavar="CSV", help="One VM a line.")
@click.option("--groups", type=FILE, metavar="CSV", help="The rules of groups, one a line.")
@click.option("--mapping", type=FILE, metavar="YAML", help="Names of columns, where yours differ.")
@click.option("--fleet", "fleet_id", metavar="ID", help="The fleet's id; the name of FLEET by default.")
@click.option("--taken-at", metavar="TIME", help="When this was so, such as 2026-11-21T12:00:00Z; now by default.")
@click.option("-o", "--output", type=NewFile(), required=True, metavar="FLEET", help="Where to.")
@json_option
def command(
    hosts: Path,
    vms: Path,
    groups: Path | None,
    mapping: Path | None,
    fleet_id: str | None,
    taken_at: str | None,
    output: Path,
    as_json: bool,
) -> Exit:
    """Make a fleet of CSV files; amounts may carry units, such as 64GiB."""
    from optimizer.sources.fleet_csv import import_csv
    from optimizer.sources.fleet_json import fleet_from_document

    document = import_csv(
        hosts,
        vms,
        groups,
        mapping,
        fleet_id=output.name.partition(".")[0] if fleet_id is None else fleet_id,
        taken_at=_time(taken_at),
    )
    fleet = fleet_from_document(document, str(output))
    write_json(output, document)
    tell_fleet_written(output, fleet.id, len(fleet.hosts), len(fleet.vms), as_json)
    return Exit.DONE


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
