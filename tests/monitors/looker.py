"""A process that looks at snapshots, one after the other, as a timer's calls of `remora watch --record` would.

    python -m tests.monitors.looker LEDGER SNAPSHOTS DONE

It goes on behind the number in DONE, which it writes after each look; the test kills it at any instant.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from optimizer.execute.ledger import open_ledger
from optimizer.monitors.config import MonitorsPart, monitors_of
from optimizer.monitors.reading import Observation
from optimizer.monitors.recording import record
from optimizer.sources.fleet_json import fleet_from_document
from tests import build

__all__ = ["look"]


def look(place: str, documents: list[build.Document], done: Path) -> None:
    part, policy = MonitorsPart(), build.policy("capacity", "anti_affinity", "maintenance")
    first = int(done.read_text() or 0) if done.exists() else 0
    for number, document in enumerate(documents[first:], first + 1):
        fleet = fleet_from_document(document, "test")
        monitors = monitors_of(part, policy.rules, fleet)
        with open_ledger(place) as ledger:
            record(ledger, monitors, part, Observation(fleet, fleet.taken_at, policy.rules), by="looker")
        done.with_suffix(".new").write_text(str(number))
        done.with_suffix(".new").replace(done)


if __name__ == "__main__":
    look(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))
