"""The lease of the cycles, from the ledger: kept by a thread of its own, however long a stage lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from optimizer.errors import RemoraError
from optimizer.execute.ledger import open_ledger
from optimizer.execute.ledger.opening import is_address

if TYPE_CHECKING:
    from optimizer.execute.ledger import Ledger

__all__ = ["LedgerLease"]

KEEP_S = 8.0
"""The lease lasts 30 s on a server. On a file it is a lock, which lasts as long as the process."""

LOST_S = 24.0
"""After this without having kept it, it counts as lost."""


class LedgerLease:
    """Takes and keeps the lease of a fleet's cycles, with a connection of its own.

    Parameters
    ----------
    place
        Where the ledger is.
    holder
        What this process is called there.
    """

    def __init__(self, place: str, holder: str, keep_s: float = KEEP_S) -> None:
        self._place, self._holder, self._keep_s = place, holder, keep_s
        self.epoch = 0
        self._fleet = ""
        self._ledger: Ledger | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._lost = False

    def take(self, fleet: str) -> str:
        """Take it; returns who has it, empty if it was taken."""
        ledger = open_ledger(self._place)
        try:
            epoch, other = ledger.cycle_lease.take(fleet, self._holder)
        except BaseException:
            ledger.close()
            raise
        if other:
            ledger.close()
            return other
        self.epoch, self._fleet, self._ledger, self._lost = epoch, fleet, ledger, False
        if is_address(self._place):  # a connection of SQLite belongs to one thread, and its lock needs no keeping
            self._over = threading.Event()
            self._thread = threading.Thread(
                target=self._keep_on, args=(ledger, fleet, epoch, self._over), name="lease", daemon=True
            )
            self._thread.start()
        return ""

    def keep(self) -> bool:
        """Whether it is still had."""
        return self._ledger is not None and not self._lost

    def release(self) -> None:
        """Give it back."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(self._keep_s)
            self._thread = None
        if self._ledger is not None:
            self._ledger.cycle_lease.release(self._fleet, self.epoch)
            self._ledger.close()
            self._ledger = None

    def _keep_on(self, ledger: Ledger, fleet: str, epoch: int, over: threading.Event) -> None:
        """Keep it until it is given back; what cannot be kept for a while is lost."""
        missed = 0.0
        while not over.wait(self._keep_s):
            try:
                if not ledger.cycle_lease.keep(fleet, epoch):
                    break
                missed = 0.0
            except RemoraError:
                missed += self._keep_s
                if missed >= LOST_S:
                    break
        else:
            return
        self._lost = True
