"""Reads the fleet as the configuration says: its inventory, signals where a section asks for them, reservations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.execute.ledger import peek_ledger
from optimizer.service.reserved import counted
from optimizer.service.roles import Reading
from optimizer.signals.config import InventoryPart, SignalsPart
from optimizer.signals.inventory import read_inventory
from optimizer.signals.reading import read_fleet
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from optimizer.caution import Caution
    from optimizer.clock import Clock
    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.sources.config_yaml import Config

__all__ = ["ConfiguredReader"]


class ConfiguredReader:
    """Reads by the sections `inventory` and `signals`, which are checked when it is made.

    Parameters
    ----------
    ledger
        Where reservations are kept: what they keep counts as taken.
    within_s
        How long a reading may take.

    Raises
    ------
    InputError
        One of the sections is wrong.
    """

    def __init__(self, config: Config, clock: Clock, environ: Mapping[str, str], ledger: str, within_s: float) -> None:
        self._config, self._clock, self._environ, self._ledger = config, clock, environ, ledger
        self._within_s = within_s
        self._inventory = config.section("inventory", InventoryPart)
        config.section("signals", SignalsPart)

    def __call__(self) -> Reading:
        """Return the fleet as it is now."""
        where, fleet = f"{self._config.where}: inventory", None
        laid: list[Caution] = []
        if self._config.has("signals"):
            read = read_fleet(self._config, self._clock, self._environ, within_s=self._within_s)
            document, fleet, notes = read.document, read.fleet, read.report.doubts
        else:
            document = read_inventory(self._config, self._inventory, self._clock, self._environ, laid.append)
            notes = tuple(map(str, laid))
        if held := self._held(document):
            fleet, document, left_out = counted(document, held, where)
            notes = (*notes, *left_out)
        return Reading(fleet or fleet_from_document(document, where), notes, document)

    def _held(self, document: Mapping[str, Any]) -> tuple[Reservation, ...]:
        ledger = peek_ledger(self._ledger)
        if ledger is None:
            return ()
        with ledger:
            return ledger.reservations.of(document["fleet"], self._clock.now())
