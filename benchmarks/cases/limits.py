"""Limits and interrupts: whether a whole process ends when it was told to, on fleets made to be hard on a clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.case import PYTHON, Party, Settings, Trial, case
from benchmarks.stress.fleets import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["interrupts", "limits"]

LIMITS = (1, 2, 5, 10)
FLEETS = 8
"""Fleets of each kind and limit: with ten kinds and four limits, 320 runs."""

INTERRUPT_LIMIT = 4
"""Seconds within which the interrupt is sent: while libraries load, while it reads, and while it searches."""

FIXED = Party((*PYTHON, "-c", "import json; [json.dumps(list(range(1000))) for _ in range(2000)]"))
"""The reference: work of the standard library that depends on nothing here."""


def _read(printed: bytes) -> Mapping[str, object]:
    found: dict[str, object] = json.loads(printed)
    return {name: value for name, value in found.items() if name != "failed"}


def _trial(name: str, kind: str, fleets: int, limit: int) -> Trial:
    command = (*PYTHON, "-m", "benchmarks.stress.trial", name, kind, str(fleets), str(limit))
    return Trial(f"{kind}: {limit} s", Party(command, read=_read), FIXED)


@case("limits", "`remora plan` at limits of 1, 2, 5 and 10 s: does each process end in time?")
def limits(settings: Settings) -> list[Trial]:
    """Plan fleets of every kind at every limit (quick: two of each at 2 s)."""
    if settings.quick:
        return [_trial("limits", kind, 2, 2) for kind in KINDS]
    return [_trial("limits", kind, FLEETS, limit) for limit in LIMITS for kind in KINDS]


@case("interrupts", "`remora plan` interrupted at random instants: how soon does it end, and with what plan?")
def interrupts(settings: Settings) -> list[Trial]:
    """Interrupt planning of every kind of fleet (quick: three kinds, two of each)."""
    kinds = [*KINDS][:3] if settings.quick else [*KINDS]
    return [_trial("interrupts", kind, 2 if settings.quick else FLEETS, INTERRUPT_LIMIT) for kind in kinds]
