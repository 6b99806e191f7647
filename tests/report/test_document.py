import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import numpy as np

from optimizer.report.document import to_json


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Facts:
    name: str
    when: datetime
    colour: Colour
    parts: tuple[int, ...]
    missing: float


def test_facts_become_plain_json():
    facts = Facts("\x1b[2Jé", datetime(2026, 1, 2, tzinfo=UTC), Colour.RED, (1, 2), float("nan"))
    text = to_json({"facts": facts, 3: np.int64(4)})
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {
        "facts": {
            "name": "\x1b[2Jé",
            "when": "2026-01-02T00:00:00Z",
            "colour": "red",
            "parts": [1, 2],
            "missing": None,
        },
        "3": 4,
    }
