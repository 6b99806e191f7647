"""`remora-fleet/1` read: structure by the table of fields, references by column, and a `Fleet` out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optimizer.errors import MISSING, InputError
from optimizer.fleet import Fleet, Resource
from optimizer.sources.files import canonical_digest, parse_json, read_bytes
from optimizer.sources.fleet_columns import Names, host_columns, index_of, read_domains, seconds, vm_columns
from optimizer.sources.fleet_fields import FLEET, FLEET_FORMAT
from optimizer.sources.fleet_parts import read_groups, read_history, read_in_flight, read_interference
from optimizer.sources.garbage import nothing_collected
from optimizer.sources.kinds import check, parse_time, similar

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.sources.settings import SourceSettings

__all__ = ["check_format", "fleet_from_document", "read_document", "read_fleet", "read_fleet_document"]


def read_fleet(path: Path | str) -> Fleet:
    """Read a snapshot from a JSON file (gzip or xz by its ending).

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    return read_fleet_document(path)[0]


def read_fleet_document(path: Path | str) -> tuple[Fleet, dict[str, Any]]:
    """Read a snapshot and keep the document that it was made from, for those who write one like it."""
    with nothing_collected():
        document = parse_json(read_bytes(path), str(path))
        return fleet_from_document(document, str(path)), document


def read_document(settings: SourceSettings) -> dict[str, Any]:
    """Read a snapshot and check it (a source); it knows its own id and time."""
    return read_fleet_document(settings.where)[1]


def fleet_from_document(document: object, where: str) -> Fleet:
    """Check a parsed document and make a `Fleet` of it; `where` names its origin in messages.

    The document is not changed, and the fleet keeps only strings and label objects of it.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    checked = check_format(document, FLEET_FORMAT, where)
    check(FLEET, checked, where)
    names = _names(checked, where)
    domain, domain_ids = read_domains(checked["hosts"], names)
    vms = vm_columns(checked["vms"], names)
    vm_index = {name: i for i, name in enumerate(vms.ids)}
    taken_at = parse_time(checked["taken_at"])
    assert taken_at is not None  # the table of fields has checked it
    return Fleet(
        id=checked["fleet"],
        taken_at=taken_at,
        resources=_resources(checked),
        levels=tuple(names.levels),
        domain_ids=domain_ids,
        hosts=host_columns(checked["hosts"], domain, names),
        vms=vms,
        groups=read_groups(checked.get("groups", []), checked["vms"], names),
        interference=read_interference(checked.get("interference", []), vm_index, where),
        in_flight=read_in_flight(checked.get("in_flight", []), vm_index, vms, names),
        history=read_history(checked.get("history", []), where),
        history_since=seconds(checked.get("history_since")),
        move_within=_move_within(checked, names),
        simulated=checked.get("simulated", False),
        digest=canonical_digest(document, where),
    )


def check_format(document: object, tag: str, where: str) -> dict[str, Any]:
    """Return the document if it is an object with this tag: anything else is better said before its fields are.

    Raises
    ------
    InputError
        If it is another kind of document.
    """
    if type(document) is not dict:
        raise InputError(where, "", document, f"an object with format {tag}")
    found = document.get("format")
    if found != tag:
        kind = tag.partition("/")[0]
        same = isinstance(found, str) and found.partition("/")[0] == kind
        hint = (
            "another version of the format" if same else "another kind of document" if found else "the tag is missing"
        )
        raise InputError(where, "format", found if "format" in document else MISSING, f'"{tag}"', hint)
    return document


def _names(document: dict[str, Any], where: str) -> Names:
    levels = document["levels"]
    if levels[0] != "host":
        raise InputError(where, "levels[0]", levels[0], '"host", which is always the first level')
    return Names(
        where=where,
        resources=index_of([r["name"] for r in document["resources"]], where, "resources", "name"),
        levels={level: i for i, level in enumerate(levels)},
        hosts=index_of([h["id"] for h in document["hosts"]], where, "hosts"),
    )


def _resources(document: dict[str, Any]) -> tuple[Resource, ...]:
    return tuple(Resource(r["name"], r["copied"]) for r in document["resources"])


def _move_within(document: dict[str, Any], names: Names) -> int | None:
    level = document.get("move_within")
    if level is None:
        return None
    if level not in names.levels:
        expected = f"a level ({', '.join(names.levels)})"
        raise InputError(names.where, "move_within", level, expected, similar(level, names.levels))
    return names.levels[level]
