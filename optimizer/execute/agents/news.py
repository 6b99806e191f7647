"""What is open for each host, in memory: whether an agent that waits has to be answered, without a query.

It is read from the tables a few times a second, once for all who wait; what this process enqueues is noted at once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Host", "News"]

Host = tuple[str, str]
"""Fleet and host."""

Open = dict[str, tuple[str, str, bool]]


class News:
    """What is open for each host: token -> (state, agent, aborting)."""

    def __init__(self) -> None:
        self._open: dict[Host, Open] = {}

    def is_for(self, host: Host, agent: str, have: Collection[str]) -> bool:
        """Whether there is something for an agent: an order that it does not have, or one that it should abort."""
        return any(
            (token not in have and (state == "waiting" or by == agent)) or (aborting and token in have and by == agent)
            for token, (state, by, aborting) in self._open.get(host, {}).items()
        )

    def note(self, host: Host, token: str) -> None:
        """Note a new order."""
        self._open.setdefault(host, {})[token] = "waiting", "", False

    def learn(self, rows: Iterable[tuple[str, str, str, str, str, int]]) -> tuple[Host, ...]:
        """Take in all that is open; returns the hosts for which there may be something."""
        found: dict[Host, Open] = defaultdict(dict)
        for fleet, source, token, state, agent, aborting in rows:
            found[fleet, source][token] = state, agent, bool(aborting)
        self._open = dict(found)
        return tuple(found)
