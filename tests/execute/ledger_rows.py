"""Imbalances and evidence written by hand, for tests of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from optimizer.execute.ledger.watch_records import Evidence, Imbalance

__all__ = ["imbalance", "pair"]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def imbalance(id_: str = "imb-1", subject: str = "h3", state: str = "pending", **more: Any) -> Imbalance:
    """Return an imbalance of the monitor `full_disk` of the fleet `tiny`."""
    plain = Imbalance("tiny", id_, "full_disk", subject, "rack:r0", state, NOW, None, None, NOW, NOW)
    return replace(plain, **{"evidence": {"value": 0.97, "limit": 0.9}, "machine": {"bad": 3}, **more})


def pair(noisy: str = "v9", suffers: str = "v0", state: str = "seen", **record: Any) -> Evidence:
    """Return evidence of a pair of the fleet `tiny`."""
    return Evidence("tiny", noisy, suffers, "io", state, {"score": 0.06, **record}, NOW)
