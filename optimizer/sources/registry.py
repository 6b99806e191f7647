"""Every source of fleets by its name: the ones below, and those that packages register under ``remora.sources``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizer.plugins import Registry

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["SOURCES", "Source", "SourceSettings"]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What the command line says to a source.

    Attributes
    ----------
    where
        What is read, in the source's own words: a path, an address.
    fleet, taken_at
        The fleet's id and the time of the snapshot, for a source that does not know them by itself.
    """

    where: str
    fleet: str
    taken_at: datetime


Source = Callable[[SourceSettings], dict[str, Any]]
"""Reads a fleet as a `remora-fleet/1` document; raises `InputError` with the place of what is wrong."""


def _csv() -> Source:
    from optimizer.sources.fleet_csv import read_directory

    return read_directory


def _json() -> Source:
    from optimizer.sources.fleet_json import read_document

    return read_document


def _libvirt() -> Source:
    from optimizer.sources.libvirt.inventory import read_inventory

    return read_inventory


SOURCES: Registry[Source] = Registry("--source", "remora.sources", {"csv": _csv, "json": _json, "libvirt": _libvirt})
