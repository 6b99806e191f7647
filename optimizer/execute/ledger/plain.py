"""Plain JSON within the ledger: one text for one value, so that what an event says can be compared with a table."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["from_json", "to_json", "utc_text"]


def to_json(value: Mapping[str, Any]) -> str:
    """Return the canonical text of an object.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    return json.dumps(dict(value), ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> Any:
    """Return what a text of `to_json` says."""
    return json.loads(text)


def utc_text(at: datetime) -> str:
    """Return a time in UTC, so that texts of times are in the order of the times, whatever offset a snapshot has."""
    return at.astimezone(UTC).isoformat()
