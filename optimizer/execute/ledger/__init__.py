"""The ledger: what was meant to be done, and what came of it. It alone owns its tables.

`ledger.Ledger` is all that others see of it; `open_ledger` and `peek_ledger` open one. Below it, `database` is the
protocol that SQLite and PostgreSQL keep to; nothing here decides whether a move may start.
"""

from optimizer.execute.ledger.ledger import Ledger
from optimizer.execute.ledger.opening import open_ledger, peek_ledger

__all__ = ["Ledger", "open_ledger", "peek_ledger"]
