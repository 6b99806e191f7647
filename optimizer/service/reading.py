"""Reads the fleet as the configuration says: its inventory, joined with signals where a section asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.service.roles import Reading
from optimizer.signals.config import InventoryPart, SignalsPart
from optimizer.signals.inventory import read_inventory
from optimizer.signals.reading import read_fleet
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optimizer.clock import Clock
    from optimizer.sources.config_yaml import Config

__all__ = ["ConfiguredReader"]


class ConfiguredReader:
    """Reads by the sections `inventory` and `signals`, which are checked when it is made.

    Raises
    ------
    InputError
        One of the sections is wrong.
    """

    def __init__(self, config: Config, clock: Clock, environ: Mapping[str, str]) -> None:
        self._config, self._clock, self._environ = config, clock, environ
        self._inventory = config.section("inventory", InventoryPart)
        config.section("signals", SignalsPart)

    def __call__(self) -> Reading:
        """Return the fleet as it is now."""
        if self._config.has("signals"):
            read = read_fleet(self._config, self._clock, self._environ)
            return Reading(read.fleet, tuple(read.report.notes))
        document = read_inventory(self._config, self._inventory, self._clock, self._environ)
        return Reading(fleet_from_document(document, f"{self._config.where}: inventory"))
