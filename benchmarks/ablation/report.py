"""The table of an ablation, as Markdown and as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks.ablation.mechanisms import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ablation.compare import Comparison, Count

__all__ = ["as_document", "as_markdown", "paying"]

HEADER = (
    "| without | on | plans worse / better | bounds | tie-breaks | harm | moves or cost | gap | CPU | it pays in |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|---|"
)


def paying(rows: Sequence[Comparison]) -> dict[str, list[str]]:
    """Return for each mechanism the classes on which it pays."""
    out: dict[str, list[str]] = {}
    for row in rows:
        out.setdefault(row.mechanism, []).extend([row.kind] if row.pays else [])
    return {name: kinds for name, kinds in out.items() if name != NOTHING}


def as_markdown(rows: Sequence[Comparison]) -> str:
    """Return the table: a row for each class that a mechanism makes a difference to, and what pays nowhere."""
    lines = [HEADER, *(_line(row) for row in rows if row.differs or row.pays or row.mechanism == NOTHING)]
    nowhere = [name for name, kinds in paying(rows).items() if not kinds]
    lines += ["", f"Pays nowhere beyond noise: {', '.join(nowhere) or 'none, all pay somewhere'}."]
    return "\n".join(lines) + "\n"


def as_document(rows: Sequence[Comparison], date: str, seeds: int) -> dict[str, Any]:
    """Return everything as plain data; ratios that are infinite are null."""
    return {
        "format": "remora-ablation/1",
        "date": date,
        "seeds": seeds,
        "rows": [_row(row) for row in rows],
        "pays": paying(rows),
    }


def _row(row: Comparison) -> dict[str, Any]:
    counts = {"plan": row.plan, "bound": row.bound, "placement": row.placement}
    return {
        "mechanism": row.mechanism,
        "class": row.kind,
        "fleets": row.fleets,
        **{name: {"worse": count.worse, "better": count.better} for name, count in counts.items()},
        "harm": row.harm if math.isfinite(row.harm) else None,
        "cost": row.cost if math.isfinite(row.cost) else None,
        "gap": {"with": row.gap[0], "without": row.gap[1]},
        "cpu": row.cpu,
        "cpu_error": row.cpu_error,
        "pays": list(row.pays),
    }


def _line(row: Comparison) -> str:
    gap = f"{100 * row.gap[0]:.1f} -> {100 * row.gap[1]:.1f} %"
    cells = [row.mechanism, row.kind, _both(row.plan), _both(row.bound), _both(row.placement)]
    cells += [_times(row.harm), _times(row.cost), gap, _times(row.cpu), ", ".join(row.pays)]
    return "| " + " | ".join(cells) + " |"


def _both(count: Count) -> str:
    return f"{count.worse} / {count.better}"


def _times(ratio: float) -> str:
    return f"{ratio:.3f}" if math.isfinite(ratio) else "from 0"
