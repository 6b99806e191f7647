"""Whether orders of a fleet may be handed out: the ledger's button, asked at every handing out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.opening import is_address

if TYPE_CHECKING:
    from optimizer.execute.button import StopFile
    from optimizer.execute.ledger import Ledger

__all__ = ["LEDGER_CONNECTIONS", "Button"]

LEDGER_CONNECTIONS = 2
"""What a ledger in a PostgreSQL keeps open beside the gateway's own connections."""


class Button:
    """Reads the button of a ledger; one in a file is opened in the thread that asks, once there is one."""

    def __init__(self, place: str, file: StopFile) -> None:
        self._place, self._file = place, file
        self._ledger: Ledger | None = open_ledger(place) if is_address(place) else None

    def __call__(self, fleet: str) -> str:
        """Say why nothing of a fleet may be handed out; empty where it may."""
        if reason := self._file.reason():
            return reason
        if self._ledger is None and Path(self._place).exists():
            self._ledger = open_ledger(self._place)
        stop = self._ledger.controls.of(fleet).get("stop") if self._ledger is not None else None
        return f"stopped by {stop.by}: {stop.reason}" if stop is not None else ""
