"""Facts as a JSON document: what ``--json`` prints."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_document", "to_json"]


def as_document(value: Any) -> Any:
    """Turn dataclasses, enums, times and tuples into what JSON can say; what is not a number becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_document(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): as_document(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_document(v) for v in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    item: Callable[[], Any] | None = getattr(value, "item", None)  # a numpy scalar
    return item() if item is not None else str(value)


def to_json(value: Any) -> str:
    """Write one document; pure ASCII, so that no name in it can drive a terminal."""
    return json.dumps(as_document(value), indent=2, ensure_ascii=True, allow_nan=False)
