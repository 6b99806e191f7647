"""The two ways by which a value becomes part of an HTML file."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from optimizer.report.words import clean

__all__ = ["data", "text"]


def text(value: object) -> str:
    """Return a value as text of a document or of an attribute in quotes: no markup of its own, one line, printable."""
    return escape(clean(value), quote=True)


def data(value: Any) -> str:
    """Return a value as JSON that may stand in a script element: it cannot end it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
