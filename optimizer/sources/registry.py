"""Every source of fleets by its name: the ones below, and those that packages register under ``remora.sources``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optimizer.plugins import Registry
from optimizer.sources.settings import SourceSettings

__all__ = ["SOURCES", "Source"]


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


def _proxmox() -> Source:
    from optimizer.sources.proxmox.inventory import read_inventory

    return read_inventory


SOURCES: Registry[Source] = Registry(
    "--source", "remora.sources", {"csv": _csv, "json": _json, "libvirt": _libvirt, "proxmox": _proxmox}
)
