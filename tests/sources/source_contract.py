"""What every source has to keep to, as checks that take the source and something that it can read.

A package that registers a source runs the same: `for check in CHECKS: check(source, place)`. `place` is a file or a
directory in a directory of its own, which the checks may spoil.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from optimizer.errors import InputError
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.settings import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.sources.registry import Source

__all__ = ["CHECKS", "settings"]

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def settings(place: Path) -> SourceSettings:
    return SourceSettings(where=str(place), fleet="f1", taken_at=AT)


def reads_a_fleet(source: Source, place: Path) -> None:
    """Its document is a checked `remora-fleet/1`, and JSON can hold it."""
    document = source(settings(place))
    fleet = fleet_from_document(document, str(place))
    assert len(fleet.hosts) > 0
    assert len(fleet.vms) > 0
    assert fleet.id
    assert json.loads(json.dumps(document)) == document


def reads_the_same_twice(source: Source, place: Path) -> None:
    assert source(settings(place)) == source(settings(place))


def writes_nothing(source: Source, place: Path) -> None:
    before = _content(place.parent)
    source(settings(place))
    assert _content(place.parent) == before


def says_what_is_missing(source: Source, place: Path) -> None:
    """One error that names the place and says what to do."""
    missing = place.with_name("missing")
    with pytest.raises(InputError) as error:
        source(settings(missing))
    assert "missing" in str(error.value)
    assert error.value.expected


def survives_what_is_cut_off(source: Source, place: Path) -> None:
    """A file that is cut anywhere is refused as wrong input, or read as what it still says: never another error."""
    refused = 0
    for file in sorted(_files(place)):
        whole = file.read_bytes()
        for part in range(12):
            file.write_bytes(whole[: len(whole) * part // 12])
            try:
                fleet_from_document(source(settings(place)), str(place))
            except InputError:
                refused += 1
        file.write_bytes(whole)
    assert refused > 0


def _files(place: Path) -> list[Path]:
    return [p for p in place.rglob("*") if p.is_file()] if place.is_dir() else [place]


def _content(place: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in _files(place)}


CHECKS = (reads_a_fleet, reads_the_same_twice, writes_nothing, says_what_is_missing, survives_what_is_cut_off)
