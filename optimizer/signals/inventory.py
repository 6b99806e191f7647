"""The inventory: which hosts and VMs there are, from a snapshot's file, a command, a database or another source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import InputError
from optimizer.sources.command_output import command_output
from optimizer.sources.environment import refuse_unset
from optimizer.sources.files import parse_json, read_bytes
from optimizer.sources.fleet_json import fleet_from_document
from optimizer.sources.overlay import apply_overlay
from optimizer.sources.registry import SOURCES
from optimizer.sources.settings import SourceSettings
from optimizer.sources.sql import SqlInventory, read_sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from optimizer.clock import Clock
    from optimizer.signals.config import InventoryPart, SqlPart
    from optimizer.sources.config_yaml import Config
    from optimizer.sources.overlay import Warn

__all__ = ["read_inventory"]

Document = dict[str, Any]
SIZE_LIMIT = 65536
AHEAD_S = 60.0
"""How far the clock of an inventory may be ahead of ours."""


def read_inventory(
    config: Config, part: InventoryPart, clock: Clock, environ: Mapping[str, str], warn: Warn
) -> Document:
    """Return the snapshot that the inventory has, checked, with the overlay laid over it.

    Parameters
    ----------
    warn
        Told what is doubtful about the overlay.

    Raises
    ------
    InputError
        It cannot be read, is wrong, or is older than `max_age_s`.
    """
    document = _read(config, part, clock.now().replace(microsecond=0), environ)
    where = f"{config.where}: inventory"
    fleet = fleet_from_document(document, where)
    age = (clock.now() - fleet.taken_at).total_seconds()
    if age > part.max_age_s:
        hint = f"it was taken at {fleet.taken_at.isoformat()}; read it anew, or set inventory.max_age_s"
        raise InputError(config.where, "inventory", f"{age:,.0f} s old", f"at most {part.max_age_s:,} s", hint)
    if age < -AHEAD_S:
        hint = f"it was taken at {fleet.taken_at.isoformat()}: is its clock or ours wrong?"
        raise InputError(config.where, "inventory", f"{-age:,.0f} s from now", "a time that has come", hint)
    return apply_overlay(document, config.beside(part.overlay), warn) if part.overlay else document


def _read(config: Config, part: InventoryPart, now: datetime, environ: Mapping[str, str]) -> Document:
    if part.file:
        path = config.beside(part.file)
        return _object(parse_json(read_bytes(path), str(path)), str(path))
    if part.command:
        directory = Path(config.where).parent
        refuse_unset(config.where, "inventory.environment", part.environment, environ)
        said = command_output(
            part.command,
            part.deadline_s,
            environ,
            part.environment,
            where=config.where,
            path="inventory.command",
            directory=directory,
        )
        return _object(parse_json(said, f"{config.where}: inventory.command"), f"{config.where}: inventory.command")
    if part.sql is not None:
        return read_sql(_sql(config, part, part.sql, environ), part.fleet or "fleet", now)
    if part.source:
        location = str(config.beside(part.location)) if "://" not in part.location else part.location
        return SOURCES.load(part.source)(SourceSettings(location, part.fleet or "fleet", now))
    raise InputError(config.where, "inventory", "nothing", "file, command, sql, or source with location")


def _object(document: object, where: str) -> Document:
    if not isinstance(document, dict):
        raise InputError(where, "", document, "a snapshot (remora-fleet/1)")
    return document


def _sql(config: Config, part: InventoryPart, sql: SqlPart, environ: Mapping[str, str]) -> SqlInventory:
    queries = {name: query for name in ("hosts", "vms", "groups") if (query := getattr(sql, name))}
    mapping = config.beside(sql.mapping) if sql.mapping else None
    url = sql.url
    if sql.url_env:
        url = environ.get(sql.url_env, "")
        if not url:
            expected = "the name of an environment variable that is set"
            raise InputError(config.where, "inventory.sql.url_env", sql.url_env, expected)
    elif sql.url_file:
        url = read_bytes(config.beside(sql.url_file))[:SIZE_LIMIT].decode("utf-8", "replace").strip()
    elif "@" in url and ":" in url.partition("://")[2].rpartition("@")[0]:
        expected = "an address without a password"
        raise InputError(config.where, "inventory.sql.url", "what stands there", expected, "url_env or url_file")
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        url = "sqlite:///" + os.fspath(config.beside(url.removeprefix("sqlite:///")))
    return SqlInventory(url, queries, mapping, part.deadline_s, config.where, "inventory.sql")
