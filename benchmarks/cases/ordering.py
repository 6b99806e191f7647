"""Ordering: fleets with hardly any room, where moves wait for each other; the order made, and judged state by state."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.case import REMORA, Missing, Party, Settings, Trial, case, parse_json_peer, unpacked
from benchmarks.cases.repair import plan_file, planning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["ordering"]

FULL = ("fleet-1000-full", "fleet-1000-tight")

OPTIONS = ("--time-limit", "60", "--gap", "0.05")
"""What is measured is the order, not the search for the last move less."""


@case("ordering", "`remora plan` where moves wait for each other, and `remora verify` of what it made")
def ordering(settings: Settings) -> list[Trial]:
    """Order and judge the plans of the fullest given fleets (quick: a small one)."""
    trials = []
    for name in ("fleet-100",) if settings.quick else FULL:
        fleet = settings.given("fleets", f"{name}.json.xz")
        plain = parse_json_peer(unpacked(settings, fleet))
        made = planning(settings, fleet, *OPTIONS)
        plan = plan_file(settings, fleet, *OPTIONS)
        _run(made)
        ordered = replace(made, read=_reader(plan))
        judged = Party((*REMORA, "verify", str(fleet), str(plan)))
        trials += [Trial(f"{name}: plan", ordered, plain), Trial(f"{name}: verify", judged, plain)]
    return trials


def _run(made: Party) -> None:
    """Have the plan made that is to be verified."""
    done = subprocess.run(made.command, capture_output=True, check=False)
    if done.returncode not in made.ends:
        raise Missing(f"remora plan failed: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}")


def _reader(plan: Path) -> Callable[[bytes], dict[str, object]]:
    """Return what reads the order: moves, those that wait for others, staging hops, batches."""

    def read(printed: bytes) -> dict[str, object]:
        made: dict[str, Any] = json.loads(plan.read_bytes())
        moves = made["moves"]
        return {
            "moves": len(moves),
            "waiting": sum(bool(move["after"]) for move in moves),
            "staging": sum(bool(move["staging"]) for move in moves),
            "batches": len(made["batches"]),
        }

    return read
