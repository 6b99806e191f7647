"""`remora interference`: which VM costs which how much of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from commands.boundary import Exit
from commands.common import (
    FILE,
    KeptFile,
    NewFile,
    json_option,
    load_fleet_and_document,
    say,
    tell_written,
    write_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.signals.interference.records import Record
    from optimizer.signals.interference.series import Observation
    from optimizer.signals.interference.settings import Settings

__all__ = ["command"]


@click.command("interference")
@click.argument("series", type=FILE)
@click.option("--config", type=FILE, metavar="FILE", help="Settings: the section `interference` of a remora.yaml.")
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
    series: Path, config: Path | None, fleet: Path | None, output: Path | None, records: Path | None, as_json: bool
) -> Exit:
    """Find which VM costs which neighbor how much of its time. Exits with 1 if there is evidence.

    SERIES is a file of stalls and use by VM (remora-series/1 in JSON, or CSV).
    """
    from optimizer.report.interference import describe_interference, interference_page
    from optimizer.signals.interference.confirmation import update
    from optimizer.signals.interference.feed import with_evidence

    if output is not None and fleet is None:
        raise click.UsageError("-o writes a snapshot: give the one to start from with --fleet")
    settings = _settings(config)
    observation = _observation(series)
    snapshot, document = load_fleet_and_document(fleet) if fleet is not None else (None, {})
    host_of = None
    if snapshot is not None:
        _refuse_strangers(observation, set(snapshot.vms.ids), series)
        host_of = {vm["id"]: vm["host"] for vm in document["vms"]}
    outcome = update(_records(records), observation, settings, host_of)
    facts = describe_interference(outcome, settings, len(observation.hosts), observation.interval_s)
    if output is not None:
        write_json(output, with_evidence(document, outcome, settings))
    if records is not None:
        from optimizer.signals.interference.documents import records_document

        write_json(records, records_document(outcome.records, observation.ends_at))
    if output is not None:
        tell_written(output, "the snapshot with the evidence")
    say(as_json, lambda: facts, lambda: interference_page(facts))
    return Exit.ATTENTION if facts.evident else Exit.DONE


def _settings(path: Path | None) -> Settings:
    from optimizer.signals.interference.settings import Settings

    if path is None:
        return Settings()
    from optimizer.sources.config_yaml import read_config

    return read_config(path).section("interference", Settings)


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
