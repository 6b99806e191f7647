"""Which of several replicas makes the cycles of a fleet: a lease like that of a leader, under a name of its own.

Who carries out a plan leads the fleet, for as long as that lasts. The lease of the periodic run lasts from cycle to
cycle, and keeps nobody from carrying out a plan by hand. It is no event of the fleet: nothing is done by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.execute.ledger.database import Database

__all__ = ["CycleLease"]


def _name(fleet: str) -> str:
    return f"cycles of {fleet}"


class CycleLease:
    """Takes, keeps and releases it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, fleet: str, holder: str) -> tuple[int, str]:
        """Take it; returns its epoch and an empty text, or 0 and who has it."""
        name = _name(fleet)
        with self._database.writing(name) as db:
            other = self._database.claim(db, name, holder)
            if other is not None:
                return 0, other
            (epoch,) = db.execute("SELECT epoch FROM leaders WHERE fleet = ?", (name,)).fetchone()
        return int(epoch), ""

    def keep(self, fleet: str, epoch: int) -> bool:
        """Keep it; False where another has taken it since."""
        name = _name(fleet)
        with self._database.writing(name) as db:
            row = db.execute("SELECT epoch FROM leaders WHERE fleet = ?", (name,)).fetchone()
            if row is None or int(row[0]) != epoch:
                return False
            self._database.keep(db, name)
        return True

    def release(self, fleet: str, epoch: int) -> None:
        """Give it back."""
        self._database.release(_name(fleet), epoch)

    def holder(self, fleet: str) -> str:
        """Return who took it last; empty if nobody ever did."""
        with self._database.reading() as db:
            row = db.execute("SELECT holder FROM leaders WHERE fleet = ?", (_name(fleet),)).fetchone()
        return str(row[0]) if row else ""
