"""What was measured, for people (Markdown) and for machines (JSON), with what is needed to understand it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from benchmarks.machine import processor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.case import Settings
    from benchmarks.runner import Outcome, Row

__all__ = ["as_document", "as_markdown"]

PACKAGES = ("remora", "ortools", "numpy", "orjson")


def as_document(rows: Sequence[tuple[str, Row]], settings: Settings, date: str) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "date": date,
        "machine": {"cores": len(os.sched_getaffinity(0)), "cpu": processor(), "system": platform.system()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "settings": {
            "quick": settings.quick,
            "seed": settings.seed,
            "workers": settings.workers,
            "rival_s": settings.rival_s,
            "instance_s": settings.instance_s,
        },
        "rows": [
            {
                "case": case,
                "label": row.label,
                "runs": row.runs,
                "ours": _figures(row.ours),
                "peer": _figures(row.peer),
                "peer_over_ours": {
                    "wall": _ratio(row.peer.wall_s, row.ours.wall_s),
                    "cpu": _ratio(row.peer.cpu_s, row.ours.cpu_s),
                    "peak": _ratio(row.peer.peak_mib, row.ours.peak_mib),
                },
            }
            for case, row in rows
        ],
    }


def as_markdown(document: dict[str, Any]) -> str:
    """Return a page with one table."""
    machine, versions, settings = document["machine"], document["versions"], document["settings"]
    lines = [
        f"Measured {document['date']} on {machine['cores']} cores ({machine['cpu']}), "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; seed {settings['seed']}, {settings['workers']} workers, rivals at most {settings['rival_s']} s"
        + (", quick sizes." if settings["quick"] else "."),
        "",
        "| case | what | runs | wall s | CPU s | peak MiB | answer | verdict "
        "| peer: wall s | CPU s | peak MiB | answer | verdict | peer / remora: wall | CPU | peak |",
        "|---|---|--:|--:|--:|--:|---|---|--:|--:|--:|---|---|--:|--:|--:|",
    ]
    for row in document["rows"]:
        ratios = [f"{ratio:.3g}" for ratio in row["peer_over_ours"].values()]
        cells = [row["case"], row["label"], str(row["runs"]), *_cells(row["ours"]), *_cells(row["peer"]), *ratios]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _figures(outcome: Outcome) -> dict[str, Any]:
    return {
        "wall_s": round(outcome.wall_s, 3),
        "cpu_s": round(outcome.cpu_s, 3),
        "peak_mib": round(outcome.peak_mib, 1),
        "verdict": outcome.verdict,
        "answer": dict(outcome.answer),
    }


def _ratio(peer: float, ours: float) -> float:
    return round(peer / max(ours, 1e-9), 3)


def _cells(figures: Mapping[str, Any]) -> list[str]:
    answer = ", ".join(f"{name} {value}" for name, value in figures["answer"].items())
    times = [f"{figures['wall_s']:.2f}", f"{figures['cpu_s']:.2f}", f"{figures['peak_mib']:.0f}"]
    return [*times, answer, figures["verdict"]]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
