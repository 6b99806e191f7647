"""`remora interference`: which VM costs which how much of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    KeptFile,
    NewFile,
    json_option,
    load_config,
    load_laid,
    say,
    tell_written,
    warn,
    warn_of,
    write_json,
)
from commands.path_types import SETTINGS
from commands.signals_group import prometheus_option

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.fleet import Fleet
    from optimizer.signals.interference.records import Record
    from optimizer.signals.interference.series import Observation
    from optimizer.sources.config_yaml import Config

__all__ = ["command"]


@click.command("interference")
@click.argument("series", type=FILE, required=False)
@click.option(
    "--config", type=SETTINGS, metavar="FILE", help="A remora.yaml: its section `interference`, and where to read."
)
@prometheus_option
@click.option("--fleet", type=FILE, metavar="FILE", help="A snapshot that says where the VMs are now.")
@click.option("-o", "--output", type=NewFile(), metavar="FILE", help="Write the snapshot with the evidence in it.")
@click.option(
    "--records",
    type=KeptFile(),
    metavar="FILE",
    help="What is known of pairs from earlier runs; read, and written anew. Without it nothing is confirmed.",
)
@json_option
def command(
    series: Path | None,
    config: Path | None,
    url: str,
    fleet: Path | None,
    output: Path | None,
    records: Path | None,
    as_json: bool,
) -> Exit:
    """Find which VM costs which neighbor how much of its time. Exits with 1 if there is evidence.

    SERIES is a file of stalls and use by VM (remora-series/1 in JSON, or CSV). Without it they are read from the
    Prometheus that the configuration names, for the VMs of the snapshot or of the inventory.
    """
    from optimizer.report.interference import describe_interference, interference_page
    from optimizer.signals.interference.confirmation import update
    from optimizer.signals.interference.feed import with_evidence

    if series is None and config is None:
        raise click.UsageError("give a file of series, or --config with a Prometheus to read them from")
    if output is not None and fleet is None and series is not None:
        raise click.UsageError("-o writes a snapshot: give the one to start from with --fleet")
    from optimizer.signals.series_reading import InterferencePart

    read = load_config(config, "the defaults")
    settings = read.section("interference", InterferencePart)
    snapshot, document = _snapshot(fleet, read if series is None else None)
    if series is None:
        assert snapshot is not None
        observation = _from_prometheus(read, snapshot, url)
    else:
        observation = _observation(series)
        if snapshot is not None:
            _refuse_strangers(observation, set(snapshot.vms.ids), series)
    host_of = None if snapshot is None else {vm["id"]: vm["host"] for vm in document["vms"]}
    outcome = update(_records(records), observation, settings, host_of)
    facts = describe_interference(outcome, settings, len(observation.hosts), observation.interval_s)
    if output is not None:
        write_json(output, with_evidence(document, outcome, settings))
        tell_written(output, "the snapshot with the evidence")
    if records is not None:
        from optimizer.signals.interference.documents import records_document

        write_json(records, records_document(outcome.records, observation.ends_at))
    say(as_json, lambda: facts, lambda: interference_page(facts))
    return Exit.ATTENTION if facts.evident else Exit.DONE


def _snapshot(path: Path | None, config: Config | None) -> tuple[Fleet | None, dict[str, Any]]:
    """Read the snapshot; where there is none and series are to be read, that of the configuration's inventory."""
    if path is not None:
        fleet, document, _ = load_laid(path)
        warn_of(fleet)
        return fleet, document
    if config is None:
        return None, {}
    import os

    from optimizer.clock import SystemClock
    from optimizer.signals.config import InventoryPart
    from optimizer.signals.inventory import read_inventory
    from optimizer.sources.fleet_json import fleet_from_document

    part = config.section("inventory", InventoryPart)
    document = read_inventory(config, part, SystemClock(), os.environ, lambda c: warn([c]))
    fleet = fleet_from_document(document, f"{config.where}: inventory")
    warn_of(fleet)
    return fleet, document


def _from_prometheus(config: Config, fleet: Fleet, url: str) -> Observation:
    import os

    from optimizer.caution import Caution
    from optimizer.clock import SystemClock
    from optimizer.signals.series_reading import read_series
    from optimizer.sources.prometheus_part import prometheus_address

    address = prometheus_address("--prometheus", url) if url else ""
    reading = read_series(config, fleet, SystemClock(), SystemClock(), os.environ, url=address)
    warn(Caution("series_not_read", "interference", note) for note in reading.notes)
    return reading.observation


def _observation(path: Path) -> Observation:
    from optimizer.errors import InputError
    from optimizer.signals.interference.documents import observation_from_csv, observation_from_document
    from optimizer.sources.files import parse_json, read_bytes

    where, raw = str(path), read_bytes(path)
    if ".csv" not in path.suffixes:
        return observation_from_document(parse_json(raw, where), where)
    try:
        return observation_from_csv(raw.decode("utf-8-sig"), where)
    except UnicodeDecodeError as error:
        raise InputError(where, f"byte {error.start + 1}", "no UTF-8", "CSV in UTF-8") from error


def _records(path: Path | None) -> tuple[Record, ...]:
    if path is None or not path.exists():
        return ()
    from optimizer.signals.interference.documents import records_from_document
    from optimizer.sources.files import parse_json, read_bytes

    return records_from_document(parse_json(read_bytes(path), str(path)), str(path))


def _refuse_strangers(observation: Observation, known: set[str], path: Path) -> None:
    """Refuse series of which the fleet has no VM: names that do not agree would silently find nothing."""
    from optimizer.errors import InputError

    named = {vm for host in observation.hosts for vm in host.vms}
    if named and not named & known:
        hint = "the ids of the series and of the snapshot have to agree"
        raise InputError(str(path), "hosts[0].vms", sorted(named)[0], "at least one VM of the fleet", hint)
