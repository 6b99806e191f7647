"""Reads the fleet as the configuration says: its inventory, signals where a section asks for them, reservations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optimizer.errors import RemoraError
from optimizer.execute.ledger import peek_ledger
from optimizer.service.reserved import fleet_with_reservations
from optimizer.service.roles import Reading
from optimizer.signals.config import InventoryPart, SignalsPart
from optimizer.signals.inventory import read_inventory
from optimizer.signals.reading import read_fleet
from optimizer.sources.fleet_json import fleet_from_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from optimizer.clock import Clock
    from optimizer.execute.ledger.reservations import Reservation
    from optimizer.fleet import Fleet
    from optimizer.sources.config_yaml import Config

__all__ = ["ConfiguredReader"]


class ConfiguredReader:
    """Reads by the sections `inventory` and `signals`, which are checked when it is made.

    Parameters
    ----------
    ledger
        Where reservations are kept: what they keep counts as taken.

    Raises
    ------
    InputError
        One of the sections is wrong.
    """

    def __init__(self, config: Config, clock: Clock, environ: Mapping[str, str], ledger: str) -> None:
        self._config, self._clock, self._environ, self._ledger = config, clock, environ, ledger
        self._inventory = config.section("inventory", InventoryPart)
        config.section("signals", SignalsPart)

    def __call__(self) -> Reading:
        """Return the fleet as it is now."""
        where, fleet = f"{self._config.where}: inventory", None
        notes: tuple[str, ...] = ()
        if self._config.has("signals"):
            read = read_fleet(self._config, self._clock, self._environ)
            document, fleet, notes = read.document, read.fleet, tuple(read.report.notes)
        else:
            document = read_inventory(self._config, self._inventory, self._clock, self._environ)
        if held := self._held(document):
            fleet, document, left_out = _counted(document, held, where)
            notes = (*notes, *left_out)
        return Reading(fleet or fleet_from_document(document, where), notes, document)

    def _held(self, document: Mapping[str, Any]) -> tuple[Reservation, ...]:
        ledger = peek_ledger(self._ledger)
        if ledger is None:
            return ()
        with ledger:
            return ledger.reservations.of(document["fleet"], self._clock.now())


def _counted(
    document: dict[str, Any], held: Sequence[Reservation], where: str
) -> tuple[Fleet, dict[str, Any], list[str]]:
    """Lay reservations over a snapshot; what no longer fits it is left out, and named: no cycle ends for it.

    They are tried by halves, so that a few wrong ones among many cost a few readings of the fleet.

    Raises
    ------
    InputError
        The snapshot itself is wrong.
    """
    try:
        return *fleet_with_reservations(document, held, where), []
    except RemoraError as error:
        if len(held) == 1:
            said = f"reservation {held[0].id} is not counted: {error}"
            return fleet_from_document(document, where), document, [said]
        fleet_from_document(document, where)
    left_out: list[str] = []
    whole = document
    awaited: frozenset[str] = frozenset()
    for half in (held[: len(held) // 2], held[len(held) // 2 :]):
        fleet, whole, said_of = _counted(whole, half, where)
        awaited, left_out = awaited | fleet.awaited, [*left_out, *said_of]
    return replace(fleet, awaited=awaited), whole, left_out
